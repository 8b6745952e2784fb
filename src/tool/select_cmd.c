/* `clgrad select`: grid or random search over the options of a recipe, judged by validation; a table, best first. */
#include "tool/selection.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Tries many values for the settings of a training run, trains each combination on\n"
    "one part of the training data, judges it on the rest, and prints a table with\n"
    "the best first. The test part is not looked at: a number that made a choice\n"
    "cannot judge the choice. With --test the winner is trained anew on all training\n"
    "data in the end, and tested once.\n"
    "\n"
    "Give one --search for each setting, NAME=VALUES:\n"
    "  --search lr=0.01,0.1,1             a list\n"
    "  --search hidden=64/128,64/256      a list whose values have commas\n"
    "  --search momentum=0..0.9           a range: 5 points evenly\n"
    "  --search wd=1e-5..1e-1:log         ... in equal ratios\n"
    "  --search wd=1e-5..1e-1:log:9       ... 9 points\n"
    "All combinations are tried, or with --random N as many, drawn from the lists and\n"
    "anywhere in the ranges: of many settings few matter, and random draws try more\n"
    "values of those than a grid does. Names are those of the options below with _\n"
    "for -, and beta1, beta2, max_norm2, features (the first so many numbers of an\n"
    "item).";

static const char outro[] =
    "Examples\n"
    "  clgrad select --data moons --model mlp --hidden 16 --search lr=0.01,0.1,1\n"
    "  clgrad select --model mlp --search lr=1e-3..1:log --search wd=1e-5..1e-1:log\n"
    "                --search hidden=32/128/128,64 --random 20 --val-fraction 0.2\n"
    "  clgrad select --data csv:iris.csv --model mlp --standardize --kfold 10\n"
    "                --search hidden=4/8/16 --search optimizer=sgd,adam --test";

enum { MAX_SEARCH = 16 };

typedef struct request {
    clg_selection s;
    const char   *dim[MAX_SEARCH + 1];
    int64_t       random, top;
    bool          by_loss, test;
    const char   *report;
} request;

/* --- the table --- */

static int width_of(const clg_search_result *r, int k) {
    size_t w = strlen(r->name[k]);
    for (int64_t i = 0; i < r->n; i++) {
        const size_t n = strlen(r->trial[i].value[k]);
        if (n > w) w = n;
    }
    return (int)w;
}

static void print_row(FILE *to, const clg_search_result *r, const clg_trial *t) {
    char loss[48], right[48];
    fprintf(to, "%5lld", (long long)t->number);
    for (int k = 0; k < r->n_dims; k++) fprintf(to, "  %*s", width_of(r, k), t->value[k]);
    fprintf(to, "  %18s  %18s  %14.4f  %7.2f%s\n",
            clg_selection_mean(loss, sizeof loss, t->cv.loss, t->cv.loss_sem),
            clg_selection_mean(right, sizeof right, t->cv.accuracy, t->cv.accuracy_sem), t->cv.train_accuracy,
            t->cv.seconds, t->cv.diverged ? "  diverged" : "");
}

static void print_table(const request *q, const clg_search_result *r) {
    char train[24], val[24];
    FILE *to = q->s.table;
    const char *measure = clg_selection_measure(&r->trial[0].cv);
    snprintf(train, sizeof train, "train %s", measure);
    snprintf(val, sizeof val, "val %s", measure);
    fprintf(to, "trial");
    for (int k = 0; k < r->n_dims; k++) fprintf(to, "  %*s", width_of(r, k), r->name[k]);
    fprintf(to, "  %18s  %18s  %14s  seconds\n", "val loss", val, train);
    for (int64_t i = 0; i < r->n && i < q->top; i++) print_row(to, r, &r->trial[i]);
    if (r->n > q->top) fprintf(to, "... and %lld more (--top)\n", (long long)(r->n - q->top));
}

/* The option of `clgrad train` for a dimension. */
static void option_of(const char *name, char to[40]) {
    snprintf(to, 40, "%s", strcmp(name, "max_norm2") == 0 ? "max-norm" : name);
    for (char *c = to; *c; c++)
        if (*c == '_') *c = '-';
}

/* Which dimension sets an option; -1: none. */
static int dimension_of(const clg_search_result *r, const char *option) {
    char name[40];
    for (int k = 0; k < r->n_dims; k++) {
        option_of(r->name[k], name);
        if (strcmp(name, option) == 0) return k;
    }
    return -1;
}

