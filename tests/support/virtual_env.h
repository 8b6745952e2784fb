/* For tests on virtual devices: called before anything of OpenCL is, in the process of the test. */
#ifndef SUPPORT_VIRTUAL_ENV_H_
#define SUPPORT_VIRTUAL_ENV_H_

#include <criterion/criterion.h>
#include <stdlib.h>

/** what: as in $CLGRAD_VIRTUAL (virtual.h), up to four. */
static inline void use_virtual(const char *what) {
    const char *layer = getenv("CLGRAD_VIRTUAL_LAYER");
    cr_assert_not_null(layer, "set CLGRAD_VIRTUAL_LAYER to build/tests/virtual.so, as meson does");
    setenv("OPENCL_LAYERS", layer, 1);
    setenv("CLGRAD_VIRTUAL", what, 1);
    setenv("POCL_DEVICES", "pthread pthread pthread pthread", 1);
    unsetenv("CLGRAD_DEVICE");
    unsetenv("CLGRAD_VIRTUAL_FAULT");
}

/** As in $CLGRAD_VIRTUAL_FAULT (virtual_fault.c); "": none any more. */
static inline void set_fault(const char *text) { setenv("CLGRAD_VIRTUAL_FAULT", text, 1); }

#endif /* SUPPORT_VIRTUAL_ENV_H_ */
