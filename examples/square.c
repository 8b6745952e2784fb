/* f(x, w, y) = (<x, w> - y)^2: its value and its derivatives by every argument, and a descent to its minimum in w. */
#include <clgrad/clgrad.h>

#include <math.h>
#include <stdio.h>

int main(void) {
    const float xh[3] = {1, 2, 3}, wh[3] = {0.5f, -0.5f, 1}, yh = 4;
    const float r = 1 * 0.5f - 2 * 0.5f + 3 * 1 - 4; /* <x, w> - y */
    float value = 0, gx[3] = {0}, gw[3] = {0}, gy = 0, loss = 1;

    clg_device *dev = clg_device_open(NULL, NULL);
    clg_store  *store = clg_store_create(dev, 1);
    clg_graph  *g = clg_graph_create(dev, store);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3)), *y = clg_input(g, "y", CLG_F32, CLG_SCALAR);
    clg_tensor *w = clg_param(g, "w", CLG_F32, CLG_SHAPE(3), CLG_INIT_ZERO);
    clg_tensor *f = clg_square(clg_sub(clg_sum(clg_mul(x, w), CLG_ALL), y));
    clg_tensor *fx = clg_grad(f, x), *fw = clg_grad(f, w), *fy = clg_grad(f, y);
    clg_plan   *eval = clg_compile(g, CLG_LIST(f, fx, fw, fy), NULL);
    clg_plan   *step = clg_compile(g, CLG_LIST(f, clg_sgd(f, clg_optim_params(.lr = 0.02))), NULL);

    bool ok = eval && step && !clg_store_write(store, "w", wh, sizeof wh) && !clg_write(eval, x, xh, sizeof xh)
           && !clg_write(eval, y, &yh, sizeof yh) && !clg_run(eval) && !clg_read(eval, f, &value, sizeof value)
           && !clg_read(eval, fx, gx, sizeof gx) && !clg_read(eval, fw, gw, sizeof gw)
           && !clg_read(eval, fy, &gy, sizeof gy);
    if (ok) printf("f = %g\ndf/dx = (%g, %g, %g)\ndf/dw = (%g, %g, %g)\ndf/dy = %g\n", value, gx[0], gx[1], gx[2],
                   gw[0], gw[1], gw[2], gy);
    bool right = value == r * r && gy == -2 * r;
    for (int i = 0; i < 3; i++) right = right && gx[i] == 2 * r * wh[i] && gw[i] == 2 * r * xh[i];

    ok = ok && !clg_write(step, x, xh, sizeof xh) && !clg_write(step, y, &yh, sizeof yh);
    for (int i = 0; ok && i < 50; i++) ok = !clg_run(step);
    ok = ok && !clg_read(step, f, &loss, sizeof loss);
    if (ok) printf("after 50 steps of gradient descent: f = %g\n", loss);
    else fprintf(stderr, "%s\n", clg_error());
    clg_plan_destroy(&eval);
    clg_plan_destroy(&step);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
    return ok && right && fabsf(loss) < 1e-6f ? 0 : 1;
}
