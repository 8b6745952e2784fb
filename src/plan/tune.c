/* The tuner: times the implementations of an op and the values of their knobs on the device.
 *
 * Each candidate is a plan of its own for one unit, on operands of the same shapes. First all implementations race with
 * default knobs (race.c); then, for those within reach of the best, each knob in turn, the others held (a coordinate
 * search); last the winner against what is taken without tuning. */
#include "plan/tune.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { MAX_CANDIDATES = 32 };

static const double reach = 2; /* implementations that knobs may still bring to the front */

typedef struct candidate {
    clg_choice     choice;
    clg_tune_graph g;
} candidate;

typedef struct race {
    candidate  c[MAX_CANDIDATES];
    clg_runner runner[MAX_CANDIDATES]; /* of c[] */
    int        n;
} race;

/* --- candidates --- */

static void candidate_close(race *r, int i) {
    clg_plan_destroy(&r->runner[i].plan);
    clg_graph_destroy(&r->c[i].g.graph);
}

/* Builds, checks, and finds how many runs make a measurement. */
static clg_status prepare(clg_tune_job *job, clg_tune_check *check, candidate *c, clg_runner *runner, bool *right) {
    CLG_TRY(clg_tune_graph_build(&c->g, job->plan->device, job->plan, job->unit, NULL, false));
    runner->plan = clg_compile_choice(c->g.graph, (clg_list){ c->g.n_out, c->g.out },
                                      &(clg_plan_params){ .queues = 1, .tune_ms = -1 }, &c->choice);
    if (!runner->plan) return clg_error_status();
    CLG_TRY(clg_tune_check_run(check, runner->plan, &c->g, c->choice.impl->inexact, right));
    return *right ? clg_runner_warm(runner) : CLG_OK;
}

static void tell(const clg_tune_job *job, const clg_choice *choice, enum clg_log_level level, const char *what,
                 const char *why) {
    clg_str text = { 0 };
    clg_tune_key(job->unit, true, &text);
    clg_str_add(&text, " by ");
    clg_choice_print(choice, &text);
    clg_log_msg(level, "tuning %s: %s%s", clg_str_text(&text), what, why);
    clg_str_free(&text);
}

/* An implementation that is wrong as it is meant to be used is not used on this device any more. With other values of
 * its knobs it is merely not taken. */
static void remember_wrong(const clg_tune_job *job, const clg_choice *c, const char *why) {
    const clg_choice plain = clg_choice_default(c->impl, c->by);
    if (memcmp(plain.knob, c->knob, sizeof c->knob) != 0) return;
    clg_str text = { 0 };
    clg_tune_key(job->unit, true, &text);
    clg_str_printf(&text, ": %s", why);
    if (clg_impl_exclude(job->plan->device, c->impl->name, clg_str_text(&text)) < 0)
        clg_log_msg(CLG_LOG_WARN, "%s is wrong, which is not remembered: %s", c->impl->name, clg_error());
    clg_str_free(&text);
}

/* Enters a candidate into the race, unless it fails or is wrong: neither is a failure of tuning. */
static void enter(clg_tune_job *job, clg_tune_check *check, race *r, const clg_choice *choice) {
    if (r->n == MAX_CANDIDATES) return;
    candidate *c = &r->c[r->n];
    bool right = false;
    clg_error_state before;
    *c = (candidate){ .choice = *choice };
    r->runner[r->n] = (clg_runner){ 0 };
    clg_error_save(&before);
    job->candidates++;
    const clg_status status = prepare(job, check, c, &r->runner[r->n], &right);
    if (status < 0) {
        tell(job, choice, CLG_LOG_INFO, "", clg_error());
    } else if (!right) {
        tell(job, choice, CLG_LOG_WARN, "not used, as it is wrong: ", clg_tune_check_why(check));
        job->wrong++;
        remember_wrong(job, choice, clg_tune_check_why(check));
    }
    clg_error_restore(&before);
    if (status < 0 || !right) candidate_close(r, r->n);
    else r->n++;
}

/* --- races --- */

static void race_close(race *r) {
    for (int i = 0; i < r->n; i++) candidate_close(r, i);
    r->n = 0;
}

static bool same_choice(const clg_choice *a, const clg_choice *b) {
    return a->impl == b->impl && memcmp(a->knob, b->knob, sizeof a->knob) == 0;
}

/* --- the search --- */

typedef struct search {
    clg_tune_job   *job;
    clg_tune_check *check;
    race            race;
    clg_choice      by_impl[MAX_CANDIDATES]; /* those that took part in the first race */
    double          seconds[MAX_CANDIDATES];
    int             n_impls;
    bool            cut_short;
} search;

