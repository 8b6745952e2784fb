/* The handwritten digits inside the library: gzipped IDX files, made by scripts/make_digits.sh. */
#ifndef CLG_DATA_DIGITS_H_
#define CLG_DATA_DIGITS_H_

#include <stddef.h>

/** Content of src/data/digits/<name>; NULL with *size 0 if there is none. Static storage. */
const void *clg_digits_file(const char *name, size_t *size);

#endif /* CLG_DATA_DIGITS_H_ */
