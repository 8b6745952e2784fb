/* Linear separability by linear programming in exact integers. The classes are not separable if and only if their
 * convex hulls meet, that is if there are l_i >= 0 with
 *
 *     sum l_i = 1,   sum l_i y_i x_i = 0,   sum l_i y_i = 0;
 *
 * otherwise Farkas' lemma gives (w, b) with y_i (<w, x_i> + b) >= 1. Phase 1 of the simplex method finds one or the
 * other. Bland's rule (1977) keeps it from cycling; integer pivots (Edmonds 1967, Bareiss 1968) keep every entry a
 * minor of the first matrix over one common denominator, so nothing is rounded and a bound on the bits is known before
 * it begins. Doubles are made integers by a power of two a feature, which does not change what is separable. */
#include "base/alloc.h"
#include "base/error.h"
#include "fit/bigint.h"

#include <clgrad/separable.h>
#include <math.h>

enum { MAX_LABELS = 62 };

/* Rows: sum l = 1, the features, sum l y = 0 (the first and the last times 2^bits), and last the reduced costs.
 * Columns: the points, an artificial variable a row, and last the right side. */
typedef struct programme {
    int64_t  n, dim;     /* points that are there */
    clg_big *x;          /* [n, dim], scaled: below 2^bits */
    int      bits;
    int     *exponent;   /* [dim]: true coordinate = x 2^exponent */
    int32_t *y;          /* [n] of -1 and 1 */
    int64_t  rows, columns, points; /* of the tableau in use; points: how many take part */
    clg_big *t;          /* [rows + 1, columns] */
    clg_big *denominator, *a, *b; /* of the tableau, and two for products */
    int64_t *basis;      /* [rows]: the column whose variable stands in the row */
} programme;

static void programme_free(programme *p) {
    clg_free(p->x);
    clg_free(p->exponent);
    clg_free(p->y);
    clg_free(p->t);
    clg_free(p->denominator);
    clg_free(p->basis);
}

/* --- coordinates to integers --- */

/* v = *m 2^*e with odd *m; 0 for 0. */
static void split(double v, int64_t *m, int *e) {
    *m = (int64_t)ldexp(frexp(v, e), 53);
    *e -= 53;
    for (; *m != 0 && *m % 2 == 0; *m /= 2) ++*e;
}

/* The binary digits of feature k, from the highest of any point (which goes to *top) to the lowest. */
static int digits(const programme *p, const double *x, int64_t k, int *top) {
    int low = 0, e;
    int64_t m;
    bool any = false;
    *top = 0;
    for (int64_t i = 0; i < p->n; i++) {
        const double v = x[i * p->dim + k];
        if (v == 0) continue;
        split(v, &m, &e);
        if (!any || e < low) low = e;
        if (!any || ilogb(v) + 1 > *top) *top = ilogb(v) + 1;
        any = true;
    }
    return *top - low;
}

/* Every feature gets the same highest digit, p->bits, as do the rows of ones: a plane is then found whose coefficients
 * are moderate, so that it survives rounding to doubles. No entry of the tableau exceeds a minor of its dim + 3 rows,
 * the costs among them; a product of two must fit. */
static clg_status scale(programme *p, const char *call, const double *x) {
    int64_t m, width = 1;
    int e;
    p->bits = 1;
    for (int64_t k = 0; k < p->dim; k++) {
        const int bits = digits(p, x, k, &p->exponent[k]);
        if (bits > p->bits) p->bits = bits;
    }
    while ((int64_t)1 << width < p->rows + 1) width++;
    if (2 * (p->rows + 1) * ((int64_t)p->bits + width + 1) + 64 > CLG_BIG_BITS)
        return clg_fail(CLG_ERR_UNSUP, "%s: %lld features of up to %d binary digits are too many to decide exactly; "
                        "round the coordinates or take fewer features", call, (long long)p->dim, p->bits);
    for (int64_t k = 0; k < p->dim; k++) p->exponent[k] -= p->bits;
    for (int64_t i = 0; i < p->n * p->dim; i++) {
        split(x[i], &m, &e);
        clg_big_set(&p->x[i], m);
        clg_big_shift(&p->x[i], m ? e - p->exponent[i % p->dim] : 0);
    }
    return CLG_OK;
}

