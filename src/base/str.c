/* A growing string, and the two text matches the library needs. */
#include "base/str.h"

#include "base/alloc.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Room for n more bytes and the zero. */
static bool reserve(clg_str *s, size_t n) {
    if (s->failed) return false;
    if (n < s->cap - s->size) return true;
    if (n > SIZE_MAX / 2 - s->size - 1) return !(s->failed = true);
    size_t cap = s->cap ? s->cap : 64;
    while (cap <= s->size + n) cap *= 2;
    char *text = clg_resize(s->text, cap);
    if (!text) return !(s->failed = true);
    s->text = text;
    s->cap = cap;
    return true;
}

void clg_str_add_bytes(clg_str *s, const void *data, size_t size) {
    if (!reserve(s, size)) return;
    if (size) memcpy(s->text + s->size, data, size);
    s->size += size;
    s->text[s->size] = 0;
}

void clg_str_add(clg_str *s, const char *text) {
    clg_str_add_bytes(s, text, strlen(text));
}

void clg_str_printf(clg_str *s, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) {
        s->failed = true;
    } else if (reserve(s, (size_t)n)) {
        vsnprintf(s->text + s->size, (size_t)n + 1, fmt, again);
        s->size += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

void clg_str_free(clg_str *s) {
    clg_free(s->text);
    *s = (clg_str){ 0 };
}

static int lower(char c) {
    return tolower((unsigned char)c);
}

bool clg_str_contains_nocase(const char *text, const char *part) {
    if (!*part) return true;
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && lower(text[i]) == lower(part[i])) i++;
        if (!part[i]) return true;
    }
    return false;
}

/* Backtracks only to the last star, so the time is at most |pattern| |text|. */
bool clg_str_glob(const char *pattern, const char *text) {
    if (!pattern) return true;
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}