/* The command that trains the best setup: the recipe with its values. Nothing is said where train has no such option,
 * or where the folds decided what a run alone cannot: when to stop, or that all is one batch. */
static void print_command(const request *q, const clg_search_result *r) {
    clg_opt table[CLG_TRAIN_ROWS];
    clg_train_options o = q->s.o;
    char text[CLG_OPT_TEXT_SIZE];
    int found = 0;
    clg_train_recipe(&o, table);
    for (const clg_opt *row = table; row->kind != CLG_OPT_END; row++)
        found += row->name && dimension_of(r, row->name) >= 0;
    if (found < r->n_dims || o.patience > 0 || o.keep_best || q->s.cv.full_batch) return;
    o.val_fraction = NAN;
    fprintf(q->s.table, "train it: clgrad train");
    for (const clg_opt *row = table; row->kind != CLG_OPT_END; row++) {
        const int k = row->name ? dimension_of(r, row->name) : -1;
        if (k >= 0) fprintf(q->s.table, " --%s %s", row->name, r->trial[0].value[k]);
        else if (row->name && (row->kind != CLG_OPT_SEED || o.seed_given) && *clg_opt_text(row, text))
            fprintf(q->s.table, " --%s%s%s", row->name, row->kind == CLG_OPT_FLAG ? "" : " ",
                    row->kind == CLG_OPT_FLAG ? "" : clg_opt_text(row, text));
    }
    fprintf(q->s.table, "\n");
}

static void print_winner(const request *q, const clg_search_result *r) {
    FILE *to = q->s.table;
    const clg_trial *t = &r->trial[0];
    fprintf(to, "\nbest:");
    for (int k = 0; k < r->n_dims; k++) fprintf(to, " %s=%s", r->name[k], t->value[k]);
    fprintf(to, "\n");
    if (q->test)
        fprintf(to, "trained anew on all %lld items: test loss %.4f, test %s %.4f (%lld items)\n",
                (long long)clg_dataset_size(q->s.data), r->test.loss, clg_selection_measure(&t->cv),
                t->cv.classes ? r->test.accuracy : r->test.r2, (long long)r->test.n);
}

/* --- JSON --- */

static json_t *values_json(const request *q, const clg_trial *t) {
    json_t *values = json_object();
    for (int k = 0; q->dim[k]; k++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(q->dim[k], "="), q->dim[k]);
        json_object_set_new(values, name, json_string(t->value[k]));
    }
    return values;
}

static void on_trial(void *user, int64_t i, int64_t n, const clg_trial *t) {
    request *q = user;
    json_t *line = json_pack("{s:I, s:o}", "trial", (json_int_t)t->number, "values", values_json(q, t));
    json_t *cv = clg_selection_json(&t->cv);
    json_object_update(line, cv);
    json_decref(cv);
    (void)clg_jsonl_write(q->s.json, line); /* a full disk is explained; the search goes on */
}

static int write_winner(request *q, const clg_search_result *r) {
    const clg_trial *t = &r->trial[0];
    return clg_jsonl_write(q->s.json, json_pack("{s:I, s:o, s:o, s:o}", "best", (json_int_t)t->number, "values",
        values_json(q, t), "test_loss", clg_json_real(r->test.loss), t->cv.classes ? "test_accuracy" : "test_r2",
        clg_json_real(t->cv.classes ? r->test.accuracy : r->test.r2)));
}

/* --- report --- */

static int write_report(const request *q, const clg_search_result *r) {
    char title[160], text[1000];
    const char *measure = clg_selection_measure(&r->trial[0].cv);
    const double score = r->trial[0].cv.classes ? r->test.accuracy : r->test.r2;
    int n = snprintf(text, sizeof text, "%lld trials, the best first.", (long long)r->n);
    for (int k = 0; q->dim[k] && n < 600; k++)
        n += snprintf(text + n, 100, "%s%.80s", k ? ", " : " Searched: ", q->dim[k]);
    if (q->test)
        snprintf(text + n, sizeof text - (size_t)n, "\nThe best, trained anew on all items of the training part: test "
                 "loss %.4f, test %s %.4f.", r->test.loss, measure, score);
    snprintf(title, sizeof title, "search on %s", q->s.o.data ? q->s.o.data : "digits");
    clg_judged j = {.title = title, .text = text, .head = r->name, .n_labels = r->n_dims, .n = (int)r->n,
                    .caption = "A point a trial."};
    clg_figure *f = clg_selection_draw_search(r, "Validation score by setting");
    j.row = calloc((size_t)r->n, sizeof *j.row);
    int code = f && j.row ? CLG_EXIT_OK : clg_tool_error(CLG_EXIT_FAILED, "no memory for the report");
    for (int i = 0; j.row && i < j.n; i++) j.row[i] = (struct clg_judged_row){r->trial[i].value, &r->trial[i].cv};
    if (code == CLG_EXIT_OK) code = clg_selection_report(&q->s, &j, f, q->report);
    clg_figure_destroy(&f);
    free(j.row);
    return code;
}

