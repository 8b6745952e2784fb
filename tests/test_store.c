/* Stores and their files: initial values, round trips, bytes, hostile files, and that nothing changes on failure. */
#include "graph/graph.h"
#include "support/scratch.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static clg_device *dev;
static char dir[SCRATCH];

static void open_dev(void) {
    dev = clg_device_open("ref", NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    make_scratch(dir);
    cr_assert_eq(chdir(dir), 0);
}

static void close_dev(void) {
    clg_device_destroy(&dev);
    cr_assert_eq(chdir("/"), 0);
    remove_scratch(dir);
}

TestSuite(store, .init = open_dev, .fini = close_dev);

static char *slurp(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    char *data = calloc(1, 1 << 20);
    *size = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

static void spill(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    cr_assert_eq(fwrite(data, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
}

/* A file with this JSON text and n bytes 0, 1, 2, ... of data. */
static void spill_json(const char *path, const char *json, size_t n) {
    char data[4096] = { 0 };
    const size_t size = strlen(json);
    for (int i = 0; i < 8; i++) data[i] = (char)((uint64_t)size >> 8 * i);
    memcpy(data + 8, json, size);
    for (size_t i = 0; i < n; i++) data[8 + size + i] = (char)i;
    spill(path, data, 8 + size + n);
}

static void values(clg_store *s, const char *name, float *x, size_t n) {
    cr_assert_eq(clg_store_read(s, name, x, n * sizeof *x), CLG_OK, "%s", clg_error());
}

/* --- initial values --- */

static void draw(uint64_t seed, const char *name, clg_shape shape, enum clg_init init, bool after_another, float *x,
                 size_t n) {
    clg_store *s = clg_store_create(dev, seed);
    clg_graph *g = clg_graph_create(dev, s);
    if (after_another) clg_param(g, "another", CLG_F32, CLG_SHAPE(7), CLG_INIT_HE);
    cr_assert_not_null(clg_param(g, name, CLG_F32, shape, init), "%s", clg_error());
    values(s, name, x, n);
    clg_graph_destroy(&g);
    clg_store_destroy(&s);
}

Test(store, initial_values_depend_on_seed_and_name_only) {
    float a[64], b[64];
    draw(1, "w", CLG_SHAPE(8, 8), CLG_INIT_HE, false, a, 64);
    draw(1, "w", CLG_SHAPE(8, 8), CLG_INIT_HE, true, b, 64);
    cr_expect_arr_eq(a, b, sizeof a, "the order of creation does not matter");
    draw(2, "w", CLG_SHAPE(8, 8), CLG_INIT_HE, false, b, 64);
    cr_expect_arr_neq(a, b, sizeof a);
    draw(1, "v", CLG_SHAPE(8, 8), CLG_INIT_HE, false, b, 64);
    cr_expect_arr_neq(a, b, sizeof a);
    draw(1ull << 40 | 1, "w", CLG_SHAPE(8, 8), CLG_INIT_HE, false, b, 64);
    cr_expect_arr_neq(a, b, sizeof a, "all 64 bits of the seed count");
}

/* [out 40, in 30, 5, 2]: fan_in 300, fan_out 400. Moments within 5 standard errors of n = 12000 samples. */
Test(store, initialisations_have_their_distributions) {
    enum { N = 12000 };
    static float x[N];
    const struct { enum clg_init init; double variance, limit; } cases[] = {
        { CLG_INIT_ZERO, 0, 0 },
        { CLG_INIT_ONE, 0, 1 },
        { CLG_INIT_XAVIER, 6.0 / 700 / 3, sqrt(6.0 / 700) },
        { CLG_INIT_HE, 2.0 / 300, 6 * sqrt(2.0 / 300) },
        { CLG_INIT_NORMAL, 1e-4, 0.06 },
        { CLG_INIT_UNIFORM, 1.0 / 300 / 3, 1 / sqrt(300) },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double sum = 0, squares = 0, largest = 0;
        draw(7, "w", CLG_SHAPE(40, 30, 5, 2), cases[i].init, false, x, N);
        for (int k = 0; k < N; k++) {
            sum += x[k];
            largest = fmax(largest, fabs(x[k]));
        }
        const double mean = sum / N, v = cases[i].variance;
        for (int k = 0; k < N; k++) squares += (x[k] - mean) * (x[k] - mean);
        cr_expect_leq(largest, cases[i].limit * (1 + 1e-7), "init %zu: %g", i, largest);
        cr_expect_geq(largest, 0.5 * cases[i].limit, "init %zu: %g", i, largest);
        cr_expect_float_eq(mean, cases[i].init == CLG_INIT_ONE ? 1 : 0, 5 * sqrt(v / N) + 1e-12, "init %zu: %g", i,
                           mean);
        cr_expect_float_eq(squares / N, v, 5 * v * sqrt(2.0 / N) + 1e-12, "init %zu: %g", i, squares / N);
    }
}

Test(store, states_begin_with_their_value) {
    clg_store *s = clg_store_create(dev, 0);
    clg_graph *g = clg_graph_create(dev, s);
    int32_t n[2];
    uint8_t u[3];
    uint16_t h;
    clg_state(g, "i", CLG_I32, CLG_SHAPE(2), -7);
    clg_state(g, "u", CLG_U8, CLG_SHAPE(3), 200);
    clg_state(g, "h", CLG_F16, CLG_SCALAR, 1.5);
    clg_state(g, "none", CLG_F32, CLG_SHAPE(0, 3), 1.5);
    cr_assert_eq(clg_graph_status(g), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(s, "i", n, sizeof n), CLG_OK);
    cr_expect(n[0] == -7 && n[1] == -7);
    cr_assert_eq(clg_store_read(s, "u", u, sizeof u), CLG_OK);
    cr_expect(u[0] == 200 && u[2] == 200);
    cr_assert_eq(clg_store_read(s, "h", &h, sizeof h), CLG_OK);
    cr_expect_eq(h, 0x3e00);
    cr_expect_eq(clg_store_read(s, "none", NULL, 0), CLG_OK);
    clg_graph_destroy(&g);
    clg_store_destroy(&s);
}

Test(store, entries_and_copies) {
    clg_store *s = clg_store_create(dev, 0);
    clg_graph *g = clg_graph_create(dev, s);
    clg_store_entry e;
    float x[6] = { 1, -2, 3.5f, 0, 1e-30f, NAN }, y[6];
    clg_param(g, "w", CLG_F32, CLG_SHAPE(2, 3), CLG_INIT_ZERO);
    clg_state(g, "t", CLG_I32, CLG_SCALAR, 0);
    cr_expect_eq(clg_store_count(s), 2);
    cr_assert_eq(clg_store_get(s, 0, &e), CLG_OK);
    cr_expect(strcmp(e.name, "w") == 0 && e.dtype == CLG_F32 && e.trainable);
    cr_expect(e.shape.ndim == 2 && e.shape.dim[0] == 2 && e.shape.dim[1] == 3);
    cr_assert_eq(clg_store_get(s, 1, &e), CLG_OK);
    cr_expect(strcmp(e.name, "t") == 0 && e.dtype == CLG_I32 && e.shape.ndim == 0 && !e.trainable);
    cr_expect_eq(clg_store_get(s, 2, &e), CLG_ERR_INVALID);
    cr_expect_str_eq(clg_error(), "clg_store_get: no tensor 2; the store has 2");
    cr_expect_eq(clg_store_get(s, -1, &e), CLG_ERR_INVALID);
    cr_assert_eq(clg_store_write(s, "w", x, sizeof x), CLG_OK);
    values(s, "w", y, 6);
    cr_expect_arr_eq(x, y, sizeof x);
    cr_expect_eq(clg_store_write(s, "w", x, 20), CLG_ERR_INVALID);
    cr_expect_str_eq(clg_error(), "clg_store_write(w): f32[2,3] has 24 bytes, not 20");
    cr_expect_eq(clg_store_read(s, "v", y, sizeof y), CLG_ERR_INVALID);
    cr_expect_str_eq(clg_error(), "clg_store_read: the store has no tensor \"v\"");
    cr_expect_eq(clg_store_read(s, "w", NULL, sizeof y), CLG_ERR_INVALID);
    cr_expect_eq(clg_store_count(NULL), 0);
    clg_graph_destroy(&g);
    clg_store_destroy(&s);
}

Test(store, metadata) {
    clg_store *s = clg_store_create(dev, 42);
    cr_expect_str_eq(clg_store_meta(s, "seed"), "42");
    cr_expect_null(clg_store_meta(s, "model"));
    cr_assert_eq(clg_store_set_meta(s, "model", "lenet"), CLG_OK);
    cr_assert_eq(clg_store_set_meta(s, "model", "mlp"), CLG_OK);
    cr_expect_str_eq(clg_store_meta(s, "model"), "mlp");
    cr_assert_eq(clg_store_set_meta(s, "model", NULL), CLG_OK);
    cr_expect_null(clg_store_meta(s, "model"));
    cr_assert_eq(clg_store_set_meta(s, "never", NULL), CLG_OK);
    cr_assert_eq(clg_store_set_meta(s, "seed", "18446744073709551615"), CLG_OK);
    cr_expect_eq(clg_store_seed(s), UINT64_MAX);
    const char *const bad[] = { "18446744073709551616", "-1", "", " 1", "1x", NULL };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(clg_store_set_meta(s, "seed", bad[i]), CLG_ERR_INVALID, "case %zu", i);
    cr_expect_eq(clg_store_seed(s), UINT64_MAX);
    cr_expect_eq(clg_store_set_meta(s, "", "x"), CLG_ERR_INVALID);
    clg_store_destroy(&s);
    cr_expect_null(clg_store_create(NULL, 0));
}

/* --- round trips --- */

/* Tensors of all types, in one of two orders of creation. */
static clg_store *all_types(bool reversed) {
    clg_store *s = clg_store_create(dev, 99);
    clg_graph *g = clg_graph_create(dev, s);
    for (int i = 0; i < CLG_DTYPE_COUNT; i++) {
        const clg_dtype t = (clg_dtype)(reversed ? CLG_DTYPE_COUNT - 1 - i : i);
        char name[32];
        snprintf(name, sizeof name, "a \"%s\" \xc3\xa4/\\", clg_dtype_name(t)); /* JSON must escape it */
        if (clg_dtype_is_float(t)) clg_param(g, name, t, CLG_SHAPE(3, 1, 5), CLG_INIT_HE);
        else clg_state(g, name, t, CLG_SHAPE(7), 3 + (int)t);
    }
    clg_state(g, "scalar", CLG_F32, CLG_SCALAR, 0.1);
    clg_state(g, "empty", CLG_F32, CLG_SHAPE(4, 0), 0.1);
    cr_assert_eq(clg_graph_status(g), CLG_OK, "%s", clg_error());
    const char *const meta[] = { "zebra", "ape", "model" };
    for (int i = 0; i < 3; i++) cr_assert_eq(clg_store_set_meta(s, meta[reversed ? 2 - i : i], "v\n\"1\""), CLG_OK);
    clg_graph_destroy(&g);
    return s;
}

static void expect_equal(const clg_store *a, const clg_store *b) {
    cr_expect_eq(clg_store_count(a), clg_store_count(b));
    for (int i = 0; i < clg_store_count(a); i++) {
        clg_store_entry e;
        char x[256], y[256];
        cr_assert_eq(clg_store_get(a, i, &e), CLG_OK);
        const size_t bytes = (size_t)clg_shape_elems(e.shape) * clg_dtype_size(e.dtype);
        cr_assert_eq(clg_store_read((clg_store *)a, e.name, x, bytes), CLG_OK);
        cr_assert_eq(clg_store_read((clg_store *)b, e.name, y, bytes), CLG_OK, "%s", clg_error());
        cr_expect_eq(memcmp(x, y, bytes), 0, "%s", e.name);
    }
}

Test(store, round_trip_and_equal_bytes) {
    clg_store *a = all_types(false), *b = all_types(true), *c = clg_store_create(dev, 1);
    size_t na, nb, nc;
    cr_assert_eq(clg_store_save(a, "a", NULL), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_save(b, "b", NULL), CLG_OK);
    cr_assert_eq(clg_store_load(c, "a", NULL), CLG_OK, "%s", clg_error());
    expect_equal(a, c);
    cr_expect_eq(clg_store_seed(c), 99);
    cr_expect_str_eq(clg_store_meta(c, "ape"), "v\n\"1\"");
    cr_assert_eq(clg_store_save(c, "c", NULL), CLG_OK);
    char *da = slurp("a", &na), *db = slurp("b", &nb), *dc = slurp("c", &nc);
    cr_expect(na == nb && na == nc && memcmp(da, db, na) == 0 && memcmp(da, dc, na) == 0);
    uint64_t header;
    memcpy(&header, da, 8);
    cr_expect_eq(header % 8, 0, "the data is aligned");
    char value[64];
    cr_assert_eq(clg_file_meta("a", "seed", value, sizeof value), CLG_OK, "%s", clg_error());
    cr_expect_str_eq(value, "99");
    cr_expect_eq(clg_file_meta("a", "seed", value, 2), CLG_ERR_INVALID);
    cr_expect_str_eq(clg_error(), "a: metadata \"seed\" has 3 bytes; there is room for 2");
    cr_expect_eq(clg_file_meta("a", "nothing", value, sizeof value), CLG_ERR_INVALID);
    cr_expect_str_eq(clg_error(), "a: no metadata \"nothing\"");
    cr_expect_eq(clg_file_meta("missing", "seed", value, sizeof value), CLG_ERR_IO);
    free(da), free(db), free(dc);
    clg_store_destroy(&a), clg_store_destroy(&b), clg_store_destroy(&c);
}

Test(store, loaded_tensors_are_claimed) {
    clg_store *a = all_types(false), *b = clg_store_create(dev, 1);
    clg_store_entry e;
    cr_assert_eq(clg_store_save(a, "f", "scalar"), CLG_OK);
    cr_assert_eq(clg_store_load(b, "f", NULL), CLG_OK);
    cr_assert_eq(clg_store_count(b), 1);
    cr_assert_eq(clg_store_get(b, 0, &e), CLG_OK);
    cr_expect(e.trainable, "until a graph says what it is");
    clg_graph *g = clg_graph_create(dev, b);
    cr_expect_not_null(clg_state(g, "scalar", CLG_F32, CLG_SCALAR, 5));
    cr_assert_eq(clg_store_get(b, 0, &e), CLG_OK);
    cr_expect_not(e.trainable);
    float x;
    values(b, "scalar", &x, 1);
    cr_expect_eq(x, 0.1f, "the file's value stays");
    cr_expect_null(clg_param(g, "scalar", CLG_F32, CLG_SCALAR, CLG_INIT_ZERO), "claimed as a state");
    clg_graph_destroy(&g);
    clg_store_destroy(&a), clg_store_destroy(&b);
}

Test(store, patterns_choose_and_missing_tensors_are_named) {
    clg_store *a = clg_store_create(dev, 1), *b = clg_store_create(dev, 2);
    clg_graph *g = clg_graph_create(dev, a), *h = clg_graph_create(dev, b);
    const char *const names[] = { "conv1.w", "conv2.w", "fc.w" };
    for (int i = 0; i < 3; i++) {
        clg_param(g, names[i], CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE);
        clg_param(h, names[i], CLG_F32, CLG_SHAPE(2), CLG_INIT_ZERO);
    }
    float x[2];
    cr_assert_eq(clg_store_save(a, "all", NULL), CLG_OK);
    cr_assert_eq(clg_store_save(a, "conv", "conv*"), CLG_OK);
    cr_assert_eq(clg_store_load_all(b, "all", "conv1*"), CLG_OK, "%s", clg_error());
    values(b, "conv1.w", x, 2);
    cr_expect_eq(x[0], 1);
    values(b, "conv2.w", x, 2);
    cr_expect_eq(x[0], 0, "not in the pattern");
    cr_expect_eq(clg_store_load_all(b, "conv", NULL), CLG_ERR_FORMAT);
    cr_expect_str_eq(clg_error(), "conv: tensor \"fc.w\" is missing; the file has 2 tensors");
    values(b, "conv2.w", x, 2);
    cr_expect_eq(x[0], 0, "nothing was loaded");
    cr_expect_eq(clg_store_load_all(b, "conv", "conv*"), CLG_OK);
    cr_expect_eq(clg_store_load(b, "conv", NULL), CLG_OK);
    clg_graph_destroy(&g), clg_graph_destroy(&h);
    clg_store_destroy(&a), clg_store_destroy(&b);
}

/* A header of another writer: I64, metadata that is not ours, unknown keys, spaces, data without alignment. */
Test(store, files_of_others_are_read) {
    clg_store *s = clg_store_create(dev, 5);
    spill_json("f", "{}", 0);
    cr_expect_eq(clg_store_load(s, "f", NULL), CLG_OK, "%s", clg_error());
    spill_json("f", "{\"__metadata__\":{\"format\":\"pt\",\"seed\":\"none\"},\"u\":{\"dtype\":\"U8\",\"shape\":[3],"
               "\"data_offsets\":[0,3]}, \"n\":{\"shape\":[2],\"dtype\":\"I32\",\"data_offsets\":[3,11],\"x\":1}}   ",
               11);
    cr_assert_eq(clg_store_load(s, "f", NULL), CLG_OK, "%s", clg_error());
    int32_t n[2];
    cr_assert_eq(clg_store_read(s, "n", n, sizeof n), CLG_OK);
    cr_expect(n[0] == 0x06050403 && n[1] == 0x0a090807);
    cr_expect_eq(clg_store_seed(s), 5);
    cr_expect_str_eq(clg_store_meta(s, "seed"), "5");
    cr_expect_str_eq(clg_store_meta(s, "format"), "pt");

    char file[256];
    const char *json = "{\"i\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]}}";
    const int64_t fits[2] = { INT32_MIN, INT32_MAX }, large[2] = { 0, 1ll << 31 };
    const uint64_t size = strlen(json);
    memcpy(file, &size, 8);
    memcpy(file + 8, json, size);
    memcpy(file + 8 + size, fits, 16);
    spill("f", file, 8 + size + 16);
    clg_graph *g = clg_graph_create(dev, s); /* I64 counters of others fill a counter of i32 ... */
    cr_assert_not_null(clg_state(g, "i", CLG_I32, CLG_SHAPE(2), 0));
    cr_assert_eq(clg_store_load(s, "f", NULL), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(s, "i", n, sizeof n), CLG_OK);
    cr_expect(n[0] == INT32_MIN && n[1] == INT32_MAX);
    memcpy(file + 8 + size, large, 16);
    spill("f", file, 8 + size + 16);
    cr_expect_eq(clg_store_load(s, "f", NULL), CLG_ERR_FORMAT);
    cr_expect_str_eq(clg_error(), "f: tensor \"i\" is I64 and its element 1, 2147483648, does not fit i32");
    clg_store *wide = clg_store_create(dev, 1); /* ... and are i64 where nobody says otherwise */
    int64_t i[2];
    cr_assert_eq(clg_store_load(wide, "f", NULL), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(wide, "i", i, sizeof i), CLG_OK, "%s", clg_error());
    cr_expect(i[0] == large[0] && i[1] == large[1]);
    clg_store_destroy(&wide);
    clg_graph_destroy(&g);
    spill_json("f", "{\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3);
    cr_expect_eq(clg_store_load(s, "f", "other*"), CLG_OK, "only what is asked for must be of a type we hold");
    cr_expect_eq(clg_store_load(s, "f", NULL), CLG_ERR_FORMAT);
    clg_store_destroy(&s);
}

/* --- hostile files --- */

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct { const char *json; size_t data; const char *says; } hostile[] = {
    { "", 0, "claims a header of 0 bytes" },
    { "{", 0, "claims a header of 1 bytes" },
    { "[]", 0, "does not start with" },
    { " {}", 0, "does not start with" },
    { "{ ", 0, "no JSON" },
    { "{}x", 0, "no JSON" },
    { "{\"w\":1}", 0, "no JSON object" },
    { "{\"\":" T("F32", "[]", "[0,4]") "}", 4, "empty name" },
    { "{\"w\":{}}", 0, "no text \"dtype\"" },
    { "{\"w\":{\"dtype\":7}}", 0, "no text \"dtype\"" },
    { "{\"w\":" T("F33", "[1]", "[0,4]") "}", 4, "unknown dtype \"F33\"" },
    { "{\"w\":" T("f32", "[1]", "[0,4]") "}", 4, "unknown dtype" },
    { "{\"w\":" T("BOOL", "[4]", "[0,4]") "}", 4, "has dtype BOOL" },
    { "{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no array \"shape\"" },
    { "{\"w\":" T("F32", "1", "[0,4]") "}", 4, "no array \"shape\"" },
    { "{\"w\":" T("F32", "[1,1,1,1,1,1,1]", "[0,4]") "}", 4, "has 7 axes" },
    { "{\"w\":" T("F32", "[-1]", "[0,4]") "}", 4, "size 0 of its shape" },
    { "{\"w\":" T("F32", "[1.0]", "[0,4]") "}", 4, "size 0 of its shape" },
    { "{\"w\":" T("F32", "[1,\"1\"]", "[0,4]") "}", 4, "size 1 of its shape" },
    { "{\"w\":" T("F32", "[99999999999999999999]", "[0,4]") "}", 4, "no JSON" },
    { "{\"w\":" T("F32", "[4611686018427387905]", "[0,4]") "}", 4, "does not fit its 4 bytes" },
    { "{\"w\":" T("F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "does not fit its 0 bytes" },
    { "{\"w\":" T("F32", "[4611686018427387904,4,0]", "[0,0]") "}", 0, "does not fit its 0 bytes" },
    { "{\"w\":" T("F32", "[2]", "[0,4]") "}", 4, "F32[2] does not fit its 4 bytes" },
    { "{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "are not two whole numbers" },
    { "{\"w\":" T("F32", "[1]", "[0]") "}", 4, "are not two whole numbers" },
    { "{\"w\":" T("F32", "[1]", "[0,4,8]") "}", 4, "are not two whole numbers" },
    { "{\"w\":" T("F32", "[1]", "[0,4.0]") "}", 4, "are not two whole numbers" },
    { "{\"w\":" T("F32", "[1]", "{\"0\":0}") "}", 4, "are not two whole numbers" },
    { "{\"w\":" T("F32", "[1]", "[-4,0]") "}", 4, "do not lie in the 4 bytes" },
    { "{\"w\":" T("F32", "[1]", "[4,0]") "}", 4, "do not lie in the 4 bytes" },
    { "{\"w\":" T("F32", "[1]", "[4,8]") "}", 4, "do not lie in the 4 bytes" },
    { "{\"w\":" T("F32", "[1]", "[0,9223372036854775807]") "}", 4, "do not lie in" },
    { "{\"w\":" T("F32", "[1]", "[0,4]") "}", 8, "fill 4 of 8 bytes" },
    { "{}", 1, "fill 0 of 1 bytes" },
    { "{\"v\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[1]", "[8,12]") "}", 12, "leave a hole" },
    { "{\"v\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[2]", "[0,8]") "}", 8, "overlap" },
    { "{\"v\":" T("F32", "[2]", "[0,8]") ",\"w\":" T("F32", "[1]", "[4,8]") "}", 8, "overlap" },
    { "{\"w\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[1]", "[0,4]") "}", 4, "duplicate" },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "duplicate" },
    { "{\"__metadata__\":[]}", 0, "__metadata__ is no JSON object" },
    { "{\"__metadata__\":{\"step\":3}}", 0, "the value of \"step\" is no text" },
    { "{\"a\\u0000b\":" T("F32", "[1]", "[0,4]") "}", 4, "no JSON" },
    { "{\"\xff\":" T("F32", "[1]", "[0,4]") "}", 4, "no JSON" },
    { "{\"new\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[3]", "[4,16]") "}", 16,
      "\"w\" is f32[3] in the file and f32[2] in the store" },
    { "{\"new\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("I32", "[2]", "[4,12]") "}", 12,
      "\"w\" is i32[2] in the file and f32[2] in the store" },
};

Test(store, hostile_headers_are_refused_and_nothing_changes) {
    clg_store *s = clg_store_create(dev, 3);
    clg_graph *g = clg_graph_create(dev, s);
    clg_param(g, "w", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE);
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        spill_json("bad", hostile[i].json, hostile[i].data);
        const clg_status status = clg_store_load(s, "bad", NULL);
        cr_expect_eq(status, strstr(hostile[i].says, "in the store") ? CLG_ERR_SHAPE : CLG_ERR_FORMAT, "case %zu: %s",
                     i, clg_status_name(status));
        cr_expect(strstr(clg_error(), hostile[i].says), "case %zu: %s", i, clg_error());
        cr_expect_eq(strncmp(clg_error(), "bad: ", 5), 0, "case %zu: %s", i, clg_error());
        float w[2];
        values(s, "w", w, 2);
        cr_assert(clg_store_count(s) == 1 && w[0] == 1 && w[1] == 1 && clg_store_seed(s) == 3, "case %zu", i);
    }
    clg_graph_destroy(&g);
    clg_store_destroy(&s);
}

Test(store, files_that_are_cut_or_no_files_are_refused) {
    clg_store *s = all_types(false), *t = clg_store_create(dev, 0);
    size_t n;
    char value[8];
    cr_assert_eq(clg_store_save(s, "good", NULL), CLG_OK);
    char *data = slurp("good", &n);
    for (size_t cut = 0; cut < n; cut += cut < 32 || cut + 32 > n ? 1 : 17) {
        spill("cut", data, cut);
        cr_assert_eq(clg_store_load(t, "cut", NULL), CLG_ERR_FORMAT, "first %zu bytes", cut);
        cr_assert_eq(clg_file_meta("cut", "seed", value, sizeof value), CLG_ERR_FORMAT, "first %zu bytes", cut);
        cr_assert_eq(clg_store_count(t), 0);
    }
    for (int i = 0; i < 8; i++) data[i] = (char)0xff;
    spill("cut", data, n);
    cr_expect_eq(clg_store_load(t, "cut", NULL), CLG_ERR_FORMAT);
    cr_expect(strstr(clg_error(), "claims a header of 18446744073709551615 bytes"), "%s", clg_error());
    cr_expect_eq(clg_store_load(t, "missing", NULL), CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), "missing: cannot open: No such file or directory");
    cr_expect_eq(clg_store_load(t, ".", NULL), CLG_ERR_IO);
    cr_expect_eq(clg_file_meta(".", "seed", value, sizeof value), CLG_ERR_IO, "%s", clg_error());
    cr_expect_eq(clg_store_load(t, NULL, NULL), CLG_ERR_INVALID);
    cr_expect_eq(clg_store_load(NULL, "good", NULL), CLG_ERR_INVALID);
    char *deep = malloc(200009);
    memset(deep + 8, '[', 200000);
    const uint64_t size = 200000;
    memcpy(deep, &size, 8);
    memcpy(deep + 8, "{\"w\":", 5);
    spill("deep", deep, 200008);
    cr_expect_eq(clg_store_load(t, "deep", NULL), CLG_ERR_FORMAT, "nested too deep");
    free(deep);
    free(data);
    clg_store_destroy(&s), clg_store_destroy(&t);
}

