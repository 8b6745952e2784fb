/* How a batch is shared out: by the largest remainders (Hamilton's method), so that shares sum up to the batch and
 * depend on nothing but the proportions; and the proportions by the speeds of the first steps. A device's time is the
 * least of several, each taken while the others compute too, as what they share (cores, memory, bus) belongs to their
 * speed. */
#include "fit/parallel.h"

#include "base/log.h"

/* Times of each device; the first step of a split builds kernels and is not timed. */
enum { ROUNDS = 3, TOLERANCE = 8 };

/* Shares whole rows out by real proportions >= 0, not all of them 0. */
static void share_out(clg_parallel *p, const double *part, int64_t rows, int64_t *to) {
    double sum = 0;
    int64_t left = rows;
    for (int i = 0; i < p->n; i++) sum += part[i];
    for (int i = 0; i < p->n; i++) left -= to[i] = (int64_t)((double)rows * part[i] / sum);
    for (; left > 0; left--) {
        int most = -1;
        double rest = 0;
        for (int i = 0; i < p->n; i++) {
            const double more = (double)rows * part[i] / sum - (double)to[i];
            if (part[i] > 0 && (most < 0 || more > rest)) {
                most = i;
                rest = more;
            }
        }
        to[most]++;
    }
}

/* A single row has no statistics of a batch: it goes to whoever has most. */
static void join_singles(const clg_parallel *p, int64_t *rows) {
    int most = 0;
    for (int i = 1; i < p->n; i++)
        if (rows[i] > rows[most]) most = i;
    for (int i = 0; i < p->n; i++)
        if (i != most && rows[i] == 1) {
            rows[i] = 0;
            rows[most]++;
        }
}

void clg_split_rows(clg_parallel *p, int64_t rows) {
    int64_t whole = 0, to[CLG_FIT_DEVICES];
    double part[CLG_FIT_DEVICES] = {0};
    for (int i = 0; i < p->n; i++) {
        part[i] = p->w[i].dropped ? 0 : (double)p->w[i].share;
        whole += p->w[i].dropped ? 0 : p->w[i].share;
    }
    share_out(p, part, rows, to);
    if (rows != whole) join_singles(p, to);
    for (int i = 0; i < p->n; i++) p->w[i].rows = to[i];
}

static void set_shares(clg_parallel *p, const double *part, int64_t batch, bool join) {
    int64_t to[CLG_FIT_DEVICES];
    share_out(p, part, batch, to);
    if (join) join_singles(p, to);
    for (int i = 0; i < p->n; i++) p->w[i].share = to[i];
}

static void share_equally(clg_parallel *p, int64_t batch) {
    double part[CLG_FIT_DEVICES] = {0};
    for (int i = 0; i < p->n; i++) part[i] = !p->w[i].dropped;
    set_shares(p, part, batch, true);
}

static void forget_times(clg_parallel *p) {
    p->n_timed = 0;
    for (int i = 0; i < p->n; i++) p->w[i].seconds = 0;
}

void clg_split_begin(clg_parallel *p, int64_t batch, const int64_t *given) {
    p->given = p->known = given != NULL;
    forget_times(p);
    if (given)
        for (int i = 0; i < p->n; i++) p->w[i].share = given[i];
    else share_equally(p, batch);
}

int clg_split_timing(const clg_parallel *p, int64_t rows, int64_t batch) {
    if (rows != batch || p->n_timed > ROUNDS * p->alive) return -1;
    int rank = p->n_timed % p->alive;
    for (int i = 0; i < p->n; i++)
        if (!p->w[i].dropped && rank-- == 0) return i;
    return -1;
}

static double speed(const clg_fit_worker *w) {
    return !w->dropped && w->seconds > 0 ? (double)w->timed / w->seconds : 0;
}

/* Differences that noise could make are not worth new plans. */
static void share_by_speed(clg_parallel *p, int64_t batch) {
    double part[CLG_FIT_DEVICES] = {0}, sum = 0;
    bool close = true;
    for (int i = 0; i < p->n; i++) sum += part[i] = speed(&p->w[i]);
    for (int i = 0; i < p->n; i++) {
        const double equal = sum / p->alive, off = part[i] > equal ? part[i] - equal : equal - part[i];
        if (!p->w[i].dropped && off * TOLERANCE > equal) close = false;
    }
    p->known = true;
    if (close || !(sum > 0)) share_equally(p, batch);
    else set_shares(p, part, batch, true);
    for (int i = 0; i < p->n; i++)
        clg_log_msg(CLG_LOG_INFO, "fit: device %d of %d (%s): %.4g rows a second, %lld rows of a batch from now on",
                    i + 1, p->n, p->w[i].name, speed(&p->w[i]), (long long)p->w[i].share);
}

void clg_split_timed(clg_parallel *p, int i, double seconds, int64_t batch) {
    clg_fit_worker *w = &p->w[i];
    if (p->n_timed > 0 && w->rows > 0 && (w->seconds == 0 || seconds < w->seconds)) {
        w->seconds = seconds > 1e-9 ? seconds : 1e-9;
        w->timed = w->rows;
    }
    if (p->n_timed++ == ROUNDS * p->alive && !p->known) share_by_speed(p, batch);
}

void clg_split_again(clg_parallel *p, int64_t batch) {
    double part[CLG_FIT_DEVICES] = {0}, sum = 0;
    const bool by_speed = p->known && !p->given;
    for (int i = 0; i < p->n; i++) {
        const clg_fit_worker *w = &p->w[i];
        sum += part[i] = w->dropped ? 0 : by_speed ? speed(w) : (double)w->share;
    }
    if (!p->known) forget_times(p);
    if (p->known && sum > 0) set_shares(p, part, batch, true);
    else share_equally(p, batch);
}
