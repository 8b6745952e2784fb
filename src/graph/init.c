/* Initial values of params, by Philox on (seed; hash of the name, index): every element has a counter of its own, so
 * values do not depend on what else was made before. Normal numbers by Box & Muller 1958. */
#include "graph/init.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/philox.h"
#include "graph/op.h"

#include <math.h>
#include <string.h>

/* fan_in and fan_out of [out, in, kernel...]; an axis that is not there counts as 1. */
static void fans(clg_shape s, double *fan_in, double *fan_out) {
    double kernel = 1;
    for (int i = 2; i < s.ndim; i++) kernel *= (double)s.dim[i];
    *fan_out = (s.ndim > 0 ? (double)s.dim[0] : 1) * kernel;
    *fan_in = (s.ndim > 1 ? (double)s.dim[1] : s.ndim > 0 ? (double)s.dim[0] : 1) * kernel;
}

static double uniform(const uint32_t r[4]) { /* in (-1, 1) */
    return ((double)r[0] + 0.5) * 0x1p-31 - 1;
}

static double normal(const uint32_t r[4]) {
    const double pi = 3.14159265358979323846;
    const double u = ((double)r[0] + 1) * 0x1p-32, v = (double)r[1] * 0x1p-32; /* u in (0, 1], v in [0, 1) */
    return sqrt(-2 * log(u)) * cos(2 * pi * v);
}

void clg_init_values(enum clg_init init, uint64_t seed, const char *name, clg_shape shape, double *x) {
    const uint64_t hash = clg_fnv1a(CLG_FNV_BASIS, name, strlen(name)), n = (uint64_t)clg_shape_elems(shape);
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    double fan_in, fan_out;
    fans(shape, &fan_in, &fan_out);
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t counter[4] = { (uint32_t)i, (uint32_t)(i >> 32), (uint32_t)hash, (uint32_t)(hash >> 32) };
        uint32_t r[4];
        clg_philox(counter, key, r);
        switch (init) {
        case CLG_INIT_ZERO:    x[i] = 0; break;
        case CLG_INIT_ONE:     x[i] = 1; break;
        case CLG_INIT_XAVIER:  x[i] = sqrt(6 / (fan_in + fan_out)) * uniform(r); break;
        case CLG_INIT_HE:      x[i] = sqrt(2 / fan_in) * normal(r); break;
        case CLG_INIT_NORMAL:  x[i] = 0.01 * normal(r); break;
        case CLG_INIT_UNIFORM: x[i] = uniform(r) / sqrt(fan_in); break;
        }
    }
}

clg_status clg_slot_reset(clg_slot *slot, uint64_t seed) {
    const size_t n = (size_t)clg_shape_elems(slot->shape);
    if (!slot->initial.known || n == 0) return CLG_OK;
    double *x = clg_calloc(n, sizeof *x);
    void *data = clg_calloc(n, clg_dtype_size(slot->dtype));
    clg_status status = CLG_OK;
    if (!x || !data) {
        status = clg_fail(CLG_ERR_NOMEM, "%s: out of host memory for %zu initial values", slot->name, n);
    } else {
        for (size_t i = 0; i < n; i++) x[i] = slot->initial.value;
        if (slot->trainable) clg_init_values(slot->initial.init, seed, slot->name, slot->shape, x);
        clg_from_double(slot->dtype, x, data, n);
        clg_slot_change(slot);
        status = clg_buffer_write(slot->buffer, 0, slot->dtype, data, n);
    }
    clg_free(data);
    clg_free(x);
    return status;
}
