/* Fuzz target of the IDX reader. With libFuzzer (clang -fsanitize=fuzzer,address -DLIBFUZZER) it is driven by that;
 * else main() mutates good files in a fixed random sequence: `fuzz_idx [ROUNDS]`, or reads files: `fuzz_idx FILE...`.
 * What must hold: no crash, and what is accepted has the promised size. */
#include "base/alloc.h"
#include "data/idx.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int ndim = 1; ndim <= 3; ndim++) {
        clg_idx idx = {0};
        if (clg_idx_parse("fuzz", data, size, ndim, &idx) < 0) {
            if (idx.data || clg_error_status() == CLG_OK) abort();
            continue;
        }
        size_t bytes = 1;
        unsigned sum = 0;
        for (int i = 0; i < ndim; i++) bytes *= (size_t)idx.dim[i];
        for (size_t i = 0; i < bytes; i++) sum += idx.data[i]; /* a sanitizer sees a short block here */
        if (sum > 255 * bytes) abort();
        clg_free(idx.data);
    }
    return 0;
}

#ifndef LIBFUZZER

enum { ROOM = 512, SEEDS = 4 };

static uint32_t state = 1;

static uint32_t rnd(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * n >> 32);
}

static size_t pack(uint8_t *to, const uint8_t *from, size_t size) {
    z_stream z;
    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
    z.next_in = (Bytef *)(uintptr_t)from;
    z.avail_in = (uInt)size;
    z.next_out = to;
    z.avail_out = ROOM;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
    const size_t n = z.total_out;
    deflateEnd(&z);
    return n;
}

static size_t make_seed(int which, uint8_t *to) {
    uint8_t plain[ROOM] = {0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 6};
    size_t size = 16 + 5 * 4 * 6;
    if (which & 1) {
        plain[3] = 1;
        size = 8 + 5;
    }
    for (size_t i = which & 1 ? 8 : 16; i < size; i++) plain[i] = (uint8_t)(i * 7);
    if (which & 2) return pack(to, plain, size);
    memcpy(to, plain, size);
    return size;
}

static size_t mutate(uint8_t *b, size_t size) {
    for (uint32_t k = 1 + rnd(4); k > 0; k--) {
        switch (rnd(5)) {
        case 0: b[rnd((uint32_t)size)] ^= (uint8_t)(1u << rnd(8)); break;
        case 1: b[rnd((uint32_t)size)] = (uint8_t)rnd(256); break;
        case 2: b[rnd(size < 16 ? (uint32_t)size : 16)] = rnd(2) ? 0xff : 0; break; /* the header matters most */
        case 3: size = 1 + rnd((uint32_t)size); break;
        default:
            if (size < ROOM) b[size++] = (uint8_t)rnd(256);
        }
    }
    return size;
}

static int run_files(int n, char **path) {
    for (int i = 0; i < n; i++) {
        static uint8_t b[1 << 20];
        FILE *f = fopen(path[i], "rb");
        if (!f) {
            perror(path[i]);
            return 1;
        }
        const size_t size = fread(b, 1, sizeof b, f);
        fclose(f);
        LLVMFuzzerTestOneInput(b, size);
    }
    return 0;
}

int main(int argc, char **argv) {
    char *end = NULL;
    const long rounds = argc > 1 ? strtol(argv[1], &end, 10) : 50000;
    if (end && *end) return run_files(argc - 1, argv + 1);
    int accepted = 0;
    for (int which = 0; which < SEEDS; which++) {
        uint8_t b[ROOM];
        clg_idx idx = {0};
        const size_t size = make_seed(which, b);
        accepted += clg_idx_parse("seed", b, size, which & 1 ? 1 : 3, &idx) == CLG_OK;
        clg_free(idx.data);
    }
    if (accepted != SEEDS) {
        fprintf(stderr, "only %d of %d good files are accepted: %s\n", accepted, SEEDS, clg_error());
        return 1;
    }
    for (long i = 0; i < rounds; i++) {
        uint8_t b[ROOM];
        const size_t size = make_seed((int)(i % SEEDS), b);
        LLVMFuzzerTestOneInput(b, mutate(b, size));
    }
    printf("%ld mutated files, no crash\n", rounds);
    return 0;
}

#endif
