/* `clgrad perceptron`: Rosenblatt's rule on a data set, one class against the others, and the bound on its mistakes. */
#include "tool/tool.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Trains a perceptron by its own rule: one class is +1, all others are -1, w = 0\n"
    "and b = 0 at first; rows in file order, and for each that is wrong,\n"
    "y (<w, x> + b) <= 0, the update w <- w + y x, b <- b + y, until a whole pass has\n"
    "none. That happens if a plane separates the classes. If none does, the run ends\n"
    "after --max-passes, or when the weights come back to what they were: then they\n"
    "would go round for ever. (The same rule with rows shuffled, as SGD: clgrad train\n"
    "--model perceptron --optimizer sgd --lr 1 --batch 1.)\n"
    "\n"
    "With r = max |x| and the margin rho = min y (<w, x> + b) / |(w, b)| of any (w, b)\n"
    "that separates, no run has more than (r^2 + 1) / rho^2 updates (Novikoff 1962).\n"
    "The bound that is printed is that of the weights found.";

static const char outro[] =
    "Examples\n"
    "  clgrad perceptron --data csv:iris.csv,test=0 --class 0\n"
    "  clgrad perceptron --data clouds:n=100,margin=0.2 --plot clouds.svg\n"
    "  clgrad perceptron --data xor";

enum { GRID = 240, MAX_DECIDED = 20000 /* numbers, for which separability is decided in milliseconds */ };

typedef struct request {
    const char  *data, *class, *plot, *json;
    int64_t      max_passes;
    clg_dataset *d;
    int          positive;
    int64_t      n, dim;
    double      *x;  /* [n, dim] */
    int32_t     *y;  /* [n] of 1 and -1 */
    clg_jsonl   *lines;
    FILE        *table;
    clg_perceptron_result p;
    clg_mistake_bound     bound;
} request;

/* --- the data --- */

/* A class by its name or its number. Returns 0 or an exit code. */
static int find_class(request *r) {
    const int classes = clg_dataset_classes(r->d);
    if (classes < 2)
        return clg_tool_error(CLG_EXIT_USAGE, "perceptron: %s has real targets or one class; it takes two classes or "
                              "more", r->data);
    if (!r->class && classes > 2)
        return clg_tool_error(CLG_EXIT_USAGE, "perceptron: %s has %d classes; say by --class which one is +1", r->data,
                              classes);
    if (!r->class) {
        r->positive = 1;
        return CLG_EXIT_OK;
    }
    for (int k = 0; k < classes; k++) {
        const char *name = clg_dataset_class_name(r->d, k);
        if (!name || strcmp(name, r->class) != 0) continue;
        r->positive = k;
        return CLG_EXIT_OK;
    }
    char *end;
    const long k = strtol(r->class, &end, 10);
    if (end == r->class || *end || k < 0 || k >= classes)
        return clg_tool_error(CLG_EXIT_USAGE, "perceptron: --class %s is no class of %s: give a name or a number of 0 "
                              "to %d (clgrad data %s lists them)", r->class, r->data, classes - 1, r->data);
    r->positive = (int)k;
    return CLG_EXIT_OK;
}

static int load(request *r) {
    r->d = clg_dataset_open(r->data, CLG_TRAIN);
    if (!r->d) return clg_tool_fail_usage();
    const int code = find_class(r);
    if (code != CLG_EXIT_OK) return code;
    const clg_shape s = clg_dataset_shape(r->d);
    r->n = clg_dataset_size(r->d);
    r->dim = 1;
    for (int k = 0; k < s.ndim; k++) r->dim *= s.dim[k];
    r->x = calloc((size_t)r->n * (size_t)r->dim, sizeof *r->x);
    r->y = calloc((size_t)r->n, sizeof *r->y);
    if (!r->x || !r->y) return clg_tool_error(CLG_EXIT_FAILED, "perceptron: out of memory");
    for (int64_t i = 0; i < r->n; i++) {
        double class;
        if (clg_dataset_row(r->d, i, r->x + i * r->dim, &class) < 0) return clg_tool_fail();
        r->y[i] = (int)class == r->positive ? 1 : -1;
    }
    return CLG_EXIT_OK;
}

/* --- what came of it --- */

