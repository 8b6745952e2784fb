/* `clgrad curve`: training and validation error against the number of items, the size of a model, or weight decay; a
 * table and a drawing. */
#include "tool/selection.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Trains a recipe several times and shows how error on the training part and on\n"
    "the validation part depend on one thing:\n"
    "  learning   the number of training items. If the two errors are far apart, more\n"
    "             data will help; if they meet at a high error, a larger model will.\n"
    "  capacity   the size of the model. Where both errors are high the model is too\n"
    "             small (underfitting); where the training error still falls and the\n"
    "             validation error rises it is too large for the data (overfitting).\n"
    "  decay      weight decay: the length |w| of the weights and the gap between the\n"
    "             errors shrink, until there is too much of it. The drawing shows the\n"
    "             path of each weight.";

static const char outro[] =
    "Examples\n"
    "  clgrad curve learning --model mlp --hidden 64 --plot learning.svg\n"
    "  clgrad curve capacity --data moons:n=100,noise=0.3 --model mlp\n"
    "                --over hidden=1/2/4/8/16/64 --lr 0.1 --epochs 200\n"
    "  clgrad curve capacity --data poly:n=25,noise=0.2,features=16 --model linear\n"
    "                --over features=1,2,3,4,8,16 --standardize --lr 0.1 --epochs 500\n"
    "  clgrad curve decay --data poly:n=25,noise=0.2,features=16 --model linear\n"
    "                --over wd=1e-3..1:log:7 --standardize --lr 0.1 --epochs 500\n"
    "                --plot decay.svg";

enum { POINTS = 6, MAX_SIZES = 32, MAX_PATHS = 48, WIDE = 15 /* a ratio that wants a logarithmic axis */ };

enum kind { LEARNING, CAPACITY, DECAY };
static const char *const kind_names[] = {"learning", "capacity", "decay"};

typedef struct request {
    clg_selection s;
    enum kind     kind;
    const char   *over, *sizes, *plot, *report;
    int64_t       size[MAX_SIZES];
    int           n_sizes;
} request;

/* --- what is varied --- */

/* Halves of the smallest training part, down to a 32nd of it. */
static void usual_sizes(request *q) {
    const int64_t n = clg_dataset_size(q->s.data), k = q->s.cv.k;
    const int64_t all = k > 0 ? n - (n + k - 1) / k : (int64_t)((double)n * (1 - q->s.cv.holdout) * 0.99);
    for (int i = 0; i < POINTS; i++) {
        const int64_t size = all >> (POINTS - 1 - i);
        if (size >= 1 && (q->n_sizes == 0 || size > q->size[q->n_sizes - 1])) q->size[q->n_sizes++] = size;
    }
}

static int read_sizes(request *q) {
    if (!q->sizes) {
        usual_sizes(q);
        return CLG_EXIT_OK;
    }
    for (const char *c = q->sizes; *c;) {
        char *end;
        const long long v = strtoll(c, &end, 10);
        if (end == c || v < 1 || (*end && *end != ',') || q->n_sizes == MAX_SIZES)
            return clg_tool_error(CLG_EXIT_USAGE, "curve: --sizes %s: give up to %d numbers of items, as in 50,100,200",
                                  q->sizes, MAX_SIZES);
        q->size[q->n_sizes++] = v;
        c = end + (*end == ',');
    }
    return CLG_EXIT_OK;
}

/* A dimension for the model at hand. */
static const char *usual_dimension(const request *q) {
    const char *zoo = q->s.setup.zoo;
    if (q->kind == DECAY) return "weight_decay=1e-4..1:log";
    if (!zoo) return NULL;
    if (strcmp(zoo, "mlp") == 0) return "hidden=1/2/4/8/16/32/64/";
    const bool linear = strcmp(zoo, "linear") == 0 || strcmp(zoo, "logistic") == 0 || strcmp(zoo, "softmax") == 0;
    return linear ? NULL : "width=0.125,0.25,0.5,1";
}

/* --- table and JSON --- */

