/* Cases of indexing and sorting. */
#include "check/bad.h"
#include "check/cases.h"

const clg_case clg_cases_index[] = {
    {.op = NULL},
};

const clg_bad_case clg_bad_index[] = {
    {.op = NULL},
};
