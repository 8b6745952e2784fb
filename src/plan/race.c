/* Which of some plans is the fastest. They run by turns, so that a disturbance meets all of them; the least of the
 * times of each counts, since disturbances only add; who is far behind is out early. */
#include "plan/tune.h"

#include "base/clock.h"

enum { ROUNDS = 24, ROUNDS_OF_LONG = 6, WARM_UP = 3 };

static const double least_batch = 5e-4; /* seconds that one measurement takes at least: short ones, many of them, often
                                           fall between what else the machine does */
static const double long_run = 5e-3;    /* seconds of a run of which fewer are made */
static const double margin = 0.98;      /* a winner is faster than what it displaces by more than noise */

/* One measurement, into best if it is the least. Its length follows from the best time so far: the first runs, and
 * those that something disturbed, tell too much, and a single run is half waiting. */
static clg_status measure(clg_runner *r) {
    const double start = clg_now();
    for (int i = 0; i < r->runs; i++) CLG_TRY(clg_run(r->plan));
    CLG_TRY(clg_device_finish(r->plan->device));
    const double seconds = (clg_now() - start) / r->runs;
    if (r->best == 0 || seconds < r->best) r->best = seconds;
    const double runs = least_batch / (r->best > 1e-7 ? r->best : 1e-7);
    r->runs = runs < 1 ? 1 : runs > 1000 ? 1000 : (int)runs;
    return CLG_OK;
}

clg_status clg_runner_warm(clg_runner *r) {
    r->runs = 1;
    for (int i = 0; i < WARM_UP; i++) CLG_TRY(measure(r));
    return CLG_OK;
}

static double fastest(const clg_runner *r, int n) {
    double best = CLG_RUNNER_FAILED;
    for (int i = 0; i < n; i++)
        if (r[i].plan && r[i].best < best) best = r[i].best;
    return best;
}

/* Drops who is behind by more than a factor that shrinks as the times become sure. */
static int drop_slow(clg_runner *r, int n, int round) {
    const double limit = fastest(r, n) * (round < 2 ? 2 : round < 5 ? 1.5 : 1.15);
    int alive = 0;
    for (int i = 0; i < n; i++) {
        if (r[i].plan && r[i].best > limit) clg_plan_destroy(&r[i].plan);
        alive += r[i].plan != NULL;
    }
    return alive;
}

/* Takes a time; who fails is out, and no failure of tuning. */
static void take_turn(clg_runner *r) {
    clg_error_state before;
    clg_error_save(&before);
    if (measure(r) < 0) {
        clg_plan_destroy(&r->plan);
        r->best = CLG_RUNNER_FAILED;
    }
    clg_error_restore(&before);
}

int clg_race(clg_runner *r, int n, double deadline) {
    int alive = n, winner = 0;
    for (int round = 0; round < ROUNDS && (alive > 1 || round < 4); round++) {
        if (round >= ROUNDS_OF_LONG && fastest(r, n) > long_run) break;
        if (round >= 2 && clg_now() > deadline) break;
        for (int i = 0; i < n; i++)
            if (r[i].plan) take_turn(&r[i]);
        alive = drop_slow(r, n, round);
    }
    for (int i = 1; i < n; i++)
        if (r[i].best < r[winner].best * (winner == 0 ? margin : 1)) winner = i;
    return winner;
}
