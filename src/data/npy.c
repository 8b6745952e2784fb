/* NPY reader: the header is a dictionary in Python's words, of three known keys in any order; the elements behind it
 * stand in C or Fortran order, in either order of bytes. */
#include "data/npy.h"
#include "base/error.h"
#include "base/number.h"
#include <string.h>

enum { SHOWN = 40 };

typedef struct scanner {
    const char *name, *at, *end;
    bool        fortran; /* the first axis is the fastest */
} scanner;

static clg_status fail(const scanner *s, const char *what) {
    return clg_fail(CLG_ERR_FORMAT, "%s: damaged NPY header: %s at \"%.*s\"", s->name, what,
                    s->end - s->at < SHOWN ? (int)(s->end - s->at) : SHOWN, s->at);
}

static void skip_spaces(scanner *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t')) s->at++;
}

/* Takes a character if it comes next. */
static bool take(scanner *s, char c) {
    skip_spaces(s);
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

/* A text in quotes, without escapes. */
static clg_status text(scanner *s, const char **from, size_t *n) {
    const char quote = take(s, '\'') ? '\'' : take(s, '"') ? '"' : 0;
    const char *end = quote ? memchr(s->at, quote, (size_t)(s->end - s->at)) : NULL;
    if (!end) return fail(s, "a text is needed");
    *from = s->at;
    *n = (size_t)(end - s->at);
    s->at = end + 1;
    return CLG_OK;
}

/* The type of elements: '<f4'. */
static clg_status read_descr(scanner *s, clg_npy *a) {
    static const struct { const char *code; char kind; int bytes; } types[] = {
        { "f4", 'f', 4 }, { "f8", 'f', 8 }, { "u1", 'u', 1 }, { "u2", 'u', 2 }, { "u4", 'u', 4 }, { "u8", 'u', 8 },
        { "i1", 'i', 1 }, { "i2", 'i', 2 }, { "i4", 'i', 4 }, { "i8", 'i', 8 }, { "b1", 'b', 1 },
    };
    const char *t;
    size_t n;
    if (take(s, '['))
        return clg_fail(CLG_ERR_FORMAT, "%s: elements are records of several values; save each as an array of its own",
                        s->name);
    CLG_TRY(text(s, &t, &n));
    for (size_t i = 0; n == 3 && strchr("<>=|", t[0]) && i < sizeof types / sizeof types[0]; i++) {
        if (memcmp(types[i].code, t + 1, 2) != 0) continue;
        a->kind = types[i].kind;
        a->bytes = types[i].bytes;
        a->big = t[0] == '>';
        return CLG_OK;
    }
    return clg_fail(CLG_ERR_FORMAT, "%s: elements are of type \"%.*s\"; f4, f8, i1 to i8, u1 to u8 and b1 are read%s",
                    s->name, n < SHOWN ? (int)n : SHOWN, t, n > 1 && t[1] == 'O' ? ", objects of Python are not" :
                    n > 1 && (t[1] == 'U' || t[1] == 'S') ? "; number the texts first (numpy.unique)" : "");
}

static clg_status read_order(scanner *s, clg_npy *a) {
    static const char *const words[] = { "False", "True" };
    skip_spaces(s);
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->at) < n || memcmp(s->at, words[i], n) != 0) continue;
        s->fortran = i == 1;
        s->at += n;
        return CLG_OK;
    }
    return fail(s, "True or False is needed");
}

static clg_status read_shape(scanner *s, clg_npy *a) {
    if (!take(s, '(')) return fail(s, "a shape is needed");
    a->ndim = 0;
    while (!take(s, ')')) {
        size_t n = 0;
        skip_spaces(s);
        while (s->at + n < s->end && s->at[n] >= '0' && s->at[n] <= '9') n++;
        if (a->ndim == CLG_NPY_DIMS)
            return clg_fail(CLG_ERR_FORMAT, "%s: the array has more than %d axes", s->name, CLG_NPY_DIMS);
        if (!clg_read_integer(s->at, n, 0, INT64_MAX, &a->dim[a->ndim])) return fail(s, "a size is needed");
        a->ndim++;
        s->at += n;
        if (!take(s, ',') && (s->at == s->end || *s->at != ')')) return fail(s, "a comma is needed");
    }
    return CLG_OK;
}

static clg_status read_dictionary(scanner *s, clg_npy *a) {
    static const char *const keys[] = { "descr", "fortran_order", "shape" };
    static clg_status (*const read[])(scanner *, clg_npy *) = { read_descr, read_order, read_shape };
    int seen = 0;
    if (!take(s, '{')) return fail(s, "a dictionary is needed");
    while (!take(s, '}')) {
        const char *key;
        size_t n;
        int k = 0;
        CLG_TRY(text(s, &key, &n));
        while (k < 3 && (strlen(keys[k]) != n || memcmp(keys[k], key, n) != 0)) k++;
        if (k == 3 || (seen & 1 << k) || !take(s, ':')) return fail(s, "descr, fortran_order and shape are needed");
        seen |= 1 << k;
        CLG_TRY(read[k](s, a));
        if (!take(s, ',') && (s->at == s->end || *s->at != '}')) return fail(s, "a comma is needed");
    }
    return seen == 7 ? CLG_OK : fail(s, "descr, fortran_order and shape are needed");
}

