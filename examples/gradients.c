/* Gradients: derivatives by the graph beside their formulas, and what they are for: going downhill.
 * Writes gradients.svg into the folder given, else the present one. */
#include "chapter.h"

enum { ROWS = 100, COLS = 3, STEPS = 40 };

static float Xh[ROWS][COLS], yh[ROWS], wh[COLS] = {0.5f, -1, 2};

/* f = (<x, w> - y)^2 and its derivative by each argument. */
static void one_example(clg_device *dev) {
    const float xh[3] = {1, 2, 3}, vh[3] = {0.5f, -0.5f, 1}, th = 4;
    const float r = 1 * 0.5f - 2 * 0.5f + 3 * 1 - 4; /* <x, w> - y */
    float value, gx[3], gw[3], gy;
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3)), *y = clg_input(g, "y", CLG_F32, CLG_SCALAR);
    clg_tensor *w = clg_input(g, "w", CLG_F32, CLG_SHAPE(3));
    clg_tensor *f = clg_square(clg_sub(clg_sum(clg_mul(x, w), CLG_ALL), y));
    clg_tensor *fx = clg_grad(f, x), *fw = clg_grad(f, w), *fy = clg_grad(f, y);
    clg_plan   *plan = need(clg_compile(g, CLG_LIST(f, fx, fw, fy), NULL));
    must(clg_write(plan, x, xh, sizeof xh));
    must(clg_write(plan, w, vh, sizeof vh));
    must(clg_write(plan, y, &th, sizeof th));
    must(clg_run(plan));
    must(clg_read(plan, f, &value, sizeof value));
    must(clg_read(plan, fx, gx, sizeof gx));
    must(clg_read(plan, fw, gw, sizeof gw));
    must(clg_read(plan, fy, &gy, sizeof gy));
    printf("f = (<x, w> - y)^2 = %g at x = (1, 2, 3), w = (0.5, -0.5, 1), y = 4\n", value);
    printf("df/dx = (%g, %g, %g)\ndf/dw = (%g, %g, %g)\ndf/dy = %g\n", gx[0], gx[1], gx[2], gw[0], gw[1], gw[2], gy);
    bool right = value == r * r && gy == -2 * r;
    for (int i = 0; i < 3; i++) right = right && gx[i] == 2 * r * vh[i] && gw[i] == 2 * r * xh[i];
    claim(right, "df/dx = 2 (<x, w> - y) w, df/dw = 2 (<x, w> - y) x, df/dy = -2 (<x, w> - y)");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

/* f(w) = ||X w - y||^2: the gradient is 2 X^T (X w - y), the Hessian is 2 X^T X. Returns the Hessian's largest
 * eigenvalue. */
