/* The training loop. Everything of a step happens on the device, also the running sums of loss and right answers and
 * the watch for NaN (state tensors "run.*"), so the host never waits inside an epoch but every CHECK_EVERY steps. */
#include "tool/train.h"
#include <math.h>
#include <signal.h>
#include <string.h>

enum { CHECK_EVERY = 50 };

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

static bool must_stop(const clg_run_state *t) {
    return interrupted || (t->o.stop_after > 0 && t->steps >= t->o.stop_after);
}

/* --- the plan of a step --- */

static clg_tensor *optimizer_step(const clg_train_options *o, clg_tensor *loss) {
    clg_optim_params p = {.lr = o->lr, .weight_decay = o->weight_decay};
    if (strcmp(o->optimizer, "adam") == 0) return clg_adam(loss, &p);
    if (strcmp(o->optimizer, "momentum") == 0) p.momentum = 0.9;
    return clg_sgd(loss, &p);
}

/* Effects that follow the run: sums over the epoch, and the number of the first step whose loss was NaN. */
static clg_tensor *watch(const clg_net *net) {
    clg_graph *g = net->graph;
    clg_tensor *sum = clg_state(g, "run.loss_sum", CLG_F32, CLG_SCALAR, 0);
    clg_tensor *right = clg_state(g, "run.right", CLG_F32, CLG_SCALAR, 0); /* exact up to 2^24 items */
    clg_tensor *nan_step = clg_state(g, "run.nan_step", CLG_I32, CLG_SCALAR, 0);
    clg_tensor *step = clg_add(clg_state(g, "optim.step", CLG_I32, CLG_SCALAR, 0), clg_fill(g, CLG_I32, CLG_SCALAR, 1));
    clg_tensor *hits = clg_sum(clg_cast(clg_eq(net->answer, net->t), CLG_F32), CLG_ALL);
    clg_tensor *bad = clg_ne(net->loss, net->loss), *none = clg_eq(nan_step, clg_fill(g, CLG_I32, CLG_SCALAR, 0));
    return clg_group(CLG_LIST(clg_assign(sum, clg_add(sum, clg_scale(net->loss, (double)net->rows))),
                              clg_assign(right, clg_add(right, hits)),
                              clg_assign(nan_step, clg_where(bad, clg_where(none, step, nan_step), nan_step))));
}

clg_train_part *clg_train_part_for(clg_run_state *t, int64_t rows) {
    clg_train_part *p = &t->part[0];
    if (p->plan && p->net.rows != rows) p = &t->part[1]; /* an epoch has one smaller batch at most */
    if (p->plan) return p;
    if (!clg_net_build(&p->net, &t->o.model, t->dev, t->store, rows)) return NULL;
    clg_tensor *step = optimizer_step(&t->o, p->net.loss);
    p->plan = clg_compile(p->net.graph, CLG_LIST(step, watch(&p->net)), NULL);
    return p->plan ? p : NULL;
}

/* --- watching --- */

static int diverged(const clg_run_state *t, int32_t step) {
    const bool kept = t->epoch > 0 || t->o.resume;
    return clg_tool_error(CLG_EXIT_DIVERGED, "the loss became NaN in step %d (epoch %lld): training stops; try a "
                          "smaller --lr than %g%s%s%s", (int)step, (long long)t->epoch + 1, t->o.lr,
                          t->o.save ? "; " : "", t->o.save ? t->o.save : "",
                          !t->o.save ? "" : kept ? " is as it was after the last good epoch"
                                                 : " was not written: no epoch was finished");
}

/* Waits for the steps so far; returns 0 or an exit code. */
static int check_nan(const clg_run_state *t) {
    int32_t step = 0;
    if (clg_store_read(t->store, "run.nan_step", &step, sizeof step) < 0) return clg_tool_fail();
    return step != 0 ? diverged(t, step) : CLG_EXIT_OK;
}

/* The last step's loss may be fine and its weights not: so before saving, a few pictures are tried. */
static int check_weights(clg_run_state *t) {
    clg_net_score score;
    int32_t step = 0;
    if (clg_net_evaluate(&t->eval, t->test, CLG_EVAL_BATCH, &score, NULL) < 0) return clg_tool_fail();
    if (!isnan(score.loss)) return CLG_EXIT_OK;
    if (clg_store_read(t->store, "optim.step", &step, sizeof step) < 0) return clg_tool_fail();
    return diverged(t, step);
}