static const char *positive_name(const request *r, char text[32]) {
    const char *name = clg_dataset_class_name(r->d, r->positive);
    if (!name) snprintf(text, 32, "class %d", r->positive);
    return name ? name : text;
}

static void print_end(const request *r) {
    const clg_perceptron_result *p = &r->p;
    const long long passes = (long long)p->passes, right = (long long)p->right, rows = (long long)r->n;
    if (p->end == CLG_PERCEPTRON_CONVERGED)
        fprintf(r->table, "end      converged: pass %lld has no update, all %lld rows are right\n", passes, rows);
    else if (p->end == CLG_PERCEPTRON_CYCLE)
        fprintf(r->table, "end      never: the weights came back after pass %lld; %lld of %lld rows right\n", passes,
                right, rows);
    else
        fprintf(r->table, "end      not reached after %lld passes: %lld of %lld rows right\n", passes, right, rows);
    if (p->end == CLG_PERCEPTRON_CONVERGED) return;
    bool line;
    if (r->n * r->dim > MAX_DECIDED || clg_separable(r->x, r->y, r->n, r->dim, &line, NULL, NULL) < 0)
        fprintf(r->table, "         no plane may separate the classes, or more passes may find one\n");
    else
        fprintf(r->table, line ? "         a plane separates the classes: more passes will find one (--max-passes)\n"
                               : "         no plane separates the classes (decided exactly, by linear programming)\n");
}

static void print(const request *r) {
    enum { SHOWN = 12, WEIGHTS = 30 };
    const clg_perceptron_result *p = &r->p;
    char text[32];
    fprintf(r->table, "data     %s: %lld rows of %lld numbers; +1 is %s\nupdates  ", r->data, (long long)r->n,
            (long long)r->dim, positive_name(r, text));
    for (int64_t i = 0; i < p->passes && i < SHOWN; i++)
        fprintf(r->table, "%s%lld", i ? " + " : "", (long long)p->pass_updates[i]);
    fprintf(r->table, "%s = %lld\n", p->passes > SHOWN ? " + ..." : "", (long long)p->updates);
    print_end(r);
    fprintf(r->table, "w       ");
    for (int64_t j = 0; j < r->dim && j < WEIGHTS; j++) fprintf(r->table, " %.6g", p->w[j]);
    fprintf(r->table, "%s\nb        %g\n", r->dim > WEIGHTS ? " ..." : "", p->b);
    if (r->bound.margin > 0)
        fprintf(r->table, "bound    (r^2 + 1) / rho^2 = %.6g updates, r = %.6g, rho = %.4g\n", r->bound.bound,
                r->bound.radius, r->bound.margin);
}

static int write_json(const request *r) {
    static const char *const end[] = {"converged", "cycle", "passes"};
    const clg_perceptron_result *p = &r->p;
    char text[32];
    if (!r->lines) return CLG_EXIT_OK;
    json_t *updates = json_array(), *w = json_array();
    for (int64_t i = 0; i < p->passes; i++) json_array_append_new(updates, json_integer(p->pass_updates[i]));
    for (int64_t j = 0; j < r->dim; j++) json_array_append_new(w, clg_json_real(p->w[j]));
    return clg_jsonl_write(r->lines, json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:o, s:I, s:o, s:o, s:o, s:o, s:o}",
        "data", r->data, "positive", positive_name(r, text), "rows", (json_int_t)r->n, "end", end[p->end], "passes",
        (json_int_t)p->passes, "updates", (json_int_t)p->updates, "pass_updates", updates, "right",
        (json_int_t)p->right, "w", w, "b", clg_json_real(p->b), "radius", clg_json_real(r->bound.radius), "margin",
        clg_json_real(r->bound.margin), "bound", clg_json_real(r->bound.bound)));
}

/* The side of the line that each cell of a grid is on. */
static void find_sides(const request *r, const double low[2], const double high[2], int32_t *region) {
    for (int i = 0; i < GRID * GRID; i++) {
        const double x = low[0] + (high[0] - low[0]) * (i % GRID + 0.5) / GRID;
        const double y = low[1] + (high[1] - low[1]) * (i / GRID + 0.5) / GRID;
        region[i] = r->p.w[0] * x + r->p.w[1] * y + r->p.b > 0;
    }
}

