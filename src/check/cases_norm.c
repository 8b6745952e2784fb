/* Cases of normalisation and noise. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_norm[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_norm[] = {
    {.op = NULL},
};