static int reset_sums(clg_run_state *t) {
    const float zero = 0;
    if (clg_store_write(t->store, "run.loss_sum", &zero, sizeof zero) < 0 ||
        clg_store_write(t->store, "run.right", &zero, sizeof zero) < 0)
        return clg_tool_fail();
    return CLG_EXIT_OK;
}

/* --- an epoch --- */

static int first_step_done(clg_run_state *t) {
    clg_device_stats s;
    if (clg_device_finish(t->dev) < 0) return clg_tool_fail();
    clg_progress_note(NULL);
    t->first_step = clg_tool_uptime();
    t->mark_time = clg_tool_now();
    t->mark_item = t->item;
    clg_device_get_stats(t->dev, &s);
    fprintf(t->table, "start    first step done after %.2f s; programs: %d built, %d from the cache\n\n", t->first_step,
            s.programs_built, s.programs_cached);
    fprintf(t->table, "epoch  train loss  accuracy%s  seconds  pictures/s\n", t->val ? "    val loss  accuracy" : "");
    fflush(t->table);
    return CLG_EXIT_OK;
}

static int one_step(clg_run_state *t) {
    const int64_t left = clg_dataset_left(t->train), rows = left < t->o.batch ? left : t->o.batch;
    clg_train_part *p = clg_train_part_for(t, rows);
    if (!p || clg_dataset_next(t->train, p->plan, p->net.x, p->net.t) < 0 || clg_run(p->plan) < 0)
        return clg_tool_fail();
    t->item += rows;
    t->steps++;
    if (t->steps == 1) return first_step_done(t);
    return t->steps % CHECK_EVERY == 0 ? check_nan(t) : CLG_EXIT_OK;
}

/* Steps until the epoch ends or a stop is asked for. */
static int run_steps(clg_run_state *t) {
    clg_progress bar;
    char label[40];
    int code = CLG_EXIT_OK;
    if (clg_dataset_start(t->train, true, t->o.seed, t->epoch) < 0 || clg_dataset_skip(t->train, t->item) < 0)
        return clg_tool_fail();
    if (t->steps == 0 && !must_stop(t)) code = one_step(t);
    snprintf(label, sizeof label, "epoch %lld of %lld", (long long)t->epoch + 1, (long long)t->o.epochs);
    clg_progress_begin(&bar, label, "pictures", t->item, clg_dataset_size(t->train));
    while (code == CLG_EXIT_OK && clg_dataset_left(t->train) > 0 && !must_stop(t)) {
        code = one_step(t);
        clg_progress_update(&bar, t->item);
    }
    clg_progress_end(&bar);
    return code == CLG_EXIT_OK ? check_nan(t) : code;
}

/* Where an epoch was left: the checkpoint holds the position and the running sums. */
static int stop_here(clg_run_state *t) {
    int code = check_weights(t);
    if (code == CLG_EXIT_OK) code = clg_train_save(t);
    if (code != CLG_EXIT_OK) return code;
    const char *why = interrupted ? "interrupted" : "stopped by --stop-after";
    if (!t->o.save) return clg_tool_error(CLG_EXIT_INTERRUPTED, "%s; nothing was saved, as there is no --save", why);
    return clg_tool_error(CLG_EXIT_INTERRUPTED, "%s in epoch %lld after %lld of %lld pictures; go on with --resume %s",
                          why, (long long)t->epoch + 1, (long long)t->item, (long long)clg_dataset_size(t->train),
                          t->o.save);
}

/* Loss in ten columns, also when it is absurd. */
static void print_loss(FILE *to, double x) {
    fprintf(to, x < 1e5 ? "  %10.4f" : "  %10.3e", x);
}

static int report_epoch(clg_run_state *t, const clg_run_epoch *e, double seconds, double rate) {
    fprintf(t->table, "%5lld", (long long)t->epoch);
    print_loss(t->table, e->train_loss);
    fprintf(t->table, "  %8.4f", e->train_accuracy);
    if (t->val) print_loss(t->table, e->val_loss);
    if (t->val) fprintf(t->table, "  %8.4f", e->val_accuracy);
    fprintf(t->table, "  %7.2f  %10.0f\n", seconds, rate);
    fflush(t->table);
    return clg_jsonl_write(t->json, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", (json_int_t)t->epoch,
                                              "train_loss", clg_json_real(e->train_loss), "train_accuracy",
                                              clg_json_real(e->train_accuracy), "val_loss", clg_json_real(e->val_loss),
                                              "val_accuracy", clg_json_real(e->val_accuracy), "seconds",
                                              clg_json_real(seconds), "samples_per_second", clg_json_real(rate)));
}