/* The plane with the rows on it, and which side of the line is which. */
static int draw(const request *r) {
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    int32_t *region = calloc(GRID * GRID, sizeof *region), *label = calloc((size_t)r->n, sizeof *label);
    double  *at = calloc((size_t)r->n * 2, sizeof *at); /* all x, then all y */
    int code = region && label && at ? CLG_EXIT_OK : clg_tool_error(CLG_EXIT_FAILED, "perceptron: out of memory");
    for (int64_t i = 0; code == CLG_EXIT_OK && i < 2 * r->n; i++) {
        const int64_t j = i % 2;
        at[j * r->n + i / 2] = r->x[i];
        low[j] = fmin(low[j], r->x[i]);
        high[j] = fmax(high[j], r->x[i]);
        label[i / 2] = r->y[i / 2] > 0;
    }
    for (int j = 0; j < 2; j++) {
        const double edge = high[j] > low[j] ? 0.05 * (high[j] - low[j]) : 1;
        low[j] -= edge;
        high[j] += edge;
    }
    if (code == CLG_EXIT_OK) {
        find_sides(r, low, high, region);
        clg_figure *f = clg_figure_regions("perceptron", &(clg_region_params){
            .x0 = low[0], .x1 = high[0], .y0 = low[1], .y1 = high[1], .nx = GRID, .ny = GRID, .region = region,
            .px = at, .py = at + r->n, .label = label, .n = r->n, .classes = 2,
            .class_name = (const char *const[]){"-1", "+1"}, .x_label = clg_dataset_feature_name(r->d, 0),
            .y_label = clg_dataset_feature_name(r->d, 1)});
        if (clg_figure_save(f, r->plot) < 0) code = clg_tool_fail();
        clg_figure_destroy(&f);
    }
    free(region);
    free(label);
    free(at);
    return code;
}

static int run(request *r) {
    int code = clg_jsonl_open(r->json, &r->lines);
    if (code != CLG_EXIT_OK) return code;
    r->table = clg_jsonl_table(r->json);
    code = load(r);
    if (code == CLG_EXIT_OK && r->plot && r->dim != 2)
        code = clg_tool_error(CLG_EXIT_USAGE, "perceptron: --plot draws rows of 2 numbers; those of %s have %lld",
                              r->data, (long long)r->dim);
    if (code != CLG_EXIT_OK) return code;
    if (clg_perceptron_fit(r->x, r->y, r->n, r->dim, clg_perceptron_params(.max_passes = r->max_passes), &r->p) < 0)
        return clg_tool_fail();
    /* w = 0 after a cycle has no margin */
    if (clg_perceptron_bound(r->x, r->y, r->n, r->dim, r->p.w, r->p.b, &r->bound) < 0)
        r->bound = (clg_mistake_bound){ NAN, NAN, NAN };
    print(r);
    code = write_json(r);
    if (code == CLG_EXIT_OK && r->plot) code = draw(r);
    if (fflush(r->table) != 0 && code == CLG_EXIT_OK) code = clg_tool_error(CLG_EXIT_FILE, "perceptron: cannot write");
    return code;
}

int clg_cmd_perceptron(int argc, char **argv) {
    request r = {.data = "clouds:margin=0.1", .max_passes = 1000};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        {CLG_OPT_TEXT, "data", "SPEC", &r.data, "data set with classes, its training part; see clgrad\ndata"},
        {CLG_OPT_TEXT, "class", "NAME", &r.class, "the class that is +1, by name or number (default 1 if\n"
         "there are two)"},
        {CLG_OPT_INT, "max-passes", "N", &r.max_passes, "passes over the rows at most", 1, INT32_MAX},
        {CLG_OPT_TEXT, "plot", "FILE", &r.plot, "draw rows of two numbers and the line (SVG)"},
        {CLG_OPT_TEXT, "json", "FILE", &r.json, "write the result as a JSON line; - is stdout"},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad perceptron [OPTIONS]", intro, options, outro};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = run(&r);
    clg_perceptron_result_free(&r.p);
    free(r.x);
    free(r.y);
    clg_dataset_destroy(&r.d);
    clg_jsonl_close(&r.lines);
    return code;
}
