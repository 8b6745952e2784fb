/* The one form of failing: return clg_fail(CLG_ERR_X, "call(args): what is wrong: values seen; remedy"). */
#ifndef CLG_BASE_ERROR_H_
#define CLG_BASE_ERROR_H_

#include <clgrad/base.h>
#include <stdarg.h>

/** Writes this thread's error text, logs it at DEBUG, returns the code. Works without memory (text is cut). */
clg_status clg_fail(clg_status code, const char *fmt, ...) CLG_FMT(2, 3);
clg_status clg_vfail(clg_status code, const char *fmt, va_list ap);

/** clg_fail(CLG_ERR_NOMEM) for host memory; what: "graph", "plan", ... */
clg_status clg_fail_nomem(const char *what);

/** Puts text before the present error message: "lenet.safetensors: " + what a lower layer said. Returns the code. */
clg_status clg_fail_context(clg_status code, const char *fmt, ...) CLG_FMT(2, 3);

/** A failure that its caller handles (a cache miss) must leave no trace in clg_error(): what stood there before is
 *  taken out, and put back afterwards. Every save needs its restore, in the same thread. */
typedef struct clg_error_state {
    clg_status status;
    char *long_text;
    char  short_text[1024];
} clg_error_state;

void clg_error_save(clg_error_state *to);
void clg_error_restore(clg_error_state *from);

#define CLG_TRY(expr)                        \
    do {                                     \
        const clg_status try_ = (expr);      \
        if (try_ < 0) return try_;           \
    } while (0)

/** As CLG_TRY, for functions that clean up: sets the local `status` and jumps to `end`. */
#define CLG_TRY_END(expr)                    \
    do {                                     \
        status = (expr);                     \
        if (status < 0) goto end;            \
    } while (0)

#endif /* CLG_BASE_ERROR_H_ */
