/* A run of `clgrad train`: what it prints, the progress bar, Ctrl-C, and the test at the end. The loop itself is the
 * library's clg_fit(), which calls back after each step and each epoch. */
#include "tool/train.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* --- interruption --- */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig) {
    interrupted = sig;
}

/* The first signal asks for an end after the present step; the handler is then gone, so a second one kills. */
static void catch_signals(bool on) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    sigemptyset(&a.sa_mask);
    a.sa_handler = on ? on_signal : SIG_DFL;
    a.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

/* --- what is printed at first --- */

static bool has_reals(const clg_train_run *r) {
    return clg_dataset_classes(r->train) == 0;
}

static void print_data(const clg_train_run *r) {
    const clg_shape s = clg_dataset_shape(r->train);
    fprintf(r->table, "data     %s: %lld training", r->o.data, (long long)clg_dataset_size(r->train));
    if (r->val) fprintf(r->table, ", %lld validation", (long long)clg_dataset_size(r->val));
    if (r->test) fprintf(r->table, ", %lld test", (long long)clg_dataset_size(r->test));
    fprintf(r->table, " %s of ", r->unit);
    const int first = s.ndim == 3 && s.dim[0] == 1 ? 1 : 0; /* one channel need not be told */
    for (int i = first; i < s.ndim; i++) fprintf(r->table, "%s%lld", i > first ? "x" : "", (long long)s.dim[i]);
    if (s.ndim == 1) fprintf(r->table, s.dim[0] == 1 ? " number" : " numbers");
    if (has_reals(r)) fprintf(r->table, ", %lld real target%s", (long long)clg_dataset_targets(r->train),
                              clg_dataset_targets(r->train) == 1 ? "" : "s");
    else fprintf(r->table, ", %d classes", clg_dataset_classes(r->train));
    fprintf(r->table, "%s\n", r->o.standardize ? ", standardized" : "");
}

/* What differs from the plainest recipe, in one line; nothing if nothing does. */
static void print_recipe(const clg_train_run *r) {
    const clg_train_options *o = &r->o;
    const struct { const char *name; double x; } real[] = {
        {"weight decay", o->weight_decay}, {"l2", o->l2}, {"max norm", o->max_norm}, {"clip norm", o->clip_norm},
        {"clip value", o->clip_value}, {"accumulate", o->accumulate > 1 ? (double)o->accumulate : NAN},
        {"warm-up", o->warmup > 0 ? (double)o->warmup : NAN},
        {"patience", o->patience > 0 ? (double)o->patience : NAN}};
    char line[400] = "";
    int n = 0;
    if (o->schedule) n += snprintf(line + n, sizeof line - (size_t)n, ", schedule %.80s", o->schedule);
    if (o->augment) n += snprintf(line + n, sizeof line - (size_t)n, ", augment %.80s", o->augment);
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        if (!isnan(real[i].x) && real[i].x != 0)
            n += snprintf(line + n, sizeof line - (size_t)n, ", %s %g", real[i].name, real[i].x);
    if (n > 0) fprintf(r->table, "recipe   %s\n", line + 2);
}

static int print_start(clg_train_run *r) {
    clg_device_stats s;
    clg_plan_info i;
    const clg_epoch *e;
    if (clg_trainer_plan_info(r->trainer, r->o.batch, &i) < 0) return clg_tool_fail();
    clg_device_get_stats(r->dev, &s);
    clg_train_print_devices(r);
    print_data(r);
    fprintf(r->table, "model    %s, %lld weights; %s, lr %g, batch %lld, seed %llu\n", clg_model_name(r->model),
            (long long)clg_model_weights(r->model), r->o.optimizer, r->o.lr, (long long)r->o.batch,
            (unsigned long long)r->o.seed);
    print_recipe(r);
    fprintf(r->table, "plan     %d launches a step, %.1f MB of device memory (%.2f MB of intermediates; %.2f MB "
            "without reuse)\n", i.n_steps, (double)s.mem_peak / 1e6, (double)i.bytes_arena / 1e6,
            (double)i.bytes_without_reuse / 1e6);
    if (r->o.out.resume)
        fprintf(r->table, "resume   %s: %lld epochs are done\n", r->o.out.resume,
                (long long)clg_trainer_history(r->trainer, &e));
    fflush(r->table);
    return CLG_EXIT_OK;
}

/* --- callbacks --- */

/* What the callbacks keep between them. */
typedef struct watch {
    clg_train_run *run;
    clg_progress bar;
    int64_t      steps;       /* of this process */
    int64_t      epoch, item; /* where the run stands */
    int          code;        /* exit code of a callback that failed */
} watch;

static bool must_stop(const watch *w) {
    const int64_t after = w->run->o.out.stop_after;
    return interrupted || w->code != CLG_EXIT_OK || (after > 0 && w->steps >= after);
}

