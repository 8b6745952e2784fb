/* Parts of a data set: lists of rows over the same items. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/dataset.h"
#include <string.h>

clg_dataset *clg_dataset_slice(clg_dataset *d, int64_t begin, int64_t n) {
    if (!d || begin < 0 || n < 1 || begin > d->n || n > d->n - begin) {
        clg_fail(CLG_ERR_INVALID, "dataset_slice(begin %lld, n %lld): no range inside the %lld items of the data set",
                 (long long)begin, (long long)n, (long long)clg_dataset_size(d));
        return NULL;
    }
    uint32_t *rows = clg_calloc((size_t)n, sizeof *rows);
    if (!rows) {
        clg_fail_nomem("part of a data set");
        return NULL;
    }
    memcpy(rows, d->rows + begin, (size_t)n * sizeof *rows);
    return clg_dataset_of_rows(d, rows, n, d->part);
}
