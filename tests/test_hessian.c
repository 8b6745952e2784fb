/* Second derivatives, forward mode and products with Jacobian and Hessian, and what is said where there are none. */
#include "graph/op.h"
#include "support/derivative.h"
#include <stdarg.h>

enum { N = 5 };

/* --- second derivatives --- */

/* <x, A x> has the Hessian A + A^T, wherever x is. */
Test(hessian, hessian_of_a_quadratic_form) {
    BOTH(j) {
        clg_tensor *x = input(&j, CLG_SHAPE(N, 1), NULL), *A = input(&j, CLG_SHAPE(N, N), NULL);
        clg_tensor *v = input(&j, CLG_SHAPE(N, 1), NULL), *y = total(clg_mul(x, clg_matmul(A, x)));
        double H[N * N], Hv[N] = {0};
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++) {
                H[i * N + k] = j.at[1][i * N + k] + j.at[1][k * N + i];
                Hv[i] += H[i * N + k] * j.at[2][k];
            }
        expect(&j, clg_hessian(y, x), CLG_SHAPE(N, N), H, "A + A^T");
        expect(&j, clg_hvp(y, x, v), CLG_SHAPE(N, 1), Hv, "H v");
        expect(&j, clg_jvp(clg_grad(y, x), x, v), CLG_SHAPE(N, 1), Hv, "H v forward over reverse");
    }
}

/* d2/dx2 of x^3 and of a composition, and third derivatives. */
Test(hessian, second_and_third_of_a_scalar) {
    BOTH(j) {
        const double at = 0.75, six_x = 6 * at, six = 6, s2 = -4 * at * at * sin(at * at) + 2 * cos(at * at);
        clg_tensor *x = input(&j, CLG_SHAPE(1), &at), *cube = clg_mul(x, clg_square(x));
        clg_tensor *one = clg_fill(j.g, j.type, CLG_SHAPE(1), 1);
        expect(&j, clg_hessian(cube, x), CLG_SHAPE(1), &six_x, "(x^3)''");
        expect(&j, clg_hessian(clg_sin(clg_square(x)), x), CLG_SHAPE(1), &s2, "(sin x^2)''");
        expect(&j, clg_grad(clg_hessian(cube, x), x), CLG_SHAPE(1), &six, "(x^3)'''");
        clg_tensor *d = cube;
        for (int k = 0; k < 3; k++) d = clg_jvp(d, x, one);
        expect(&j, d, CLG_SHAPE(1), &six, "(x^3)''' forward three times");
    }
}

/* By a matrix x (n,k): (n,k,k,n), in reverse twice. Here y = sum of (x_ij x_ji'...) is told by its indices. */
Test(hessian, hessian_by_a_matrix) {
    enum { R = 2, C = 3 };
    BOTH(j) {
        clg_tensor *x = input(&j, CLG_SHAPE(R, C), NULL), *w = input(&j, CLG_SHAPE(R * C, R * C), NULL);
        clg_tensor *col = clg_reshape(x, CLG_SHAPE(R * C, 1)), *y = total(clg_mul(col, clg_matmul(w, col)));
        double want[R * C * C * R];
        for (int a = 0; a < R * C; a++)
            for (int b = 0; b < R * C; b++)
                want[a * R * C + b % C * R + b / C] = j.at[1][a * R * C + b] + j.at[1][b * R * C + a];
        expect(&j, clg_hessian(y, x), CLG_SHAPE(R, C, C, R), want, "by a matrix");
    }
}