static clg_status programme_init(programme *p, const char *call, const double *x, int64_t n, int64_t dim) {
    *p = (programme){0};
    if (!x || n < 1 || dim < 1 || n > INT32_MAX || dim > CLG_BIG_BITS)
        return clg_fail(CLG_ERR_INVALID, "%s(n %lld, dim %lld): %s", call, (long long)n, (long long)dim,
                        x ? "give 1 point or more of 1 to 4096 features" : "x is NULL");
    for (int64_t i = 0; i < n * dim; i++)
        if (!isfinite(x[i]))
            return clg_fail(CLG_ERR_INVALID, "%s: feature %lld of point %lld is %g", call, (long long)(i % dim),
                            (long long)(i / dim), x[i]);
    *p = (programme){.n = n, .dim = dim, .rows = dim + 2};
    p->x = clg_calloc((size_t)n * (size_t)dim, sizeof *p->x);
    p->exponent = clg_calloc((size_t)dim, sizeof *p->exponent);
    p->y = clg_calloc((size_t)n, sizeof *p->y);
    p->denominator = clg_calloc(3, sizeof *p->denominator);
    p->basis = clg_calloc((size_t)p->rows, sizeof *p->basis);
    if (!p->x || !p->exponent || !p->y || !p->denominator || !p->basis)
        return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %lld points", call, (long long)n);
    p->a = p->denominator + 1;
    p->b = p->denominator + 2;
    CLG_TRY(scale(p, call, x)); /* refuses many features before the tableau, which grows with their square, is made */
    const size_t cells = (size_t)(p->rows + 1) * (size_t)(n + p->rows + 1);
    p->t = clg_calloc(cells, sizeof *p->t);
    return p->t ? CLG_OK : clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %zu exact numbers of %lld points", call,
                                    cells, (long long)n);
}

/* --- the simplex method --- */

static clg_big *cell(const programme *p, int64_t row, int64_t column) {
    return &p->t[row * p->columns + column];
}

static void fill_column(programme *p, int64_t i) {
    clg_big *cost = cell(p, p->rows, i);
    clg_big_set(cell(p, 0, i), 1);
    clg_big_shift(cell(p, 0, i), p->bits);
    for (int64_t k = 0; k < p->dim; k++) {
        clg_big *c = cell(p, 1 + k, i);
        *c = p->x[i * p->dim + k];
        c->sign *= p->y[i];
    }
    clg_big_set(cell(p, p->rows - 1, i), p->y[i]);
    clg_big_shift(cell(p, p->rows - 1, i), p->bits);
    clg_big_set(cost, 0);
    for (int64_t r = 0; r < p->rows; r++) clg_big_sub(cost, cell(p, r, i));
}

/* The artificial variables are the first basis: their sum, 2^bits at first, is what is to be minimised. */
static void begin(programme *p, int64_t points) {
    p->points = points;
    p->columns = points + p->rows + 1;
    clg_big_set(p->denominator, 1);
    for (int64_t i = 0; i < points; i++) fill_column(p, i);
    for (int64_t r = 0; r <= p->rows; r++) {
        for (int64_t c = 0; c < p->rows; c++) clg_big_set(cell(p, r, points + c), r == c);
        clg_big_set(cell(p, r, p->columns - 1), r == 0 ? 1 : r == p->rows ? -1 : 0);
        clg_big_shift(cell(p, r, p->columns - 1), p->bits);
        if (r < p->rows) p->basis[r] = points + r;
    }
}

/* The first point with a negative cost; -1: none, this is the optimum. Artificial variables do not come back. */
static int64_t entering(const programme *p) {
    for (int64_t j = 0; j < p->points; j++)
        if (cell(p, p->rows, j)->sign < 0) return j;
    return -1;
}

/* The row with the least ratio of right side to entry, of equal ones that of the lowest variable. The costs are
 * bounded, so there is a positive entry. */
static int64_t leaving(programme *p, int64_t s) {
    int64_t best = -1;
    for (int64_t r = 0; r < p->rows; r++) {
        if (cell(p, r, s)->sign <= 0) continue;
        int order = -1;
        if (best >= 0) {
            clg_big_mul(p->a, cell(p, r, p->columns - 1), cell(p, best, s));
            clg_big_mul(p->b, cell(p, best, p->columns - 1), cell(p, r, s));
            order = clg_big_compare(p->a, p->b);
        }
        if (order < 0 || (order == 0 && p->basis[r] < p->basis[best])) best = r;
    }
    return best;
}

