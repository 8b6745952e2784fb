/* The parts of the headers that C++ sees in another form than C. */
#include <clgrad/clgrad.h>

/* (3 x)^2 on the reference device: lists and params as a C++ program writes them. */
static bool computes() {
    float x = 2, y = 0;
    clg_device *dev = clg_device_open("ref", nullptr);
    clg_graph *g = clg_graph_create(dev, nullptr);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SCALAR), *part[2];
    part[0] = clg_scale(in, 3);
    part[1] = clg_sum(clg_stack(CLG_LIST(part[0], part[0]), 0), CLG_ALL);
    clg_tensor *t = clg_scale(clg_mul(part[0], part[1]), 0.5);
    clg_plan *plan = clg_compile(g, CLG_LIST(t, part[1]), nullptr);
    const bool ran = plan && clg_write(plan, in, &x, sizeof x) == CLG_OK && clg_run(plan) == CLG_OK &&
                     clg_read(plan, t, &y, sizeof y) == CLG_OK;
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
    return ran && y == 36;
}

int main() {
    const clg_shape s = CLG_SHAPE(64, 1, 28, 28), one = CLG_SCALAR;
    const bool right = s.ndim == 4 && s.dim[0] == 64 && s.dim[3] == 28 && one.ndim == 0;
    return right && clg_tensor_shape(nullptr).ndim == -1 && computes() ? 0 : 1;
}
