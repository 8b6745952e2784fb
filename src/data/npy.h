/* Arrays of NumPy: the header of an NPY file, and its elements.
 * Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef CLG_DATA_NPY_H_
#define CLG_DATA_NPY_H_

#include <clgrad/base.h>

enum { CLG_NPY_DIMS = 8 };

typedef struct clg_npy {
    const char    *name;    /* for messages; borrowed, as is data */
    int            ndim;
    int64_t        dim[CLG_NPY_DIMS];
    int64_t        step[CLG_NPY_DIMS]; /* from an element to the next one along an axis, in elements */
    int64_t        count;   /* elements; their product */
    char           kind;    /* f, i, u, b: floating point, signed, unsigned, bool */
    int            bytes;   /* of an element */
    bool           big;     /* the most significant byte comes first */
    const uint8_t *data;
} clg_npy;

/** Reads the header of a file in memory and checks that all elements are there. *out is untouched on failure.
 *  Errors: CLG_ERR_FORMAT (no NPY file, damaged, an element type that is not read). */
clg_status clg_npy_parse(const char *name, const void *data, size_t size, clg_npy *out);

/** The same elements with the last axis put before those from `axis` on: [N, H, W, C], axis 1: [N, C, H, W]. */
void clg_npy_move_last(clg_npy *a, int axis);

/** All elements in C order; to has room for count of them. Integers beyond 2^53 are rounded. */
void clg_npy_doubles(const clg_npy *a, double *to);

/** The same of an array whose elements are bytes (u1). */
void clg_npy_bytes(const clg_npy *a, uint8_t *to);

#endif /* CLG_DATA_NPY_H_ */
