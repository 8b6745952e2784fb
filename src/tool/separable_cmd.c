/* `clgrad separable`: what a linear classifier can do at all: the VC experiment, and the exact decision for data. */
#include "tool/tool.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Says which labelings of points a linear classifier can realise: those for which\n"
    "there is a hyperplane with one class on each side. The answers are exact: a\n"
    "linear programme is solved in whole numbers of any size.\n"
    "\n"
    "Without --data: the VC experiment. For 1, 2, 3, ... random points it tries all\n"
    "labelings. As long as all can be realised the points are \"shattered\"; the most\n"
    "points that can be are the VC dimension, dim + 1 for linear classifiers. Beside\n"
    "it stands Cover's count for points in general position,\n"
    "2 (C(n-1,0) + ... + C(n-1,dim)).\n"
    "\n"
    "With --data: whether one class of a data set can be separated from the rest. If\n"
    "so, a plane is printed; if not, the few points that prove it: a mixture of some\n"
    "of the class equals a mixture of some of the rest. For tables of a few columns.";

static const char outro[] =
    "Examples\n"
    "  clgrad separable\n"
    "  clgrad separable --dim 3 --points 7\n"
    "  clgrad separable --data xor\n"
    "  clgrad separable --data csv:iris.csv --class 0";

enum { MAX_DIM = 8, MAX_POINTS = 14, MAX_FEATURES = 12, MAX_ITEMS = 2000 };

typedef struct request {
    int64_t     dim, points, class_number;
    uint64_t    seed;
    const char *data, *json;
    clg_jsonl  *out;
    FILE       *table;
} request;

/* --- data --- */

/* The numbers of a data set, [n, dim], and which items are of class k. Returns 0 or an exit code. */
static int read_items(const clg_dataset *d, int64_t dim, int64_t k, double *x, int32_t *y) {
    for (int64_t i = 0; i < clg_dataset_size(d); i++) {
        double target[64];
        if (clg_dataset_row(d, i, x + i * dim, target) < 0) return clg_tool_fail();
        y[i] = target[0] == (double)k ? 1 : -1;
    }
    return CLG_EXIT_OK;
}

static int print_decision(const request *r, const clg_dataset *d, bool yes, const double *w, const double *hull) {
    const int64_t n = clg_dataset_size(d), dim = clg_dataset_shape(d).dim[0];
    const char *name = clg_dataset_class_name(d, (int)r->class_number);
    int64_t in_hull = 0;
    for (int64_t i = 0; !yes && i < n; i++) in_hull += hull[i] > 0;
    fprintf(r->table, "class %s and the rest of %s (%lld items of %lld numbers): ", name ? name : "?", r->data,
            (long long)n, (long long)dim);
    if (yes) {
        fprintf(r->table, "separable, by");
        for (int64_t k = 0; k < dim; k++) fprintf(r->table, " %+.6g x%lld", w[k], (long long)k + 1);
        fprintf(r->table, " %+.6g = 0\n", w[dim]);
    } else {
        fprintf(r->table, "not separable\n%lld items prove it; a mixture of some equals a mixture of the others:\n",
                (long long)in_hull);
        for (int64_t i = 0; i < n; i++)
            if (hull[i] > 0) fprintf(r->table, "  item %-6lld weight %.6f\n", (long long)i, hull[i]);
    }
    return clg_jsonl_write(r->out, json_pack("{s:s, s:I, s:b, s:I}", "data", r->data, "class",
                                             (json_int_t)r->class_number, "separable", yes, "proof_items",
                                             (json_int_t)in_hull));
}

static int check_data(const request *r, const clg_dataset *d) {
    const clg_shape s = clg_dataset_shape(d);
    const int classes = clg_dataset_classes(d);
    if (classes == 0 || r->class_number >= classes)
        return clg_tool_error(CLG_EXIT_USAGE, "separable: --class %lld: the items of %s have %d classes, counted from "
                              "0", (long long)r->class_number, r->data, classes);
    if (s.ndim != 1)
        return clg_tool_error(CLG_EXIT_USAGE, "separable: the items of %s are no rows of numbers", r->data);
    if (s.dim[0] > MAX_FEATURES || clg_dataset_size(d) > MAX_ITEMS)
        return clg_tool_error(CLG_EXIT_USAGE, "separable: %s has %lld items of %lld numbers; exact decisions are for "
                              "%d items of %d numbers at most", r->data, (long long)clg_dataset_size(d),
                              (long long)s.dim[0], MAX_ITEMS, MAX_FEATURES);
    return CLG_EXIT_OK;
}

