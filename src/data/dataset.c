/* Data sets: items stay in memory as they were read (pictures as bytes), shared by a data set and its parts; a part is
 * a list of rows; an epoch is a permutation of it that depends on (seed, epoch) alone; batches are gathered ahead by
 * prefetch.c. */
#include "data/dataset.h"
#include "base/alloc.h"
#include "base/error.h"
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t mark_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- making --- */

static void bank_unref(clg_bank *b) {
    if (!b || atomic_fetch_sub(&b->refs, 1) > 1) return;
    clg_items_free(&b->items);
    clg_free(b->mark);
    clg_free(b);
}

/* A test part begins (change 1) or ends (-1): its items must not be trained on meanwhile. */
static void count_test(const clg_dataset *d, int change) {
    if (d->part != CLG_TEST) return;
    pthread_mutex_lock(&mark_lock);
    for (int64_t i = 0; i < d->n; i++) d->bank->mark[d->rows[i]].tests += (uint32_t)change;
    pthread_mutex_unlock(&mark_lock);
}

/* Takes over the rows and one reference to bank and scaler each, also when it fails. */
static clg_dataset *dataset_new(clg_bank *bank, clg_scaler *scaler, uint32_t *rows, int64_t n, enum clg_part part) {
    clg_dataset *d = clg_calloc(1, sizeof *d);
    uint32_t *order = clg_calloc((size_t)n, sizeof *order);
    if (!d || !order) {
        clg_fail_nomem("data set");
        clg_free(d);
        clg_free(order);
        clg_free(rows);
        clg_scaler_destroy(&scaler);
        bank_unref(bank);
        return NULL;
    }
    *d = (clg_dataset){.bank = bank, .part = part, .n = n, .rows = rows, .order = order, .scaler = scaler};
    count_test(d, 1);
    if (clg_dataset_start(d, true, 0, 0) < 0) clg_dataset_destroy(&d);
    return d;
}

clg_dataset *clg_dataset_of_rows(const clg_dataset *d, uint32_t *rows, int64_t n, enum clg_part part) {
    atomic_fetch_add(&d->bank->refs, 1);
    return dataset_new(d->bank, clg_scaler_ref(d->scaler), rows, n, part);
}

/* Takes the contents of items over, which were checked, also when it fails. */
static clg_dataset *dataset_of(clg_items *items, enum clg_part part) {
    const int64_t n = items->n;
    clg_bank *bank = clg_calloc(1, sizeof *bank);
    clg_mark *mark = clg_calloc((size_t)n, sizeof *mark);
    uint32_t *rows = clg_calloc((size_t)n, sizeof *rows);
    if (!bank || !mark || !rows) {
        clg_fail_nomem("data set");
        clg_items_free(items);
        clg_free(bank);
        clg_free(mark);
        clg_free(rows);
        return NULL;
    }
    bank->items = *items;
    bank->mark = mark;
    atomic_init(&bank->refs, 1);
    *items = (clg_items){0};
    for (int64_t i = 0; i < n; i++) rows[i] = (uint32_t)i;
    return dataset_new(bank, NULL, rows, n, part);
}

clg_dataset *clg_dataset_from_items(clg_items *items, enum clg_part part) {
    if (clg_items_check(items, CLG_ERR_FORMAT) < 0) {
        clg_items_free(items);
        return NULL;
    }
    return dataset_of(items, part);
}

clg_dataset *clg_dataset_create(const clg_dataset_params *p) {
    clg_items it = {0};
    if (!p || p->part < CLG_TRAIN || p->part > CLG_VALIDATION) {
        clg_fail(CLG_ERR_INVALID, "dataset_create: %s", p ? "there is no such part" : "params is NULL");
        return NULL;
    }
    if (clg_items_copy(p, &it) < 0 || clg_items_check(&it, CLG_ERR_INVALID) < 0) {
        clg_fail_context(clg_error_status(), "dataset_create: ");
        clg_items_free(&it);
        return NULL;
    }
    return dataset_of(&it, p->part);
}

