/* Fuzz target of the readers of NPY, NPZ and CIFAR-10. The first byte of an input chooses the format, the rest is the
 * file. With libFuzzer (clang -fsanitize=fuzzer,address -DLIBFUZZER) it is driven by that; else main() mutates the
 * files of tests/data/numpy: `fuzz_arrays [ROUNDS]`. What must hold: no crash, little memory, and what is accepted has
 * all its elements. */
#include "base/alloc.h"
#include "data/arrays.h"
#include "data/cifar.h"
#include "data/zip.h"
#include "fuzz/mutate.h"
#include <clgrad/clgrad.h>

enum { NPY, NPZ, CIFAR, FORMATS };

static void array(const uint8_t *data, size_t size, unsigned bits) {
    clg_npy a;
    clg_items it = { 0 };
    const clg_array_params p = { .layout = (enum clg_array_layout)(bits % 3), .task = (enum clg_task)(bits / 3 % 3) };
    if (clg_npy_parse("fuzz", data, size, &a) < 0) return;
    if ((uint64_t)a.count * (unsigned)a.bytes > size) abort();
    if (clg_arrays_items(&a, &a, NULL, &p, &it) < 0 && (it.u8 || it.real)) abort();
    if (it.n == 0) return;
    clg_dataset *d = clg_dataset_from_items(&it, CLG_TRAIN); /* NULL for numbers that are not finite */
    clg_dataset_destroy(&d);
}

static void archive(const uint8_t *data, size_t size, unsigned bits) {
    clg_zip z;
    if (clg_zip_open("fuzz", data, size, &z) < 0) return;
    for (int i = 0; i < z.n; i++) {
        uint8_t *entry;
        size_t bytes;
        if (clg_zip_read(&z, i, &entry, &bytes) < 0) continue;
        if (bytes > size * 1033) abort();
        array(entry, bytes, bits);
        clg_free(entry);
    }
    clg_zip_close(&z);
}

static void pictures(const uint8_t *data, size_t size) {
    clg_items it = { .shape = CLG_SHAPE(3, 32, 32) };
    if (clg_cifar_add("fuzz", data, size, &it) == CLG_OK && (it.n * 3073 != (int64_t)size || it.label[it.n - 1] > 9))
        abort();
    clg_items_free(&it);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    if (data[0] % FORMATS == NPY) array(data + 1, size - 1, data[0] / FORMATS);
    else if (data[0] % FORMATS == NPZ) archive(data + 1, size - 1, data[0] / FORMATS);
    else pictures(data + 1, size - 1);
    return 0;
}

#ifndef LIBFUZZER

int main(int argc, char **argv) {
    static const struct { const char *name; uint8_t format; } files[] = {
        { "parts.npz", NPZ }, { "whole.npz", NPZ + FORMATS }, { "colour.npy", NPY },
        { "one_hot.npy", NPY + 3 * FORMATS }, { "parts.npz", NPZ + 4 * FORMATS }, { NULL, CIFAR },
    };
    enum { SEEDS = sizeof files / sizeof files[0] };
    static seed seeds[SEEDS];
    const char *root = getenv("CLGRAD_SOURCE");
    for (int i = 0; i < SEEDS; i++) {
        char path[600];
        seeds[i].bytes[0] = files[i].format;
        seeds[i].size = 1 + 3073;
        if (!files[i].name) continue;
        snprintf(path, sizeof path, "%s/tests/data/numpy/%s", root ? root : ".", files[i].name);
        FILE *f = fopen(path, "rb");
        if (!f) {
            perror(path);
            return 1;
        }
        seeds[i].size = 1 + fread(seeds[i].bytes + 1, 1, ROOM - 1, f);
        fclose(f);
    }
    return mutate_all(seeds, SEEDS, "<>|fiub1248,(){}':TF\x08PK\x01\x02\x03\x04\x05\x06", argc, argv);
}

#endif
