/* What the tests of derivatives share: a graph whose inputs have known values, on the reference device in float64 or on
 * the default one in float32, and comparison of a tensor with what it should be. What is differentiated is always an
 * input, so that nothing is folded away. */
#ifndef CLG_TEST_DERIVATIVE_H_
#define CLG_TEST_DERIVATIVE_H_

#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 256, INPUTS = 4 };

/* A graph with inputs whose values are known. */
typedef struct job {
    clg_device *dev;
    clg_graph  *g;
    clg_dtype   type;
    double      eps; /* what a value may be off, relative to 1 or itself */
    int         n;
    clg_tensor *in[INPUTS];
    double      at[INPUTS][MOST];
} job;

static inline int64_t elems(clg_shape s) {
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

static inline job open_job(bool ref) {
    job j = {.type = ref ? CLG_F64 : CLG_F32, .eps = ref ? 1e-13 : 4e-6};
    j.dev = clg_device_open(ref ? "ref" : NULL, NULL);
    j.g = clg_graph_create(j.dev, NULL);
    cr_assert_not_null(j.g, "%s", clg_error());
    return j;
}

static inline void close_job(job *j) {
    clg_graph_destroy(&j->g);
    clg_device_destroy(&j->dev);
}

/* An input: with the values given, or where they are NULL with numbers in (-1, 1) away from 0. */
static inline clg_tensor *input(job *j, clg_shape s, const double *values) {
    static const char *const names[INPUTS] = {"x", "w", "a", "b"};
    const int k = j->n++;
    for (int64_t i = 0; i < elems(s); i++)
        j->at[k][i] = values ? values[i] : 0.9 * sin(1.7 * (double)i + 2.3 * k + 0.4) + (i % 2 ? 0.05 : -0.05);
    return j->in[k] = clg_input(j->g, names[k], j->type, s);
}

static inline clg_tensor *number(job *j, double v) { return clg_fill(j->g, j->type, CLG_SCALAR, v); }

static inline void move(job *j, clg_plan *p, clg_tensor *t, const double *from, double *to) {
    float f[MOST];
    const int64_t n = elems(clg_tensor_shape(t));
    const bool wide = clg_tensor_dtype(t) == CLG_F64;
    for (int64_t i = 0; from && i < n; i++) f[i] = (float)from[i];
    const size_t bytes = clg_tensor_bytes(t);
    if (from) cr_assert_eq(clg_write(p, t, wide ? (const void *)from : f, bytes), CLG_OK, "%s", clg_error());
    else cr_assert_eq(clg_read(p, t, wide ? (void *)to : f, bytes), CLG_OK, "%s", clg_error());
    for (int64_t i = 0; !from && !wide && i < n; i++) to[i] = f[i];
}

/* The value of y at the inputs' values. */
static inline void evaluate(job *j, clg_tensor *y, double *to) {
    clg_plan *p = clg_compile(j->g, CLG_LIST(y), NULL);
    cr_assert_not_null(p, "%s", clg_error());
    cr_assert_leq(elems(clg_tensor_shape(y)), MOST);
    for (int k = 0; k < j->n; k++) move(j, p, j->in[k], j->at[k], NULL);
    cr_assert_eq(clg_run(p), CLG_OK, "%s", clg_error());
    move(j, p, y, NULL, to);
    clg_plan_destroy(&p);
}

static inline void expect_shape(clg_tensor *y, clg_shape s, const char *what) {
    cr_assert_not_null(y, "%s: %s", what, clg_error());
    const clg_shape have = clg_tensor_shape(y);
    bool same = have.ndim == s.ndim;
    for (int i = 0; i < s.ndim && same; i++) same = have.dim[i] == s.dim[i];
    cr_assert(same, "%s: wrong shape: %d axes, %lld, %lld, ...", what, have.ndim, (long long)have.dim[0],
              (long long)have.dim[1]);
}

static inline void expect_near(const job *j, const double *have, const double *want, int64_t n, double slack,
                        const char *what) {
    for (int64_t i = 0; i < n; i++)
        cr_assert(fabs(have[i] - want[i]) <= slack * j->eps * fmax(1, fabs(want[i])),
                  "%s: element %lld is %.15g, not %.15g", what, (long long)i, have[i], want[i]);
}

/* y has this shape and these values. */
static inline void expect(job *j, clg_tensor *y, clg_shape s, const double *want, const char *what) {
    double have[MOST];
    expect_shape(y, s, what);
    evaluate(j, y, have);
    expect_near(j, have, want, elems(s), 8, what);
}

/* The statement behind it is done with a job on the reference device, and again with one on the default device. */
#define BOTH(j)                                 \
    for (int ref_ = 1; ref_ >= 0; ref_--)       \
        for (job j = open_job(ref_), *once_ = &j; once_; close_job(&j), once_ = NULL)

static inline clg_tensor *total(clg_tensor *x) { return clg_reshape(clg_sum(x, CLG_ALL), CLG_SHAPE(1)); }

/* y = U x + tanh(V x) * (W x) over the elements of x in a row: nonlinear, and no two partial derivatives are alike. */
static inline clg_tensor *pair_function(job *j, clg_tensor *x, clg_shape to) {
    const int64_t n = elems(clg_tensor_shape(x)), m = elems(to);
    clg_tensor *col = clg_reshape(x, CLG_SHAPE(n, 1)), *part[3];
    for (int k = 0; k < 3; k++) {
        double w[MOST];
        float f[MOST];
        for (int64_t i = 0; i < m * n; i++) f[i] = (float)(w[i] = (float)(0.7 * cos(1.3 * (double)i + k)));
        part[k] = clg_matmul(clg_const(j->g, j->type, CLG_SHAPE(m, n), j->type == CLG_F64 ? (void *)w : f), col);
    }
    return clg_reshape(clg_add(part[0], clg_mul(clg_tanh(part[1]), part[2])), to);
}

#endif /* CLG_TEST_DERIVATIVE_H_ */
