/* The derivatives of a first course, row by row of its tables: values that are known in closed form, shapes in
 * numerator layout, and differences as an outside judge. */
#include "support/derivative.h"

/* --- scalar by scalar --- */

static clg_tensor *f_constant(job *j, clg_tensor *x) { return clg_fill(j->g, j->type, CLG_SHAPE(1), 3); }
static clg_tensor *f_power(job *j, clg_tensor *x) { return clg_pow(x, number(j, 3)); }
static clg_tensor *f_inverse(job *j, clg_tensor *x) { return clg_pow(x, number(j, -2)); }
static clg_tensor *f_exp(job *j, clg_tensor *x) { return clg_exp(x); }
static clg_tensor *f_log(job *j, clg_tensor *x) { return clg_log(x); }
static clg_tensor *f_sin(job *j, clg_tensor *x) { return clg_sin(x); }
static clg_tensor *f_sum(job *j, clg_tensor *x) { return clg_add(clg_exp(x), clg_sin(x)); }
static clg_tensor *f_product(job *j, clg_tensor *x) { return clg_mul(clg_exp(x), clg_sin(x)); }
static clg_tensor *f_chain(job *j, clg_tensor *x) { return clg_exp(clg_sin(clg_square(x))); }

static double d_constant(double x) { return 0; }
static double d_power(double x) { return 3 * x * x; }
static double d_inverse(double x) { return -2 / (x * x * x); }
static double d_exp(double x) { return exp(x); }
static double d_log(double x) { return 1 / x; }
static double d_sin(double x) { return cos(x); }
static double d_sum(double x) { return exp(x) + cos(x); }
static double d_product(double x) { return exp(x) * sin(x) + exp(x) * cos(x); }
static double d_chain(double x) { return exp(sin(x * x)) * cos(x * x) * 2 * x; }

Test(derivative, scalar_table) {
    static const struct {
        const char *name;
        clg_tensor *(*f)(job *, clg_tensor *);
        double (*d)(double);
    } rows[] = {
        {"a", f_constant, d_constant}, {"x^3", f_power, d_power},         {"x^-2", f_inverse, d_inverse},
        {"exp x", f_exp, d_exp},       {"log x", f_log, d_log},           {"sin x", f_sin, d_sin},
        {"u + v", f_sum, d_sum},       {"u v", f_product, d_product},     {"f(g(x))", f_chain, d_chain},
    };
    BOTH(j) {
        clg_tensor *x = input(&j, CLG_SHAPE(1), NULL);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            for (double at = 0.3; at < 3; at += 0.9) {
                j.at[0][0] = at;
                clg_tensor *y = rows[i].f(&j, x);
                const double want = rows[i].d((float)at);
                j.at[0][0] = (float)at;
                expect(&j, clg_grad(y, x), CLG_SHAPE(1), &want, rows[i].name);
                expect(&j, clg_jacobian(y, x), CLG_SHAPE(1), &want, rows[i].name);
                expect(&j, clg_jvp(y, x, clg_fill(j.g, j.type, CLG_SHAPE(1), 1)), CLG_SHAPE(1), &want, rows[i].name);
            }
    }
}

/* At the kink every number of a set is a subderivative: ours has to be one of them. */
Test(derivative, subderivatives_at_the_kink) {
    BOTH(j) {
        const double zero = 0;
        clg_tensor *x = input(&j, CLG_SHAPE(1), &zero), *one = clg_fill(j.g, j.type, CLG_SHAPE(1), 1);
        const struct {
            const char *name;
            clg_tensor *y;
            double low, high;
        } rows[] = {
            {"|x|", clg_abs(x), -1, 1},
            {"relu", clg_relu(x), 0, 1},
            {"max(x, 0)", clg_maximum(x, number(&j, 0)), 0, 1},
            {"max(0, x)", clg_maximum(number(&j, 0), x), 0, 1},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            clg_tensor *ways[] = {clg_grad(rows[i].y, x), clg_jvp(rows[i].y, x, one), clg_jacobian(rows[i].y, x)};
            for (int k = 0; k < 3; k++) {
                double d = NAN;
                evaluate(&j, ways[k], &d);
                cr_expect(d >= rows[i].low && d <= rows[i].high, "%s: %g", rows[i].name, d);
                double first = d;
                evaluate(&j, ways[0], &first);
                cr_expect_eq(d, first, "%s: forward and backward differ", rows[i].name);
            }
        }
    }
}

