/* Numbers in text. strtod() rounds correctly, but takes the decimal point from the program's locale: so it runs in the
 * "C" locale, which uselocale() sets for this thread alone; the locale of the program is never touched. What strtod()
 * accepts beyond decimal numbers is refused before by a grammar. */
#include "base/number.h"
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t c_locale; /* lives as long as the process */
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static size_t digits(const char *text, size_t n, size_t at) {
    size_t k = at;
    while (k < n && text[k] >= '0' && text[k] <= '9') k++;
    return k - at;
}

static size_t sign(const char *text, size_t n, size_t at) {
    return at < n && (text[at] == '+' || text[at] == '-');
}

bool clg_is_number(const char *text, size_t n) {
    size_t at = sign(text, n, 0);
    const size_t whole = digits(text, n, at);
    size_t fraction = 0;
    at += whole;
    if (at < n && text[at] == '.') {
        fraction = digits(text, n, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0) return false;
    if (at < n && (text[at] == 'e' || text[at] == 'E')) {
        at += 1 + sign(text, n, at + 1);
        const size_t exponent = digits(text, n, at);
        if (exponent == 0) return false;
        at += exponent;
    }
    return at == n;
}

bool clg_read_number(const char *text, size_t n, double *out) {
    if (!clg_is_number(text, n)) return false;
    pthread_once(&c_locale_once, make_c_locale);
    /* without memory for a locale the program's own is used: then the end tells whether the point was understood */
    const locale_t before = uselocale(c_locale);
    char *end = NULL;
    const double v = strtod(text, &end);
    uselocale(before);
    if (end != text + n) return false;
    *out = v;
    return true;
}

bool clg_read_integer(const char *text, size_t n, int64_t min, int64_t max, int64_t *out) {
    const size_t from = sign(text, n, 0), count = digits(text, n, from);
    const bool negative = from > 0 && text[0] == '-';
    int64_t v = 0; /* negative all the way: that side reaches further */
    if (count == 0 || from + count != n) return false;
    for (size_t k = from; k < n; k++) {
        const int digit = text[k] - '0';
        if (v < (INT64_MIN + digit) / 10) return false;
        v = v * 10 - digit;
    }
    if (!negative && v == INT64_MIN) return false;
    v = negative ? v : -v;
    if (v < min || v > max) return false;
    *out = v;
    return true;
}

char *clg_write_number(char out[CLG_NUMBER_ROOM], double x) {
    pthread_once(&c_locale_once, make_c_locale);
    const locale_t before = uselocale(c_locale);
    for (int count = 1; count <= 17; count++) {
        snprintf(out, CLG_NUMBER_ROOM, "%.*g", count, x);
        if (strtod(out, NULL) == x) break;
    }
    uselocale(before);
    return out;
}