static int run_race(search *s) { return clg_race(s->race.runner, s->race.n, s->job->deadline); }

static bool time_is_up(search *s) {
    if (clg_now() > s->job->deadline) s->cut_short = true;
    return s->cut_short;
}

static bool for_this_class(const clg_plan *p, const clg_impl *m) { return !m->prefer || (m->prefer & p->caps->cls); }

static bool is_candidate(const clg_plan *p, const clg_unit *u, const clg_impl *m, bool all_impls) {
    return (all_impls || for_this_class(p, m)) && clg_impl_usable(p, u->seen, m)
        && !clg_impl_barred(p, u->seen, m->name, NULL);
}

static void race_impls(search *s, const clg_choice *before) {
    const clg_tune_job *job = s->job;
    enter(s->job, s->check, &s->race, before);
    for (const clg_impl *m = job->unit->seen->op->impls; m && m->name && !time_is_up(s); m++) {
        const clg_choice c = clg_choice_default(m, CLG_CHOSEN_HEURISTIC);
        if (!same_choice(&c, before) && is_candidate(job->plan, job->unit, m, job->all_impls))
            enter(s->job, s->check, &s->race, &c);
    }
    run_race(s);
    for (int i = 0; i < s->race.n; i++) {
        s->by_impl[i] = s->race.c[i].choice;
        s->seconds[i] = s->race.runner[i].best;
    }
    s->n_impls = s->race.n;
    race_close(&s->race);
}

/* Varies one knob of entry i of by_impl. */
static void race_knob(search *s, int i, int knob) {
    const clg_knob *k = &s->by_impl[i].impl->knobs[knob];
    enter(s->job, s->check, &s->race, &s->by_impl[i]);
    for (int v = 0; v < k->n && !time_is_up(s); v++) {
        clg_choice c = s->by_impl[i];
        if (c.knob[knob] == k->value[v]) continue;
        c.knob[knob] = k->value[v];
        enter(s->job, s->check, &s->race, &c);
    }
    if (s->race.n > 0) {
        const int winner = run_race(s);
        s->by_impl[i] = s->race.c[winner].choice;
        s->seconds[i] = s->race.runner[winner].best;
    }
    race_close(&s->race);
}

static int best_impl(const search *s) {
    int best = 0;
    for (int i = 1; i < s->n_impls; i++)
        if (s->seconds[i] < s->seconds[best]) best = i;
    return best;
}

static void race_knobs(search *s) {
    const double limit = s->seconds[best_impl(s)] * reach;
    for (int i = 0; i < s->n_impls; i++) {
        const clg_knob *k = s->by_impl[i].impl->knobs;
        for (int j = 0; s->seconds[i] <= limit && k && k[j].name && j < CLG_MAX_KNOBS && !time_is_up(s); j++)
            race_knob(s, i, j);
    }
}

/* The winner once more beside what is taken without tuning: these are the times of the record. */
static void last_race(search *s, const clg_choice *before, clg_record *r) {
    const clg_choice best = s->by_impl[best_impl(s)];
    enter(s->job, s->check, &s->race, before);
    if (!same_choice(&best, before)) enter(s->job, s->check, &s->race, &best);
    if (s->race.n == 0) return;
    const int winner = run_race(s);
    if (s->race.runner[winner].best < CLG_RUNNER_FAILED) r->best = s->race.c[winner].choice;
    r->best_s = s->race.runner[winner].best;
    r->before_s = s->race.runner[0].best; /* if that one is wrong or fails, of the best */
    race_close(&s->race);
}

bool clg_tune_has_choice(const clg_plan *p, const clg_unit *u, bool all_impls) {
    int n = 0;
    for (const clg_impl *m = u->seen ? u->seen->op->impls : NULL; m && m->name; m++) {
        if (!is_candidate(p, u, m, all_impls)) continue;
        if (clg_impl_forced(p, m->name)) return false;
        n += m->knobs && m->knobs[0].name ? 2 : 1;
    }
    return n > 1;
}

clg_status clg_tune_unit(clg_tune_job *job, clg_record *r) {
    clg_status status = CLG_OK;
    search *s = clg_calloc(1, sizeof *s);
    if (!s) return clg_fail_nomem("tuning");
    s->job = job;
    r->best = (clg_choice){ 0 };
    r->before = clg_choice_untuned(job->plan, job->unit);
    CLG_TRY_END(clg_tune_check_create(job->plan, job->unit, &s->check));
    race_impls(s, &r->before);
    if (s->n_impls > 0) {
        race_knobs(s);
        last_race(s, &r->before, r);
    }
    r->unfinished = s->cut_short;
end:
    clg_tune_check_destroy(&s->check);
    clg_free(s);
    return status;
}
