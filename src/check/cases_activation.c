/* Cases of activations with parameters. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_activation[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_activation[] = {
    {.op = NULL},
};