/* --- tables with vectors: x is a column of N --- */

enum { N = 5, M = 3 };

/* sin x and A x with their Jacobians, for the rows that have a u and a v. */
typedef struct vectors {
    clg_tensor *x, *A, *u, *v;      /* x [N,1], A [M,N], u = A x [M,1], v = A sin x [M,1] */
    double du[M * N], dv[M * N];    /* du/dx = A, dv/dx = A diag(cos x) */
    double u_at[M], v_at[M];
} vectors;

static vectors make_vectors(job *j) {
    vectors r = {.x = input(j, CLG_SHAPE(N, 1), NULL), .A = input(j, CLG_SHAPE(M, N), NULL)};
    r.u = clg_matmul(r.A, r.x);
    r.v = clg_matmul(r.A, clg_sin(r.x));
    for (int i = 0; i < M; i++)
        for (int k = 0; k < N; k++) {
            const double a = j->at[1][i * N + k], x = j->at[0][k];
            r.du[i * N + k] = a;
            r.dv[i * N + k] = a * cos(x);
            r.u_at[i] += a * x;
            r.v_at[i] += a * sin(x);
        }
    return r;
}

/* y scalar, x vector: 0^T, a du/dx, 1^T, 2 x^T, du/dx + dv/dx, du/dx v + dv/dx u, u^T dv/dx + v^T du/dx */
Test(derivative, scalar_by_vector_table) {
    BOTH(j) {
        const vectors t = make_vectors(&j);
        /* scalars u = sum of sin x, v = <x, x>; and their gradients */
        clg_tensor *u = total(clg_sin(t.x)), *v = total(clg_square(t.x));
        double want[7][N] = {{0}}, u_at = 0, v_at = 0;
        for (int k = 0; k < N; k++) u_at += sin(j.at[0][k]), v_at += j.at[0][k] * j.at[0][k];
        for (int k = 0; k < N; k++) {
            const double x = j.at[0][k], du = cos(x), dv = 2 * x;
            want[1][k] = 3 * du;
            want[2][k] = 1;
            want[3][k] = 2 * x;
            want[4][k] = du + dv;
            want[5][k] = du * v_at + dv * u_at;
            for (int i = 0; i < M; i++) want[6][k] += t.u_at[i] * t.dv[i * N + k] + t.v_at[i] * t.du[i * N + k];
        }
        const struct {
            const char *name;
            clg_tensor *y;
        } rows[] = {
            {"a", clg_fill(j.g, j.type, CLG_SHAPE(1), 7)}, {"a u", clg_scale(u, 3)}, {"sum(x)", total(t.x)},
            {"|x|^2", v},  {"u + v", clg_add(u, v)}, {"u v", clg_mul(u, v)}, {"<u, v>", total(clg_mul(t.u, t.v))},
        };
        for (int i = 0; i < 7; i++) {
            expect(&j, clg_jacobian(rows[i].y, t.x), CLG_SHAPE(1, N), want[i], rows[i].name);
            expect(&j, clg_grad(rows[i].y, t.x), CLG_SHAPE(N, 1), want[i], rows[i].name);
        }
    }
}

/* y vector, x vector: 0, I, A, A^T, a du/dx, A du/dx, du/dx + dv/dx */
Test(derivative, vector_by_vector_table) {
    BOTH(j) {
        const vectors t = make_vectors(&j);
        clg_tensor *B = input(&j, CLG_SHAPE(N, M), NULL), *w = input(&j, CLG_SHAPE(M, 1), NULL);
        const double *b = j.at[2];
        double zero[N * N] = {0}, eye[N * N] = {0}, turned[M * N], scaled[M * N], Bu[N * N] = {0}, sum[M * N];
        for (int k = 0; k < N; k++) eye[k * N + k] = 1;
        for (int i = 0; i < M; i++)
            for (int k = 0; k < N; k++) {
                turned[i * N + k] = b[k * M + i]; /* B^T */
                scaled[i * N + k] = 3 * t.du[i * N + k];
                sum[i * N + k] = t.du[i * N + k] + t.dv[i * N + k];
                for (int l = 0; l < N; l++) Bu[l * N + k] += b[l * M + i] * t.du[i * N + k];
            }
        clg_tensor *row = clg_matmul(clg_transpose(t.x), B); /* x^T B as a row; a column of the same numbers */
        expect(&j, clg_jacobian(w, t.x), CLG_SHAPE(M, N), zero, "a");
        expect(&j, clg_jacobian(t.x, t.x), CLG_SHAPE(N, N), eye, "x");
        expect(&j, clg_jacobian(t.u, t.x), CLG_SHAPE(M, N), t.du, "A x");
        expect(&j, clg_jacobian(clg_transpose(row), t.x), CLG_SHAPE(M, N), turned, "x^T A");
        expect(&j, clg_jacobian(row, t.x), CLG_SHAPE(1, M, N), turned, "x^T A as a row");
        expect(&j, clg_jacobian(clg_scale(t.u, 3), t.x), CLG_SHAPE(M, N), scaled, "a u");
        expect(&j, clg_jacobian(clg_matmul(B, t.u), t.x), CLG_SHAPE(N, N), Bu, "A u");
        expect(&j, clg_jacobian(clg_add(t.u, t.v), t.x), CLG_SHAPE(M, N), sum, "u + v");
    }
}

