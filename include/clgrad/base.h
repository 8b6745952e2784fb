/* Status codes, error text, log and host allocator. */
#ifndef CLGRAD_BASE_H_
#define CLGRAD_BASE_H_

#include <clgrad/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

CLG_BEGIN_DECLS

/** One table makes the enum, clg_status_name() and the manual page. */
#define CLG_STATUS_MAP(X)                                                                   \
    X(OK,           0, "success")                                                           \
    X(ERR_INVALID, -1, "an argument breaks the documented contract")                        \
    X(ERR_SHAPE,   -2, "tensor shapes or types do not fit the operation")                   \
    X(ERR_NOMEM,   -3, "host or device memory is exhausted")                                \
    X(ERR_DEVICE,  -4, "no such device, or the device or driver failed")                    \
    X(ERR_BUILD,   -5, "an OpenCL program did not build; the log is in clg_error()")        \
    X(ERR_UNSUP,   -6, "valid, but this device or version cannot do it")                    \
    X(ERR_IO,      -7, "a file could not be read or written")                               \
    X(ERR_FORMAT,  -8, "a file is damaged, hostile, or of another format")

typedef enum clg_status {
#define X(name, value, text) CLG_##name = value,
    CLG_STATUS_MAP(X)
#undef X
} clg_status;

/** Name of a status ("CLG_ERR_SHAPE"); "CLG_ERR_?" for unknown values. */
CLG_API const char *clg_status_name(clg_status s);

/**
 * What went wrong in the last failing call of this thread: one line that names the call, the values seen
 * and, where there is one, the remedy (a failed kernel build appends the build log). Not cleared by success.
 * Valid until the next failing call of this thread. Never NULL.
 *
 *   matmul(X, w): inner sizes differ: X is f32[100,3], w is f32[4,1]
 */
CLG_API const char *clg_error(void);

/** Status of that call; CLG_OK if none has failed. */
CLG_API clg_status clg_error_status(void);

enum clg_log_level { CLG_LOG_NONE, CLG_LOG_ERROR, CLG_LOG_WARN, CLG_LOG_INFO, CLG_LOG_DEBUG, CLG_LOG_TRACE };

/** Receives one message without a newline. May be called from any thread; must not call clgrad. */
typedef void (*clg_log_fn)(void *user, enum clg_log_level level, const char *msg);

/** Redirects messages. fn NULL restores the default: stderr, at the level of $CLGRAD_LOG (none, error, warn,
 *  info, debug, trace), else warn. */
CLG_API void clg_set_log(clg_log_fn fn, void *user, enum clg_log_level level);

typedef struct clg_allocator {
    void *(*resize)(void *user, void *ptr, size_t size); /* realloc rules; size 0 frees; any thread */
    void *user;
} clg_allocator;

/**
 * Replaces malloc for host memory; NULL restores it. Call before any other clg_ function, or never.
 *
 * Errors: CLG_ERR_INVALID if memory of the present allocator is still in use.
 */
CLG_API CLG_CHECK clg_status clg_set_allocator(const clg_allocator *a);

CLG_END_DECLS

#endif /* CLGRAD_BASE_H_ */
