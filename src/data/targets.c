/* Targets that are numbers: classes if they are whole and few. */
#include "data/targets.h"
#include "base/alloc.h"
#include "base/error.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 24 };

static bool is_whole(double v) {
    return fabs(v) <= 0x1p53 && v == floor(v);
}

/* Position of v among n sorted values, or where it would be put. */
static int position(const double *sorted, int n, double v) {
    int low = 0, high = n;
    while (low < high) {
        const int mid = low + (high - low) / 2;
        if (sorted[mid] < v) low = mid + 1;
        else high = mid;
    }
    return low;
}

/* Different values of v, sorted, at most max of them. Gives their number; max + 1: there are more; -1 - i: v[i] is not
 * whole. */
static int64_t distinct(const double *v, int64_t n, double *sorted, int max) {
    int count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!is_whole(v[i])) return -1 - i;
        const int at = position(sorted, count, v[i]);
        if (at < count && sorted[at] == v[i]) continue;
        if (count == max) return max + 1;
        memmove(sorted + at + 1, sorted + at, (size_t)(count - at) * sizeof *sorted);
        sorted[at] = v[i];
        count++;
    }
    return count;
}

bool clg_targets_are_classes(const double *v, int64_t n, int most) {
    double sorted[CLG_MAX_CLASSES];
    const int64_t k = distinct(v, n, sorted, most);
    return k >= 0 && k <= most;
}

static clg_status name_classes(const double *sorted, int k, clg_items *items) {
    items->classes = k;
    items->class_name = clg_calloc((size_t)k + 1, sizeof *items->class_name);
    for (int c = 0; c < k && items->class_name; c++) {
        items->class_name[c] = clg_alloc(NAME);
        if (!items->class_name[c]) return clg_fail_nomem("names of classes");
        snprintf(items->class_name[c], NAME, "%lld", (long long)sorted[c]);
    }
    return items->class_name ? CLG_OK : clg_fail_nomem("names of classes");
}

clg_status clg_targets_label(const char *what, const double *v, int64_t n, const double *known, int64_t n_known,
                             clg_items *items) {
    double sorted[CLG_MAX_CLASSES];
    const double *from = known ? known : v;
    const int64_t n_from = known ? n_known : n, k = distinct(from, n_from, sorted, CLG_MAX_CLASSES);
    if (k < 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: classes must be whole numbers; number %lld is %g", what,
                        (long long)-k, from[-1 - k]);
    if (k > CLG_MAX_CLASSES)
        return clg_fail(CLG_ERR_FORMAT, "%s: more than %d different values: too many for classes; are they real "
                        "numbers (task=regression)?", what, CLG_MAX_CLASSES);
    CLG_TRY(clg_targets_vary(what, from, n_from));
    CLG_TRY(name_classes(sorted, (int)k, items));
    items->label = clg_calloc((size_t)n, sizeof *items->label);
    if (!items->label) return clg_fail_nomem("labels");
    for (int64_t i = 0; i < n; i++) {
        const int at = position(sorted, (int)k, v[i]);
        if (at == k || sorted[at] != v[i])
            return clg_fail(CLG_ERR_FORMAT, "%s: number %lld is %g, a class that the training part does not have", what,
                            (long long)i + 1, v[i]);
        items->label[i] = at;
    }
    return CLG_OK;
}

clg_status clg_targets_vary(const char *what, const double *v, int64_t n) {
    for (int64_t i = 1; i < n; i++)
        if (v[i] != v[0]) return CLG_OK;
    return clg_fail(CLG_ERR_FORMAT, "%s is %g in all %lld items: there is nothing to learn", what, v[0], (long long)n);
}
