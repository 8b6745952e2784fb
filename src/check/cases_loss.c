/* Cases of losses. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_loss[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_loss[] = {
    {.op = NULL},
};
