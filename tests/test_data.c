/* Data sets: damaged files, order of the epochs, batches. Pictures are told apart by two pixels that hold their
 * number; batches are read back through a plan on the reference device, which needs no OpenCL. */
#include "support/scratch.h"
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* --- files --- */

static char folder[SCRATCH];

static void make_folder(void) { make_scratch(folder); }
static void remove_folder(void) { remove_scratch(folder); }

static const char *in_folder(const char *name) {
    static char path[4][400];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void put32(unsigned char *b, uint32_t v) {
    for (int i = 0; i < 4; i++) b[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void write_plain(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void write_gzip(const char *path, const void *data, size_t size) {
    gzFile f = gzopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(gzwrite(f, data, (unsigned)size), (int)size);
    gzclose(f);
}

static size_t read_back(const char *path, unsigned char *to, size_t size) {
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    const size_t n = fread(to, 1, size, f);
    fclose(f);
    return n;
}

/* n pictures of 1 x 2 pixels that hold their number; label: number modulo 10, but `label` for picture `odd`. */
static void write_set(const char *images, const char *labels, int n, int odd, int label) {
    unsigned char *b = calloc(1, (size_t)(16 + 2 * n));
    cr_assert_not_null(b);
    put32(b, 0x803);
    put32(b + 4, (uint32_t)n);
    put32(b + 8, 1);
    put32(b + 12, 2);
    for (int i = 0; i < n; i++) {
        b[16 + 2 * i] = (unsigned char)(i & 255);
        b[17 + 2 * i] = (unsigned char)(i >> 8);
    }
    write_gzip(images, b, (size_t)(16 + 2 * n));
    put32(b, 0x801);
    for (int i = 0; i < n; i++) b[8 + i] = (unsigned char)(i == odd ? label : i % 10);
    write_plain(labels, b, (size_t)(8 + n));
    free(b);
}

/* --- bad files: each is a good file of 3 pictures of 2 x 2 with one thing wrong --- */

typedef struct bad_file {
    const char *name;
    uint32_t    magic, n, h, w;
    int         bytes;  /* of data */
    bool        gzip;
    int         keep;   /* bytes of the file that are kept; negative: cut from the end; 0: all */
    int         flip;   /* byte of the file that is inverted, from the end; 0: none */
    int         append; /* bytes of 0xee behind the file */
    const char *want;   /* in the message */
} bad_file;

static const bad_file bad_files[] = {
    {"a PNG picture", 0x89504e47, 3, 2, 2, 12, .want = "not an IDX file"},
    {"floats", 0xd03, 3, 2, 2, 12, .want = "only 0x08"},
    {"labels for pictures", 0x801, 12, 0, 0, 4, .want = "exchanged"},
    {"four axes", 0x804, 3, 2, 2, 12, .want = "4 axes"},
    {"255 axes", 0x8ff, 3, 2, 2, 12, .want = "255 axes"},
    {"no pictures", 0x803, 0, 2, 2, 0, .want = "axis 0 is 0"},
    {"no width", 0x803, 3, 2, 0, 0, .want = "axis 2 is 0"},
    {"absurd width", 0x803, 3, 2, 70000, 12, .want = "too large"},
    {"absurd count", 0x803, 0xffffffff, 2, 2, 12, .want = "too large"},
    {"one picture too few", 0x803, 4, 2, 2, 12, .want = "promises 16 bytes"},
    {"2^63 bytes promised", 0x803, 0x7fffffff, 0xffff, 0xffff, 12, .want = "promises"},
    {"too much data", 0x803, 3, 2, 2, 13, .want = "more in the file"},
    {"cut in the header", 0x803, 3, 2, 2, 12, .keep = 15, .want = "header is cut off"},
    {"three bytes", 0x803, 3, 2, 2, 12, .keep = 3, .want = "only 3 bytes"},
    {"an empty file", 0x803, 3, 2, 2, 12, .keep = -28, .want = "only 0 bytes"},
    {"a lonely gzip magic", 0x803, 3, 2, 2, 12, .gzip = true, .keep = 2, .want = "cut off"},
    {"gzip: header only", 0x803, 3, 2, 2, 12, .gzip = true, .keep = 10, .want = "cut off"},
    {"gzip: cut in the data", 0x803, 3, 2, 2, 12, .gzip = true, .keep = -10, .want = "cut off"},
    {"gzip: without its last byte", 0x803, 3, 2, 2, 12, .gzip = true, .keep = -1, .want = "cut off"},
    {"gzip: wrong CRC", 0x803, 3, 2, 2, 12, .gzip = true, .flip = 8, .want = "damaged gzip"},
    {"gzip: wrong length", 0x803, 3, 2, 2, 12, .gzip = true, .flip = 1, .want = "damaged gzip"},
    {"gzip: damaged in the middle", 0x803, 3, 2, 2, 12, .gzip = true, .flip = 20, .want = "/bad"},
    {"gzip: garbage behind", 0x803, 3, 2, 2, 12, .gzip = true, .append = 5, .want = "damaged gzip"},
    {"gzip: one picture too few", 0x803, 4, 2, 2, 12, .gzip = true, .want = "truncated"},
    {"gzip: too much data", 0x803, 3, 2, 2, 13, .gzip = true, .want = "more in the file"},
    {"gzip: 2^41 bytes promised", 0x803, 0x7fffffff, 28, 28, 12, .gzip = true, .want = "promises"},
};

static void write_bad(const bad_file *c, const char *path) {
    unsigned char b[256] = {0};
    put32(b, c->magic);
    put32(b + 4, c->n);
    put32(b + 8, c->h);
    put32(b + 12, c->w);
    for (int i = 0; i < c->bytes; i++) b[16 + i] = (unsigned char)(17 * i);
    (c->gzip ? write_gzip : write_plain)(path, b, (size_t)(16 + c->bytes));
    size_t size = read_back(path, b, sizeof b);
    if (c->keep != 0) size = c->keep > 0 ? (size_t)c->keep : size - (size_t)-c->keep;
    if (c->flip) b[size - (size_t)c->flip] ^= 0xff;
    memset(b + size, 0xee, (size_t)c->append);
    write_plain(path, b, size + (size_t)c->append);
}

Test(data, bad_files_are_refused_with_a_reason, .init = make_folder, .fini = remove_folder) {
    write_set(in_folder("good.gz"), in_folder("labels"), 3, -1, 0);
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        const bad_file *c = &bad_files[i];
        write_bad(c, in_folder("bad"));
        clg_dataset *d = clg_dataset_open_idx(in_folder("bad"), in_folder("labels"));
        cr_expect_null(d, "%s: was opened", c->name);
        cr_expect_eq(clg_error_status(), CLG_ERR_FORMAT, "%s: %s", c->name, clg_error());
        cr_expect_not_null(strstr(clg_error(), c->want), "%s: no \"%s\" in: %s", c->name, c->want, clg_error());
        cr_expect_not_null(strstr(clg_error(), in_folder("bad")), "%s: no path in: %s", c->name, clg_error());
        clg_dataset_destroy(&d);
    }
    clg_dataset *d = clg_dataset_open_idx(in_folder("labels"), in_folder("good.gz"));
    cr_expect_null(d, "exchanged files");
    cr_expect_null(clg_dataset_open_idx(NULL, "x"));
    cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
}

Test(data, good_files_are_read, .init = make_folder, .fini = remove_folder) {
    write_set(in_folder("a.gz"), in_folder("a-labels"), 300, -1, 0);
    clg_dataset *d = clg_dataset_open_idx(in_folder("a.gz"), in_folder("a-labels"));
    cr_assert_not_null(d, "%s", clg_error());
    cr_expect_eq(clg_dataset_size(d), 300);
    cr_expect_eq(clg_dataset_left(d), 300);
    cr_expect_eq(clg_dataset_classes(d), 10);
    const clg_shape s = clg_dataset_shape(d);
    cr_expect(s.ndim == 3 && s.dim[0] == 1 && s.dim[1] == 1 && s.dim[2] == 2);
    float pixels[2];
    int32_t label;
    cr_expect_eq(clg_dataset_item(d, 299, pixels, &label), CLG_OK);
    cr_expect(pixels[0] == 43 / 255.0f && pixels[1] == 1 / 255.0f && label == 9);
    cr_expect_eq(clg_dataset_item(d, 300, pixels, &label), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_item(d, -1, pixels, &label), CLG_ERR_INVALID);
    clg_dataset_destroy(&d);

    /* two gzip members one behind the other are one file */
    unsigned char b[8192];
    write_gzip(in_folder("m1"), "\0\0\10\1\0\0\0\4\1", 9);
    write_gzip(in_folder("m2"), "\2\3\377", 3);
    size_t n = read_back(in_folder("m1"), b, sizeof b);
    n += read_back(in_folder("m2"), b + n, sizeof b - n);
    write_plain(in_folder("labels4.gz"), b, n);
    write_set(in_folder("four.gz"), in_folder("unused"), 4, -1, 0);
    d = clg_dataset_open_idx(in_folder("four.gz"), in_folder("labels4.gz"));
    cr_assert_not_null(d, "%s", clg_error());
    cr_expect_eq(clg_dataset_classes(d), 256);
    clg_dataset_destroy(&d);
}

Test(data, sets_that_do_not_fit_together, .init = make_folder, .fini = remove_folder) {
    write_set(in_folder("train-images-idx3-ubyte.gz"), in_folder("train-labels-idx1-ubyte"), 20, 7, 10);
    write_set(in_folder("t10k-images-idx3-ubyte.gz"), in_folder("t10k-labels-idx1-ubyte"), 30, -1, 0);
    const struct {
        const char *spec, *want;
        enum clg_part part;
        clg_status status;
    } cases[] = {
        {"mnist:", "a path is missing", CLG_TRAIN, CLG_ERR_INVALID},
        {"Digits", "known are digits, mnist:PATH", CLG_TRAIN, CLG_ERR_INVALID},
        {"", "known are digits, mnist:PATH", CLG_TEST, CLG_ERR_INVALID},
        {"mnist:/nowhere/at/all", "no such folder", CLG_TRAIN, CLG_ERR_IO},
        {"mnist:.", "no train-images-idx3-ubyte.gz or train-images-idx3-ubyte", CLG_TRAIN, CLG_ERR_IO},
        {NULL, "label 7 is 10; labels of this data set are 0 to 9", CLG_TRAIN, CLG_ERR_FORMAT},
    };
    char here[300];
    snprintf(here, sizeof here, "mnist:%s", folder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *spec = cases[i].spec ? cases[i].spec : here;
        cr_expect_null(clg_dataset_open(spec, cases[i].part), "%s", spec);
        cr_expect_eq(clg_error_status(), cases[i].status, "%s: %s", spec, clg_error());
        cr_expect_not_null(strstr(clg_error(), cases[i].want), "%s: %s", spec, clg_error());
    }
    clg_dataset *d = clg_dataset_open(here, CLG_TEST);
    cr_expect_eq(clg_dataset_size(d), 30);
    clg_dataset_destroy(&d);

    d = clg_dataset_open_idx(in_folder("t10k-images-idx3-ubyte.gz"), in_folder("train-labels-idx1-ubyte"));
    cr_expect_null(d);
    cr_expect_eq(clg_error_status(), CLG_ERR_FORMAT);
    cr_expect_not_null(strstr(clg_error(), "30 pictures"), "%s", clg_error());
    cr_expect_not_null(strstr(clg_error(), "20 labels"), "%s", clg_error());
    cr_expect_null(clg_dataset_open_idx(in_folder("missing"), in_folder("train-labels-idx1-ubyte")));
    cr_expect_eq(clg_error_status(), CLG_ERR_IO);
    cr_expect_not_null(strstr(clg_error(), "missing"), "%s", clg_error());
}

/* --- the shipped digits: what they must be was computed from the full MNIST files --- */

Test(data, digits_are_the_first_of_mnist) {
    static const struct {
        enum clg_part part;
        int64_t n, sum_first, sum_all;
        int first[10], count[10];
    } parts[2] = {
        {CLG_TRAIN, 6400, 27525, 169644303, {5, 0, 4, 1, 9, 2, 1, 3, 1, 4},
         {628, 718, 624, 650, 660, 552, 645, 693, 587, 643}},
        {CLG_TEST, 1000, 18454, 24443134, {7, 2, 1, 0, 4, 1, 4, 9, 5, 9},
         {85, 126, 116, 107, 110, 87, 87, 99, 89, 94}},
    };
    static float pixels[784];
    for (int p = 0; p < 2; p++) {
        clg_dataset *d = clg_dataset_open("digits", parts[p].part);
        cr_assert_not_null(d, "%s", clg_error());
        cr_expect_eq(clg_dataset_size(d), parts[p].n);
        cr_expect_eq(clg_dataset_classes(d), 10);
        const clg_shape s = clg_dataset_shape(d);
        cr_expect(s.dim[0] == 1 && s.dim[1] == 28 && s.dim[2] == 28);
        int64_t sum_all = 0, sum_first = 0;
        int count[10] = {0};
        for (int64_t i = 0; i < parts[p].n; i++) {
            int32_t label;
            int64_t sum = 0;
            cr_assert_eq(clg_dataset_item(d, i, pixels, &label), CLG_OK);
            for (int k = 0; k < 784; k++) sum += lroundf(pixels[k] * 255.0f);
            sum_all += sum;
            if (i == 0) sum_first = sum;
            if (i < 10) cr_expect_eq(label, parts[p].first[i]);
            count[label]++;
        }
        cr_expect_eq(sum_first, parts[p].sum_first, "%lld", (long long)sum_first);
        cr_expect_eq(sum_all, parts[p].sum_all, "%lld", (long long)sum_all);
        for (int k = 0; k < 10; k++) cr_expect_eq(count[k], parts[p].count[k]);
        clg_dataset_destroy(&d);
    }
}

/* --- order and batches --- */

enum { N = 1000, MIRRORS = 32 };

/* A plan that gives back what it was given, so that batches can be looked at. */
typedef struct mirror {
    int64_t rows;
    clg_graph  *graph;
    clg_plan   *plan;
    clg_tensor *x, *t, *x_out, *t_out;
} mirror;

typedef struct bench {
    clg_device  *dev;
    clg_dataset *data;
    mirror m[MIRRORS];
} bench;

static mirror *mirror_for(bench *b, int64_t rows) {
    mirror *m = b->m;
    while (m->plan && m->rows != rows) m++;
    cr_assert_lt(m - b->m, MIRRORS);
    if (m->plan) return m;
    m->rows = rows;
    m->graph = clg_graph_create(b->dev, NULL);
    m->x = clg_input(m->graph, "x", CLG_F32, CLG_SHAPE(rows, 1, 1, 2));
    m->t = clg_input(m->graph, "t", CLG_I32, CLG_SHAPE(rows));
    m->x_out = clg_neg(m->x);
    m->t_out = clg_neg(clg_cast(m->t, CLG_F32));
    m->plan = clg_compile(m->graph, CLG_LIST(m->x_out, m->t_out), NULL);
    cr_assert_not_null(m->plan, "%s", clg_error());
    return m;
}

static void bench_open(bench *b, int n) {
    memset(b, 0, sizeof *b);
    make_folder();
    write_set(in_folder("images"), in_folder("labels"), n, -1, 0);
    b->dev = clg_device_open("ref", NULL);
    b->data = clg_dataset_open_idx(in_folder("images"), in_folder("labels"));
    cr_assert(b->dev && b->data, "%s", clg_error());
    remove_folder();
}

static void bench_close(bench *b) {
    for (int i = 0; i < MIRRORS; i++) {
        clg_plan_destroy(&b->m[i].plan);
        clg_graph_destroy(&b->m[i].graph);
    }
    clg_dataset_destroy(&b->data);
    clg_device_destroy(&b->dev);
}

/* Reads a batch; writes the numbers of its pictures to id, and checks that the labels belong to them. */
static void next(bench *b, clg_dataset *d, int64_t rows, int *id) {
    mirror *m = mirror_for(b, rows);
    float x[2 * N], t[N];
    cr_assert_eq(clg_dataset_next(d, m->plan, m->x, m->t), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_run(m->plan), CLG_OK);
    cr_assert_eq(clg_read(m->plan, m->x_out, x, (size_t)rows * 2 * sizeof x[0]), CLG_OK);
    cr_assert_eq(clg_read(m->plan, m->t_out, t, (size_t)rows * sizeof t[0]), CLG_OK);
    for (int64_t i = 0; i < rows; i++) {
        id[i] = (int)(-x[2 * i] * 255 + 0.5f) + 256 * (int)(-x[2 * i + 1] * 255 + 0.5f);
        cr_assert_eq((int)-t[i], id[i] % 10, "picture %d came with label %d", id[i], (int)-t[i]);
    }
}

/* What is left of an epoch, in batches of `rows` and a smaller last one; returns the count. */
static int rest(bench *b, clg_dataset *d, int64_t rows, int *id) {
    int n = 0;
    while (clg_dataset_left(d) > 0) {
        const int64_t left = clg_dataset_left(d), k = left < rows ? left : rows;
        next(b, d, k, id + n);
        n += (int)k;
    }
    return n;
}

static void epoch(bench *b, clg_dataset *d, bool shuffle, uint64_t seed, int64_t number, int *id) {
    cr_assert_eq(clg_dataset_start(d, shuffle, seed, number), CLG_OK);
    cr_assert_eq(rest(b, d, 64, id), clg_dataset_size(d));
}

static bool is_permutation(const int *id, int begin, int n) {
    bool seen[N] = {0};
    for (int i = 0; i < n; i++) {
        if (id[i] < begin || id[i] >= begin + n || seen[id[i] - begin]) return false;
        seen[id[i] - begin] = true;
    }
    return true;
}

static int same_places(const int *a, const int *b, int n) {
    int same = 0;
    for (int i = 0; i < n; i++) same += a[i] == b[i];
    return same;
}

Test(data, an_epoch_is_a_permutation_made_by_seed_and_epoch) {
    bench b;
    int plain[N], a[N], again[N], other[N];
    bench_open(&b, N);
    epoch(&b, b.data, false, 5, 3, plain);
    for (int i = 0; i < N; i++) cr_expect_eq(plain[i], i);
    epoch(&b, b.data, true, 1, 0, a);
    cr_expect(is_permutation(a, 0, N));
    cr_expect_lt(same_places(a, plain, N), 20, "hardly shuffled");
    /* checkpoints are resumed by this order: it must not change from version to version */
    static const int golden[8] = {477, 623, 430, 668, 169, 507, 794, 877};
    for (int i = 0; i < 8; i++) cr_expect_eq(a[i], golden[i], "place %d: %d", i, a[i]);
    epoch(&b, b.data, true, 2, 0, other);
    cr_expect(is_permutation(other, 0, N));
    cr_expect_lt(same_places(a, other, N), 20, "the seed does not matter");
    epoch(&b, b.data, true, 1, 1, other);
    cr_expect(is_permutation(other, 0, N));
    cr_expect_lt(same_places(a, other, N), 20, "the epoch does not matter");
    epoch(&b, b.data, true, 1, 0, again);
    cr_expect_eq(same_places(a, again, N), N, "not repeatable");
    bench_close(&b);
}

Test(data, without_start_it_is_seed_0_epoch_0_and_goes_on_by_itself) {
    bench b;
    int first[N], second[N], got[64 * 16];
    bench_open(&b, N);
    for (int i = 0; i < 16; i++) next(&b, b.data, 64, got + 64 * i); /* 1024: 24 from the following epoch */
    cr_expect_eq(clg_dataset_left(b.data), N - 24);
    epoch(&b, b.data, true, 0, 0, first);
    epoch(&b, b.data, true, 0, 1, second);
    cr_expect_eq(same_places(got, first, N), N);
    cr_expect_eq(same_places(got + N, second, 24), 24);
    bench_close(&b);
}

Test(data, batches_of_any_size_give_the_same_order) {
    bench b;
    int want[N], got[N];
    bench_open(&b, N);
    epoch(&b, b.data, true, 9, 4, want);
    /* what was prefetched for one size is used by another; larger ones make the buffers grow */
    static const int sizes[] = {64, 64, 7, 200, 64, 1, 300, 7, 200};
    int n = 0;
    cr_assert_eq(clg_dataset_start(b.data, true, 9, 4), CLG_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; n += sizes[i++]) next(&b, b.data, sizes[i], got + n);
    n += rest(&b, b.data, 64, got + n);
    cr_expect_eq(n, N);
    cr_expect_eq(same_places(got, want, N), N);
    for (int skip = 0; skip <= N; skip += 125) {
        cr_assert_eq(clg_dataset_start(b.data, true, 9, 4), CLG_OK);
        cr_assert_eq(clg_dataset_skip(b.data, skip), CLG_OK);
        n = rest(&b, b.data, 64, got);
        cr_expect_eq(n, N - skip);
        cr_expect_eq(same_places(got, want + skip, n), n, "after skipping %d", skip);
    }
    bench_close(&b);
}

Test(data, skip_after_prefetch_and_start_in_the_middle) {
    bench b;
    int want[N], got[64];
    bench_open(&b, N);
    epoch(&b, b.data, true, 3, 0, want);
    cr_assert_eq(clg_dataset_start(b.data, true, 3, 0), CLG_OK);
    next(&b, b.data, 64, got);
    cr_assert_eq(clg_dataset_skip(b.data, 10), CLG_OK);
    next(&b, b.data, 64, got);
    cr_expect_eq(same_places(got, want + 74, 64), 64);
    cr_assert_eq(clg_dataset_start(b.data, true, 3, 0), CLG_OK);
    next(&b, b.data, 64, got);
    cr_expect_eq(same_places(got, want, 64), 64);
    /* what is prepared at a place of one epoch is nothing for the same place of another */
    cr_assert_eq(clg_dataset_start(b.data, true, 4, 0), CLG_OK);
    next(&b, b.data, 64, got);
    cr_assert_eq(clg_dataset_start(b.data, true, 3, 0), CLG_OK);
    cr_assert_eq(clg_dataset_skip(b.data, 64), CLG_OK);
    next(&b, b.data, 64, got);
    cr_expect_eq(same_places(got, want + 64, 64), 64);
    bench_close(&b);
}

Test(data, a_batch_may_be_larger_than_the_data_set) {
    bench b;
    int got[64], one[10];
    bench_open(&b, 10);
    cr_assert_eq(clg_dataset_start(b.data, true, 1, 0), CLG_OK);
    next(&b, b.data, 64, got);
    for (int e = 0; e < 6; e++) {
        epoch(&b, b.data, true, 1, e, one);
        cr_expect_eq(same_places(got + 10 * e, one, 10), 10, "epoch %d", e);
    }
    bench_close(&b);
}

Test(data, slices_share_and_keep_to_their_part) {
    bench b;
    int got[N];
    bench_open(&b, N);
    clg_dataset *train = clg_dataset_slice(b.data, 0, 800), *val = clg_dataset_slice(b.data, 800, 200);
    cr_assert(train && val);
    clg_dataset *inner = clg_dataset_slice(val, 50, 100);
    clg_dataset_destroy(&b.data); /* the slices keep the memory */
    epoch(&b, train, true, 1, 0, got);
    cr_expect(is_permutation(got, 0, 800));
    epoch(&b, val, true, 1, 0, got);
    cr_expect(is_permutation(got, 800, 200));
    epoch(&b, inner, false, 1, 0, got);
    for (int i = 0; i < 100; i++) cr_expect_eq(got[i], 850 + i);
    int32_t label;
    cr_expect_eq(clg_dataset_item(inner, 3, NULL, &label), CLG_OK);
    cr_expect_eq(label, 853 % 10);
    cr_expect_eq(clg_dataset_classes(inner), 10);
    static const int64_t bad[][2] = {{-1, 5}, {0, 0}, {0, 201}, {200, 1}, {5, INT64_MAX}, {INT64_MAX, 1}, {3, -2}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_null(clg_dataset_slice(val, bad[i][0], bad[i][1]));
        cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
    }
    clg_dataset_destroy(&inner);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    bench_close(&b);
}

Test(data, wrong_calls_are_refused) {
    bench b;
    int got[64];
    bench_open(&b, N);
    mirror *m = mirror_for(&b, 64);
    clg_tensor *wide = clg_input(m->graph, "wide", CLG_F32, CLG_SHAPE(64, 1, 2, 2));
    clg_tensor *flat = clg_input(m->graph, "flat", CLG_F32, CLG_SHAPE(64, 2));
    clg_tensor *whole = clg_input(m->graph, "whole", CLG_I32, CLG_SHAPE(64, 1, 1, 2));
    clg_tensor *few = clg_input(m->graph, "few", CLG_I32, CLG_SHAPE(63));
    clg_tensor *real = clg_input(m->graph, "real", CLG_F32, CLG_SHAPE(64));
    cr_assert_eq(clg_dataset_start(b.data, false, 0, 0), CLG_OK);
    cr_expect_eq(clg_dataset_next(b.data, m->plan, wide, m->t), CLG_ERR_SHAPE);
    cr_expect_eq(clg_dataset_next(b.data, m->plan, flat, m->t), CLG_ERR_SHAPE);
    cr_expect_eq(clg_dataset_next(b.data, m->plan, whole, m->t), CLG_ERR_SHAPE);
    cr_expect_eq(clg_dataset_next(b.data, m->plan, m->x, few), CLG_ERR_SHAPE);
    cr_expect_eq(clg_dataset_next(b.data, m->plan, m->x, real), CLG_ERR_SHAPE);
    cr_expect_eq(clg_dataset_next(NULL, m->plan, m->x, m->t), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_next(b.data, NULL, m->x, m->t), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_next(b.data, m->plan, NULL, m->t), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_next(b.data, m->plan, m->x, NULL), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_skip(b.data, N + 1), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_skip(b.data, -1), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_start(b.data, true, 0, -1), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_start(NULL, true, 0, 0), CLG_ERR_INVALID);
    next(&b, b.data, 64, got); /* nothing of that has moved it */
    for (int i = 0; i < 64; i++) cr_expect_eq(got[i], i);
    clg_dataset_destroy(NULL);
    bench_close(&b);
}

/* Batches on the host are those that plans get: the items of the order, also over the end of the epoch. */
Test(data, batches_on_the_host) {
    clg_dataset *d = clg_dataset_open("moons:n=25", CLG_TRAIN);
    cr_assert_not_null(d, "%s", clg_error());
    const void *x, *target;
    const int64_t n = clg_dataset_size(d);
    cr_assert_eq(clg_dataset_start(d, false, 0, 0), CLG_OK);
    cr_assert_neq(n % 7, 0); /* a batch lies across the end */
    for (int64_t at = 0; at <= n / 7 + 1; at++) {
        cr_assert_eq(clg_dataset_batch(d, 7, CLG_F64, CLG_I32, &x, &target), CLG_OK, "%s", clg_error());
        for (int64_t i = 0; i < 7; i++) {
            double want[2], label;
            cr_assert_eq(clg_dataset_row(d, (at * 7 + i) % n, want, &label), CLG_OK);
            cr_expect_arr_eq((const double *)x + 2 * i, want, sizeof want);
            cr_expect_eq(((const int32_t *)target)[i], (int32_t)label);
        }
    }
    cr_expect_eq(clg_dataset_batch(d, 0, CLG_F64, CLG_I32, &x, &target), CLG_ERR_INVALID);
    cr_expect_eq(clg_dataset_batch(d, 7, CLG_I32, CLG_I32, &x, &target), CLG_ERR_SHAPE);
    cr_expect_eq(clg_dataset_batch(d, 7, CLG_F32, CLG_F32, &x, &target), CLG_ERR_SHAPE);
    cr_expect_not_null(strstr(clg_error(), "targets of these items are i32, not f32"), "%s", clg_error());
    clg_dataset_destroy(&d);
}
