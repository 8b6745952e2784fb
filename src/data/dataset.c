/* Data sets: pictures stay bytes in memory, shared by a data set and its slices; an epoch is a permutation that
 * depends on (seed, epoch) alone; batches are gathered ahead by prefetch.c. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/digits.h"
#include "data/idx.h"
#include "data/prefetch.h"
#include <clgrad/data.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SPEC_CLASSES = 10 }; /* of the data sets that have a name here */

/* The bytes of a data set; immutable. */
typedef struct pictures {
    atomic_int refs;
    clg_idx    images, labels;
    int        classes;
} pictures;

struct clg_dataset {
    pictures     *px;
    int64_t       begin, n;
    uint32_t     *order;  /* n positions -> items, begin included */
    bool          shuffle;
    uint64_t      seed;
    int64_t       epoch, pos;
    clg_prefetch *pre;    /* made by the first batch; NULL before */
};

/* --- opening --- */

static void pictures_unref(pictures *px) {
    if (!px || atomic_fetch_sub(&px->refs, 1) > 1) return;
    clg_free(px->images.data);
    clg_free(px->labels.data);
    clg_free(px);
}

/* Takes over one reference to px, also when it fails. */
static clg_dataset *dataset_create(pictures *px, int64_t begin, int64_t n) {
    clg_dataset *d = clg_calloc(1, sizeof *d);
    uint32_t *order = clg_calloc((size_t)n, sizeof *order);
    if (!d || !order) {
        clg_fail_nomem("data set");
        clg_free(d);
        clg_free(order);
        pictures_unref(px);
        return NULL;
    }
    *d = (clg_dataset){.px = px, .begin = begin, .n = n, .order = order};
    if (clg_dataset_start(d, true, 0, 0) < 0) clg_dataset_destroy(&d);
    return d;
}

/* Joins pictures and labels; takes over the data of both, also when it fails. max_classes 0: no limit. */
static clg_dataset *dataset_join(clg_idx images, clg_idx labels, const char *image_name, const char *label_name,
                                 int max_classes) {
    const int64_t n = images.dim[0];
    int classes = 0;
    if (labels.dim[0] != n) {
        clg_fail(CLG_ERR_FORMAT, "%s has %lld pictures, but %s has %lld labels: they do not belong together",
                 image_name, (long long)n, label_name, (long long)labels.dim[0]);
        goto fail;
    }
    for (int64_t i = 0; i < n; i++) {
        const int label = labels.data[i];
        if (max_classes > 0 && label >= max_classes) {
            clg_fail(CLG_ERR_FORMAT, "%s: label %lld is %d; labels of this data set are 0 to %d", label_name,
                     (long long)i, label, max_classes - 1);
            goto fail;
        }
        if (label >= classes) classes = label + 1;
    }
    pictures *px = clg_calloc(1, sizeof *px);
    if (!px) {
        clg_fail_nomem("data set");
        goto fail;
    }
    atomic_init(&px->refs, 1);
    px->images = images;
    px->labels = labels;
    px->classes = classes;
    return dataset_create(px, 0, n);
fail:
    clg_free(images.data);
    clg_free(labels.data);
    return NULL;
}

static clg_dataset *open_files(const char *image_path, const char *label_path, int max_classes) {
    clg_idx images = {0}, labels = {0};
    if (clg_idx_read(image_path, 3, &images) < 0) return NULL;
    if (clg_idx_read(label_path, 1, &labels) < 0) {
        clg_free(images.data);
        return NULL;
    }
    return dataset_join(images, labels, image_path, label_path, max_classes);
}

clg_dataset *clg_dataset_open_idx(const char *images, const char *labels) {
    if (!images || !labels) {
        clg_fail(CLG_ERR_INVALID, "dataset_open_idx: %s is NULL", images ? "labels" : "images");
        return NULL;
    }
    return open_files(images, labels, 0);
}

static const char *const part_names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                             {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};

static clg_dataset *open_digits(enum clg_part part) {
    clg_idx idx[2] = {{0}, {0}};
    char name[2][48];
    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        snprintf(name[i], sizeof name[i], "%s.gz", part_names[part == CLG_TEST][i]);
        const void *data = clg_digits_file(name[i], &size);
        if (clg_idx_parse(name[i], data, size, i == 0 ? 3 : 1, &idx[i]) < 0) {
            clg_free(idx[0].data);
            return NULL;
        }
    }
    return dataset_join(idx[0], idx[1], name[0], name[1], SPEC_CLASSES);
}