/* Of one example's cross-entropy by its logits: diag(p) - p p^T; of a batch of R, 1/R of that in each block. */
Test(hessian, hessian_of_cross_entropy) {
    enum { R = 2, C = 3, Z = R * C };
    BOTH(j) {
        clg_tensor *x = input(&j, CLG_SHAPE(R, C), NULL), *v = input(&j, CLG_SHAPE(R, C), NULL);
        const int32_t label[R] = {2, 0};
        clg_tensor *y = clg_cross_entropy(x, clg_const(j.g, CLG_I32, CLG_SHAPE(R), label));
        double H[Z * Z] = {0}, turned[Z * Z], Hv[Z] = {0};
        for (int r = 0; r < R; r++) {
            const double *logit = &j.at[0][r * C];
            const double sum = exp(logit[0]) + exp(logit[1]) + exp(logit[2]);
            for (int a = 0; a < C; a++)
                for (int b = 0; b < C; b++) {
                    const double pa = exp(logit[a]) / sum, pb = exp(logit[b]) / sum;
                    H[(r * C + a) * Z + r * C + b] = ((a == b ? pa : 0) - pa * pb) / R;
                }
        }
        for (int a = 0; a < Z; a++)
            for (int b = 0; b < Z; b++) {
                turned[a * Z + b % C * R + b / C] = H[a * Z + b];
                Hv[a] += H[a * Z + b] * j.at[1][b];
            }
        expect(&j, clg_hessian(y, x), CLG_SHAPE(R, C, C, R), turned, "cross-entropy");
        expect(&j, clg_hvp(y, x, v), CLG_SHAPE(R, C), Hv, "H v");
    }
}

/* --- forward mode --- */

/* J v from clg_jvp() and from the Jacobian, where it has more rows than columns and where it has fewer. */
Test(hessian, jvp_is_the_jacobian_times_v) {
    static const int sizes[][2] = {{2, 7}, {7, 2}, {4, 4}, {1, 5}};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        BOTH(j) {
            const int m = sizes[s][0], n = sizes[s][1];
            double J[MOST], Jv[MOST] = {0};
            clg_tensor *x = input(&j, CLG_SHAPE(n), NULL), *v = input(&j, CLG_SHAPE(n), NULL);
            clg_tensor *y = pair_function(&j, x, CLG_SHAPE(m));
            evaluate(&j, clg_jacobian(y, x), J);
            for (int i = 0; i < m; i++)
                for (int k = 0; k < n; k++) Jv[i] += J[i * n + k] * j.at[1][k];
            expect(&j, clg_jvp(y, x, v), CLG_SHAPE(m), Jv, "J v");
        }
}

/* The variable of the first sweep is not one of the zeros of the graph, and leaves nothing behind. */
Test(hessian, jvp_keeps_clear_of_zeros) {
    BOTH(j) {
        const double at[3] = {-1, 2, 0.5}, v_at[3] = {3, 4, 5}, want[3] = {0, 16, 5}, none[3] = {0};
        clg_tensor *x = input(&j, CLG_SHAPE(3), at), *v = input(&j, CLG_SHAPE(3), v_at);
        clg_tensor *zeros = clg_fill(j.g, j.type, CLG_SHAPE(3), 0), *still = clg_stop_grad(zeros);
        clg_tensor *y = clg_square(clg_maximum(x, zeros));
        expect(&j, clg_jvp(clg_add(clg_mul(still, x), y), x, v), CLG_SHAPE(3), want, "max(x, 0)^2");
        expect(&j, clg_jvp(x, x, v), CLG_SHAPE(3), v_at, "x");
        expect(&j, clg_jvp(zeros, x, v), CLG_SHAPE(3), none, "a constant");
        expect(&j, clg_jvp(clg_stop_grad(x), x, v), CLG_SHAPE(3), none, "what is held constant");
    }
}

/* A plan of J v has the steps of the linear map only: none for the variable of the first sweep. */
Test(hessian, jvp_of_a_linear_map_costs_one_product) {
    job j = open_job(false);
    clg_tensor *x = input(&j, CLG_SHAPE(16, 1), NULL), *v = input(&j, CLG_SHAPE(16, 1), NULL);
    clg_tensor *A = clg_input(j.g, "A", j.type, CLG_SHAPE(16, 16)), *y = clg_jvp(clg_matmul(A, x), x, v);
    clg_plan *p = clg_compile(j.g, CLG_LIST(y), NULL);
    cr_assert_not_null(p, "%s", clg_error());
    clg_plan_info info;
    clg_plan_get_info(p, &info);
    cr_expect_eq(info.n_steps, 1, "%d steps", info.n_steps);
    clg_plan_destroy(&p);
    close_job(&j);
}

/* --- composites on the reference device: operands that hang together --- */

