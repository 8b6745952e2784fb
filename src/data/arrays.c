/* Items from two arrays of NumPy: which axes are the item, which values are classes. */
#include "data/arrays.h"
#include "base/alloc.h"
#include "base/error.h"
#include "data/targets.h"

enum { AUTO_CLASSES_WHOLE = 100 }; /* CLG_TASK_AUTO: of elements that are integers by their type */

/* --- features --- */

static bool may_be_channels(int64_t dim) {
    return dim == 1 || dim == 3 || dim == 4;
}

/* Axes of an item; *view is the array with its axes in their order. */
static clg_status lay_out(const clg_npy *x, enum clg_array_layout layout, clg_npy *view, clg_shape *item) {
    *view = *x;
    *item = (clg_shape){ .ndim = x->ndim - 1 };
    if (x->ndim < 1 || x->ndim > CLG_MAX_DIMS)
        return clg_fail(CLG_ERR_FORMAT, "%s: an array of %d axes; the first one must count items", x->name, x->ndim);
    if (layout == CLG_LAYOUT_CHANNELS_LAST && x->ndim != 4)
        return clg_fail(CLG_ERR_FORMAT, "%s: an array of %d axes; [items, height, width, channels] are 4", x->name,
                        x->ndim);
    if (x->ndim == 4 && (layout == CLG_LAYOUT_CHANNELS_LAST || (layout == CLG_LAYOUT_AUTO &&
                         may_be_channels(x->dim[3]) && !may_be_channels(x->dim[1]))))
        clg_npy_move_last(view, 1);
    for (int k = 1; k < x->ndim; k++) item->dim[k - 1] = view->dim[k];
    if (x->ndim == 1) *item = CLG_SHAPE(1);
    if (x->ndim == 3 && layout == CLG_LAYOUT_AUTO) *item = CLG_SHAPE(1, x->dim[1], x->dim[2]);
    return CLG_OK;
}

static clg_status make_features(const clg_npy *x, enum clg_array_layout layout, clg_items *it) {
    clg_npy view;
    const bool pixels = x->kind == 'u' && x->bytes == 1 && x->ndim >= 3;
    CLG_TRY(lay_out(x, layout, &view, &it->shape));
    it->n = x->dim[0];
    if (pixels) it->u8 = clg_alloc((size_t)x->count);
    else it->real = clg_calloc((size_t)x->count, sizeof *it->real);
    if (!it->u8 && !it->real)
        return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %lld elements", x->name, (long long)x->count);
    if (pixels) clg_npy_bytes(&view, it->u8);
    else clg_npy_doubles(&view, it->real);
    return CLG_OK;
}

/* --- targets --- */

/* Rows of one 1 and else 0: then the place of the 1 goes to label. */
static bool is_one_hot(const double *v, int64_t rows, int64_t columns, int32_t *label) {
    for (int64_t i = 0; i < rows; i++) {
        int64_t ones = 0;
        for (int64_t k = 0; k < columns; k++) {
            const double e = v[i * columns + k];
            if (e != 0 && e != 1) return false;
            if (e == 1) label[i] = (int32_t)k;
            ones += e == 1;
        }
        if (ones != 1) return false;
    }
    return true;
}

/* Several numbers an item: a class as one-hot row, or real targets. Takes v over. */
static clg_status make_rows(const clg_npy *y, enum clg_task task, int64_t columns, double *v, clg_items *it) {
    it->target = v;
    it->targets = columns;
    if (task == CLG_TASK_REGRESSION) return CLG_OK;
    it->label = clg_calloc((size_t)it->n, sizeof *it->label);
    if (!it->label) return clg_fail_nomem("labels");
    if (columns <= INT32_MAX && is_one_hot(v, it->n, columns, it->label)) {
        clg_free(it->target);
        it->target = NULL;
        it->targets = 0;
        it->classes = (int)columns;
        return CLG_OK;
    }
    clg_free(it->label);
    it->label = NULL;
    if (task == CLG_TASK_AUTO) return CLG_OK;
    return clg_fail(CLG_ERR_FORMAT, "%s: rows of %lld numbers are classes only if one of them is 1 and the others are "
                    "0", y->name, (long long)columns);
}

static double *doubles_of(const clg_npy *a) {
    double *v = clg_calloc((size_t)a->count, sizeof *v);
    if (v) clg_npy_doubles(a, v);
    else clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %lld elements", a->name, (long long)a->count);
    return v;
}

/* One number an item. known: n_known numbers of the training part. Takes v over. */
static clg_status make_numbers(const clg_npy *y, enum clg_task task, double *v, const double *known, int64_t n_known,
                               clg_items *it) {
    const int most = y->kind == 'f' ? CLG_AUTO_CLASSES : AUTO_CLASSES_WHOLE;
    const bool classes = task == CLG_TASK_CLASSES || (task == CLG_TASK_AUTO &&
                         clg_targets_are_classes(known ? known : v, known ? n_known : it->n, most));
    if (classes) {
        const clg_status status = clg_targets_label(y->name, v, it->n, known, n_known, it);
        clg_free(v);
        return status;
    }
    it->target = v;
    it->targets = 1;
    return clg_targets_vary(y->name, v, it->n);
}

static clg_status make_targets(const clg_npy *y, const clg_npy *known, enum clg_task task, clg_items *it) {
    if (y->ndim < 1 || y->dim[0] != it->n)
        return clg_fail(CLG_ERR_FORMAT, "%s: %lld targets for %lld items: they do not belong together", y->name,
                        y->ndim < 1 ? 1LL : (long long)y->dim[0], (long long)it->n);
    double *v = doubles_of(y), *before = NULL;
    if (!v) return CLG_ERR_NOMEM;
    if (y->count != it->n) return make_rows(y, task, y->count / it->n, v, it);
    if (known && !(before = doubles_of(known))) {
        clg_free(v);
        return CLG_ERR_NOMEM;
    }
    const clg_status status = make_numbers(y, task, v, before, known ? known->count : 0, it);
    clg_free(before);
    return status;
}

clg_status clg_arrays_items(const clg_npy *x, const clg_npy *y, const clg_npy *known, const clg_array_params *p,
                            clg_items *out) {
    clg_items it = { 0 };
    clg_status status = make_features(x, p->layout, &it);
    if (status == CLG_OK) status = make_targets(y, known, p->task, &it);
    if (status < 0) clg_items_free(&it);
    else *out = it;
    return status;
}