static void print_table(const request *q, const clg_curve *c) {
    char text[4][48], train[24], val[24];
    const char *measure = clg_selection_measure(&c->point[0].cv);
    FILE *to = q->s.table;
    snprintf(train, sizeof train, "train %s", measure);
    snprintf(val, sizeof val, "val %s", measure);
    fprintf(to, "%12s  %18s  %18s  %18s  %18s  %9s  %7s  seconds\n", c->name, "train loss", "val loss", train, val,
            "weights", "|w|");
    for (int i = 0; i < c->n; i++) {
        const clg_curve_point *p = &c->point[i];
        const clg_cv_result *r = &p->cv;
        fprintf(to, "%12s  %18s  %18s  %18s  %18s  %9lld  %7.3g  %7.2f%s\n", p->value,
                clg_selection_mean(text[0], sizeof text[0], r->train_loss, r->train_loss_sem),
                clg_selection_mean(text[1], sizeof text[1], r->loss, r->loss_sem),
                clg_selection_mean(text[2], sizeof text[2], r->train_accuracy, r->train_accuracy_sem),
                clg_selection_mean(text[3], sizeof text[3], r->accuracy, r->accuracy_sem), (long long)r->weights,
                p->norm, r->seconds, r->diverged ? "  diverged" : "");
    }
}

/* The lowest validation loss, and what the two ends of the curve say beside it. */
static void print_reading(const request *q, const clg_curve *c) {
    int best = 0;
    for (int i = 1; i < c->n; i++)
        if (c->point[i].cv.loss < c->point[best].cv.loss) best = i;
    const clg_cv_result *b = &c->point[best].cv;
    fprintf(q->s.table, "\nlowest validation loss: %s = %s, %.4f (gap to the training loss %.4f)\n", c->name,
            c->point[best].value, b->loss, b->loss - b->train_loss);
}

static int write_json(request *q, const clg_curve *c) {
    int code = CLG_EXIT_OK;
    for (int i = 0; code == CLG_EXIT_OK && i < c->n; i++) {
        json_t *line = json_pack("{s:s, s:s, s:s, s:o}", "curve", kind_names[q->kind], "name", c->name, "value",
                                 c->point[i].value, "norm", clg_json_real(c->point[i].norm));
        json_t *cv = clg_selection_json(&c->point[i].cv);
        json_object_update(line, cv);
        json_decref(cv);
        code = clg_jsonl_write(q->s.json, line);
    }
    return code;
}

/* --- drawing --- */

/* The columns of a drawing: x, then training and validation loss and error with their standard errors. */
typedef struct columns {
    double *x, *y[4], *sem[4];
    bool    log_x, log_y; /* log_y: of the loss */
    double  lowest;       /* of the last two */
} columns;

/* A point that is no number stands at its place in the order. */
static void fill_columns(const clg_curve *c, double *room, columns *k) {
    const bool classes = c->point[0].cv.classes > 0;
    bool numbers = true;
    *k = (columns){.x = room};
    for (int i = 0; i < 4; i++) {
        k->y[i] = room + (1 + i) * c->n;
        k->sem[i] = room + (5 + i) * c->n;
    }
    for (int i = 0; i < c->n; i++) numbers = numbers && !isnan(c->point[i].x);
    for (int i = 0; i < c->n; i++) {
        const clg_cv_result *r = &c->point[i].cv;
        const double of[4] = {r->train_loss, r->loss, classes ? 1 - r->train_accuracy : r->train_accuracy,
                              classes ? 1 - r->accuracy : r->accuracy};
        const double sem[4] = {r->train_loss_sem, r->loss_sem, r->train_accuracy_sem, r->accuracy_sem};
        k->x[i] = numbers ? c->point[i].x : i + 1;
        for (int j = 0; j < 4; j++) {
            k->y[j][i] = of[j];
            k->sem[j][i] = sem[j];
        }
    }
    k->log_x = numbers && k->x[0] > 0 && k->x[c->n - 1] >= WIDE * k->x[0];
    double low = INFINITY, high = 0;
    for (int i = 0; i < 2 * c->n; i++) {
        low = fmin(low, k->y[0][i]); /* the loss of training and validation stand behind each other */
        high = fmax(high, k->y[0][i]);
        k->lowest = fmin(k->lowest, k->y[2][i]);
    }
    k->log_y = low > 0 && high >= WIDE * low;
}

