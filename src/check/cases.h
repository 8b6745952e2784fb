/* The case table: what is tried for each row of the op table. Tests, doctor and benchmark all walk it.
 * A case is a builder over the public API, the inputs it takes, and what may be asked of it. */
#ifndef CLG_CHECK_CASES_H_
#define CLG_CHECK_CASES_H_

#include <clgrad/clgrad.h>

enum { CLG_CASE_INPUTS = 6 };

/** How an input is filled: with reals for the bound, with small integers for exact comparison. */
enum clg_fill_kind {
    CLG_FILL_UNIT,     /* reals in [-1, 1); integers -3 .. 3 */
    CLG_FILL_AWAY,     /* reals with 0.2 <= |x| < 1: away from kinks and poles at 0; integers 1 .. 3 with a sign */
    CLG_FILL_POSITIVE, /* reals in [0.5, 2); integers 1 .. 4 */
    CLG_FILL_DISTINCT, /* reals that differ by at least 2 / n, shuffled; integers -3 .. 3, so there are ties */
    CLG_FILL_LABEL,    /* integers -1 .. top - 1 of which most are not -1 */
    CLG_FILL_BOOL      /* 0 or 1 */
};

typedef struct clg_case_input {
    int                ndim;
    int64_t            dim[CLG_MAX_DIMS];
    enum clg_fill_kind fill;
    clg_dtype          dtype; /* zero is F32, which gradient checks turn into F64 */
    int                top;   /* LABEL: number of classes */
} clg_case_input;

enum clg_case_flags {
    CLG_CASE_EXACT  = 1 << 0, /* integers in: device and reference agree in every bit */
    CLG_CASE_GRAD   = 1 << 1, /* the gradient of every F32 input is checked against differences */
    CLG_CASE_EFFECT = 1 << 2, /* build() returns an effect; what counts is the state "s" after two runs */
    CLG_CASE_RANDOM = 1 << 3, /* two runs of a plan differ by design (dropout); two plans do not */
    CLG_CASE_BENCH  = 1 << 4, /* only for the benchmark: large */
    CLG_CASE_MIXED  = 1 << 5, /* several ops at once: worth trying with each pass switched off */
    CLG_CASE_SMALL  = 1 << 6  /* results far below 1: the bound scales with the largest of them */
};

typedef struct clg_case clg_case;

struct clg_case {
    const char *op;   /* row of the op table */
    const char *text; /* attributes, for people: "s2 p1"; may be NULL */
    clg_tensor *(*build)(const clg_case *c, clg_graph *g, clg_tensor *const *in);
    clg_tensor *(*f1)(clg_tensor *);
    clg_tensor *(*f2)(clg_tensor *, clg_tensor *);
    const void *attr; /* what build() reads: params, axes */
    int         k;    /* reals: |device - reference| <= k eps max(1, |reference|), eps = 2^-23; SMALL: the largest
                         |reference| instead of 1 */
    unsigned    flags;
    int         n_in;
    clg_case_input in[CLG_CASE_INPUTS];
};

/** Case i of an op in the order of the table; NULL past the last. */
const clg_case *clg_case_at(const char *op, int i);

/** A mistake and what must be said about it. */
typedef struct clg_bad_case {
    const char *op;
    clg_tensor *(*build)(clg_graph *g);
    const char *says[3]; /* parts that the message must have: the op, the shapes */
} clg_bad_case;

const clg_bad_case *clg_bad_case_at(int i); /* NULL past the last */

/* The parts of the table; each ends with op NULL. */
extern const clg_case clg_cases_elementwise[], clg_cases_shape[], clg_cases_linear[], clg_cases_network[],
    clg_cases_math[], clg_cases_activation[], clg_cases_conv[], clg_cases_index[], clg_cases_linalg[],
    clg_cases_loss[], clg_cases_move[], clg_cases_norm[], clg_cases_pool[], clg_cases_random[], clg_cases_reduce[],
    clg_cases_wino[];
extern const clg_bad_case clg_bad_elementwise[], clg_bad_shape[], clg_bad_linear[], clg_bad_network[],
    clg_bad_math[], clg_bad_activation[], clg_bad_conv[], clg_bad_index[], clg_bad_linalg[], clg_bad_loss[],
    clg_bad_move[], clg_bad_norm[], clg_bad_pool[], clg_bad_random[], clg_bad_reduce[];

#endif /* CLG_CHECK_CASES_H_ */