/* The sums of a complete epoch; counts it as finished. */
static int end_epoch(clg_run_state *t, clg_run_epoch *e) {
    float loss = 0, right = 0;
    clg_net_score val = {.loss = NAN, .accuracy = NAN};
    const double n = (double)clg_dataset_size(t->train);
    if (clg_store_read(t->store, "run.loss_sum", &loss, sizeof loss) < 0 ||
        clg_store_read(t->store, "run.right", &right, sizeof right) < 0 ||
        (t->val && clg_net_evaluate(&t->eval, t->val, 0, &val, NULL) < 0))
        return clg_tool_fail();
    *e = (clg_run_epoch){.train_loss = loss / n, .train_accuracy = right / n, .val_loss = val.loss,
                     .val_accuracy = val.accuracy};
    int code = check_weights(t);
    if (code == CLG_EXIT_OK) code = reset_sums(t);
    if (code != CLG_EXIT_OK) return code;
    t->history[t->epoch++] = *e;
    t->item = 0;
    return CLG_EXIT_OK;
}

static int run_epoch(clg_run_state *t) {
    const double began = clg_tool_now();
    const int64_t before = t->item;
    clg_run_epoch e;
    t->mark_time = began;
    t->mark_item = before;
    int code = run_steps(t);
    if (code != CLG_EXIT_OK) return code;
    if (clg_dataset_left(t->train) > 0) return stop_here(t);
    if (t->item == t->mark_item) { /* one step was all */
        t->mark_time = began;
        t->mark_item = before;
    }
    const double rate = (double)(t->item - t->mark_item) / (clg_tool_now() - t->mark_time + 1e-9);
    code = end_epoch(t, &e);
    if (code == CLG_EXIT_OK) code = clg_train_save(t);
    if (code != CLG_EXIT_OK) return code;
    return report_epoch(t, &e, clg_tool_now() - began, rate);
}

/* --- the end --- */

static int final_test(clg_run_state *t) {
    clg_net_score score;
    clg_device_info info;
    if (clg_net_evaluate(&t->eval, t->test, 0, &score, NULL) < 0) return clg_tool_fail();
    clg_device_get_info(t->dev, &info);
    const double seconds = clg_tool_uptime();
    fprintf(t->table, "\ntest loss %.4f, test accuracy %.4f (%lld pictures); %.1f s in all\n", score.loss,
            score.accuracy, (long long)score.n, seconds);
    if (t->o.save) fprintf(t->table, "saved to %s; try: clgrad eval --load %s\n", t->o.save, t->o.save);
    return clg_jsonl_write(t->json, json_pack("{s:o, s:o, s:s, s:o, s:o}", "test_loss", clg_json_real(score.loss),
                                              "test_accuracy", clg_json_real(score.accuracy), "device", info.name,
                                              "seconds", clg_json_real(seconds), "time_to_first_step",
                                              clg_json_real(t->first_step)));
}

static int plot(const clg_run_state *t) {
    char title[160];
    const clg_net_spec *m = &t->o.model;
    if (!t->o.plot) return CLG_EXIT_OK;
    snprintf(title, sizeof title, "%s on %s: %s, lr %g, batch %lld", m->name, t->o.data, t->o.optimizer, t->o.lr,
             (long long)t->o.batch);
    return clg_svg_plot(t->o.plot, title, t->history, (int)t->epoch);
}

int clg_train_run(clg_run_state *t) {
    int code = CLG_EXIT_OK;
    catch_signals(true);
    while (code == CLG_EXIT_OK && t->epoch < t->o.epochs) code = must_stop(t) ? stop_here(t) : run_epoch(t);
    catch_signals(false);
    const int drawn = code == CLG_EXIT_OK || t->epoch > 0 ? plot(t) : CLG_EXIT_OK;
    if (code == CLG_EXIT_OK) code = final_test(t);
    return code == CLG_EXIT_OK ? drawn : code;
}