static clg_chart pair_chart(const char *title, const char *x_label, const columns *k, int first, clg_series s[2],
                            int n) {
    for (int i = 0; i < 2; i++)
        s[i] = (clg_series){.name = i ? "validation" : "training", .x = k->x, .y = k->y[first + i],
                            .error = k->sem[first + i], .n = n, .dashed = i == 1};
    return (clg_chart){.title = title, .x_label = x_label, .series = s, .n_series = 2, .log_x = k->log_x};
}

/* One line a weight, the first MAX_PATHS of them; y: [paths, n]. */
static clg_chart path_chart(const clg_curve *c, const columns *k, clg_series *s, double *y) {
    const int n = c->n_path < MAX_PATHS ? (int)c->n_path : MAX_PATHS;
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < c->n; i++) y[j * c->n + i] = c->path[i * c->n_path + j];
        s[j] = (clg_series){.x = k->x, .y = y + j * c->n, .n = c->n};
    }
    return (clg_chart){.title = c->n_path > n ? "paths of the first weights" : "paths of the weights",
                       .x_label = c->name, .series = s, .n_series = n, .log_x = k->log_x};
}

static clg_figure *draw(const request *q, const clg_curve *c, const char *title) {
    columns k;
    clg_series pair[3][2], paths[MAX_PATHS];
    double *room = calloc((size_t)c->n * (10 + MAX_PATHS), sizeof *room);
    if (!room) return NULL;
    fill_columns(c, room, &k);
    double *norm = room + 9 * c->n;
    for (int i = 0; i < c->n; i++) norm[i] = c->point[i].norm;
    pair[2][0] = (clg_series){.x = k.x, .y = norm, .n = c->n};
    clg_chart charts[4] = {
        pair_chart("loss", c->name, &k, 0, pair[0], c->n),
        pair_chart(c->point[0].cv.classes ? "error (share of wrong answers)" : "R2", c->name, &k, 2, pair[1], c->n),
        {.title = "|w|", .x_label = c->name, .series = pair[2], .n_series = 1, .log_x = k.log_x},
        path_chart(c, &k, paths, room + 10 * c->n)};
    charts[0].log_y = k.log_y;
    if (!c->point[0].cv.classes && k.lowest < -1) { /* R2 has no lower end, and says little below 0 */
        charts[1].y_low = -1;
        charts[1].y_high = 1;
    }
    clg_figure *f = clg_figure_charts(title, charts, q->kind != DECAY ? 2 : c->n_path > 0 ? 4 : 3);
    free(room);
    return f;
}

static int report(const request *q, const clg_curve *c, const clg_figure *f, const char *title) {
    char text[300];
    clg_judged j = {.title = title, .text = text, .head = &c->name, .n_labels = 1, .n = c->n,
                    .caption = "Means over the folds with their standard errors."};
    snprintf(text, sizeof text, "Error on the training and on the validation part against %s",
             q->kind == LEARNING ? "the number of training items." : q->over);
    j.row = calloc((size_t)c->n, sizeof *j.row);
    if (!j.row) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    for (int i = 0; i < c->n; i++) j.row[i] = (struct clg_judged_row){&c->point[i].value, &c->point[i].cv};
    const int code = clg_selection_report(&q->s, &j, f, q->report);
    free(j.row);
    return code;
}

static int show(const request *q, const clg_curve *c) {
    char title[160];
    if (!q->plot && !q->report) return CLG_EXIT_OK;
    snprintf(title, sizeof title, "%s curve of %s on %s", kind_names[q->kind],
             q->s.setup.zoo ? q->s.setup.zoo : q->s.o.network.model, q->s.o.data ? q->s.o.data : "digits");
    clg_figure *f = draw(q, c, title);
    int code = f ? CLG_EXIT_OK : clg_tool_error(CLG_EXIT_FAILED, "no memory for the drawing");
    if (f && q->plot && clg_figure_save(f, q->plot) < 0) code = clg_tool_fail();
    if (code == CLG_EXIT_OK && q->report) code = report(q, c, f, title);
    clg_figure_destroy(&f);
    return code;
}

