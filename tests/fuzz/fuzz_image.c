/* Fuzz target of the picture reader. With libFuzzer (clang -fsanitize=fuzzer,address -DLIBFUZZER) it is driven by that;
 * else main() mutates good files in a fixed random sequence: `fuzz_image [ROUNDS]`.
 * What must hold: no crash, and what is accepted has all its pixels. */
#include <clgrad/clgrad.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    clg_image image = {0};
    if (clg_image_parse("fuzz", data, size, &image) < 0) {
        if (image.pixels || clg_error_status() == CLG_OK) abort();
        return 0;
    }
    unsigned sum = 0;
    const size_t n = (size_t)image.width * (size_t)image.height * (size_t)image.channels;
    for (size_t i = 0; i < n; i++) sum += image.pixels[i]; /* a sanitizer sees a short block here */
    if (n < 1 || (n < 1000 && sum > 255 * n)) abort();
    clg_image_free(&image);
    return 0;
}

#ifndef LIBFUZZER

enum { ROOM = 512, SEEDS = 5 };

static const struct { const char *bytes; size_t size; } seeds[SEEDS] = {
#define B(s) {s, sizeof s - 1}
    B("P2\n# c\n3 2\n255\n0 1 2\n253 254 255\n"), B("P3\n2 1\n99\n1 2 3 4 5 6"), B("P5\n2 2\n255\n\x01\x02\xfe\xff"),
    B("P6\n1 1\n65535\n\x09\x08\x07\x06\x05\x04"),
    /* a grey PNG of one black pixel */
    B("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDATx\x9c\x63\x60\0\0\0\2\0\1"
      "\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82"),
};

static uint32_t state = 1;

static uint32_t rnd(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * n >> 32);
}

static size_t mutate(uint8_t *b, size_t size) {
    for (uint32_t k = 1 + rnd(4); k > 0; k--) {
        const uint32_t at = rnd((uint32_t)size);
        switch (rnd(5)) {
        case 0: b[at] ^= (uint8_t)(1u << rnd(8)); break;
        case 1: b[at] = (uint8_t)rnd(256); break;
        case 2: b[at] = (uint8_t)('0' + rnd(10)); break;
        case 3: size = 1 + at; break;
        default:
            if (size < ROOM) b[size++] = (uint8_t)rnd(256);
        }
    }
    return size;
}

int main(int argc, char **argv) {
    const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 50000;
    for (int i = 0; i < SEEDS; i++) {
        clg_image image = {0};
        if (clg_image_parse("seed", seeds[i].bytes, seeds[i].size, &image) < 0) {
            fprintf(stderr, "good file %d is refused: %s\n", i, clg_error());
            return 1;
        }
        clg_image_free(&image);
    }
    for (long i = 0; i < rounds; i++) {
        uint8_t b[ROOM];
        const int which = (int)(i % SEEDS);
        memcpy(b, seeds[which].bytes, seeds[which].size);
        LLVMFuzzerTestOneInput(b, mutate(b, seeds[which].size));
    }
    printf("%ld mutated files, no crash\n", rounds);
    return 0;
}

#endif
