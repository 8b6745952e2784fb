/* The OpenCL device that tests use, and what its driver is: some tests ask for what some drivers cannot do. */
#ifndef CLG_TEST_DEVICE_H_
#define CLG_TEST_DEVICE_H_

#include <clgrad/device.h>
#include <stdlib.h>
#include <string.h>

/* $CLGRAD_DEVICE, so that a suite can be sent to any device; but an OpenCL device in any case. */
static inline const char *opencl_device(void) {
    const char *which = getenv("CLGRAD_DEVICE");
    return which && *which && strcmp(which, "ref") != 0 ? which : "0";
}

/* Whether the platform's name of that device contains part. */
static inline bool driver_is(const char *part) {
    clg_device_info info;
    const int i = clg_device_find(opencl_device());
    return i >= 0 && clg_device_list(i, &info) == CLG_OK && strstr(info.platform, part) != NULL;
}

#endif /* CLG_TEST_DEVICE_H_ */
