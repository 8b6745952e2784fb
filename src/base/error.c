/* The error text of each thread. Short texts live in a buffer of the thread, so that failing works without memory;
 * long ones (build logs) in malloc memory, which the thread's end frees. That memory does not come from
 * clg_set_allocator(): an old message would otherwise hold on to the caller's allocator. */
#include "base/error.h"

#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_TEXT = 1024 };

static _Thread_local char short_text[SHORT_TEXT];
static _Thread_local char *long_text; /* not NULL: the message is here */
static _Thread_local clg_status last_status = CLG_OK;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* only for its destructor */
static bool key_made;

static void make_key(void) {
    key_made = pthread_key_create(&key, free) == 0;
}

const char *clg_status_name(clg_status s) {
    switch (s) {
#define X(name, value, text) \
    case CLG_##name: return "CLG_" #name;
    CLG_STATUS_MAP(X)
#undef X
    }
    return "CLG_ERR_?";
}

const char *clg_error(void) {
    return long_text ? long_text : short_text;
}

clg_status clg_error_status(void) {
    return last_status;
}

/* Takes over malloc'ed text (NULL: the message is in short_text). */
static void set_long(char *text) {
    pthread_once(&key_once, make_key);
    if (text && (!key_made || pthread_setspecific(key, text) != 0)) {
        snprintf(short_text, sizeof short_text, "%s", text);
        free(text);
        text = NULL;
    }
    if (!text && long_text) pthread_setspecific(key, NULL);
    free(long_text);
    long_text = text;
}

/* The arguments may point into the present message: it is replaced only after formatting. */
static void set_text(const char *fmt, va_list ap) {
    char local[SHORT_TEXT];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(local, sizeof local, fmt, ap);
    if (n < 0) n = snprintf(local, sizeof local, "(message could not be formatted: %.200s)", fmt);
    char *text = (size_t)n < sizeof local ? NULL : malloc((size_t)n + 1);
    if (text) {
        vsnprintf(text, (size_t)n + 1, fmt, again);
    } else if ((size_t)n >= sizeof local) {
        memcpy(local + sizeof local - 4, "...", 4);
    }
    va_end(again);
    if (!text) memcpy(short_text, local, sizeof short_text);
    set_long(text);
}

clg_status clg_vfail(clg_status code, const char *fmt, va_list ap) {
    set_text(fmt, ap);
    last_status = code;
    if (clg_log_on(CLG_LOG_DEBUG)) clg_log_msg(CLG_LOG_DEBUG, "%s: %s", clg_status_name(code), clg_error());
    return code;
}

clg_status clg_fail(clg_status code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    clg_vfail(code, fmt, ap);
    va_end(ap);
    return code;
}

clg_status clg_fail_nomem(const char *what) {
    return clg_fail(CLG_ERR_NOMEM, "out of host memory: %s", what);
}

clg_status clg_fail_context(clg_status code, const char *fmt, ...) {
    char before[SHORT_TEXT];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(before, sizeof before, fmt, ap);
    va_end(ap);
    return clg_fail(code, "%s%s", n < 0 ? "" : before, clg_error());
}

void clg_error_save(clg_error_state *to) {
    _Static_assert(sizeof to->short_text == sizeof short_text, "the saved text is a copy");
    to->status = last_status;
    to->long_text = long_text;
    memcpy(to->short_text, short_text, sizeof short_text);
    if (long_text) pthread_setspecific(key, NULL);
    long_text = NULL;
}

void clg_error_restore(clg_error_state *from) {
    memcpy(short_text, from->short_text, sizeof short_text);
    set_long(from->long_text);
    last_status = from->status;
}
