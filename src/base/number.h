/* Numbers in text, read and written alike in every locale. */
#ifndef CLG_BASE_NUMBER_H_
#define CLG_BASE_NUMBER_H_

#include <clgrad/base.h>

/** True if the n characters are a decimal number and nothing else: [+-] digits [. digits] [e [+-] digits], with a digit
 *  before or behind the point. No spaces, no hexadecimals, no names ("nan", "inf"), no decimal comma. */
bool clg_is_number(const char *text, size_t n);

/** The double nearest to such a number; beyond the range +-inf, below it 0. text must have a byte behind its n
 *  characters that belongs to no number (a separator, a zero). false: not a number, *out untouched. */
bool clg_read_number(const char *text, size_t n, double *out);

/** A whole number, [+-] digits, inside min .. max. */
bool clg_read_integer(const char *text, size_t n, int64_t min, int64_t max, int64_t *out);

/** Writes the fewest digits that read back as x, with a point in every locale; returns out. */
enum { CLG_NUMBER_ROOM = 32 };
char *clg_write_number(char out[CLG_NUMBER_ROOM], double x);

#endif /* CLG_BASE_NUMBER_H_ */