/* --- every pair of scalar, vector and matrix --- */

/* dy[i] / dx[k] into d[i * n + k], by differences in float64 on the reference device. */
static void differences(clg_shape of_x, clg_shape of_y, double *d) {
    job j = open_job(true);
    clg_tensor *x = input(&j, of_x, NULL), *y = pair_function(&j, x, of_y);
    const int64_t n = elems(of_x), m = elems(of_y);
    const double step = 1e-6;
    for (int64_t k = 0; k < n; k++) {
        double hi[MOST], lo[MOST];
        const double was = j.at[0][k];
        j.at[0][k] = was + step;
        evaluate(&j, y, hi);
        j.at[0][k] = was - step;
        evaluate(&j, y, lo);
        j.at[0][k] = was;
        for (int64_t i = 0; i < m; i++) d[i * n + k] = (hi[i] - lo[i]) / (2 * step);
    }
    close_job(&j);
}

Test(derivative, nine_pairs) {
    static const clg_shape x[] = {{1, {1}}, {2, {4, 1}}, {2, {4, 3}}}, y[] = {{1, {1}}, {2, {2, 1}}, {2, {2, 5}}};
    static const clg_shape want[3][3] = {
        {{1, {1}}, {2, {1, 4}}, {2, {3, 4}}},
        {{2, {2, 1}}, {2, {2, 4}}, {3, {2, 3, 4}}},
        {{2, {2, 5}}, {3, {2, 5, 4}}, {4, {2, 5, 3, 4}}},
    };
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            double d[MOST], turned[MOST], have[MOST];
            char what[32];
            const int64_t m = elems(y[r]), n = elems(x[c]), rows = x[c].dim[0], columns = n / rows;
            snprintf(what, sizeof what, "pair %d, %d", r, c);
            differences(x[c], y[r], d);
            for (int64_t i = 0; i < m; i++)
                for (int64_t k = 0; k < n; k++) turned[i * n + k % columns * rows + k / columns] = d[i * n + k];
            BOTH(j) {
                clg_tensor *in = input(&j, x[c], NULL), *J = clg_jacobian(pair_function(&j, in, y[r]), in);
                expect_shape(J, want[r][c], what);
                evaluate(&j, J, have);
                j.eps = j.type == CLG_F64 ? 1e-8 : 2e-6; /* of the differences; of float32 */
                expect_near(&j, have, turned, m * n, 2, what);
            }
        }
}

/* The rule for other ranks: [] and [1] are scalars, [n] and [n,1] vectors, [1,1] a vector of one; with more axes
 * all count. */
Test(derivative, layout_of_other_ranks) {
    static const struct {
        clg_shape x, y, want;
    } rows[] = {
        {{0}, {0}, {1, {1}}},
        {{0}, {1, {3}}, {2, {3, 1}}},
        {{1, {3}}, {0}, {2, {1, 3}}},
        {{1, {3}}, {1, {2}}, {2, {2, 3}}},
        {{1, {3}}, {2, {2, 1}}, {2, {2, 3}}},
        {{2, {1, 1}}, {1, {1}}, {2, {1, 1}}},
        {{2, {1, 1}}, {2, {2, 3}}, {3, {2, 3, 1}}},
        {{2, {3, 1}}, {2, {1, 1}}, {2, {1, 3}}},
        {{2, {1, 3}}, {1, {1}}, {2, {3, 1}}},
        {{2, {1, 3}}, {2, {1, 2}}, {4, {1, 2, 3, 1}}},
        {{3, {2, 3, 1}}, {1, {2}}, {4, {2, 1, 3, 2}}},
        {{3, {2, 3, 2}}, {3, {2, 1, 2}}, {6, {2, 1, 2, 2, 3, 2}}},
        {{1, {0}}, {1, {2}}, {2, {2, 0}}},
        {{2, {3, 2}}, {2, {0, 1}}, {3, {0, 2, 3}}},
    };
    job j = open_job(true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "row %zu", i);
        clg_tensor *x = clg_input(j.g, name, j.type, rows[i].x);
        expect_shape(clg_jacobian(pair_function(&j, x, rows[i].y), x), rows[i].want, name);
    }
    close_job(&j);
}