void clg_dataset_destroy(clg_dataset **d) {
    if (!d || !*d) return;
    count_test(*d, -1);
    clg_prefetch_destroy(&(*d)->pre);
    clg_scaler_destroy(&(*d)->scaler);
    bank_unref((*d)->bank);
    clg_free((*d)->rows);
    clg_free((*d)->order);
    clg_free(*d);
    *d = NULL;
}

/* --- facts --- */

int64_t clg_dataset_size(const clg_dataset *d) {
    return d ? d->n : 0;
}

clg_shape clg_dataset_shape(const clg_dataset *d) {
    return d ? d->bank->items.shape : (clg_shape){.ndim = -1};
}

int clg_dataset_classes(const clg_dataset *d) {
    return d ? d->bank->items.classes : 0;
}

int64_t clg_dataset_targets(const clg_dataset *d) {
    return d ? d->bank->items.targets : 0;
}

enum clg_part clg_dataset_part(const clg_dataset *d) {
    return d ? d->part : CLG_TEST;
}

const char *clg_dataset_class_name(const clg_dataset *d, int k) {
    return d && d->bank->items.class_name && k >= 0 && k < d->bank->items.classes ? d->bank->items.class_name[k] : NULL;
}

const char *clg_dataset_feature_name(const clg_dataset *d, int64_t k) {
    if (!d || !d->bank->items.feature_name || k < 0 || k >= (int64_t)clg_items_numbers(&d->bank->items)) return NULL;
    return d->bank->items.feature_name[k];
}

int64_t clg_dataset_left(const clg_dataset *d) {
    return d ? d->n - d->pos : 0;
}

static clg_status check_item(const clg_dataset *d, int64_t i, const char *call) {
    if (d && i >= 0 && i < d->n) return CLG_OK;
    return clg_fail(CLG_ERR_INVALID, "%s(%lld): the data set has %lld items", call, (long long)i,
                    (long long)clg_dataset_size(d));
}

clg_status clg_dataset_item(const clg_dataset *d, int64_t i, float *pixels, int32_t *label) {
    CLG_TRY(check_item(d, i, "dataset_item"));
    if (label && !d->bank->items.label)
        return clg_fail(CLG_ERR_INVALID, "dataset_item: the items have target values and no classes; read them by "
                        "clg_dataset_row()");
    if (pixels) clg_row_x(&d->bank->items, d->scaler, d->rows[i], CLG_F32, pixels);
    if (label) clg_row_target(&d->bank->items, d->rows[i], CLG_I32, label);
    return CLG_OK;
}

clg_status clg_dataset_row(const clg_dataset *d, int64_t i, double *x, double *target) {
    CLG_TRY(check_item(d, i, "dataset_row"));
    if (x) clg_row_x(&d->bank->items, d->scaler, d->rows[i], CLG_F64, x);
    if (target) clg_row_target(&d->bank->items, d->rows[i], CLG_F64, target);
    return CLG_OK;
}

int clg_dataset_evaluated(clg_dataset *d) {
    uint32_t most = 0;
    pthread_mutex_lock(&mark_lock);
    for (int64_t i = 0; d && i < d->n; i++) {
        uint32_t *times = &d->bank->mark[d->rows[i]].evaluated;
        if (*times < INT_MAX) (*times)++;
        if (*times > most) most = *times;
    }
    pthread_mutex_unlock(&mark_lock);
    return (int)most;
}

int64_t clg_dataset_test_items(const clg_dataset *d) {
    int64_t n = 0;
    pthread_mutex_lock(&mark_lock);
    for (int64_t i = 0; d && i < d->n; i++) n += d->bank->mark[d->rows[i]].tests > 0;
    pthread_mutex_unlock(&mark_lock);
    return n;
}

/* --- order --- */

