/* The perceptron with its own rule (Rosenblatt 1958), and the bound on its mistakes (Novikoff 1962). */
#ifndef CLGRAD_PERCEPTRON_H_
#define CLGRAD_PERCEPTRON_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS

/** How a run of the rule ended. Only the first says that a line between the classes was found. */
enum clg_perceptron_end {
    CLG_PERCEPTRON_CONVERGED, /* a whole pass without an update: y (<w, x> + b) > 0 for every row */
    CLG_PERCEPTRON_CYCLE,     /* (w, b) came back to what they were before an earlier pass: they will go round for ever.
                                 For data on a grid (integers) this proves that no line separates the classes */
    CLG_PERCEPTRON_PASSES     /* max_passes are over, and the last one had an update */
};

typedef struct clg_perceptron_params {
    int64_t max_passes;       /* default 1000 */
    /** Called after each update with the row that was wrong and the new weights; may be NULL. */
    void  (*on_update)(void *user, int64_t row, const double *w, double b);
    void   *user;
} clg_perceptron_params;

#define clg_perceptron_params(...) (&(const clg_perceptron_params){__VA_ARGS__})

typedef struct clg_perceptron_result {
    enum clg_perceptron_end end;
    int64_t  passes, updates; /* passes over the rows, a last one without updates included; updates in all */
    int64_t *pass_updates;    /* [passes] */
    int64_t  right;           /* rows with y (<w, x> + b) > 0 under the last weights; n if it converged */
    int64_t  dim;
    double  *w, b;            /* [dim] */
} clg_perceptron_result;

/**
 * Trains by the perceptron's rule: from w = 0, b = 0, takes the rows in order, and for each with y (<w, x> + b) <= 0
 * does w <- w + y x, b <- b + y; again and again, until a whole pass has no update.
 *
 * It runs on the host, in double, since each row needs the weights that the one before left. The same rule is SGD of
 * rate 1 and batch 1 on max(0, -y (<w, x> + b)) with the subgradient -y x where that is 0 (of a graph:
 * clg_clamp(s, 0, INFINITY), see clg_perceptron_loss()); the two make equal steps.
 *
 * Data that no line separates is not an error: out->end says how the run ended.
 *
 * x [n, dim] row-major; y [n], each 1 or -1. p NULL: the defaults. out's arrays belong to the caller:
 * clg_perceptron_result_free().
 * Errors: CLG_ERR_INVALID for n or dim below 1, a label other than 1 and -1, a number that is not finite (each names
 *         its row), weights that overflow; CLG_ERR_NOMEM. out is not touched then.
 * Source: Rosenblatt 1958, "The perceptron"; Block & Levin 1970 for runs that cannot end: their weights stay bounded,
 *         so on a grid they return.
 */
CLG_API CLG_CHECK clg_status clg_perceptron_fit(const double *x, const int32_t *y, int64_t n, int64_t dim,
                                                const clg_perceptron_params *p, clg_perceptron_result *out);

/** Gives the arrays of a result back and clears it; NULL and a cleared one are fine. */
CLG_API void clg_perceptron_result_free(clg_perceptron_result *r);

/** What is known about a separation of some data. */
typedef struct clg_mistake_bound {
    double radius; /* r = max |x| */
    double margin; /* rho = min y (<w, x> + b) / |(w, b)|; not above 0: (w, b) does not separate the classes */
    double bound;  /* (r^2 + 1) / rho^2 updates at most; infinite where rho is not above 0 */
} clg_mistake_bound;

/**
 * The bound on the number of updates that a separation (w, b) proves.
 *
 * Theorem: let |x| <= r for all rows, and let some (w*, b*) with |w*|^2 + b*^2 = 1 have y (<w*, x> + b*) >= rho > 0 for
 * all of them. Then the rule, from w = 0 and b = 0, makes at most (r^2 + 1) / rho^2 updates, in whatever order and
 * however often the rows come. The 1 is the bias: (w, b) is a perceptron without bias on the rows (x, 1), whose length
 * is at most sqrt(r^2 + 1).
 *
 * Proof: let v = (w, b) after m updates and v* = (w*, b*). Each update adds at least rho to <v, v*>: <v, v*> >= m rho.
 * Each adds |(x, 1)|^2 + 2 y <v, (x, 1)> <= r^2 + 1 to |v|^2: |v|^2 <= m (r^2 + 1). Since <v, v*> <= |v|, this gives
 * m rho <= sqrt(m (r^2 + 1)).
 *
 * The margin is that of (x, 1) to the plane through the origin; the best (w, b) gives the least bound, any one that
 * separates gives a valid one: also the weights that clg_perceptron_fit() found.
 *
 * x, y, n, dim: as there. w [dim], of any length.
 * Errors: CLG_ERR_INVALID as there, and if (w, b) is zero or not finite. out is not touched then.
 * Source: Novikoff 1962, "On convergence proofs on perceptrons"; Block 1962.
 */
CLG_API CLG_CHECK clg_status clg_perceptron_bound(const double *x, const int32_t *y, int64_t n, int64_t dim,
                                                  const double *w, double b, clg_mistake_bound *out);

CLG_END_DECLS

#endif /* CLGRAD_PERCEPTRON_H_ */
