/* Every op on a device against the reference device: values, gradients, repeatability, error messages.
 * A static library on the public headers; used by tests/test_ops.c, `clgrad doctor` and the benchmark. */
#ifndef CLG_CHECK_CHECK_H_
#define CLG_CHECK_CHECK_H_

#include "check/cases.h"

typedef struct clg_check_params {
    clg_device *dev, *ref;   /* the device to check; the reference ("ref") */
    uint64_t    seed;        /* of the values */
    int         only_case;   /* number of one case plus 1; 0: all */
    const char *only_impl;   /* implementations whose name fits this glob; NULL: the default and all others */
    const char *skip_impl;   /* leave out implementations whose name contains this; NULL: none */
    double      max_flops;   /* leave out cases above; 0: none. For interpreters */
    bool        quick;       /* device against reference only: no gradients, no passes off, no bad cases */
    void      (*failed)(void *user, const char *line); /* gets each failure with the way to reproduce it; may be NULL */
    void       *user;
} clg_check_params;

typedef struct clg_check_result {
    const char *op;
    int    cases, runs, impls;  /* cases tried; plans compared; implementations that ran */
    int    gradients;           /* partial derivatives compared */
    int    failures;
    double max_error, bound;    /* of the worst case: error and bound in units of eps max(1, |reference|) */
    double max_ulp;             /* largest error in units in the last place of the result */
    double max_gradient_error;  /* relative; the bound is 1e-6 */
    bool   deterministic, pass;
    unsigned ran;               /* bit k: implementation k of the op has run */
    double seconds;
} clg_check_result;

/** Checks row `op` of the op table (0 <= op < clg_op_count()). A row without a case fails. */
void clg_check_op(int op, const clg_check_params *p, clg_check_result *r);

/** Checks that the mistakes of the table are refused with the right words. Returns the number of failures. */
int clg_check_bad_cases(const clg_check_params *p, int *tried);

/** "x[2,3,5,7] w[4,3,3,3] s2" of a case. Returns text. */
char *clg_case_text(const clg_case *c, char *text, size_t size);

/* --- pieces that the benchmark uses too --- */

/** A case built and compiled on a device. */
typedef struct clg_case_run {
    clg_store  *store;
    clg_graph  *graph;
    clg_plan   *plan;
    clg_tensor *in[CLG_CASE_INPUTS], *y;
    clg_dtype   dtype;  /* of y, or of the state */
    int64_t     n;      /* its elements */
} clg_case_run;

/** real: F32, or F64 for gradient checks. CLG_OK, or the failure of the library. */
clg_status clg_case_open(const clg_case *c, clg_device *dev, clg_dtype real, const clg_plan_params *pp,
                         clg_case_run *r);
void       clg_case_close(clg_case_run *r);

/** Values of input i, clg_input_elems() of them, the same for each (seed, i, exact). The caller frees them; NULL: no
 *  memory. */
double    *clg_case_values(const clg_case *c, int i, uint64_t seed, bool exact);
int64_t    clg_input_elems(const clg_case_input *in);
clg_status clg_case_write(const clg_case *c, clg_case_run *r, int i, const double *values);

/** Fills all inputs. */
clg_status clg_case_fill(const clg_case *c, clg_case_run *r, uint64_t seed, bool exact);

/** Runs (twice if the case has an effect) and reads the outcome as doubles into a new array, n of them. */
clg_status clg_case_outcome(const clg_case *c, clg_case_run *r, double **out);

/** True if the compiled plan has a step by this implementation. */
bool clg_case_uses(const clg_case_run *r, const char *impl);

/** Compares the gradients of a case with differences of the reference; adds to the result. Reports through p. */
void clg_check_gradient(const clg_case *c, int number, const clg_check_params *p, clg_check_result *r);

/** Counts a failure and passes its line on, with the words to reproduce it. */
void clg_check_fail(const clg_check_params *p, clg_check_result *r, int number, const char *impl, const char *fmt, ...)
    CLG_FMT(5, 6);

double clg_check_now(void); /* monotonic seconds */

#endif /* CLG_CHECK_CHECK_H_ */
