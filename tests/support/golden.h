/* Reading of test data without the library: safetensors files into doubles, by jansson. */
#ifndef CLG_TESTS_GOLDEN_H_
#define CLG_TESTS_GOLDEN_H_

#include <clgrad/clgrad.h>
#include <jansson.h>

typedef struct golden {
    json_t *header;
    char   *bytes; /* the data behind the header */
    size_t  size;
} golden;

/** $CLGRAD_SOURCE/tests/data/NAME into path. */
const char *golden_path(const char *name, char *path, size_t size);

bool golden_open(const char *path, golden *g); /* false: unreadable; nothing to close */
void golden_close(golden *g);

/** A tensor of the file: its shape, and a new array of its elements. NULL if it is not there. */
double *golden_tensor(const golden *g, const char *name, clg_shape *shape, int64_t *n);

/** max |a - b|, and max |b| into *largest. NaN in a gives infinity. */
double golden_error(const float *a, const double *b, int64_t n, double *largest);

#endif /* CLG_TESTS_GOLDEN_H_ */
