/* Every op on a device against the reference device: values, types, views, gradients, second derivatives, sizes,
 * repeatability, error messages. A static library on the public headers; used by tests/test_ops.c, `clgrad doctor`,
 * `clgrad ops` and the benchmark. */
#ifndef CLG_CHECK_CHECK_H_
#define CLG_CHECK_CHECK_H_

#include "check/cases.h"

/** One disagreement, and what repeats it. Strings live during the call. */
typedef struct clg_check_failure {
    const char *op, *impl; /* impl NULL: the library's own choice */
    int         number;    /* of the case; -1: the op as a whole */
    uint64_t    seed;
    const char *text;      /* "f32[2,3]: reals: element 4 of 6 is ..." */
    bool        wrong;     /* impl gave wrong numbers, and no other op took part */
} clg_check_failure;

typedef struct clg_check_params {
    clg_device *dev, *ref;   /* the device to check; the reference ("ref") */
    clg_device *capped;      /* dev again, opened with a mem_cap of CLG_CHECK_CAP; NULL: sizes are not checked */
    uint64_t    seed;        /* of the values */
    int         only_case;   /* number of one case plus 1; 0: all */
    const char *only_impl;   /* implementations whose name fits this glob; NULL: the default and all others */
    const char *skip_impl;   /* leave out implementations whose name contains this; NULL: none */
    double      max_flops;   /* leave out cases above; 0: none. For interpreters */
    bool        quick;       /* device against reference only: no forms, gradients, passes off, sizes */
    void      (*failed)(void *user, const clg_check_failure *f); /* gets each failure; may be NULL */
    void       *user;
} clg_check_params;

enum { CLG_CHECK_CAP = 256 << 20 };

/** Forms in which inputs also come, for one case of each op (forms.c). */
enum clg_form_kind { CLG_FORM_F64, CLG_FORM_F16, CLG_FORM_I64, CLG_FORM_TRANSPOSED, CLG_FORM_SLICED, CLG_FORM_COUNT };

/** "f64", "f16", "i64", "transposed", "sliced". */
const char *clg_form_name(enum clg_form_kind f);

typedef struct clg_form_result {
    int    number;           /* of the case; -1: the op has no case for it, or the device not the type */
    int    plans;            /* compared */
    double max_error, bound; /* in units of the type's eps */
    bool   pass;
} clg_form_result;

typedef struct clg_check_result {
    const char *op;
    int    cases, runs, impls;  /* cases tried; plans compared; implementations that ran */
    int    gradients, curvatures; /* partial derivatives compared; elements of Hessian products compared */
    int    sizes;               /* huge operands tried */
    int    failures;
    double max_error, bound;    /* of the worst case: error and bound in units of eps max(1, |reference|) */
    double max_ulp;             /* largest error in units in the last place of the result */
    double max_gradient_error;  /* relative; the bound is CLG_GRADIENT_BOUND */
    double max_curvature_error; /* the same of second derivatives; the bound is CLG_CURVATURE_BOUND */
    clg_form_result form[CLG_FORM_COUNT];
    bool   deterministic, pass;
    unsigned ran;               /* bit k: implementation k of the op has run */
    double seconds;
} clg_check_result;

#define CLG_GRADIENT_BOUND  1e-6
#define CLG_CURVATURE_BOUND 1e-6

/** Checks row `op` of the op table (0 <= op < clg_op_count()). A row without a case fails. */
void clg_check_op(int op, const clg_check_params *p, clg_check_result *r);

/** Checks that the mistakes of the table are refused with the right words. Returns the number of failures. */
int clg_check_bad_cases(const clg_check_params *p, int *tried);

/** What row `op` still lacks of the rules that every op keeps (rules.c): cases of each kind, mistakes, texts. missing()
 *  gets a line for each; may be NULL. Returns how many. */
int clg_check_rules(int op, clg_device *ref, void (*missing)(void *user, const char *line), void *user);

/** "x[2,3,5,7] w[4,3,3,3] s2" of a case. Returns text. */
char *clg_case_text(const clg_case *c, char *text, size_t size);

/* --- pieces that the benchmark uses too --- */

enum clg_case_view { CLG_VIEW_PLAIN, CLG_VIEW_TRANSPOSED, CLG_VIEW_SLICED };

/** How the inputs of a case come. Zero: as the table says. */
typedef struct clg_case_form {
    clg_dtype real;    /* in place of F32 */
    clg_dtype integer; /* in place of I32; zero leaves it */
    enum clg_case_view view; /* operands are a transposed transpose, or every second element of something larger */
} clg_case_form;

