/* Dimensions of a search: "NAME=VALUES" as text; points of a grid; random draws, by Philox at a counter made of trial
 * and dimension, so that a trial does not depend on how many others there are. */
#include "base/error.h"
#include "base/number.h"
#include "base/philox.h"
#include "fit/select.h"

#include <math.h>
#include <string.h>

enum { USUAL_POINTS = 5, MAX_POINTS = 1000, MAX_VALUES = 1000 };

static clg_status bad(const char *call, const char *text, const char *what) {
    return clg_fail(CLG_ERR_INVALID, "%s: dimension \"%s\": %s", call, text, what);
}

/* A number as it is set and shown; four digits, or a whole number. */
static const char *number_text(clg_arena *a, const clg_dimension *d, double v) {
    return d->whole ? clg_arena_printf(a, "%.0f", v) : clg_arena_printf(a, "%.4g", v);
}

/* At the fraction u of the range. */
static double at(const clg_dimension *d, double u) {
    if (d->log) return exp(log(d->low) + u * (log(d->high) - log(d->low)));
    return d->low + u * (d->high - d->low);
}

/* Rounding may give the same value twice: it is taken once. */
static clg_status fill_grid(clg_arena *a, clg_dimension *d, int64_t points) {
    d->value = clg_arena_array(a, (size_t)points, sizeof *d->value);
    if (!d->value) return CLG_ERR_NOMEM;
    for (int64_t i = 0; i < points; i++) {
        const double u = (double)i / (double)(points - 1);
        const char *text = number_text(a, d, i == 0 ? d->low : i == points - 1 ? d->high : at(d, u));
        if (!text) return CLG_ERR_NOMEM;
        if (d->n == 0 || strcmp(text, d->value[d->n - 1]) != 0) d->value[d->n++] = text;
    }
    return CLG_OK;
}

/* What stands behind a range: ":log", ":7", or both. */
static clg_status parse_options(const char *call, const char *text, const char *options, clg_dimension *d,
                                int64_t *points) {
    while (*options) {
        const size_t n = 1 + strcspn(options + 1, ":");
        double number = 0;
        if (n == 4 && strncmp(options, ":log", n) == 0) {
            d->log = true;
        } else if (clg_read_number(options + 1, n - 1, &number) && number >= 2 && number <= MAX_POINTS &&
                   number == floor(number)) {
            *points = (int64_t)number;
        } else {
            return bad(call, text, "behind a range may stand :log and a number of points from 2 to 1000");
        }
        options += n;
    }
    return CLG_OK;
}

/* LOW..HIGH with options */
static clg_status parse_range(clg_arena *a, const char *call, const char *text, char *values, clg_dimension *d) {
    char *dots = strstr(values, ".."), *options = dots + 2 + strcspn(dots + 2, ":");
    int64_t points = USUAL_POINTS;
    d->range = true;
    *dots = 0; /* else "1." would be a number */
    if (!clg_read_number(values, (size_t)(dots - values), &d->low) ||
        !clg_read_number(dots + 2, (size_t)(options - dots - 2), &d->high))
        return bad(call, text, "a range is LOW..HIGH, LOW..HIGH:log, or with a number of points LOW..HIGH:log:7");
    CLG_TRY(parse_options(call, text, options, d, &points));
    if (!(d->low < d->high)) return bad(call, text, "the low end must be below the high end");
    if (d->log && d->low <= 0) return bad(call, text, "with :log the low end must be above 0");
    return fill_grid(a, d, points);
}

/* Values between commas, or between slashes if there is one. */
static clg_status parse_list(clg_arena *a, const char *call, const char *text, char *values, clg_dimension *d) {
    const char separator = strchr(values, '/') ? '/' : ',';
    int64_t most = 1;
    for (const char *c = values; *c; c++) most += *c == separator;
    if (most > MAX_VALUES) return bad(call, text, "more than 1000 values");
    d->value = clg_arena_array(a, (size_t)most, sizeof *d->value);
    if (!d->value) return CLG_ERR_NOMEM;
    for (char *word = values, *next; word; word = next) {
        next = strchr(word, separator);
        if (next) *next++ = 0;
        if (*word == 0 && !next && separator == '/' && d->n > 0) break; /* "128,64/" is one value */
        if (*word == 0) return bad(call, text, "a value is empty");
        d->value[d->n++] = word;
    }
    return CLG_OK;
}

clg_status clg_dimension_parse(clg_arena *a, const char *call, const char *text, clg_dimension *to) {
    clg_setup probe = {.zoo = "mlp"}; /* values are read here, so that a mistake shows before hours of trials */
    if (!text) return clg_fail(CLG_ERR_INVALID, "%s: a dimension is NULL", call);
    char *name = clg_arena_strdup(a, text);
    if (!name) return CLG_ERR_NOMEM;
    char *values = strchr(name, '=');
    if (!values || values == name || !values[1])
        return bad(call, text, "give NAME=VALUE,VALUE,... or NAME=LOW..HIGH");
    *values++ = 0;
    const clg_setup_name *known = clg_setup_find(name);
    if (!known) return clg_fail_context(clg_setup_set(&probe, name, values), "%s: ", call);
    clg_dimension d = {.name = known->name, .whole = known->whole};
    CLG_TRY(strstr(values, "..") ? parse_range(a, call, text, values, &d) : parse_list(a, call, text, values, &d));
    for (int64_t i = 0; i < d.n; i++)
        if (clg_setup_set(&probe, d.name, d.value[i]) < 0)
            return clg_fail_context(clg_error_status(), "%s: dimension \"%s\": ", call, text);
    *to = d;
    return CLG_OK;
}

const char *clg_dimension_draw(clg_arena *a, const clg_dimension *d, uint64_t seed, uint32_t trial, uint32_t turn,
                               uint32_t index) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, counter[4] = {trial, turn, index, 0};
    uint32_t bits[4];
    clg_philox(counter, key, bits);
    const double u = ((double)bits[0] + (double)(bits[1] >> 12) * 0x1p-20) * 0x1p-32; /* in [0, 1) */
    if (!d->range) return d->value[(int64_t)(u * (double)d->n)];
    if (!d->whole || d->log) return number_text(a, d, d->whole ? floor(at(d, u) + 0.5) : at(d, u));
    return number_text(a, d, floor(d->low + u * (d->high - d->low + 1)));
}
