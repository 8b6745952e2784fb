/* Fuzz target of the CSV reader. The first byte of an input chooses the params, the rest is the file. With libFuzzer
 * (clang -fsanitize=fuzzer,address -DLIBFUZZER) it is driven by that; else main() mutates good files:
 * `fuzz_csv [ROUNDS]`. What must hold: no crash, and what is accepted has all its numbers, classes in range, and no
 * missing value. */
#include "data/csv.h"
#include "fuzz/mutate.h"
#include <clgrad/clgrad.h>
#include <math.h>

static void check(clg_items *it) {
    int64_t names = 0;
    while (it->feature_name[names]) names++;
    if (it->n < 1 || it->shape.ndim != 1 || names != it->shape.dim[0] || (it->label != NULL) == (it->target != NULL))
        abort();
    for (int64_t i = 0; i < it->n * names; i++)
        if (!isfinite(it->real[i])) abort();
    for (int64_t i = 0; i < it->n; i++)
        if (it->label ? it->label[i] < 0 || it->label[i] >= it->classes : !isfinite(it->target[i])) abort();
    clg_dataset *d = clg_dataset_from_items(it, CLG_TRAIN);
    if (!d) abort();
    clg_dataset_destroy(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    const unsigned bits = data[0];
    const clg_csv_params p = { .missing = (enum clg_csv_missing)(bits % 4 % 3), .ordinal = bits & 16,
                               .task = (enum clg_task)(bits / 4 % 4 % 3), .no_header = bits & 32,
                               .text = bits & 64 ? "c1,a" : NULL, .ignore = bits & 128 ? "c2,b" : NULL };
    clg_table t = { 0 };
    clg_items items = { 0 };
    clg_status status = clg_table_parse("fuzz", (const char *)data + 1, size - 1, &p, &t);
    if (status == CLG_OK) status = clg_table_items(&t, &p, NULL, &items);
    if (status == CLG_OK) check(&items);
    else if (items.real || clg_error_status() != status) abort();
    clg_table_free(&t);
    return 0;
}

#ifndef LIBFUZZER

int main(int argc, char **argv) {
    static const char *const files[] = {
        "\200a,b,c,y\n1.5,x,\"u, \"\"v\"\"\",0\n-2e3,z,w,1\n\n.25,x,w,0\n", "\1a;b;y\r\n1;;no\r\n2;3;yes\r\n4;5;no\r\n",
        "\2a\tb\ty\r?\t1\t0.5\r2\tNA\t1.5\r3\t4\t2\r", "`1,2,0\n3,4,1\n5,6,0\n",
        "\x18\xef\xbb\xbf" "a,y\ng,1\nh,2\ng,3",
    };
    enum { SEEDS = sizeof files / sizeof files[0] };
    static seed seeds[SEEDS];
    for (int i = 0; i < SEEDS; i++) {
        const clg_csv_params p = { .no_header = files[i][0] & 32 };
        clg_table t = { 0 };
        seeds[i].size = strlen(files[i]);
        memcpy(seeds[i].bytes, files[i], seeds[i].size);
        if (clg_table_parse("seed", files[i] + 1, seeds[i].size - 1, &p, &t) < 0) {
            fprintf(stderr, "good file %d is refused: %s\n", i, clg_error());
            return 1;
        }
        clg_table_free(&t);
    }
    return mutate_all(seeds, SEEDS, ",;\t\n\r\" ?.0123456789eE-+nax", argc, argv);
}

#endif