static int decide(const request *r, const clg_dataset *d) {
    const int64_t n = clg_dataset_size(d), dim = clg_dataset_shape(d).dim[0];
    double *x = calloc((size_t)(n * dim + n), sizeof *x), *hull = x + n * dim, w[MAX_FEATURES + 1];
    int32_t *y = calloc((size_t)n, sizeof *y);
    bool yes = false;
    int code = x && y ? read_items(d, dim, r->class_number, x, y) : clg_tool_error(CLG_EXIT_FAILED, "no memory");
    if (code == CLG_EXIT_OK && clg_separable(x, y, n, dim, &yes, w, hull) < 0) code = clg_tool_fail();
    if (code == CLG_EXIT_OK) code = print_decision(r, d, yes, w, hull);
    free(x);
    free(y);
    return code;
}

static int run_data(const request *r) {
    clg_dataset *d = clg_dataset_open(r->data, CLG_TRAIN);
    if (!d) return clg_tool_fail_usage();
    int code = check_data(r, d);
    if (code == CLG_EXIT_OK) code = decide(r, d);
    clg_dataset_destroy(&d);
    return code;
}

/* --- the VC experiment --- */

/* The labelings of the first points with which they cease to be shattered, as + and -. */
static int print_impossible(const request *r, const double *x, int64_t n) {
    fprintf(r->table, "impossible for %lld points:", (long long)n);
    for (int64_t bits = 0; bits < (int64_t)1 << n; bits++) {
        int32_t y[MAX_DIM + 2];
        char text[MAX_DIM + 3] = "";
        bool yes;
        for (int64_t i = 0; i < n; i++) {
            y[i] = bits >> i & 1 ? 1 : -1;
            text[i] = y[i] > 0 ? '+' : '-';
        }
        if (clg_separable(x, y, n, r->dim, &yes, NULL, NULL) < 0) return clg_tool_fail();
        if (!yes) fprintf(r->table, "  %s", text);
    }
    fprintf(r->table, "\n");
    return CLG_EXIT_OK;
}

static int print_counts(const request *r, const double *x) {
    int64_t shattered = 0;
    fprintf(r->table, "points in %lld dimensions, drawn at random\n\npoints  labelings  separable  Cover's count\n",
            (long long)r->dim);
    for (int64_t n = 1; n <= r->points; n++) {
        int64_t count;
        if (clg_count_separable(x, n, r->dim, &count) < 0) return clg_tool_fail();
        const int64_t all = (int64_t)1 << n, cover = clg_cover_count(n, r->dim);
        if (count == all) shattered = n;
        fprintf(r->table, "%6lld  %9lld  %9lld  %13lld%s\n", (long long)n, (long long)all, (long long)count,
                (long long)cover, count == all ? "  shattered" : "");
        const int code = clg_jsonl_write(r->out, json_pack("{s:I, s:I, s:I, s:I, s:I}", "points", (json_int_t)n, "dim",
            (json_int_t)r->dim, "labelings", (json_int_t)all, "separable", (json_int_t)count, "cover",
            (json_int_t)cover));
        if (code != CLG_EXIT_OK) return code;
    }
    fprintf(r->table, "\nthe most that are shattered: %lld points; the VC dimension of linear classifiers is "
            "%lld + 1\n", (long long)shattered, (long long)r->dim);
    return r->points >= r->dim + 2 ? print_impossible(r, x, r->dim + 2) : CLG_EXIT_OK;
}

static int run_vc(const request *r) {
    double x[MAX_POINTS * MAX_DIM], target;
    clg_dataset *d = clg_dataset_synthetic("linear", clg_synthetic_params(.n = r->points, .features = r->dim,
                                                                          .seed = r->seed));
    int code = d ? CLG_EXIT_OK : clg_tool_fail();
    for (int64_t i = 0; code == CLG_EXIT_OK && i < r->points; i++)
        if (clg_dataset_row(d, i, x + i * r->dim, &target) < 0) code = clg_tool_fail();
    if (code == CLG_EXIT_OK) code = print_counts(r, x);
    clg_dataset_destroy(&d);
    return code;
}

int clg_cmd_separable(int argc, char **argv) {
    request r = {.dim = 2, .points = 6, .class_number = 1, .seed = 1};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        {CLG_OPT_INT, "dim", "N", &r.dim, "numbers of a point", 1, MAX_DIM},
        {CLG_OPT_INT, "points", "N", &r.points, "1 to so many points", 1, MAX_POINTS},
        {CLG_OPT_SEED, "seed", "N", &r.seed, "which points"},
        {CLG_OPT_TEXT, "data", "SPEC", &r.data, "decide about the training part of a data set instead"},
        {CLG_OPT_INT, "class", "K", &r.class_number, "this class and the rest, counted from 0", 0, 1e6},
        {CLG_OPT_TEXT, "json", "FILE", &r.json, "a JSON line for each answer; - is stdout"},
        {CLG_OPT_END}};
    const clg_usage usage = {.synopsis = "clgrad separable [OPTIONS]", .intro = intro, .options = options,
                             .outro = outro};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    r.table = clg_jsonl_table(r.json);
    code = clg_jsonl_open(r.json, &r.out);
    if (code == CLG_EXIT_OK) code = r.data ? run_data(&r) : run_vc(&r);
    clg_jsonl_close(&r.out);
    return code;
}