/* Source: Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195 (SplitMix64); by its counter, so no state is kept. */
static uint64_t splitmix(uint64_t key, uint64_t counter) {
    uint64_t z = key + (counter + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t clg_shuffle_key(uint64_t seed, uint64_t stream, uint64_t counter) {
    return splitmix(splitmix(seed, stream), counter);
}

/* Fisher-Yates. Bounds stay below 2^32, so the product with the upper half needs 64 bits only; its bias is below
 * 2^-32 n, far under what could be noticed. */
void clg_shuffle(uint32_t *v, int64_t n, uint64_t key) {
    for (int64_t i = n - 1; i > 0; i--) {
        const uint64_t r = splitmix(key, (uint64_t)i) >> 32;
        const int64_t j = (int64_t)(r * (uint64_t)(i + 1) >> 32);
        const uint32_t t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

static void make_order(clg_dataset *d) {
    memcpy(d->order, d->rows, (size_t)d->n * sizeof *d->order);
    if (d->shuffle) clg_shuffle(d->order, d->n, clg_shuffle_key(d->seed, 0, (uint64_t)d->epoch));
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

/* "f32[batch,1,28,28] or f64"; a list of sizes never fills the text: 5 of 20 characters each */
static const char *want_x(clg_shape s, char *text, size_t size) {
    int n = snprintf(text, size, "f32[batch");
    for (int i = 0; i < s.ndim; i++) n += snprintf(text + n, size - (size_t)n, ",%lld", (long long)s.dim[i]);
    snprintf(text + n, size - (size_t)n, "] or f64");
    return text;
}

static clg_status check_x(const clg_dataset *d, const clg_tensor *x) {
    const clg_shape s = clg_tensor_shape(x), item = clg_dataset_shape(d);
    const clg_dtype t = clg_tensor_dtype(x);
    char text[160];
    bool same = s.ndim == item.ndim + 1 && s.dim[0] >= 1 && (t == CLG_F32 || t == CLG_F64);
    for (int i = 0; same && i < item.ndim; i++) same = s.dim[i + 1] == item.dim[i];
    if (same) return CLG_OK;
    return clg_fail(CLG_ERR_SHAPE, "dataset_next: input %s must be %s for the items of this data set",
                    clg_tensor_name(x), want_x(item, text, sizeof text));
}

static clg_status check_target(const clg_dataset *d, const clg_tensor *target, int64_t rows) {
    const clg_shape s = clg_tensor_shape(target);
    const clg_dtype t = clg_tensor_dtype(target);
    const long long targets = (long long)clg_dataset_targets(d), n = (long long)rows;
    if (d->bank->items.label) {
        if (t == CLG_I32 && s.ndim == 1 && s.dim[0] == n) return CLG_OK;
        return clg_fail(CLG_ERR_SHAPE, "dataset_next: input %s must be i32[%lld]: the batch size, for classes",
                        clg_tensor_name(target), n);
    }
    const bool one = s.ndim == 1 && targets == 1, many = s.ndim == 2 && s.dim[1] == targets;
    if ((t == CLG_F32 || t == CLG_F64) && (one || many) && s.dim[0] == n) return CLG_OK;
    return clg_fail(CLG_ERR_SHAPE, "dataset_next: input %s must be f32[%lld,%lld] or f64: the batch size, and the "
                    "target values of an item", clg_tensor_name(target), n, targets);
}

static clg_status check_inputs(const clg_dataset *d, const clg_plan *p, const clg_tensor *x, const clg_tensor *target) {
    if (!d || !p || !x || !target)
        return clg_fail(CLG_ERR_INVALID, "dataset_next: the %s is NULL",
                        !d ? "data set" : !p ? "plan" : !x ? "input x" : "input target");
    CLG_TRY(check_x(d, x));
    return check_target(d, target, clg_tensor_shape(x).dim[0]);
}

static clg_layout layout_of(const clg_dataset *d, clg_dtype x, clg_dtype target) {
    const size_t targets = d->bank->items.label ? 1 : (size_t)d->bank->items.targets;
    return (clg_layout){.x = x, .x_bytes = clg_items_numbers(&d->bank->items) * clg_dtype_size(x),
                        .target = target, .target_bytes = targets * clg_dtype_size(target)};
}

static clg_status reserve(clg_dataset *d, int64_t rows, const clg_layout *layout) {
    if (d->pre && clg_prefetch_suits(d->pre, rows, layout)) return CLG_OK;
    clg_prefetch *p = clg_prefetch_create(rows, layout);
    if (!p)
        return clg_fail(CLG_ERR_NOMEM, "dataset_next: no host memory for two batches of %lld items", (long long)rows);
    clg_prefetch_destroy(&d->pre);
    d->pre = p;
    return CLG_OK;
}

/* Completes a batch. What the worker prepared begins where we stand, as everything else that moves drops it; the rest
 * is gathered here, over the end of the epoch into the following ones if need be. */
static void fill(clg_dataset *d, const clg_gather *g, clg_batch *b, int64_t rows) {
    int64_t row = b->n < rows ? b->n : rows;
    d->pos += row;
    while (row < rows) {
        if (d->pos == d->n) {
            d->pos = 0;
            d->epoch++;
            make_order(d);
        }
        const int64_t left = d->n - d->pos, n = rows - row < left ? rows - row : left;
        clg_gather_rows(g, b, row, d->pos, n);
        row += n;
        d->pos += n;
    }
}

/* The next rows; the worker begins with those that come after. */
static clg_status take_batch(clg_dataset *d, int64_t rows, const clg_layout *layout, clg_batch **out) {
    const clg_gather g = {.items = &d->bank->items, .scaler = d->scaler, .order = d->order, .layout = *layout};
    CLG_TRY(reserve(d, rows, layout));
    *out = clg_prefetch_take(d->pre);
    fill(d, &g, *out, rows);
    const int64_t left = d->n - d->pos;
    if (left > 0) clg_prefetch_begin(d->pre, &g, d->pos, left < rows ? left : rows);
    return CLG_OK;
}

clg_status clg_dataset_next(clg_dataset *d, clg_plan *p, clg_tensor *x, clg_tensor *target) {
    clg_batch *b;
    CLG_TRY(check_inputs(d, p, x, target));
    const int64_t rows = clg_tensor_shape(x).dim[0];
    const clg_layout layout = layout_of(d, clg_tensor_dtype(x), clg_tensor_dtype(target));
    CLG_TRY(take_batch(d, rows, &layout, &b));
    CLG_TRY(clg_write(p, x, b->x, (size_t)rows * layout.x_bytes));
    return clg_write(p, target, b->target, (size_t)rows * layout.target_bytes);
}

static bool is_real(clg_dtype t) {
    return t == CLG_F32 || t == CLG_F64;
}

clg_status clg_dataset_batch(clg_dataset *d, int64_t rows, clg_dtype x_type, clg_dtype target_type, const void **x,
                             const void **target) {
    clg_batch *b;
    if (!d || rows < 1 || !x || !target)
        return clg_fail(CLG_ERR_INVALID, "dataset_batch: needs a data set, rows above 0, and room for two pointers");
    const bool classes = d->bank->items.label != NULL;
    if (!is_real(x_type) || (classes ? target_type != CLG_I32 : !is_real(target_type)))
        return clg_fail(CLG_ERR_SHAPE, "dataset_batch: x is f32 or f64, not %s; targets of these items are %s, not %s",
                        clg_dtype_name(x_type), classes ? "i32" : "f32 or f64", clg_dtype_name(target_type));
    const clg_layout layout = layout_of(d, x_type, target_type);
    CLG_TRY(take_batch(d, rows, &layout, &b));
    *x = b->x;
    *target = b->target;
    return CLG_OK;
}
