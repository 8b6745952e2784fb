/* Items: what a data set may be made of, and freeing it. */
#include "data/items.h"
#include "base/alloc.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

static void free_names(char **name) {
    for (int i = 0; name && name[i]; i++) clg_free(name[i]);
    clg_free(name);
}

static int64_t count_names(char *const *name) {
    int64_t n = 0;
    while (name && name[n]) n++;
    return n;
}

size_t clg_items_numbers(const clg_items *it) {
    size_t n = 1;
    for (int i = 0; i < it->shape.ndim; i++) n *= (size_t)it->shape.dim[i];
    return n;
}

void clg_items_free(clg_items *it) {
    free_names(it->class_name);
    free_names(it->feature_name);
    clg_free(it->u8);
    clg_free(it->real);
    clg_free(it->label);
    clg_free(it->target);
    *it = (clg_items){0};
}

/* Sizes, so that every array fits into memory and every item into a batch. */
static clg_status check_sizes(const clg_items *it, bool classes, clg_status code) {
    if (it->n < 1) return clg_fail(code, "the data set has no items");
    if (it->n > UINT32_MAX) return clg_fail(code, "%lld items are more than 2^32 - 1", (long long)it->n);
    if (it->shape.ndim < 1 || it->shape.ndim >= CLG_MAX_DIMS)
        return clg_fail(code, "an item has %d axes; 1 to %d are possible", it->shape.ndim, CLG_MAX_DIMS - 1);
    int64_t room = INT64_MAX / (int64_t)sizeof(double) / it->n;
    for (int i = 0; i < it->shape.ndim; i++) {
        const int64_t dim = it->shape.dim[i];
        if (dim < 1 || dim > room)
            return clg_fail(code, "axis %d of an item has %lld places: %s", i, (long long)dim,
                            dim < 1 ? "at least 1 is needed" : "too large");
        room /= dim;
    }
    if (!classes && (it->targets < 1 || it->targets > INT64_MAX / (int64_t)sizeof(double) / it->n))
        return clg_fail(code, "an item has %lld target values; at least 1 is needed", (long long)it->targets);
    return CLG_OK;
}

static clg_status check_labels(clg_items *it, clg_status code) {
    int32_t largest = 0;
    for (int64_t i = 0; i < it->n; i++) {
        if (it->label[i] < 0)
            return clg_fail(code, "item %lld: its class is %d; classes count from 0", (long long)i, (int)it->label[i]);
        if (it->label[i] > largest) largest = it->label[i];
    }
    const int64_t names = count_names(it->class_name);
    if (it->classes == 0 && names > 0 && names <= INT32_MAX) it->classes = (int)names;
    if (it->classes == 0 && largest < INT32_MAX) it->classes = largest + 1;
    for (int64_t i = 0; i < it->n; i++)
        if (it->label[i] >= it->classes)
            return clg_fail(code, "item %lld: its class is %d; the classes of this data set are 0 to %d", (long long)i,
                            (int)it->label[i], it->classes - 1);
    if (it->class_name && names != it->classes)
        return clg_fail(code, "%lld names for %d classes", (long long)names, it->classes);
    return CLG_OK;
}

/* rows x columns; what: "feature" or "target". */
static clg_status check_finite(const double *v, int64_t rows, int64_t columns, const char *what, clg_status code) {
    for (int64_t i = 0; i < rows * columns; i++)
        if (!isfinite(v[i]))
            return clg_fail(code, "item %lld: %s %lld is %g; numbers must be finite", (long long)(i / columns), what,
                            (long long)(i % columns), v[i]);
    return CLG_OK;
}

clg_status clg_items_check(clg_items *it, clg_status code) {
    if ((!it->u8 && !it->real) || (!it->label && !it->target))
        return clg_fail(code, "the items have no %s", it->u8 || it->real ? "classes and no targets" : "numbers");
    CLG_TRY(check_sizes(it, it->label != NULL, code));
    const int64_t numbers = (int64_t)clg_items_numbers(it), names = count_names(it->feature_name);
    if (it->feature_name && names != numbers)
        return clg_fail(code, "%lld names for %lld features", (long long)names, (long long)numbers);
    if (!it->u8) CLG_TRY(check_finite(it->real, it->n, numbers, "feature", code));
    return it->label ? check_labels(it, code) : check_finite(it->target, it->n, it->targets, "target", code);
}

/* --- copying --- */

/* NULL for NULL; *failed: no memory. */
static void *copy(const void *from, int64_t n, size_t size, bool *failed) {
    void *to = from ? clg_calloc((size_t)n, size) : NULL;
    if (from && !to) *failed = true;
    if (to) memcpy(to, from, (size_t)n * size);
    return to;
}

static char **copy_names(const char *const *from, int64_t n, bool *failed) {
    char **to = from ? clg_calloc((size_t)n + 1, sizeof *to) : NULL;
    if (from && !to) *failed = true;
    for (int64_t i = 0; to && i < n; i++) {
        const char *name = from[i] ? from[i] : "";
        to[i] = copy(name, (int64_t)strlen(name) + 1, 1, failed);
        if (!to[i]) break;
    }
    return to;
}

clg_status clg_items_copy(const clg_dataset_params *p, clg_items *to) {
    clg_items it = {.n = p->n, .shape = p->item, .classes = p->label ? p->classes : 0};
    bool failed = false;
    if (!p->x || (!p->label && !p->target) || (p->label && p->target))
        return clg_fail(CLG_ERR_INVALID, !p->x ? "x is NULL" : p->label ? "both label and target are given" :
                        "label and target are NULL");
    if (p->classes < 0 || p->targets < 0)
        return clg_fail(CLG_ERR_INVALID, "%d classes, %lld targets: must not be negative", p->classes,
                        (long long)p->targets);
    if (p->label && p->class_name && p->classes == 0)
        return clg_fail(CLG_ERR_INVALID, "classes is 0: names of classes need their number");
    if (!p->label) it.targets = p->targets ? p->targets : 1;
    CLG_TRY(check_sizes(&it, p->label != NULL, CLG_ERR_INVALID));
    const int64_t numbers = (int64_t)clg_items_numbers(&it);
    it.real = copy(p->x, it.n * numbers, sizeof *it.real, &failed);
    it.label = copy(p->label, it.n, sizeof *it.label, &failed);
    it.target = copy(p->target, it.n * it.targets, sizeof *it.target, &failed);
    if (p->label) it.class_name = copy_names(p->class_name, it.classes, &failed);
    it.feature_name = copy_names(p->feature_name, numbers, &failed);
    *to = it;
    return failed ? clg_fail_nomem("data set") : CLG_OK;
}
