/* A growing string. After a failure (no memory) `failed` is set and the text stays a valid prefix. */
#ifndef CLG_BASE_STR_H_
#define CLG_BASE_STR_H_

#include <clgrad/base.h>
#include <stdarg.h>

typedef struct clg_str {
    char  *text; /* zero-terminated; NULL while empty: read through clg_str_text() */
    size_t size, cap;
    bool   failed;
} clg_str; /* all zero is an empty string */

void clg_str_add(clg_str *s, const char *text);
void clg_str_add_bytes(clg_str *s, const void *data, size_t size);
void clg_str_printf(clg_str *s, const char *fmt, ...) CLG_FMT(2, 3);
void clg_str_free(clg_str *s);
static inline const char *clg_str_text(const clg_str *s) { return s->text ? s->text : ""; }

bool clg_str_contains_nocase(const char *text, const char *part);
bool clg_str_glob(const char *pattern, const char *text); /* * and ?; NULL pattern fits all */

#endif /* CLG_BASE_STR_H_ */
