/* Fuzz target: a file of any bytes, loaded as safetensors, must be refused or loaded, never crash, and what was loaded
 * must survive a save and a second load. With libFuzzer:
 *   clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER ... fuzz_safetensors.c
 * Without it, main() mutates seeds of its own for a bounded number of rounds, `fuzz_safetensors [rounds [seed]]`, or
 * runs the files it is given. */
#include <clgrad/store.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static clg_device *dev;
static char path[64];

static void broken(const char *what) {
    fprintf(stderr, "fuzz_safetensors: %s: %s\n", what, clg_error());
    abort(); /* how a fuzzer is told */
}

static void spill(const char *to, const uint8_t *data, size_t size) {
    FILE *f = fopen(to, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) broken("cannot write the test file");
}

static size_t tensor_bytes(const clg_store_entry *e) {
    size_t n = clg_dtype_size(e->dtype);
    for (int i = 0; i < e->shape.ndim; i++) n *= (size_t)e->shape.dim[i];
    return n;
}

static void compare(clg_store *a, clg_store *b) {
    if (clg_store_count(a) != clg_store_count(b)) broken("the second load has another number of tensors");
    for (int i = 0; i < clg_store_count(a); i++) {
        clg_store_entry e;
        if (clg_store_get(a, i, &e) < 0) broken("clg_store_get");
        const size_t n = tensor_bytes(&e);
        char *x = malloc(n + 1), *y = malloc(n + 1);
        if (!x || !y || clg_store_read(a, e.name, x, n) < 0 || clg_store_read(b, e.name, y, n) < 0)
            broken("a tensor cannot be read");
        if (memcmp(x, y, n) != 0) broken("a tensor changed");
        free(x), free(y);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char value[32];
    if (!dev) {
        snprintf(path, sizeof path, "/tmp/clgrad-fuzz-%ld", (long)getpid());
        dev = clg_device_open("ref", NULL);
        if (!dev) broken("no reference device");
    }
    clg_store *a = clg_store_create(dev, 1), *b = clg_store_create(dev, 2);
    if (!a || !b) broken("no store");
    spill(path, data, size);
    const clg_status meta = clg_file_meta(path, "seed", value, sizeof value);
    const clg_status status = clg_store_load(a, path, NULL);
    if (status < 0) {
        if (clg_store_count(a) != 0 || clg_store_seed(a) != 1) broken("a refused file changed the store");
        if (!strstr(clg_error(), path)) broken("the message does not name the file");
    } else {
        if (meta == CLG_ERR_FORMAT) broken("loaded, but the metadata is damaged");
        if (clg_store_save(a, path, NULL) < 0) broken("what was loaded cannot be saved");
        if (clg_store_load(b, path, NULL) < 0) broken("what was saved cannot be loaded");
        compare(a, b);
    }
    clg_store_destroy(&a);
    clg_store_destroy(&b);
    unlink(path);
    return 0;
}

#ifndef LIBFUZZER
static uint64_t state;

static uint32_t random_below(uint32_t n) { /* xorshift64*; reproducible everywhere */
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717ull) >> 33) % n;
}

enum { MAX_SIZE = 2048 };

static const char *const seeds[] = {
    "{\"__metadata__\":{\"seed\":\"7\",\"model\":\"x\"},\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],"
    "\"data_offsets\":[0,24]},\"n\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[24,28]},"
    "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[28,28]}}",
    "{\"a\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},\"b\":{\"dtype\":\"BF16\",\"shape\":[1,1,1,2],"
    "\"data_offsets\":[16,20]},\"c\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[20,28]}}",
};

static const char *const words[] = {
    "-1", "0", "1", "2", "4", "28", "9223372036854775807", "18446744073709551616", "4294967296", "1e3", "[", "]", "{",
    "}", "\"", ",", ":", "null", "true", "\"F32\"", "\"F16\"", "\"BOOL\"", "\"I64\"", "\"shape\"", "\"dtype\"",
    "__metadata__", "\"data_offsets\"", "\\u0000", "\xff", "[[[[[[[[", "\"w\":", " ",
};

/* Length, JSON text and 28 bytes of data; the length is right, so that mutations get beyond it. */
static size_t make(const char *json, size_t n, uint8_t *out) {
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)((uint64_t)n >> 8 * i);
    memcpy(out + 8, json, n);
    for (size_t i = 0; i < 28; i++) out[8 + n + i] = i % 8 < 2 ? (uint8_t)i : 0;
    return 8 + n + 28;
}

/* Puts a word over `gone` bytes at a place of the text. */
static size_t splice(char *text, size_t n, size_t at, size_t gone, const char *word) {
    const size_t size = strlen(word);
    if (gone > n - at) gone = n - at;
    if (n - gone + size > MAX_SIZE / 2) return n;
    memmove(text + at + size, text + at + gone, n - at - gone);
    memcpy(text + at, word, size);
    return n - gone + size;
}

static void round_of(const char *seed) {
    char text[MAX_SIZE];
    uint8_t file[MAX_SIZE];
    size_t n = strlen(seed);
    memcpy(text, seed, n);
    for (uint32_t k = random_below(4); k > 0; k--) {
        const char *word = random_below(3) ? words[random_below(sizeof words / sizeof words[0])] : "";
        n = splice(text, n, random_below((uint32_t)n), random_below(random_below(8) ? 4 : 40), word);
        if (n == 0) return;
        if (random_below(4) == 0) text[random_below((uint32_t)n)] = "0123456789[]{},:\"FI"[random_below(19)];
    }
    size_t size = make(text, n, file);
    if (random_below(8) == 0) file[random_below(9)] ^= (uint8_t)(1u << random_below(8));
    if (random_below(8) == 0) size -= random_below((uint32_t)size);
    LLVMFuzzerTestOneInput(file, size);
}

static int run_file(const char *name) {
    static uint8_t data[1 << 20];
    FILE *f = fopen(name, "rb");
    if (!f) return 1;
    const size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    return LLVMFuzzerTestOneInput(data, n);
}

int main(int argc, char **argv) {
    char *end = NULL;
    const long rounds = argc > 1 ? strtol(argv[1], &end, 10) : 2000;
    int status = 0;
    if (end && *end) {
        for (int i = 1; i < argc; i++) status |= run_file(argv[i]);
    } else {
        state = argc > 2 ? strtoull(argv[2], NULL, 10) | 1 : 88172645463325252ull;
        for (long i = 0; i < rounds; i++) round_of(seeds[i % 2]);
        printf("%ld rounds\n", rounds);
    }
    clg_device_destroy(&dev);
    return status;
}
#endif
