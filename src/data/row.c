/* Items as numbers. A piece of an item at a time is read in double, standardised and rounded once. */
#include "data/row.h"
#include <string.h>

enum { PIECE = 512 }; /* numbers: 4 KiB of stack, and a loop that the compiler makes vectors of */

static void read_piece(const clg_items *it, size_t at, size_t n, double *v) {
    if (it->u8) {
        for (size_t i = 0; i < n; i++) v[i] = it->u8[at + i] / 255.0;
    } else {
        memcpy(v, it->real + at, n * sizeof *v);
    }
}

/* first: place of v[0] in its item; plane: numbers that share a mean. */
static void standardize_piece(const clg_scaler *s, size_t plane, size_t first, size_t n, double *v) {
    for (size_t i = 0; i < n;) {
        const size_t k = (first + i) / plane, end = (k + 1) * plane - first;
        const double mean = s->mean[k], deviation = s->deviation[k];
        for (; i < n && i < end; i++) v[i] = (v[i] - mean) / deviation;
    }
}

/* Element i of an array of a float type. */
static void put(void *to, clg_dtype type, size_t i, double v) {
    if (type == CLG_F64) {
        ((double *)to)[i] = v;
    } else {
        ((float *)to)[i] = (float)v;
    }
}

void clg_row_x(const clg_items *it, const clg_scaler *scaler, size_t row, clg_dtype type, void *to) {
    const size_t item = clg_items_numbers(it);
    double v[PIECE];
    for (size_t first = 0; first < item; first += PIECE) {
        const size_t n = item - first < PIECE ? item - first : PIECE;
        read_piece(it, row * item + first, n, v);
        if (scaler) standardize_piece(scaler, item / (size_t)scaler->n, first, n, v);
        if (type == CLG_F64) {
            memcpy((double *)to + first, v, n * sizeof *v);
        } else {
            for (size_t i = 0; i < n; i++) ((float *)to)[first + i] = (float)v[i];
        }
    }
}

void clg_row_target(const clg_items *it, size_t row, clg_dtype type, void *to) {
    const size_t n = (size_t)it->targets;
    if (it->label && type == CLG_I32) {
        *(int32_t *)to = it->label[row];
    } else if (it->label) {
        put(to, type, 0, it->label[row]);
    } else {
        for (size_t i = 0; i < n; i++) put(to, type, i, it->target[row * n + i]);
    }
}
