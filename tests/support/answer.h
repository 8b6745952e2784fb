/* Answers of clGet*Info() by the drivers and layers of the tests, as OpenCL 1.2 section 4.2 wants them: the value if
 * there is room for it, and its size. */
#ifndef SUPPORT_ANSWER_H_
#define SUPPORT_ANSWER_H_

#include <CL/cl.h>
#include <string.h>

static inline cl_int answer(const void *value, size_t n, size_t size, void *to, size_t *out) {
    if (to && size < n) return CL_INVALID_VALUE;
    if (to) memcpy(to, value, n);
    if (out) *out = n;
    return CL_SUCCESS;
}

static inline cl_int answer_text(const char *text, size_t size, void *to, size_t *out) {
    return answer(text, strlen(text) + 1, size, to, out);
}

#endif
