/* The parts of the headers that C++ sees in another form than C. */
#include <clgrad/clgrad.h>

int main() {
    const clg_shape s = CLG_SHAPE(64, 1, 28, 28), one = CLG_SCALAR;
    const bool right = s.ndim == 4 && s.dim[0] == 64 && s.dim[3] == 28 && one.ndim == 0;
    return right && clg_tensor_shape(nullptr).ndim == -1 ? 0 : 1;
}