/* t_ij <- (t_ij t_rs - t_is t_rj) / denominator, which leaves no rest; t_rs is the next denominator. */
static void pivot(programme *p, int64_t r, int64_t s) {
    const clg_big by = *cell(p, r, s);
    for (int64_t i = 0; i <= p->rows; i++) {
        if (i == r) continue;
        const clg_big factor = *cell(p, i, s);
        for (int64_t j = 0; j < p->columns; j++) {
            clg_big_mul(p->a, cell(p, i, j), &by);
            clg_big_mul(p->b, &factor, cell(p, r, j));
            clg_big_sub(p->a, p->b);
            clg_big_div_exact(p->a, p->denominator);
            *cell(p, i, j) = *p->a;
        }
    }
    *p->denominator = by;
    p->basis[r] = s;
}

/* Are the first `points` points separable as p->y labels them? */
static bool solve(programme *p, int64_t points) {
    begin(p, points);
    for (int64_t s; (s = entering(p)) >= 0;) pivot(p, leaving(p, s), s);
    return cell(p, p->rows, p->columns - 1)->sign < 0; /* minus the least sum of artificial variables */
}

/* --- certificates --- */

/* The dual solution: the cost of the artificial variable of row i is 1 - pi_i, and w_k = -pi_k / pi_0. */
static void write_plane(programme *p, double *w) {
    const int64_t first = p->points;
    clg_big *of_row = p->a, *of_sum = p->b;
    *of_sum = *p->denominator;
    clg_big_sub(of_sum, cell(p, p->rows, first));
    for (int64_t k = 0; k <= p->dim; k++) {
        *of_row = *cell(p, p->rows, first + 1 + k);
        clg_big_sub(of_row, p->denominator);
        w[k] = ldexp(clg_big_ratio(of_row, of_sum), k < p->dim ? -p->exponent[k] - p->bits : 0);
    }
}

static void write_hull(const programme *p, double *hull) {
    for (int64_t i = 0; i < p->n; i++) hull[i] = 0;
    for (int64_t r = 0; r < p->rows; r++)
        if (p->basis[r] < p->points)
            hull[p->basis[r]] = 2 * clg_big_ratio(cell(p, r, p->columns - 1), p->denominator);
}

clg_status clg_separable(const double *x, const int32_t *y, int64_t n, int64_t dim, bool *separable, double *w,
                         double *hull) {
    programme p = {0};
    clg_status status = CLG_OK;
    if (!y || !separable)
        return clg_fail(CLG_ERR_INVALID, "separable: %s is NULL", y ? "the answer" : "y");
    CLG_TRY_END(programme_init(&p, "separable", x, n, dim));
    for (int64_t i = 0; i < n; i++) p.y[i] = y[i] > 0 ? 1 : -1;
    *separable = solve(&p, n);
    if (*separable && w) write_plane(&p, w);
    if (!*separable && hull) write_hull(&p, hull);
end:
    programme_free(&p);
    return status;
}

/* --- counting --- */

/* Labelings of all points that go on from the labels of the first k. */
static int64_t count_from(programme *p, int64_t k) {
    int64_t count = 0;
    if (k == p->n) return 1;
    for (int y = -1; y <= 1; y += 2) {
        p->y[k] = y;
        if (solve(p, k + 1)) count += count_from(p, k + 1);
    }
    return count;
}

clg_status clg_count_separable(const double *x, int64_t n, int64_t dim, int64_t *count) {
    programme p = {0};
    clg_status status = CLG_OK;
    if (!count || n > MAX_LABELS)
        return clg_fail(CLG_ERR_INVALID, "count_separable(n %lld): %s", (long long)n,
                        count ? "give at most 62 points" : "count is NULL");
    CLG_TRY_END(programme_init(&p, "count_separable", x, n, dim));
    p.y[0] = 1;
    *count = 2 * count_from(&p, 1); /* (w, b) and (-w, -b) realise a labeling and its opposite */
end:
    programme_free(&p);
    return status;
}

int64_t clg_cover_count(int64_t n, int64_t dim) {
    int64_t sum = 0, choose = 1; /* C(n - 1, k) */
    if (n < 1 || n > MAX_LABELS || dim < 0) return 0;
    for (int64_t k = 0; k <= dim && k <= n - 1; k++) {
        sum += choose;
        choose = choose / (k + 1) * (n - 1 - k) + choose % (k + 1) * (n - 1 - k) / (k + 1);
    }
    return 2 * sum;
}