/* "dir/name.gz" or "dir/name", whichever is there. */
static clg_status find_file(const char *dir, const char *name, char *path, size_t size) {
    static const char *const ends[] = {".gz", ""};
    struct stat st;
    for (int i = 0; i < 2; i++) {
        const int n = snprintf(path, size, "%s/%s%s", dir, name, ends[i]);
        if (n < 0 || (size_t)n >= size)
            return clg_fail(CLG_ERR_INVALID, "dataset_open: the path %s/... is too long", dir);
        if (stat(path, &st) == 0) return CLG_OK;
    }
    if (stat(dir, &st) != 0) return clg_fail(CLG_ERR_IO, "mnist:%s: there is no such folder", dir);
    return clg_fail(CLG_ERR_IO, "mnist:%s: no %s.gz or %s there; the folder needs the four IDX files of MNIST", dir,
                    name, name);
}

static clg_dataset *open_folder(const char *dir, enum clg_part part) {
    char path[2][4096];
    for (int i = 0; i < 2; i++)
        if (find_file(dir, part_names[part == CLG_TEST][i], path[i], sizeof path[i]) < 0) return NULL;
    return open_files(path[0], path[1], SPEC_CLASSES);
}

clg_dataset *clg_dataset_open(const char *spec, enum clg_part part) {
    if (spec && (part == CLG_TRAIN || part == CLG_TEST)) {
        if (strcmp(spec, "digits") == 0) return open_digits(part);
        if (strncmp(spec, "mnist:", 6) == 0 && spec[6] != 0) return open_folder(spec + 6, part);
    }
    clg_fail(CLG_ERR_INVALID, "dataset_open(%s): unknown data set; known are digits (built in) and mnist:DIR (a "
             "folder of IDX files)", spec ? spec : "NULL");
    return NULL;
}

void clg_dataset_destroy(clg_dataset **d) {
    if (!d || !*d) return;
    clg_prefetch_destroy(&(*d)->pre);
    pictures_unref((*d)->px);
    clg_free((*d)->order);
    clg_free(*d);
    *d = NULL;
}

clg_dataset *clg_dataset_slice(clg_dataset *d, int64_t begin, int64_t n) {
    if (!d || begin < 0 || n < 1 || begin > d->n || n > d->n - begin) {
        clg_fail(CLG_ERR_INVALID, "dataset_slice(begin %lld, n %lld): no range inside the %lld items of the data set",
                 (long long)begin, (long long)n, (long long)clg_dataset_size(d));
        return NULL;
    }
    atomic_fetch_add(&d->px->refs, 1);
    return dataset_create(d->px, d->begin + begin, n);
}

/* --- facts --- */

int64_t clg_dataset_size(const clg_dataset *d) {
    return d ? d->n : 0;
}

clg_shape clg_dataset_shape(const clg_dataset *d) {
    return d ? CLG_SHAPE(1, d->px->images.dim[1], d->px->images.dim[2]) : (clg_shape){.ndim = -1};
}

int clg_dataset_classes(const clg_dataset *d) {
    return d ? d->px->classes : 0;
}

int64_t clg_dataset_left(const clg_dataset *d) {
    return d ? d->n - d->pos : 0;
}

static size_t item_bytes(const clg_dataset *d) {
    return (size_t)(d->px->images.dim[1] * d->px->images.dim[2]);
}

clg_status clg_dataset_item(const clg_dataset *d, int64_t i, float *pixels, int32_t *label) {
    if (!d || i < 0 || i >= d->n)
        return clg_fail(CLG_ERR_INVALID, "dataset_item(%lld): the data set has %lld items", (long long)i,
                        d ? (long long)d->n : 0LL);
    const size_t at = (size_t)(d->begin + i), item = item_bytes(d);
    const uint8_t *image = d->px->images.data + at * item;
    if (pixels)
        for (size_t k = 0; k < item; k++) pixels[k] = (float)image[k] / 255.0f;
    if (label) *label = d->px->labels.data[at];
    return CLG_OK;
}

/* --- order --- */