static int files_here(void) {
    DIR *d = opendir(".");
    int n = -2;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

Test(store, saving_that_fails_keeps_the_old_file) {
    clg_store *s = all_types(false);
    size_t before, after;
    cr_assert_eq(clg_store_save(s, "f", NULL), CLG_OK);
    char *old = slurp("f", &before);
    clg_graph *g = clg_graph_create(dev, s);
    clg_state(g, "large", CLG_F32, CLG_SHAPE(10000), 1);
    signal(SIGXFSZ, SIG_IGN); /* a full disk in the small */
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, limit.rlim_max });
    const clg_status status = clg_store_save(s, "f", NULL);
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_expect_eq(status, CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), "f: cannot write: File too large");
    cr_expect_eq(clg_store_save(s, "no/such/f", NULL), CLG_ERR_IO);
    cr_expect_eq(clg_store_save(s, ".", NULL), CLG_ERR_IO);
    cr_expect_eq(clg_store_save(s, "", NULL), CLG_ERR_INVALID);
    char *new = slurp("f", &after);
    cr_expect(before == after && memcmp(old, new, before) == 0);
    cr_expect_eq(files_here(), 1, "no temporary file is left");
    cr_assert_eq(clg_store_set_meta(s, "bad", "\xff"), CLG_OK);
    cr_expect_eq(clg_store_save(s, "f", NULL), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "f: the metadata \"bad\" cannot be written"), "%s", clg_error());
    cr_assert_eq(clg_store_set_meta(s, "bad", NULL), CLG_OK);
    clg_state(g, "\xff", CLG_F32, CLG_SCALAR, 1);
    cr_expect_eq(clg_store_save(s, "f", NULL), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "is no UTF-8"), "%s", clg_error());
    cr_expect_eq(clg_store_save(s, "f", "large"), CLG_OK, "the store still works");
    free(old), free(new);
    clg_graph_destroy(&g);
    clg_store_destroy(&s);
}

