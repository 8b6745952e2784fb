/* Cases of pooling beyond 2-D windows. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_pool[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_pool[] = {
    {.op = NULL},
};
