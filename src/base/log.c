/* The log: one process-wide callback behind a lock; the level is read without it, so that silent messages are cheap.
 * The default callback is the only place of the library that writes to stderr. */
#include "base/log.h"

#include "base/alloc.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char *const level_names[] = { "none", "error", "warn", "info", "debug", "trace" };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t env_once = PTHREAD_ONCE_INIT;
static clg_log_fn log_fn; /* NULL: stderr */
static void *log_user;
static atomic_int log_level = CLG_LOG_WARN;

static int level_of_env(void) {
    const char *env = getenv("CLGRAD_LOG");
    for (int i = CLG_LOG_NONE; env && i <= CLG_LOG_TRACE; i++)
        if (strcasecmp(env, level_names[i]) == 0) return i;
    return CLG_LOG_WARN;
}

static void read_env(void) {
    atomic_store(&log_level, level_of_env());
}

void clg_set_log(clg_log_fn fn, void *user, enum clg_log_level level) {
    pthread_once(&env_once, read_env); /* so that it does not overwrite this setting later */
    pthread_mutex_lock(&lock);
    log_fn = fn;
    log_user = fn ? user : NULL;
    atomic_store(&log_level, fn ? (int)level : level_of_env());
    pthread_mutex_unlock(&lock);
}

bool clg_log_on(enum clg_log_level level) {
    pthread_once(&env_once, read_env);
    return level > CLG_LOG_NONE && (int)level <= atomic_load(&log_level);
}

static void put(enum clg_log_level level, const char *text) {
    pthread_mutex_lock(&lock);
    const clg_log_fn fn = log_fn;
    void *user = log_user;
    pthread_mutex_unlock(&lock);
    if (fn) {
        fn(user, level, text);
    } else {
        fprintf(stderr, "clgrad: %s: %s\n", level_names[level], text);
    }
}

void clg_log_msg(enum clg_log_level level, const char *fmt, ...) {
    if (!clg_log_on(level)) return;
    char local[1024];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(local, sizeof local, fmt, ap);
    char *text = n >= (int)sizeof local ? clg_alloc((size_t)n + 1) : NULL; /* without memory the text is cut */
    if (text) vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    if (n >= 0) put(level, text ? text : local);
    clg_free(text);
}
