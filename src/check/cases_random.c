/* Cases of dropout and noise. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_random[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_random[] = {
    {.op = NULL},
};