/* Elements, if so many fit into what is left of the file. */
static clg_status check_size(clg_npy *a, size_t left) {
    uint64_t n = 1;
    bool fits = true;
    for (int i = 0; i < a->ndim; i++) {
        if (a->dim[i] == 0)
            return clg_fail(CLG_ERR_FORMAT, "%s: size of axis %d is 0: there is nothing in it", a->name, i);
        fits = fits && (uint64_t)a->dim[i] <= left / n;
        n = fits ? n * (uint64_t)a->dim[i] : n;
    }
    if (!fits || n > left / (size_t)a->bytes)
        return clg_fail(CLG_ERR_FORMAT, "%s: truncated: the header promises more elements than the %zu bytes behind it "
                        "hold", a->name, left);
    if (n * (size_t)a->bytes != left)
        return clg_fail(CLG_ERR_FORMAT, "%s: there are %zu bytes behind the header, which promises %llu", a->name, left,
                        (unsigned long long)(n * (size_t)a->bytes));
    a->count = (int64_t)n;
    return CLG_OK;
}

static void set_steps(clg_npy *a, bool fortran) {
    int64_t step = 1;
    for (int k = 0; k < a->ndim; k++) {
        const int axis = fortran ? k : a->ndim - 1 - k;
        a->step[axis] = step;
        step *= a->dim[axis];
    }
}

clg_status clg_npy_parse(const char *name, const void *data, size_t size, clg_npy *out) {
    const uint8_t *b = data;
    clg_npy a = { .name = name };
    if (size < 10 || memcmp(b, "\x93NUMPY", 6) != 0) return clg_fail(CLG_ERR_FORMAT, "%s: not an NPY file", name);
    const int major = b[6];
    if (major < 1 || major > 3)
        return clg_fail(CLG_ERR_FORMAT, "%s: version %d of the NPY format; 1 to 3 are read", name, major);
    const size_t start = major == 1 ? 10 : 12; /* the length of the header has 2 bytes, or 4 */
    size_t header = 0;
    for (size_t i = start; i > 8 && start <= size; i--) header = header << 8 | b[i - 1];
    if (start > size || header > size - start) return clg_fail(CLG_ERR_FORMAT, "%s: the NPY header is cut off", name);
    scanner s = { name, (const char *)b + start, (const char *)b + start + header, false };
    CLG_TRY(read_dictionary(&s, &a));
    skip_spaces(&s);
    if (s.at != s.end) return fail(&s, "there is something behind the dictionary");
    CLG_TRY(check_size(&a, size - start - header));
    set_steps(&a, s.fortran);
    a.data = b + start + header;
    *out = a;
    return CLG_OK;
}

/* --- elements --- */

static double element(const clg_npy *a, const uint8_t *b) {
    uint64_t bits = 0;
    for (int i = 0; i < a->bytes; i++) bits = bits << 8 | b[a->big ? i : a->bytes - 1 - i];
    if (a->kind == 'f' && a->bytes == 4) {
        const uint32_t low = (uint32_t)bits;
        float v;
        memcpy(&v, &low, sizeof v);
        return v;
    }
    if (a->kind == 'f') {
        double v;
        memcpy(&v, &bits, sizeof v);
        return v;
    }
    if (a->kind == 'b') return bits != 0;
    const uint64_t sign = 1ull << (8 * a->bytes - 1);
    if (a->kind == 'u' || bits < sign) return (double)bits;
    return -(double)(~(bits | ~(sign - 1)) + 1); /* two's complement, sign extended */
}

void clg_npy_move_last(clg_npy *a, int axis) {
    const int last = a->ndim - 1;
    const int64_t dim = a->dim[last], step = a->step[last];
    for (int k = last; k > axis; k--) {
        a->dim[k] = a->dim[k - 1];
        a->step[k] = a->step[k - 1];
    }
    a->dim[axis] = dim;
    a->step[axis] = step;
}

/* Place in the file of the next element in C order: an odometer over the axes, the last one the fastest. */
typedef struct walk {
    int64_t index[CLG_NPY_DIMS], at;
} walk;

static void walk_on(const clg_npy *a, walk *w) {
    for (int k = a->ndim - 1; k >= 0; k--) {
        w->at += a->step[k];
        if (++w->index[k] < a->dim[k]) return;
        w->at -= a->step[k] * a->dim[k];
        w->index[k] = 0;
    }
}

void clg_npy_doubles(const clg_npy *a, double *to) {
    walk w = { .at = 0 };
    for (int64_t i = 0; i < a->count; i++, walk_on(a, &w)) to[i] = element(a, a->data + w.at * a->bytes);
}

void clg_npy_bytes(const clg_npy *a, uint8_t *to) {
    walk w = { .at = 0 };
    for (int64_t i = 0; i < a->count; i++, walk_on(a, &w)) to[i] = a->data[w.at];
}
