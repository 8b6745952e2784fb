/* The gradient of f(w) = ||X w - y||^2, by the library and by its formula 2 X^T (X w - y). */
#include <clgrad/clgrad.h>

#include <math.h>
#include <stdio.h>

enum { ROWS = 100, COLS = 3 };

static float Xh[ROWS][COLS], yh[ROWS], wh[COLS] = {0.5f, -1, 2}, grad[COLS];

/* Largest difference between the gradient that was computed and the formula in double. */
static double error_of_gradient(void) {
    double error = 0;
    for (int j = 0; j < COLS; j++) {
        double want = 0;
        for (int i = 0; i < ROWS; i++) {
            double r = -yh[i];
            for (int k = 0; k < COLS; k++) r += (double)Xh[i][k] * wh[k];
            want += 2 * r * Xh[i][j];
        }
        error = fmax(error, fabs(want - grad[j]) / fmax(1, fabs(want)));
    }
    return error;
}

int main(void) {
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++) Xh[i][j] = (float)((i * 7 + j * 3) % 11) / 11;
        yh[i] = (float)(i % 5);
    }
    clg_device *dev = clg_device_open(NULL, NULL); /* $CLGRAD_DEVICE, else the best one */
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *X = clg_input(g, "X", CLG_F32, CLG_SHAPE(ROWS, COLS));
    clg_tensor *y = clg_input(g, "y", CLG_F32, CLG_SHAPE(ROWS, 1));
    clg_tensor *w = clg_input(g, "w", CLG_F32, CLG_SHAPE(COLS, 1));
    clg_tensor *f = clg_sum(clg_square(clg_sub(clg_matmul(X, w), y)), CLG_ALL), *gw = clg_grad(f, w);
    clg_plan   *p = clg_compile(g, CLG_LIST(f, gw), NULL);
    float value = 0;
    const bool ok = p && !clg_write(p, X, Xh, sizeof Xh) && !clg_write(p, y, yh, sizeof yh)
                 && !clg_write(p, w, wh, sizeof wh) && !clg_run(p) && !clg_read(p, f, &value, sizeof value)
                 && !clg_read(p, gw, grad, sizeof grad);
    if (ok) printf("f(w) = %.4f, gradient (%.4f, %.4f, %.4f), off by %.1e\n", value, grad[0], grad[1], grad[2],
                   error_of_gradient());
    else fprintf(stderr, "%s\n", clg_error());
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
    return ok && error_of_gradient() < 1e-5 ? 0 : 1;
}
