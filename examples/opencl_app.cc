// clgrad from C++, on a context, a queue and buffers of the application: y = |x| of 1000 numbers, which the host writes
// into one buffer and reads from another.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <clgrad/clgrad.h>
#include <clgrad/opencl.h>
#include <cmath>
#include <cstdio>
#include <vector>

int main() {
    const int64_t n = 1000;
    const size_t bytes = n * sizeof(float);
    cl_platform_id platform;
    cl_device_id id;
    if (clGetPlatformIDs(1, &platform, nullptr) || clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, nullptr)) {
        std::fprintf(stderr, "no OpenCL device\n");
        return 1;
    }
    cl_context context = clCreateContext(nullptr, 1, &id, nullptr, nullptr, nullptr);
    cl_command_queue queue = clCreateCommandQueue(context, id, 0, nullptr);
    cl_mem in = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes + CLG_MEM_SLACK, nullptr, nullptr);
    cl_mem out = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes + CLG_MEM_SLACK, nullptr, nullptr);
    std::vector<float> host(n), answer(n);
    for (int64_t i = 0; i < n; i++) host[i] = 0.25f * (float)(i - n / 2);

    clg_device *dev = clg_device_wrap(context, id, queue, nullptr);
    clg_graph *g = clg_graph_create(dev, nullptr);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(n)), *y = clg_abs(x);
    clg_plan *plan = clg_compile(g, CLG_LIST(y), nullptr);
    bool ok = plan && clg_plan_use(plan, x, in, 0) == CLG_OK && clg_plan_use(plan, y, out, 0) == CLG_OK &&
              clEnqueueWriteBuffer(queue, in, CL_FALSE, 0, bytes, host.data(), 0, nullptr, nullptr) == CL_SUCCESS &&
              clg_run(plan) == CLG_OK &&
              clEnqueueReadBuffer(queue, out, CL_TRUE, 0, bytes, answer.data(), 0, nullptr, nullptr) == CL_SUCCESS;
    if (!ok) std::fprintf(stderr, "failed: %s\n", clg_error());
    for (int64_t i = 0; i < n && ok; i++) ok = answer[i] == std::fabs(host[i]);
    if (ok) std::printf("%d numbers went through the application's buffers\n", (int)n);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
    clReleaseMemObject(in);
    clReleaseMemObject(out);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return ok ? 0 : 1;
}
