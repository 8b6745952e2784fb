/* Good files with a few things changed, in a random sequence that is always the same. */
#ifndef CLG_FUZZ_MUTATE_H_
#define CLG_FUZZ_MUTATE_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 4096 };

typedef struct seed {
    uint8_t bytes[ROOM];
    size_t  size;
} seed;

static uint32_t fuzz_state = 1;

static inline uint32_t rnd(uint32_t n) {
    fuzz_state = fuzz_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)fuzz_state * n >> 32);
}

/* Flipped bits, other bytes, bytes that mean something in the format (`telling`), cuts, pieces that are repeated. */
static inline void mutate(seed *s, const char *telling) {
    for (uint32_t k = 1 + rnd(4); k > 0; k--) {
        const size_t at = rnd((uint32_t)s->size);
        switch (rnd(6)) {
        case 0: s->bytes[at] ^= (uint8_t)(1u << rnd(8)); break;
        case 1: s->bytes[at] = (uint8_t)rnd(256); break;
        case 2: s->bytes[at] = (uint8_t)telling[rnd((uint32_t)strlen(telling))]; break;
        case 3: s->size = 1 + at; break;
        case 4: s->bytes[at] = rnd(2) ? 0xff : 0; break;
        default: {
            const size_t n = 1 + rnd(s->size - at < 16 ? (uint32_t)(s->size - at) : 16);
            if (s->size + n > ROOM) break;
            memmove(s->bytes + at + n, s->bytes + at, s->size - at);
            s->size += n;
        }
        }
    }
}

/* Gives `rounds` mutated files to the target. */
static inline int mutate_all(const seed *seeds, int n, const char *telling, int argc, char **argv) {
    const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 50000;
    for (long i = 0; i < rounds; i++) {
        static seed s;
        s = seeds[i % n];
        mutate(&s, telling);
        uint8_t *exact = malloc(s.size); /* a sanitizer sees a step behind its end */
        if (!exact) return 1;
        memcpy(exact, s.bytes, s.size);
        LLVMFuzzerTestOneInput(exact, s.size);
        free(exact);
    }
    printf("%ld mutated files, no crash\n", rounds);
    return 0;
}

#endif /* CLG_FUZZ_MUTATE_H_ */