/* --- running --- */

static clg_status make_curve(request *q, clg_curve *c) {
    const int64_t folds = q->s.cv.k ? q->s.cv.k : 1;
    if (q->kind == LEARNING) {
        clg_selection_begin(&q->s, q->n_sizes * folds);
        return clg_learning_curve(q->s.dev, &q->s.setup, q->s.data, &q->s.cv, q->size, q->n_sizes, c);
    }
    const int64_t n = clg_search_size(clg_search_params(.dim = &q->over, .n_dims = 1));
    if (n < 0) return (clg_status)n;
    clg_selection_begin(&q->s, n * folds);
    return clg_validation_curve(q->s.dev, &q->s.setup, q->s.data, &q->s.cv, q->over, c);
}

static int run(request *q) {
    clg_curve c;
    int code = clg_tool_check_output("plot", q->plot);
    if (code == CLG_EXIT_OK) code = clg_tool_check_output("report", q->report);
    if (code == CLG_EXIT_OK) code = clg_selection_open(&q->s);
    if (code == CLG_EXIT_OK && q->kind == LEARNING) code = read_sizes(q);
    if (code != CLG_EXIT_OK) return code;
    if (q->kind != LEARNING && !q->over) q->over = usual_dimension(q);
    if (q->kind != LEARNING && !q->over)
        return clg_tool_error(CLG_EXIT_USAGE, "curve: say what makes this model larger, as in --over features=1,2,4");
    const clg_status status = make_curve(q, &c);
    clg_progress_end(&q->s.bar);
    if (status < 0) return clg_tool_fail_usage();
    print_table(q, &c);
    print_reading(q, &c);
    code = write_json(q, &c);
    if (code == CLG_EXIT_OK) code = show(q, &c);
    clg_curve_free(&c);
    return code;
}

static int find_kind(const char *name, enum kind *kind) {
    for (int i = 0; name && i < 3; i++)
        if (strcmp(kind_names[i], name) == 0) {
            *kind = (enum kind)i;
            return CLG_EXIT_OK;
        }
    return clg_tool_error(CLG_EXIT_USAGE, "curve: %s%sgive learning, capacity or decay; see clgrad curve --help",
                          name ? name : "", name ? " is no curve; " : "");
}

int clg_cmd_curve(int argc, char **argv) {
    request q = {.s = {.command = "curve", .o = clg_train_defaults()}};
    const char *name[2] = {NULL, NULL};
    clg_opt options[CLG_TRAIN_ROWS];
    const clg_opt own[] = {
        {CLG_OPT_TITLE, .help = "What is varied"},
        {CLG_OPT_TEXT, "over", "NAME=VALUES", &q.over, "capacity, decay: a setting and its values, as in\nclgrad "
         "select (default hidden of an mlp, width of\nothers; weight_decay=1e-4..1:log)"},
        {CLG_OPT_TEXT, "sizes", "N,N,...", &q.sizes, "learning: numbers of training items (default six, each\ntwice "
         "the one before, up to all)"},
        CLG_SELECTION_OPTIONS(q.s),
        {CLG_OPT_TITLE, .help = "What comes of it"},
        {CLG_OPT_TEXT, "plot", "FILE", &q.plot, "draw the curves (SVG)"},
        {CLG_OPT_TEXT, "report", "FILE", &q.report, "write one HTML page with table, curves and recipe"},
        {CLG_OPT_TEXT, "json", "FILE", &q.s.o.out.json, "a JSON line for each point; - is stdout"},
        {CLG_OPT_TEXT, "device", "D", &q.s.o.out.device, "see clgrad devices"},
        {CLG_OPT_END}};
    _Static_assert(sizeof own <= (CLG_TRAIN_ROWS - CLG_RECIPE_ROWS) * sizeof *own, "raise CLG_TRAIN_ROWS");
    clg_selection_options(&q.s, own, options);
    const clg_usage usage = {"clgrad curve learning|capacity|decay [OPTIONS]", intro, options, outro, name, 1};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = find_kind(name[0], &q.kind);
    if (code == CLG_EXIT_OK) code = run(&q);
    clg_selection_close(&q.s);
    return code;
}
