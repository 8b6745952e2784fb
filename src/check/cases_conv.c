/* Cases of convolution beyond its kernels: modes, flipped, transposed, im2col. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_conv[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_conv[] = {
    {.op = NULL},
};
