/* IDX files: arrays of bytes behind a header of big-endian numbers, as MNIST is kept; gzipped or not. */
#ifndef CLG_DATA_IDX_H_
#define CLG_DATA_IDX_H_

#include <clgrad/base.h>

enum { CLG_IDX_MAX_DIMS = 3 };

typedef struct clg_idx {
    int      ndim;
    int64_t  dim[CLG_IDX_MAX_DIMS];
    uint8_t *data; /* product of the dims; freed by clg_free() */
} clg_idx;

/** Reads an IDX array of unsigned bytes with exactly ndim axes (1: labels, 3: pictures) out of memory; name stands in
 *  messages. *out is untouched on failure.
 *  Errors: CLG_ERR_FORMAT (not IDX, other type or rank, size 0 or absurd, truncated, too long, damaged gzip);
 *  CLG_ERR_NOMEM. */
clg_status clg_idx_parse(const char *name, const void *data, size_t size, int ndim, clg_idx *out);

/** The same from a file. Errors: also CLG_ERR_IO. */
clg_status clg_idx_read(const char *path, int ndim, clg_idx *out);

#endif /* CLG_DATA_IDX_H_ */