/* --- running --- */

static int run_search(request *q, clg_dataset *test) {
    clg_search_result r;
    int n = 0;
    while (q->dim[n]) n++;
    const clg_search_params p = {.dim = q->dim, .n_dims = n, .random = q->random, .seed = q->s.o.seed, .cv = q->s.cv,
                                 .by_loss = q->by_loss, .test = test, .on_trial = on_trial, .user = q};
    const int64_t trials = clg_search_size(&p); /* below 0: clg_search() says why */
    clg_selection_begin(&q->s, trials > 0 ? trials * (q->s.cv.k ? q->s.cv.k : 1) : 0);
    const clg_status status = clg_search(q->s.dev, &q->s.setup, q->s.data, &p, &r);
    clg_progress_end(&q->s.bar);
    if (status < 0) return clg_tool_fail_usage();
    print_table(q, &r);
    print_winner(q, &r);
    print_command(q, &r);
    int code = write_winner(q, &r);
    if (code == CLG_EXIT_OK && q->report) code = write_report(q, &r);
    clg_search_result_free(&r);
    return code;
}

static int run(request *q) {
    clg_dataset *test = NULL;
    int code = clg_tool_check_output("report", q->report);
    if (code == CLG_EXIT_OK) code = clg_selection_open(&q->s);
    if (code != CLG_EXIT_OK) return code;
    if (q->test) {
        test = clg_dataset_open(q->s.o.data ? q->s.o.data : "digits", CLG_TEST);
        if (!test) return clg_tool_fail();
    }
    code = run_search(q, test);
    clg_dataset_destroy(&test);
    return code;
}

int clg_cmd_select(int argc, char **argv) {
    request q = {.s = {.command = "select", .o = clg_train_defaults()}, .top = 20};
    clg_opt options[CLG_TRAIN_ROWS];
    const clg_opt own[] = {
        {CLG_OPT_TITLE, .help = "What is searched"},
        {CLG_OPT_LIST, "search", "NAME=VALUES", q.dim, "a setting and the values to try; see above", 0, MAX_SEARCH},
        {CLG_OPT_INT, "random", "N", &q.random, "draw N combinations at random (default: all)", 1, 100000},
        {CLG_OPT_FLAG, "by-loss", NULL, &q.by_loss, "the lowest loss is best (default: the highest\naccuracy; "
         "with real targets always the loss)"},
        CLG_SELECTION_OPTIONS(q.s),
        {CLG_OPT_TITLE, .help = "What comes of it"},
        {CLG_OPT_INT, "top", "N", &q.top, "rows of the table", 1, 100000},
        {CLG_OPT_FLAG, "test", NULL, &q.test, "train the best anew on all training data and test it"},
        {CLG_OPT_TEXT, "report", "FILE", &q.report, "write one HTML page with table, drawings and recipe"},
        {CLG_OPT_TEXT, "json", "FILE", &q.s.o.out.json, "a JSON line for each trial and one for the best;\n- is "
         "stdout"},
        {CLG_OPT_TEXT, "device", "D", &q.s.o.out.device, "see clgrad devices"},
        {CLG_OPT_END}};
    _Static_assert(sizeof own <= (CLG_TRAIN_ROWS - CLG_RECIPE_ROWS) * sizeof *own, "raise CLG_TRAIN_ROWS");
    clg_selection_options(&q.s, own, options);
    const clg_usage usage = {.synopsis = "clgrad select --search NAME=VALUES [OPTIONS]", .intro = intro,
                             .options = options, .outro = outro};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    if (!q.dim[0])
        return clg_tool_error(CLG_EXIT_USAGE, "select: say what to search, as in --search lr=0.01,0.1,1; see clgrad "
                              "select --help");
    code = run(&q);
    clg_selection_close(&q.s);
    return code;
}
