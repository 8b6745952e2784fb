/* For tests on virtual devices: called before anything of OpenCL is, in the process of the test. */
#ifndef SUPPORT_VIRTUAL_ENV_H_
#define SUPPORT_VIRTUAL_ENV_H_

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#define POCL_ICD "/etc/OpenCL/vendors/pocl.icd"

/** The virtual devices stand for those of PoCL, which makes as many as are asked for; other platforms of the machine
 * are kept out. Skips the test where PoCL is not installed as Debian does it. what: as in $CLGRAD_VIRTUAL (virtual.h),
 * up to four. */
static inline void use_virtual(const char *what) {
    const char *layer = getenv("CLGRAD_VIRTUAL_LAYER");
    cr_assert_not_null(layer, "set CLGRAD_VIRTUAL_LAYER to build/tests/virtual.so, as meson does");
    if (access(POCL_ICD, R_OK) != 0) cr_skip_test("the virtual devices want PoCL: there is no " POCL_ICD);
    setenv("OCL_ICD_VENDORS", POCL_ICD, 1);
    setenv("OPENCL_LAYERS", layer, 1);
    setenv("CLGRAD_VIRTUAL", what, 1);
    setenv("POCL_DEVICES", "pthread pthread pthread pthread", 1);
    unsetenv("CLGRAD_DEVICE");
    unsetenv("CLGRAD_VIRTUAL_FAULT");
}

/** As in $CLGRAD_VIRTUAL_FAULT (virtual_fault.c); "": none any more. */
static inline void set_fault(const char *text) { setenv("CLGRAD_VIRTUAL_FAULT", text, 1); }

#endif /* SUPPORT_VIRTUAL_ENV_H_ */
