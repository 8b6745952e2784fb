/* See golden.h. Only what the test data needs: F32 and I64, little-endian, files that are well-formed. */
#include "support/golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *golden_path(const char *name, char *path, size_t size) {
    const char *root = getenv("CLGRAD_SOURCE");
    snprintf(path, size, "%s/tests/data/%s", root ? root : ".", name);
    return path;
}

bool golden_open(const char *path, golden *g) {
    uint64_t header = 0;
    FILE *f = fopen(path, "rb");
    *g = (golden){0};
    if (!f) return false;
    char *text = fread(&header, 1, 8, f) == 8 && header < 1 << 24 ? malloc(header + 1) : NULL;
    if (text && fread(text, 1, header, f) == header) g->header = json_loadb(text, header, 0, NULL);
    free(text);
    const long begin = ftell(f);
    if (g->header && begin > 0 && fseek(f, 0, SEEK_END) == 0) {
        g->size = (size_t)(ftell(f) - begin);
        g->bytes = malloc(g->size + 1);
        if (!g->bytes || fseek(f, begin, SEEK_SET) != 0 || fread(g->bytes, 1, g->size, f) != g->size) golden_close(g);
    }
    fclose(f);
    return g->bytes != NULL;
}

void golden_close(golden *g) {
    json_decref(g->header);
    free(g->bytes);
    *g = (golden){0};
}

double *golden_tensor(const golden *g, const char *name, clg_shape *shape, int64_t *n) {
    json_t *t = json_object_get(g->header, name), *s = json_object_get(t, "shape");
    if (!t) return NULL;
    const bool whole = strcmp(json_string_value(json_object_get(t, "dtype")), "I64") == 0;
    const size_t at = (size_t)json_integer_value(json_array_get(json_object_get(t, "data_offsets"), 0));
    *shape = (clg_shape){(int)json_array_size(s), {0}};
    *n = 1;
    for (int i = 0; i < shape->ndim; i++) *n *= shape->dim[i] = json_integer_value(json_array_get(s, (size_t)i));
    double *v = malloc(((size_t)*n + 1) * sizeof *v);
    if (!v || at + (size_t)*n * (whole ? 8 : 4) > g->size) {
        free(v);
        return NULL;
    }
    for (int64_t i = 0; i < *n; i++) {
        int64_t l;
        float f;
        if (whole) memcpy(&l, g->bytes + at + 8 * i, 8), v[i] = (double)l;
        else memcpy(&f, g->bytes + at + 4 * i, 4), v[i] = f;
    }
    return v;
}

double golden_error(const float *a, const double *b, int64_t n, double *largest) {
    double error = 0;
    *largest = 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs(a[i] - b[i]);
        if (!(e <= error)) error = isnan(e) ? INFINITY : e;
        *largest = fmax(*largest, fabs(b[i]));
    }
    return error;
}