static double all_rows(clg_device *dev) {
    float value, grad[COLS], hess[COLS][COLS];
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *X = clg_input(g, "X", CLG_F32, CLG_SHAPE(ROWS, COLS));
    clg_tensor *y = clg_input(g, "y", CLG_F32, CLG_SHAPE(ROWS, 1));
    clg_tensor *w = clg_input(g, "w", CLG_F32, CLG_SHAPE(COLS, 1));
    clg_tensor *f = clg_sum(clg_square(clg_sub(clg_matmul(X, w), y)), CLG_ALL), *gw = clg_grad(f, w);
    clg_tensor *H = clg_hessian(f, w);
    clg_plan   *p = need(clg_compile(g, CLG_LIST(f, gw, H), NULL)); /* reports the first mistake of the lines above */
    must(clg_write(p, X, Xh, sizeof Xh));
    must(clg_write(p, y, yh, sizeof yh));
    must(clg_write(p, w, wh, sizeof wh));
    must(clg_run(p));
    must(clg_read(p, f, &value, sizeof value));
    must(clg_read(p, gw, grad, sizeof grad));
    must(clg_read(p, H, hess, sizeof hess));

    double off_g = 0, off_h = 0, v[COLS] = {1, 1, 1}, length = 0;
    for (int j = 0; j < COLS; j++) {
        double want = 0, cross[COLS] = {0};
        for (int i = 0; i < ROWS; i++) {
            double r = -yh[i];
            for (int k = 0; k < COLS; k++) r += (double)Xh[i][k] * wh[k];
            want += 2 * r * Xh[i][j];
            for (int k = 0; k < COLS; k++) cross[k] += 2.0 * Xh[i][j] * Xh[i][k];
        }
        off_g = fmax(off_g, fabs(want - grad[j]) / fmax(1, fabs(want)));
        for (int k = 0; k < COLS; k++) off_h = fmax(off_h, fabs(cross[k] - hess[j][k]) / fmax(1, fabs(cross[k])));
    }
    printf("\nf(w) = |X w - y|^2 = %.4f for %d rows; gradient (%.4f, %.4f, %.4f)\n", value, ROWS, grad[0], grad[1],
           grad[2]);
    claim(off_g < 1e-5, "the gradient is 2 X^T (X w - y)");
    claim(off_h < 1e-5, "the Hessian is 2 X^T X");
    for (int turn = 0; turn < 100; turn++) { /* the power method */
        double next[COLS] = {0};
        for (int j = 0; j < COLS; j++)
            for (int k = 0; k < COLS; k++) next[j] += hess[j][k] * v[k];
        length = sqrt(next[0] * next[0] + next[1] * next[1] + next[2] * next[2]);
        for (int j = 0; j < COLS; j++) v[j] = next[j] / length;
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    return length;
}

/* w <- w - rate df/dw, STEPS times: f goes to curve. */
static void descend(clg_device *dev, double rate, double *curve) {
    clg_store  *store = need(clg_store_create(dev, 0));
    clg_graph  *g = clg_graph_create(dev, store);
    clg_tensor *X = clg_const(g, CLG_F32, CLG_SHAPE(ROWS, COLS), Xh);
    clg_tensor *y = clg_const(g, CLG_F32, CLG_SHAPE(ROWS, 1), yh);
    clg_tensor *w = clg_param(g, "w", CLG_F32, CLG_SHAPE(COLS, 1), CLG_INIT_ZERO);
    clg_tensor *f = clg_sum(clg_square(clg_sub(clg_matmul(X, w), y)), CLG_ALL);
    clg_plan   *step = need(clg_compile(g, CLG_LIST(f, clg_sgd(f, clg_optim_params(.lr = rate))), NULL));
    must(clg_store_write(store, "w", wh, sizeof wh));
    for (int i = 0; i < STEPS; i++) {
        float value;
        must(clg_run(step));
        must(clg_read(step, f, &value, sizeof value));
        curve[i] = value;
    }
    clg_plan_destroy(&step);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
}

static bool always(const double *curve, bool falls) {
    for (int i = 1; i < STEPS; i++)
        if (falls ? curve[i] > curve[i - 1] * (1 + 1e-6) : curve[i] < curve[i - 1]) return false;
    return true;
}

int main(int argc, char **argv) {
    static const double share[] = {0.02, 0.9, 1.03};
    double curve[3][STEPS];
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++) Xh[i][j] = (float)((i * 7 + j * 3) % 11) / 11;
        yh[i] = (float)(i % 5);
    }
    clg_device *dev = need(clg_device_open(NULL, NULL)); /* $CLGRAD_DEVICE, else the best one */
    one_example(dev);
    const double largest = all_rows(dev);
    printf("\ngradient descent, %d steps; the largest eigenvalue of the Hessian is %.2f\n", STEPS, largest);
    for (int k = 0; k < 3; k++) {
        descend(dev, share[k] * 2 / largest, curve[k]);
        printf("rate %.5f, %3.0f %% of the limit: f goes from %.2f to %.2f\n", share[k] * 2 / largest, 100 * share[k],
               curve[k][0], curve[k][STEPS - 1]);
    }
    claim(always(curve[0], true) && always(curve[1], true), "below the limit 2 / eigenvalue each step goes down");
    claim(curve[1][STEPS - 1] < curve[0][STEPS - 1], "and the larger rate is the faster one");
    claim(!always(curve[2], true) && curve[2][STEPS - 1] > curve[2][STEPS - 2], "above it f grows in the end");
    clg_series series[3];
    const char *const name[3] = {"2 % of the limit", "90 %", "103 %"};
    for (int k = 0; k < 3; k++) series[k] = (clg_series){.name = name[k], .y = curve[k], .n = STEPS, .dashed = k == 2};
    picture(clg_figure_charts(NULL, &(clg_chart){.title = "gradient descent at three rates", .x_label = "step",
                                                 .y_label = "f(w)", .log_y = true, .series = series, .n_series = 3}, 1),
            chapter_folder(argc, argv), "gradients");
    clg_device_destroy(&dev);
    return chapter_end();
}