Test(hessian, operands_that_are_one_or_made_from_one_another) {
    BOTH(j) {
        const double at[3] = {-1, 2, 0.5};
        double twice[3], six[3], cross[9];
        clg_tensor *x = input(&j, CLG_SHAPE(3), at), *h = clg_scale(x, 3);
        for (int i = 0; i < 3; i++) twice[i] = 2 * at[i], six[i] = 6 * at[i];
        for (int i = 0; i < 9; i++) cross[i] = i % 4 ? 0 : 6;
        expect(&j, clg_grad(clg_dot(x, x), x), CLG_SHAPE(3), twice, "<x, x>");
        expect(&j, clg_grad(clg_dot(x, h), x), CLG_SHAPE(3), six, "<x, 3 x>");
        expect(&j, clg_grad(clg_einsum("i,i->", CLG_LIST(h, x)), x), CLG_SHAPE(3), six, "einsum of 3 x and x");
        expect(&j, clg_hessian(clg_dot(x, h), x), CLG_SHAPE(3, 3), cross, "its Hessian");
    }
}

/* --- ops that stop forward mode --- */

/* y = x / 2, stretched to 3 times as many elements, whose gradient is an op of its own that has none. */
static clg_status infer_stretch(clg_node *n) {
    return set_out(n, 0, in_dtype(n, 0), CLG_SHAPE(3 * in_dim(n, 0, 0)));
}
static clg_status infer_shrink(clg_node *n) { return set_out(n, 0, in_dtype(n, 0), CLG_SHAPE(in_dim(n, 0, 0) / 3)); }
static void ref_stretch(const clg_node *n, const double *const *in, double *const *out) {
    for (int64_t i = 0; i < out_elems(n, 0); i++) out[0][i] = in[0][i / 3] / 2;
}
static void ref_shrink(const clg_node *n, const double *const *in, double *const *out) {
    for (int64_t i = 0; i < out_elems(n, 0); i++) out[0][i] = (in[0][3 * i] + in[0][3 * i + 1] + in[0][3 * i + 2]) / 2;
}
#define ROW .min_in = 1, .max_in = 1, .n_out = 1
static const clg_op shrink = {.name = "shrink", ROW, .infer = infer_shrink, .ref = ref_shrink};
static const clg_op flat = {.name = "flat", ROW, .flags = CLG_OP_NO_GRAD, .infer = infer_shrink, .ref = ref_shrink};
static void vjp_shrink(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_node_build(&shrink, NULL, gy, 1);
}
static void vjp_flat(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_node_build(&flat, NULL, gy, 1);
}
static const clg_op stretch = {.name = "stretch", ROW, .infer = infer_stretch, .ref = ref_stretch, .vjp = vjp_shrink};
static const clg_op stretch_flat = {.name = "stretch_flat", ROW, .infer = infer_stretch, .ref = ref_stretch,
                                    .vjp = vjp_flat};

/* --- errors --- */

static void expect_error(job *j, clg_tensor *y, clg_status code, const char *says, ...) {
    va_list ap;
    cr_expect_null(y, "%s was accepted", says);
    cr_expect_eq(clg_graph_status(j->g), code, "%s: %s", clg_status_name(clg_graph_status(j->g)), clg_error());
    va_start(ap, says);
    for (const char *part = says; part; part = va_arg(ap, const char *))
        cr_expect_not_null(strstr(clg_error(), part), "\"%s\" is not in: %s", part, clg_error());
    va_end(ap);
    clg_graph_destroy(&j->g); /* which keeps its first error: the next one needs another */
    j->g = clg_graph_create(j->dev, NULL);
    j->n = 0;
}

#define X input(&j, CLG_SHAPE(3, 1), NULL)
/* A linear map cannot have the derivative 0 "by nature": so CLG_OP_NO_GRAD on its gradient is an error here, not 0. And
 * a Jacobian with fewer columns than rows is then made by rows. */