/* --- the worked examples --- */

/* z = (<x,w> - y)^2: a = <x,w>, b = a - y, z = b^2; dz/dw = 2 b . 1 . x^T */
Test(derivative, linear_regression_with_one_example) {
    BOTH(j) {
        const double y_at = 0.75;
        clg_tensor *x = input(&j, CLG_SHAPE(N, 1), NULL), *w = input(&j, CLG_SHAPE(N, 1), NULL);
        clg_tensor *y = input(&j, CLG_SHAPE(1), &y_at), *a = total(clg_mul(x, w)), *b = clg_sub(a, y);
        clg_tensor *z = clg_square(b);
        double a_at = 0, want[N];
        for (int k = 0; k < N; k++) a_at += j.at[0][k] * j.at[1][k];
        const double b_at = a_at - y_at, z_at = b_at * b_at, dz_db = 2 * b_at, one = 1;
        for (int k = 0; k < N; k++) want[k] = 2 * b_at * j.at[0][k];
        expect(&j, a, CLG_SHAPE(1), &a_at, "a");
        expect(&j, b, CLG_SHAPE(1), &b_at, "b");
        expect(&j, z, CLG_SHAPE(1), &z_at, "z");
        expect(&j, clg_jacobian(z, b), CLG_SHAPE(1), &dz_db, "dz/db");
        expect(&j, clg_jacobian(b, a), CLG_SHAPE(1), &one, "db/da");
        expect(&j, clg_jacobian(a, w), CLG_SHAPE(1, N), j.at[0], "da/dw");
        expect(&j, clg_jacobian(z, w), CLG_SHAPE(1, N), want, "dz/dw");
        expect(&j, clg_grad(z, w), CLG_SHAPE(N, 1), want, "dz/dw as w");
    }
}

/* z = |X w - y|^2: a = X w, b = a - y, z = |b|^2; dz/dw = 2 b^T . I . X */
Test(derivative, linear_regression_with_a_batch) {
    BOTH(j) {
        clg_tensor *X = input(&j, CLG_SHAPE(M, N), NULL), *w = input(&j, CLG_SHAPE(N, 1), NULL);
        clg_tensor *y = input(&j, CLG_SHAPE(M, 1), NULL), *a = clg_matmul(X, w), *b = clg_sub(a, y);
        clg_tensor *z = total(clg_square(b));
        double a_at[M] = {0}, b_at[M], z_at = 0, dz_db[M], eye[M * M] = {0}, want[N] = {0};
        for (int i = 0; i < M; i++) {
            for (int k = 0; k < N; k++) a_at[i] += j.at[0][i * N + k] * j.at[1][k];
            b_at[i] = a_at[i] - j.at[2][i];
            z_at += b_at[i] * b_at[i];
            dz_db[i] = 2 * b_at[i];
            eye[i * M + i] = 1;
            for (int k = 0; k < N; k++) want[k] += 2 * b_at[i] * j.at[0][i * N + k];
        }
        expect(&j, a, CLG_SHAPE(M, 1), a_at, "a");
        expect(&j, b, CLG_SHAPE(M, 1), b_at, "b");
        expect(&j, z, CLG_SHAPE(1), &z_at, "z");
        expect(&j, clg_jacobian(z, b), CLG_SHAPE(1, M), dz_db, "dz/db");
        expect(&j, clg_jacobian(b, a), CLG_SHAPE(M, M), eye, "db/da");
        expect(&j, clg_jacobian(a, w), CLG_SHAPE(M, N), j.at[0], "da/dw");
        expect(&j, clg_jacobian(z, w), CLG_SHAPE(1, N), want, "dz/dw");
    }
}