static void first_step_done(clg_train_run *r) {
    clg_device_stats s;
    const char *what = has_reals(r) ? "R2" : "accuracy";
    clg_progress_note(NULL);
    r->first_step = clg_tool_uptime() - r->folds.seconds;
    clg_device_get_stats(r->dev, &s);
    fprintf(r->table, "start    first step done after %.2f s; programs: %d built, %d from the cache\n\n", r->first_step,
            s.programs_built, s.programs_cached);
    fprintf(r->table, "epoch  train loss  %8s", what);
    if (r->val) fprintf(r->table, "    val loss  %8s", what);
    if (r->o.schedule || r->o.warmup > 0) fprintf(r->table, "          lr");
    fprintf(r->table, "  seconds  %8s/s\n", r->unit);
    fflush(r->table);
}

static enum clg_fit_action on_step(void *user, const clg_fit_state *s) {
    watch *w = user;
    if (w->steps++ == 0) first_step_done(w->run);
    w->code = clg_traced_step(&w->run->traced);
    if (!w->bar.unit || w->epoch != s->epoch) { /* the first step of an epoch, in this process */
        char label[40];
        snprintf(label, sizeof label, "epoch %lld of %lld", (long long)s->epoch, (long long)s->epochs);
        clg_progress_begin(&w->bar, label, w->run->unit, s->item, s->items);
    }
    w->epoch = s->epoch;
    w->item = s->item;
    clg_progress_update(&w->bar, s->item);
    if (s->item == s->items || must_stop(w)) clg_progress_end(&w->bar);
    return must_stop(w) ? CLG_FIT_STOP : CLG_FIT_GO_ON;
}

/* Loss in ten columns, also when it is absurd. */
static void print_loss(FILE *to, double x) {
    fprintf(to, x < 1e5 ? "  %10.4f" : "  %10.3e", x);
}

static double quality(const clg_train_run *r, const clg_score *s) {
    return has_reals(r) ? s->r2 : s->accuracy;
}

static enum clg_fit_action on_epoch(void *user, const clg_fit_state *s, const clg_epoch *e) {
    watch *w = user;
    clg_train_run *r = w->run;
    const bool reals = has_reals(r);
    (void)s;
    w->epoch = e->epoch + 1;
    w->item = 0;
    w->bar.unit = NULL;
    fprintf(r->table, "%5lld", (long long)e->epoch);
    print_loss(r->table, e->train.loss);
    fprintf(r->table, "  %8.4f", quality(r, &e->train));
    if (r->val) print_loss(r->table, e->val.loss);
    if (r->val) fprintf(r->table, "  %8.4f", quality(r, &e->val));
    if (r->o.schedule || r->o.warmup > 0) fprintf(r->table, "  %10.3g", e->lr);
    fprintf(r->table, "  %7.2f  %10.0f\n", e->seconds, e->items_per_second);
    fflush(r->table);
    w->code = clg_jsonl_write(r->json, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch",
        (json_int_t)e->epoch, "train_loss", clg_json_real(e->train.loss), reals ? "train_r2" : "train_accuracy",
        clg_json_real(quality(r, &e->train)), "val_loss", clg_json_real(e->val.loss),
        reals ? "val_r2" : "val_accuracy", clg_json_real(quality(r, &e->val)), "lr", clg_json_real(e->lr), "seconds",
        clg_json_real(e->seconds), "samples_per_second", clg_json_real(e->items_per_second)));
    return must_stop(w) ? CLG_FIT_STOP : CLG_FIT_GO_ON;
}

/* --- the end --- */

static int diverged(const clg_train_run *r) {
    const char *save = r->o.out.save;
    const bool kept = r->result.epochs > 0 || r->o.out.resume;
    return clg_tool_error(CLG_EXIT_DIVERGED, "the loss is not finite in step %lld (epoch %lld): training stops; try a "
                          "smaller --lr than %g%s%s%s", (long long)r->result.bad_step,
                          (long long)r->result.epochs + 1, r->o.lr, save ? "; " : "", save ? save : "",
                          !save ? "" : kept ? " is as it was after the last good epoch"
                                            : " was not written: no epoch was finished");
}

static int stopped(const clg_train_run *r, const watch *w) {
    const char *why = interrupted ? "interrupted" : "stopped by --stop-after", *save = r->o.out.save;
    if (w->code != CLG_EXIT_OK) return w->code;
    if (!save) return clg_tool_error(CLG_EXIT_INTERRUPTED, "%s; nothing was saved, as there is no --save", why);
    return clg_tool_error(CLG_EXIT_INTERRUPTED, "%s in epoch %lld after %lld of %lld %s; go on with --resume %s", why,
                          (long long)w->epoch, (long long)w->item, (long long)clg_dataset_size(r->train), r->unit,
                          save);
}

