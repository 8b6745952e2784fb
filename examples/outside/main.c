/* A program outside the source tree: it knows clgrad through pkg-config only. */
#include <clgrad/clgrad.h>
#include <stdio.h>

int main(void) {
    clg_device *dev = clg_device_open("ref", NULL); /* needs no OpenCL device */
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3));
    clg_tensor *y = clg_sum(clg_square(x), CLG_ALL), *gx = clg_grad(y, x);
    clg_plan   *p = clg_compile(g, CLG_LIST(gx), NULL);
    const float in[3] = {1, -2, 3};
    float out[3] = {0};
    const bool ok = p && !clg_write(p, x, in, sizeof in) && !clg_run(p) && !clg_read(p, gx, out, sizeof out);
    if (ok) printf("clgrad %s: the gradient of the sum of squares at (1, -2, 3) is (%g, %g, %g)\n", clg_version(),
                   out[0], out[1], out[2]);
    else fprintf(stderr, "%s\n", clg_error());
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
    return ok && out[0] == 2 && out[1] == -4 && out[2] == 6 ? 0 : 1;
}
