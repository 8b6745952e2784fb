/* Decimal numbers in texts, with a point whatever the locale of the program is. */
#include "model/model.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 64 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* [+-] digits [. digits] [e [+-] digits], with a digit before or behind the point */
static bool is_decimal(const char *s, int n) {
    int i = 0, digits = 0;
    if (i < n && (s[i] == '+' || s[i] == '-')) i++;
    for (; i < n && is_digit(s[i]); i++) digits++;
    if (i < n && s[i] == '.')
        for (i++; i < n && is_digit(s[i]); i++) digits++;
    if (digits == 0) return false;
    if (i == n) return true;
    if (s[i] != 'e' && s[i] != 'E') return false;
    i++;
    if (i < n && (s[i] == '+' || s[i] == '-')) i++;
    const int first = i;
    while (i < n && is_digit(s[i])) i++;
    return i == n && i > first;
}

bool clg_number_parse(const char *text, int n, double *out) {
    char copy[ROOM + 8];
    const char *const point = localeconv()->decimal_point;
    if (n <= 0 || n >= ROOM || strlen(point) > 8 || !is_decimal(text, n)) return false;
    const char *const dot = memchr(text, '.', (size_t)n);
    const int before = dot ? (int)(dot - text) : n;
    snprintf(copy, sizeof copy, "%.*s%s%.*s", before, text, dot ? point : "", dot ? n - before - 1 : 0,
             dot ? dot + 1 : "");
    const double x = strtod(copy, NULL);
    if (!isfinite(x)) return false;
    *out = x;
    return true;
}

void clg_number_print(clg_str *s, double x) {
    char text[ROOM];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    const char *const point = localeconv()->decimal_point;
    char *const at = strcmp(point, ".") == 0 ? NULL : strstr(text, point);
    if (!at) {
        clg_str_add(s, text);
        return;
    }
    clg_str_printf(s, "%.*s.%s", (int)(at - text), text, at + strlen(point));
}