/* The initial values come back whatever was written; what only a file has made keeps its values. */
Test(store, reset_gives_the_initial_values_again) {
    clg_store *s = clg_store_create(dev, 7);
    clg_graph *g = clg_graph_create(dev, s);
    float w[6], again[6], lr = 9, stray[2] = { 3, 4 };
    (void)clg_param(g, "w", CLG_F32, CLG_SHAPE(2, 3), CLG_INIT_HE);
    (void)clg_param(g, "b", CLG_F32, CLG_SHAPE(3), CLG_INIT_ZERO);
    (void)clg_state(g, "lr", CLG_F32, CLG_SCALAR, 0.5);
    cr_assert_eq(clg_store_read(s, "w", w, sizeof w), CLG_OK);
    spill_json("x.safetensors", "{\"stray\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    cr_assert_eq(clg_store_load(s, "x.safetensors", NULL), CLG_OK, "%s", clg_error());
    const float ones[6] = { 1, 1, 1, 1, 1, 1 };
    cr_assert_eq(clg_store_write(s, "w", ones, sizeof ones), CLG_OK);
    cr_assert_eq(clg_store_write(s, "b", ones, 12), CLG_OK);
    cr_assert_eq(clg_store_write(s, "lr", &lr, sizeof lr), CLG_OK);
    cr_assert_eq(clg_store_write(s, "stray", stray, sizeof stray), CLG_OK);
    cr_assert_eq(clg_store_reset(s), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(s, "w", again, sizeof again), CLG_OK);
    cr_expect_arr_eq(w, again, sizeof w);
    cr_assert_eq(clg_store_read(s, "b", again, 12), CLG_OK);
    cr_expect(again[0] == 0 && again[1] == 0 && again[2] == 0);
    cr_assert_eq(clg_store_read(s, "lr", &lr, sizeof lr), CLG_OK);
    cr_expect_eq(lr, 0.5f);
    cr_assert_eq(clg_store_read(s, "stray", again, sizeof stray), CLG_OK);
    cr_expect(again[0] == 3 && again[1] == 4);
    cr_expect_eq(clg_store_reset(NULL), CLG_ERR_INVALID);
    clg_graph_destroy(&g);
    clg_store_destroy(&s);
}

Test(store, put_makes_a_tensor_that_no_graph_has_asked_for) {
    clg_store *s = clg_store_create(dev, 7), *copy = clg_store_create(dev, 8);
    clg_graph *g = clg_graph_create(dev, s);
    const float a[2] = { 1, 2 }, b[2] = { 3, 4 };
    float got[2];
    clg_store_entry e;
    cr_assert_eq(clg_store_put(s, "scale", CLG_F32, CLG_SHAPE(2), a), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_put(s, "scale", CLG_F32, CLG_SHAPE(2), b), CLG_OK, "%s", clg_error());
    cr_assert(clg_store_count(s) == 1 && clg_store_get(s, 0, &e) == CLG_OK && !e.trainable);
    cr_assert_eq(clg_store_reset(s), CLG_OK);
    cr_assert_eq(clg_store_read(s, "scale", got, sizeof got), CLG_OK);
    cr_expect(got[0] == 3 && got[1] == 4);
    cr_assert_eq(clg_store_save(s, "x.safetensors", NULL), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_load(copy, "x.safetensors", NULL), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(copy, "scale", got, sizeof got), CLG_OK);
    cr_expect(got[0] == 3 && got[1] == 4);
    cr_expect_eq(clg_store_put(s, "scale", CLG_F32, CLG_SHAPE(1), a), CLG_ERR_SHAPE);
    cr_expect_not_null(strstr(clg_error(), "f32[2], not f32[1]"), "%s", clg_error());
    cr_expect_eq(clg_store_put(s, "scale", CLG_I32, CLG_SHAPE(2), a), CLG_ERR_SHAPE);
    cr_expect_eq(clg_store_put(s, "new", CLG_F32, CLG_SHAPE(-1), a), CLG_ERR_SHAPE);
    cr_expect_eq(clg_store_put(s, "", CLG_F32, CLG_SHAPE(2), a), CLG_ERR_INVALID);
    cr_expect_eq(clg_store_put(s, "new", CLG_F32, CLG_SHAPE(2), NULL), CLG_ERR_INVALID);
    cr_expect_eq(clg_store_put(NULL, "new", CLG_F32, CLG_SHAPE(2), a), CLG_ERR_INVALID);
    cr_expect_eq(clg_store_count(s), 1);
    cr_assert_not_null(clg_state(g, "scale", CLG_F32, CLG_SHAPE(2), 5)); /* a graph claims it: its value stays */
    cr_assert_eq(clg_store_read(s, "scale", got, sizeof got), CLG_OK);
    cr_expect(got[0] == 3 && got[1] == 4);
    clg_graph_destroy(&g);
    clg_store_destroy(&copy);
    clg_store_destroy(&s);
}

/* A copy saves to the same bytes, texts and seed too; a tensor of another shape is refused by both shapes. */
Test(store, copies_have_the_same_bytes) {
    size_t n, m;
    clg_store *from = clg_store_create(dev, 4), *to = clg_store_create(dev, 9);
    clg_graph *g = clg_graph_create(dev, from);
    clg_param(g, "w", CLG_F32, CLG_SHAPE(3, 4), CLG_INIT_HE);
    clg_state(g, "count", CLG_I32, CLG_SCALAR, 7);
    cr_assert_eq(clg_store_set_meta(from, "model", "a text"), CLG_OK);
    cr_assert_eq(clg_store_copy(to, from), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_copy(to, from), CLG_OK, "%s", clg_error()); /* into what is there */
    cr_assert_eq(clg_store_save(from, "from", NULL), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_save(to, "to", NULL), CLG_OK, "%s", clg_error());
    char *a = slurp("from", &n), *b = slurp("to", &m);
    cr_assert(n == m && n > 0);
    cr_expect_arr_eq(a, b, n);
    free(a);
    free(b);
    const float one = 1;
    clg_store *other = clg_store_create(dev, 4);
    cr_assert_eq(clg_store_put(other, "w", CLG_F32, CLG_SHAPE(1), &one), CLG_OK);
    cr_expect_eq(clg_store_copy(other, from), CLG_ERR_SHAPE);
    cr_expect(strstr(clg_error(), "f32[1]") && strstr(clg_error(), "f32[3,4]"), "%s", clg_error());
    cr_expect_eq(clg_store_copy(NULL, from), CLG_ERR_INVALID);
    clg_graph_destroy(&g);
    clg_store_destroy(&from);
    clg_store_destroy(&to);
    clg_store_destroy(&other);
}