Test(hessian, gradients_that_cannot_be_differentiated_again) {
    const clg_op *const ops[] = {&stretch, &stretch_flat};
    for (int k = 0; k < 2; k++) {
        job j = open_job(true);
        const double want[12] = {0.5, 0, 0.5, 0, 0.5, 0, 0, 0.5, 0, 0.5, 0, 0.5};
        clg_tensor *x = input(&j, CLG_SHAPE(2), NULL), *y = clg_node_build(ops[k], NULL, &x, 1);
        expect(&j, clg_jacobian(y, x), CLG_SHAPE(6, 2), want, "by rows");
        expect_error(&j, clg_jvp(clg_scale(y, 3), x, x), CLG_ERR_UNSUP, "jvp: the derivative is made of ",
                     k ? " by flat, which cannot be differentiated again" : " by shrink, which cannot", NULL);
        x = input(&j, CLG_SHAPE(3), NULL);
        y = clg_node_build(&shrink, NULL, &x, 1);
        expect_error(&j, clg_jvp(y, x, x), CLG_ERR_UNSUP, "jvp: shrink_", "is made by shrink, which has no gradient",
                     "clg_stop_grad()", NULL);
        close_job(&j);
    }
}

#define INTEGERS(g) clg_input(g, "i", CLG_I32, CLG_SHAPE(3, 1))

Test(hessian, errors) {
    job j = open_job(true);
    clg_tensor *x = X;
    expect_error(&j, clg_hessian(clg_exp(x), x), CLG_ERR_SHAPE, "hessian(exp_", ", x): y must be a scalar",
                 "f64[3,1]", NULL);
    x = X;
    expect_error(&j, clg_hvp(clg_exp(x), x, x), CLG_ERR_SHAPE, "hvp(exp_", ", x): y must be a scalar",
                 "f64[3,1]", NULL);
    x = X;
    expect_error(&j, clg_hvp(clg_sum(x, CLG_ALL), x, number(&j, 1)), CLG_ERR_SHAPE, "hvp(sum_",
                 "the vector must be as x", "x is f64[3,1]", "is f64[]", NULL);
    x = X;
    expect_error(&j, clg_jvp(x, x, clg_flatten(x, 0)), CLG_ERR_SHAPE, "jvp(x, x): the vector must be as x", "f64[3,1]",
                 "f64[3]", NULL);
    x = X;
    expect_error(&j, clg_jvp(x, x, clg_cast(x, CLG_F32)), CLG_ERR_SHAPE, "jvp(x, x)", "f64[3,1]", "f32[3,1]", NULL);
    x = INTEGERS(j.g);
    expect_error(&j, clg_jacobian(x, x), CLG_ERR_SHAPE, "jacobian(i, i): only float tensors", "i32[3,1]", NULL);
    x = X;
    expect_error(&j, clg_jacobian(x, INTEGERS(j.g)), CLG_ERR_SHAPE, "jacobian(x, i)", "f64[3,1]", "i32[3,1]", NULL);
    x = clg_input(j.g, "wide", CLG_F32, CLG_SHAPE(2, 2, 2, 2));
    expect_error(&j, clg_jacobian(clg_sum(x, CLG_AXIS(0)), x), CLG_ERR_SHAPE, "jacobian(sum_", "more than 6 axes",
                 "f32[1,2,2,2]", "f32[2,2,2,2]", NULL);
    x = clg_input(j.g, "long", CLG_F32, CLG_SHAPE(1025));
    expect_error(&j, clg_jacobian(clg_exp(x), x), CLG_ERR_UNSUP, "jacobian(exp_", "1025", "at most 1024",
                 "clg_jvp()", NULL);
    clg_graph *other = clg_graph_create(j.dev, NULL);
    clg_tensor *foreign = clg_input(other, "o", CLG_F64, CLG_SHAPE(3, 1));
    expect_error(&j, clg_jvp(X, foreign, foreign), CLG_ERR_INVALID, "jvp(x, o)", "different graphs", NULL);
    clg_graph_destroy(&other);
    cr_expect_null(clg_jvp(NULL, NULL, NULL));
    cr_expect_null(clg_jacobian(NULL, NULL));
    cr_expect_null(clg_hessian(NULL, NULL));
    cr_expect_null(clg_hvp(NULL, NULL, NULL));
    close_job(&j);
}
