/* Schedules of the learning rate: factors on the base rate, as functions of the step. The formulas and their sources
 * stand in optim.h. */
#include <clgrad/optim.h>

#include "base/error.h"

#include <float.h>
#include <math.h>

static double or_default(double value, double fallback) { return value > 0 ? value : fallback; }

clg_status clg_schedule_check(const clg_schedule *s) {
    if (!s) return clg_fail(CLG_ERR_INVALID, "schedule: it is NULL");
    const struct { const char *field; double value, high; const char *remedy; } check[] = {
        {"kind", (double)s->kind, CLG_LR_PLATEAU, "one of enum clg_lr_kind"},
        {"warmup", (double)s->warmup, HUGE_VAL, "a number of steps, 0 or more"},
        {"every", (double)s->every, HUGE_VAL, "a number of steps, 0 or more"},
        {"gamma", s->gamma, 1, "0 to 1"},
        {"floor", s->floor, 1, "0 to 1"},
        {"peak", s->peak, 1 - DBL_EPSILON, "a fraction of the steps, below 1"},
        {"start", s->start, 1, "0 to 1"},
        {"patience", (double)s->patience, HUGE_VAL, "a number of validations, 0 or more"},
        {"better", s->better, DBL_MAX, "0 or a small number"},
    };
    for (size_t i = 0; i < sizeof check / sizeof check[0]; i++)
        if (!(check[i].value >= 0 && check[i].value <= check[i].high))
            return clg_fail(CLG_ERR_INVALID, "schedule: %s = %g is out of range: give %s", check[i].field,
                            check[i].value, check[i].remedy);
    return CLG_OK;
}

/* From a at x = 0 to b at x = 1 along half a period of the cosine. */
static double half_wave(double a, double b, double x) { return b + (a - b) * (1 + cos(M_PI * x)) / 2; }

static double one_cycle(const clg_schedule *s, double t, double last) {
    const double start = or_default(s->start, 0.04), end = or_default(s->floor, start / 1e4);
    const double top = or_default(s->peak, 0.3) * last;
    if (t <= 0) return start;
    if (t >= last) return end;
    return t < top ? half_wave(start, 1, t / top) : half_wave(1, end, (t - top) / (last - top));
}

static double drops(const clg_schedule *s, int64_t step, int64_t steps) {
    const int64_t third = steps > 2 ? (steps - 1) / 3 + 1 : 1;
    return pow(or_default(s->gamma, 0.1), (double)(step / (s->every > 0 ? s->every : third)));
}

double clg_schedule_factor(const clg_schedule *s, int64_t step, int64_t steps) {
    const double ramp = step < s->warmup ? ((double)step + 1) / ((double)s->warmup + 1) : 1;
    const double t = step > s->warmup ? (double)(step - s->warmup) : 0, all = (double)(steps - s->warmup);
    switch (s->kind) {
    case CLG_LR_STEP: return ramp * drops(s, step, steps);
    case CLG_LR_COSINE: return t > 0 && t >= all ? s->floor : ramp * half_wave(1, s->floor, t > 0 ? t / all : 0);
    case CLG_LR_ONE_CYCLE: return ramp * one_cycle(s, t, all - 1);
    case CLG_LR_CONSTANT:
    case CLG_LR_PLATEAU: break;
    }
    return ramp;
}

double clg_plateau_update(clg_plateau *p, const clg_schedule *s, double loss) {
    const int64_t patience = s->patience > 0 ? s->patience : 5;
    if (p->seen == 0) *p = (clg_plateau){.best = INFINITY, .factor = 1};
    p->seen++;
    if (isfinite(loss) && loss < p->best - s->better) {
        p->best = loss;
        p->bad = 0;
    } else if (++p->bad >= patience) {
        p->factor = fmax(p->factor * or_default(s->gamma, 0.1), s->floor);
        p->bad = 0;
    }
    return p->factor;
}