/* Source: Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195 (SplitMix64); by its counter, so no state is kept. */
static uint64_t splitmix(uint64_t key, uint64_t counter) {
    uint64_t z = key + (counter + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Fisher-Yates. Bounds stay below 2^32, so the product with the upper half needs 64 bits only; its bias is below
 * 2^-32 n, far under what could be noticed. */
static void make_order(clg_dataset *d) {
    for (int64_t i = 0; i < d->n; i++) d->order[i] = (uint32_t)(d->begin + i);
    if (!d->shuffle) return;
    const uint64_t key = splitmix(splitmix(d->seed, 0), (uint64_t)d->epoch);
    for (int64_t i = d->n - 1; i > 0; i--) {
        const uint64_t r = splitmix(key, (uint64_t)i) >> 32;
        const int64_t j = (int64_t)(r * (uint64_t)(i + 1) >> 32);
        const uint32_t t = d->order[i];
        d->order[i] = d->order[j];
        d->order[j] = t;
    }
}

clg_status clg_dataset_start(clg_dataset *d, bool shuffle, uint64_t seed, int64_t epoch) {
    if (!d || epoch < 0)
        return clg_fail(CLG_ERR_INVALID, "dataset_start: %s", d ? "epoch is negative" : "data set is NULL");
    if (d->pre) clg_prefetch_drop(d->pre);
    d->shuffle = shuffle;
    d->seed = seed;
    d->epoch = epoch;
    d->pos = 0;
    make_order(d);
    return CLG_OK;
}

clg_status clg_dataset_skip(clg_dataset *d, int64_t n) {
    if (!d || n < 0 || n > d->n - d->pos)
        return clg_fail(CLG_ERR_INVALID, "dataset_skip(%lld): %lld items are left in this epoch", (long long)n,
                        (long long)clg_dataset_left(d));
    if (d->pre) clg_prefetch_drop(d->pre);
    d->pos += n;
    return CLG_OK;
}

/* --- batches --- */

static clg_status check_inputs(const clg_dataset *d, const clg_plan *p, const clg_tensor *x, const clg_tensor *target) {
    if (!d || !p || !x || !target)
        return clg_fail(CLG_ERR_INVALID, "dataset_next: the %s is NULL",
                        !d ? "data set" : !p ? "plan" : !x ? "input x" : "input target");
    const clg_shape s = clg_tensor_shape(x), t = clg_tensor_shape(target), want = clg_dataset_shape(d);
    if (clg_tensor_dtype(x) != CLG_F32 || s.ndim != 4 || s.dim[0] < 1 || s.dim[1] != want.dim[0] ||
        s.dim[2] != want.dim[1] || s.dim[3] != want.dim[2])
        return clg_fail(CLG_ERR_SHAPE, "dataset_next: input %s must be f32[batch,%lld,%lld,%lld] for these pictures",
                        clg_tensor_name(x), (long long)want.dim[0], (long long)want.dim[1], (long long)want.dim[2]);
    if (clg_tensor_dtype(target) != CLG_I32 || t.ndim != 1 || t.dim[0] != s.dim[0])
        return clg_fail(CLG_ERR_SHAPE, "dataset_next: input %s must be i32[%lld], the batch size of %s",
                        clg_tensor_name(target), (long long)s.dim[0], clg_tensor_name(x));
    return CLG_OK;
}

static clg_gather gather_of(const clg_dataset *d) {
    return (clg_gather){.images = d->px->images.data, .labels = d->px->labels.data, .order = d->order,
                        .item = item_bytes(d)};
}

static clg_status reserve(clg_dataset *d, int64_t rows) {
    if (d->pre && clg_prefetch_rows(d->pre) >= rows) return CLG_OK;
    clg_prefetch *p = clg_prefetch_create(rows, item_bytes(d));
    if (!p)
        return clg_fail(CLG_ERR_NOMEM, "dataset_next: no host memory for two batches of %lld items", (long long)rows);
    clg_prefetch_destroy(&d->pre);
    d->pre = p;
    return CLG_OK;
}

/* Completes a batch. What the worker prepared begins where we stand, as everything else that moves drops it; the rest
 * is gathered here, over the end of the epoch into the following ones if need be. */
static void fill(clg_dataset *d, clg_batch *b, int64_t rows) {
    const clg_gather g = gather_of(d);
    int64_t row = b->n < rows ? b->n : rows;
    d->pos += row;
    while (row < rows) {
        if (d->pos == d->n) {
            d->pos = 0;
            d->epoch++;
            make_order(d);
        }
        const int64_t left = d->n - d->pos, n = rows - row < left ? rows - row : left;
        clg_gather_rows(&g, b, row, d->pos, n);
        row += n;
        d->pos += n;
    }
}

clg_status clg_dataset_next(clg_dataset *d, clg_plan *p, clg_tensor *x, clg_tensor *target) {
    CLG_TRY(check_inputs(d, p, x, target));
    const int64_t rows = clg_tensor_shape(x).dim[0];
    CLG_TRY(reserve(d, rows));
    clg_batch *b = clg_prefetch_take(d->pre);
    fill(d, b, rows);
    const int64_t left = d->n - d->pos;
    if (left > 0) {
        const clg_gather g = gather_of(d);
        clg_prefetch_begin(d->pre, &g, d->pos, left < rows ? left : rows);
    }
    CLG_TRY(clg_write(p, x, b->x, (size_t)rows * item_bytes(d) * sizeof(float)));
    return clg_write(p, target, b->t, (size_t)rows * sizeof(int32_t));
}
