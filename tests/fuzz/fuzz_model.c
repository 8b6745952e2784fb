/* Fuzz target of the texts of models. With libFuzzer (clang -fsanitize=fuzzer,address -DLIBFUZZER) it is driven by
 * that; else main() mutates good texts in a fixed random sequence: `fuzz_model [ROUNDS]`.
 * What must hold: no crash; what is refused names a line; what is accepted prints a text that is accepted and prints
 * the same. */
#include <clgrad/clgrad.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    clg_model *m = clg_model_parse("fuzz", text);
    free(text);
    if (!m) {
        if (clg_error_status() != CLG_ERR_NOMEM && strncmp(clg_error(), "fuzz:", 5) != 0) abort();
        return 0;
    }
    clg_model *again = clg_model_parse("again", clg_model_text(m));
    if (!again || strcmp(clg_model_text(again), clg_model_text(m)) != 0) abort();
    if (clg_model_layers(m) < 1 || clg_model_weights(again) != clg_model_weights(m)) abort();
    clg_model *whole = clg_model_for(m, CLG_SHAPE(2, 3, 3), 2, 0);
    if (whole && clg_model_weights(whole) < 0) abort();
    clg_model_destroy(&whole);
    clg_model_destroy(&again);
    clg_model_destroy(&m);
    return 0;
}

#ifndef LIBFUZZER

enum { ROOM = 512 };

static const char *const seeds[] = {
    "model a\ninput 2 3 3\ninit xavier\nconv 2 kernel=3 pad=1 bias=no\nbatch_norm momentum=0.2\nrelu\nmax_pool 2\n"
    "flatten\ndropout 0.5\nlinear 3 name=x # c\nloss cross_entropy\n",
    "residual 2 stride=2\nglobal_avg_pool\nlinear outputs\nloss hinge\n",
    "input 4\nreshape 1 4\nconv 2 kernel=2\ngroup_norm 2 eps=1e-3\nleaky_relu slope=.1\nflatten\nlinear outputs\n",
};
enum { SEEDS = sizeof seeds / sizeof seeds[0] };

static uint32_t state = 1;

static uint32_t rnd(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * n >> 32);
}

/* Bytes change, lines and digits come and go. */
static size_t mutate(char *b, size_t size) {
    static const char likely[] = "\n\n =#.-0123456789aeorsx";
    for (uint32_t k = 1 + rnd(4); k > 0; k--) {
        const uint32_t at = rnd((uint32_t)size);
        switch (rnd(5)) {
        case 0: b[at] = (char)rnd(256); break;
        case 1: b[at] = likely[rnd(sizeof likely - 1)]; break;
        case 2: size = 1 + at; break;
        case 3:
            memmove(b + at, b + at + 1, size - at - 1);
            if (size > 1) size--;
            break;
        default:
            if (size < ROOM) {
                memmove(b + at + 1, b + at, size - at);
                b[at] = likely[rnd(sizeof likely - 1)];
                size++;
            }
        }
    }
    return size;
}

int main(int argc, char **argv) {
    const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 50000;
    for (int i = 0; i < SEEDS; i++) {
        clg_model *m = clg_model_parse("seed", seeds[i]);
        if (!m) {
            fprintf(stderr, "a good text is refused: %s\n", clg_error());
            return 1;
        }
        clg_model_destroy(&m);
    }
    for (long i = 0; i < rounds; i++) {
        char b[ROOM + 1];
        const char *seed = seeds[i % SEEDS];
        memcpy(b, seed, strlen(seed));
        LLVMFuzzerTestOneInput((const uint8_t *)b, mutate(b, strlen(seed)));
    }
    printf("%ld mutated texts, no crash\n", rounds);
    return 0;
}

#endif