/** A case built and compiled on a device. */
typedef struct clg_case_run {
    clg_store  *store;
    clg_graph  *graph;
    clg_plan   *plan;
    clg_case_form form;
    clg_tensor *base[CLG_CASE_INPUTS]; /* the inputs of the graph */
    clg_tensor *in[CLG_CASE_INPUTS];   /* what build() got: the same, or views of them */
    clg_tensor *y;
    clg_dtype   dtype;  /* of y, or of the state */
    int64_t     n;      /* its elements */
} clg_case_run;

/** form NULL: zeros. CLG_OK, or the failure of the library. */
clg_status clg_case_open(const clg_case *c, clg_device *dev, const clg_case_form *form, const clg_plan_params *pp,
                         clg_case_run *r);
void       clg_case_close(clg_case_run *r);

/** The graph only: r->y, or NULL after an error of the library; closed by clg_case_close() in either case. */
clg_status clg_case_build(const clg_case *c, clg_device *dev, const clg_case_form *form, clg_case_run *r);

/** Values of input i, clg_input_elems() of them, the same for each (seed, i, exact). The caller frees them; NULL: no
 *  memory. */
double    *clg_case_values(const clg_case *c, int i, uint64_t seed, bool exact);
int64_t    clg_input_elems(const clg_case_input *in);
bool       clg_input_is_real(const clg_case_input *in); /* F32 in the table: what clg_case_form.real replaces */
int64_t    clg_case_elems(const clg_case *c); /* of all inputs */
clg_status clg_case_write(const clg_case *c, clg_case_run *r, int i, const double *values);

/** Fills all inputs. */
clg_status clg_case_fill(const clg_case *c, clg_case_run *r, uint64_t seed, bool exact);

/** Runs (twice if the case has an effect) and reads the outcome as doubles into a new array, n of them. */
clg_status clg_case_outcome(const clg_case *c, clg_case_run *r, double **out);

/** True if the compiled plan has a step by this implementation. */
bool clg_case_uses(const clg_case_run *r, const char *impl);

/** Host bytes of a type from doubles, and back. */
void clg_bytes_from(clg_dtype t, const double *v, int64_t n, void *bytes);
void clg_bytes_to(clg_dtype t, const void *bytes, int64_t n, double *v);

/* --- pieces of the walk, shared by the files of this folder --- */

/** A case in a form, and by what measure it is judged. */
typedef struct clg_check_job {
    int             op, number;
    const clg_case *c;
    clg_case_form   form;
    const char     *what;   /* "f16", "sliced"; NULL: as the table says */
    double          eps;    /* of the type */
    double          k;      /* bound in units of eps */
    double          whole;  /* integers beyond this may be rounded: the bound holds for them */
    const clg_check_params *p;
    clg_check_result *r;
    double         *max_error, *bound; /* where the worst of the reals is kept */
} clg_check_job;

/** What the reference says of a case, computed once and compared with many times. */
typedef struct clg_expected {
    double *exact, *real; /* NULL: not asked */
    int64_t n;
} clg_expected;

/** The outcome of the job's case on a device; NULL after reporting a failure. */
double *clg_check_outcome(const clg_check_job *j, clg_device *dev, const clg_plan_params *pp, bool exact, int64_t *n);
bool clg_check_expect(const clg_check_job *j, clg_expected *want);
void clg_expected_free(clg_expected *want);

/** Compares one plan with the reference; bits of the reals to *out unless out is NULL. True if the plan used the
 *  implementation must_use (NULL: any). */
bool clg_check_plan(const clg_check_job *j, const clg_plan_params *pp, const char *must_use, const clg_expected *want,
                    double **out);

/** The same for each implementation of the op; returns the set of those that ran. */
unsigned clg_check_impls(const clg_check_job *j, const clg_expected *want);

/** The other files of the walk; each adds to the result and reports through p. */
void clg_check_gradient(const clg_case *c, int number, const clg_check_params *p, clg_check_result *r);
void clg_check_forms(int op, const clg_check_params *p, clg_check_result *r);
void clg_check_sizes(int op, const clg_check_params *p, clg_check_result *r);

/** Counts a failure and passes it on. */
void clg_check_fail(const clg_check_params *p, clg_check_result *r, int number, const char *impl, const char *fmt, ...)
    CLG_FMT(5, 6);

double clg_check_now(void); /* monotonic seconds */

#endif /* CLG_CHECK_CHECK_H_ */