/* The weights that the run ends with. */
static void print_choice(const clg_train_run *r) {
    const clg_fit_result *e = &r->result;
    const bool restored = r->o.patience > 0 || r->o.keep_best;
    if (e->end == CLG_FIT_EARLY)
        fprintf(r->table, "\nstopped early: the validation loss has not fallen for %lld epochs",
                (long long)(e->epochs - e->best_epoch));
    if (restored && e->best_epoch > 0)
        fprintf(r->table, "%sthe weights are those of epoch %lld, validation loss %.4f\n",
                e->end == CLG_FIT_EARLY ? "; " : "\n", (long long)e->best_epoch, e->best.val.loss);
}

static int evaluate(clg_train_run *r) {
    const size_t classes = (size_t)clg_dataset_classes(r->test), n = (size_t)clg_dataset_size(r->test);
    r->confusion = classes > 0 ? calloc(classes * classes, sizeof *r->confusion) : NULL;
    r->output = calloc(n * (size_t)clg_model_outputs(r->model), sizeof *r->output);
    if ((classes > 0 && !r->confusion) || !r->output) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    if (clg_evaluate(r->trainer, r->test, &r->test_score, r->confusion, r->output) < 0) {
        const int code = clg_tool_fail();
        return clg_error_status() == CLG_ERR_SHAPE ? CLG_EXIT_FILE : code;
    }
    return CLG_EXIT_OK;
}

/* The test, if there is a test part, and the last lines. */
static int test(clg_train_run *r) {
    clg_device_info info;
    const int code = r->test ? evaluate(r) : CLG_EXIT_OK;
    if (code != CLG_EXIT_OK) return code;
    if (!r->test) r->test_score = (clg_score){NAN, NAN, NAN, 0};
    clg_device_get_info(r->dev, &info);
    const double seconds = clg_tool_uptime();
    if (r->test)
        fprintf(r->table, "\ntest loss %.4f, test %s %.4f (%lld %s); %.1f s in all\n", r->test_score.loss,
                has_reals(r) ? "R2" : "accuracy", quality(r, &r->test_score), (long long)r->test_score.n, r->unit,
                seconds);
    else fprintf(r->table, "\nno test: the data have no test part; %.1f s in all\n", seconds);
    if (r->o.out.save)
        fprintf(r->table, "saved to %s; try: clgrad eval --load %s%s\n", r->o.out.save, r->o.out.save,
                r->test ? "" : " --part train");
    return clg_jsonl_write(r->json, json_pack("{s:o, s:o, s:s, s:o, s:o}", "test_loss",
        clg_json_real(r->test_score.loss), has_reals(r) ? "test_r2" : "test_accuracy",
        clg_json_real(quality(r, &r->test_score)), "device", info.name, "seconds", clg_json_real(seconds),
        "time_to_first_step", clg_json_real(r->first_step)));
}

/* Exit code of the library's run. */
static int fit(clg_train_run *r, watch *w) {
    clg_fit_params p = r->fit;
    p.on_step = on_step;
    p.on_epoch = on_epoch;
    p.user = w;
    clg_progress_note("preparing (the first run on a device compiles its kernels)");
    int code = clg_traced_begin(&r->traced, r->devs, r->n_devs);
    if (code != CLG_EXIT_OK) return code;
    clg_status s = clg_trainer_set(r->trainer, &p);
    if (s == CLG_OK) s = clg_fit(r->trainer, r->train, r->val, &r->result);
    if (s == CLG_OK && r->result.end == CLG_FIT_STOPPED && r->result.epochs >= p.epochs && w->code == CLG_EXIT_OK)
        s = clg_fit(r->trainer, r->train, r->val, &r->result); /* with the last step: only what ends a run is left */
    clg_progress_note(NULL);
    if (s < 0) {
        code = clg_tool_fail_usage();
        return s == CLG_ERR_SHAPE ? CLG_EXIT_FILE : code;
    }
    if (r->result.end == CLG_FIT_DIVERGED) return diverged(r);
    return r->result.end == CLG_FIT_STOPPED ? stopped(r, w) : w->code;
}

int clg_train_run_all(clg_train_run *r) {
    watch w = {.run = r, .epoch = 1};
    int code = print_start(r);
    if (code != CLG_EXIT_OK) return code;
    catch_signals(true);
    code = fit(r, &w);
    catch_signals(false);
    const int traced = clg_traced_end(&r->traced);
    if (code == CLG_EXIT_OK) code = traced;
    const int told = clg_train_tell_devices(r);
    if (code == CLG_EXIT_OK) code = told;
    const bool draws = code == CLG_EXIT_OK || r->result.epochs > 0;
    if (code == CLG_EXIT_OK) {
        print_choice(r);
        code = test(r);
    }
    const int drawn = draws ? clg_train_draw(r) : CLG_EXIT_OK;
    return code == CLG_EXIT_OK ? drawn : code;
}
