/* Cases of reductions and scans beyond sum, mean and max. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_reduce[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_reduce[] = {
    {.op = NULL},
};
