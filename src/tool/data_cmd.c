/* `clgrad data`: what data sets there are, and what is in one: sizes, classes, features with their mean and spread, and
 * its first items. The kinds and their options come from the library's table. */
#include "tool/tool.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Shows what is in a data set: how many items its parts have, its classes, mean\n"
    "and spread of its features, and its first items. Without SPEC: lists the kinds\n"
    "of data sets. Every --data SPEC of the other commands is one of these:\n";

static const char parts_help[] =
    "\n"
    "Sets without parts of their own are split, classes in proportion, the same way\n"
    "each time: test=0.2 is the fraction of the test part, split=0 the seed; with\n"
    "test=0 all items are for training. A comma belongs to the path or value before\n"
    "it, unless a word and = follow: there it is written twice.";

static const char outro[] =
    "Examples\n"
    "  clgrad data digits\n"
    "  clgrad data csv:iris.csv,target=species\n"
    "  clgrad data csv:houses.csv,missing=mean,ignore=id --rows 10\n"
    "  clgrad data clouds:n=100,margin=0.2,seed=7";

enum { SIDE = 32, COLUMNS = 6 }; /* the largest picture that is drawn, the features that a row shows */

/* Mean and spread of a feature, or of a channel of pictures. Source of the update: Welford 1962,
 * doi:10.1080/00401706.1962.10490022. */
typedef struct spread {
    int64_t n;
    double  mean, squares, min, max;
} spread;

/* A data set under examination. */
typedef struct view {
    const char  *spec;
    clg_dataset *train, *test; /* test: NULL if there is none */
    clg_shape    shape;
    int64_t      item, features, targets; /* numbers of an item; of the first axis; real targets */
    int          classes;
    double      *x, *t;        /* room for an item */
    spread      *feature, *target;
    int64_t     *count[2];     /* items of each class in both parts */
} view;

/* --- the list of kinds --- */

static void print_indented(FILE *to, const char *text) {
    for (;;) {
        const int n = (int)strcspn(text, "\n");
        fprintf(to, "    %.*s\n", n, text);
        if (text[n] == 0) return;
        text += n + 1;
    }
}

static void print_kinds(FILE *to) {
    const clg_dataset_kind *k;
    for (int i = 0; (k = clg_dataset_kind_at(i)) != NULL; i++) {
        fprintf(to, "  %s\n", k->usage);
        print_indented(to, k->help);
    }
}

/* The intro with the list; freed by free(). NULL: no memory. */
static char *make_intro(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    fprintf(f, "%s\n", intro);
    print_kinds(f);
    fputs(parts_help, f);
    return fclose(f) == 0 ? text : NULL;
}

/* --- looking through a data set --- */

static void add(spread *s, double v) {
    if (s->n++ == 0) s->min = s->max = v;
    const double d = v - s->mean;
    s->mean += d / (double)s->n;
    s->squares += d * (v - s->mean);
    s->min = fmin(s->min, v);
    s->max = fmax(s->max, v);
}

static int scan(view *v, clg_dataset *d, int part) {
    const int64_t plane = v->item / v->features;
    for (int64_t i = 0; i < clg_dataset_size(d); i++) {
        if (clg_dataset_row(d, i, v->x, v->t) < 0) return clg_tool_fail();
        if (v->classes > 0) v->count[part][(int)v->t[0]]++;
        if (part == 1) continue; /* the spread is that of the training part */
        for (int64_t k = 0; k < v->item; k++) add(&v->feature[k / plane], v->x[k]);
        for (int64_t k = 0; k < v->targets; k++) add(&v->target[k], v->t[k]);
    }
    return CLG_EXIT_OK;
}

static int open_view(view *v) {
    v->train = clg_dataset_open(v->spec, CLG_TRAIN);
    if (!v->train) return clg_tool_fail_usage();
    v->test = clg_dataset_open(v->spec, CLG_TEST);
    if (!v->test && clg_error_status() != CLG_ERR_INVALID) return clg_tool_fail(); /* test=0 is INVALID: no such part */
    v->shape = clg_dataset_shape(v->train);
    v->features = v->shape.dim[0];
    v->item = 1;
    for (int k = 0; k < v->shape.ndim; k++) v->item *= v->shape.dim[k];
    v->classes = clg_dataset_classes(v->train);
    v->targets = clg_dataset_targets(v->train);
    const size_t targets = (size_t)v->targets + 1, classes = (size_t)v->classes + 1;
    v->x = calloc((size_t)v->item, sizeof *v->x);
    v->t = calloc(targets, sizeof *v->t);
    v->feature = calloc((size_t)v->features, sizeof *v->feature);
    v->target = calloc(targets, sizeof *v->target);
    for (int i = 0; i < 2; i++) v->count[i] = calloc(classes, sizeof *v->count[i]);
    if (!v->x || !v->t || !v->feature || !v->target || !v->count[0] || !v->count[1])
        return clg_tool_error(CLG_EXIT_FAILED, "data: out of memory");
    const int code = scan(v, v->train, 0);
    return code == CLG_EXIT_OK && v->test ? scan(v, v->test, 1) : code;
}

static void close_view(view *v) {
    clg_dataset_destroy(&v->train);
    clg_dataset_destroy(&v->test);
    free(v->x), free(v->t), free(v->feature), free(v->target);
    for (int i = 0; i < 2; i++) free(v->count[i]);
}

/* --- printing --- */

static const char *feature_name(const view *v, int64_t k, char *to, size_t size) {
    const char *name = v->shape.ndim == 1 ? clg_dataset_feature_name(v->train, k) : NULL;
    if (!name) snprintf(to, size, v->shape.ndim == 1 ? "x%lld" : "channel %lld", (long long)k + 1);
    return name ? name : to;
}

/* "" if it says no more than the number. */
static const char *class_name(const view *v, int c) {
    const char *name = clg_dataset_class_name(v->train, c);
    char number[16];
    snprintf(number, sizeof number, "%d", c);
    return name && strcmp(name, number) != 0 ? name : "";
}

/* "2 virginica". */
static const char *class_text(const view *v, int c, char *to, size_t size) {
    const char *name = class_name(v, c);
    snprintf(to, size, *name ? "%d %s" : "%d", c, name);
    return to;
}

static void print_sizes(const view *v) {
    printf("%s\n\n  items      %lld for training", v->spec, (long long)clg_dataset_size(v->train));
    if (v->test) printf(", %lld for the test", (long long)clg_dataset_size(v->test));
    printf("\n  one item   ");
    if (v->shape.ndim == 1) printf("%lld feature%s\n", (long long)v->item, v->item == 1 ? "" : "s");
    for (int k = 0; v->shape.ndim > 1 && k < v->shape.ndim; k++)
        printf("%lld%s", (long long)v->shape.dim[k], k + 1 < v->shape.ndim ? " x " : v->shape.ndim == 3 ?
               " (channels, height, width)\n" : "\n");
    if (v->classes > 0) printf("  target     one of %d classes\n", v->classes);
    else printf("  target     %lld real number%s\n", (long long)v->targets, v->targets == 1 ? "" : "s");
}

static void print_classes(const view *v) {
    const double n = (double)clg_dataset_size(v->train);
    printf("\n  class                  training%s\n", v->test ? "            test" : "");
    for (int c = 0; c < v->classes; c++) {
        printf("  %3d %-16.16s %10lld  %5.1f%%", c, class_name(v, c), (long long)v->count[0][c],
               100 * (double)v->count[0][c] / n);
        if (v->test) printf(" %7lld", (long long)v->count[1][c]);
        putchar('\n');
    }
}

static void print_spread(const char *name, const spread *s) {
    printf("  %-24.24s %12.5g %12.5g %12.5g %12.5g\n", name, s->mean, sqrt(s->squares / (double)s->n), s->min, s->max);
}

static void print_features(const view *v, int64_t most) {
    char text[40];
    printf("\n  training part                    mean    deviation          min          max\n");
    for (int64_t k = 0; k < v->features && k < most; k++)
        print_spread(feature_name(v, k, text, sizeof text), &v->feature[k]);
    if (v->features > most)
        printf("  ... and %lld more (--features %lld shows them)\n", (long long)(v->features - most),
               (long long)v->features);
    for (int64_t k = 0; k < v->targets && k < most; k++) {
        snprintf(text, sizeof text, v->targets == 1 ? "target" : "target %lld", (long long)k + 1);
        print_spread(text, &v->target[k]);
    }
}

/* The first picture in letters, dark to light: its channels' mean. */
static void print_picture(const view *v) {
    static const char shades[] = " .:-=+*#%@";
    const int64_t height = v->shape.dim[1], width = v->shape.dim[2];
    char text[80];
    if (v->shape.ndim != 3 || height > SIDE || width > SIDE) return;
    printf("\n  the first item, ");
    if (v->classes > 0) printf("class %s\n", class_text(v, (int)v->t[0], text, sizeof text));
    else printf("target %.6g\n", v->t[0]);
    for (int64_t h = 0; h < height; h++) {
        fputs("    ", stdout);
        for (int64_t w = 0; w < width; w++) {
            double sum = 0;
            for (int64_t c = 0; c < v->features; c++) sum += v->x[(c * height + h) * width + w];
            const double shade = fmin(fmax(sum / (double)v->features, 0), 1) * (sizeof shades - 2);
            putchar(shades[(int)(shade + 0.5)]);
            putchar(shades[(int)(shade + 0.5)]); /* letters are twice as high as wide */
        }
        putchar('\n');
    }
}

static void print_row_title(const view *v) {
    char text[40];
    printf("\n  the first items of the training part\n");
    for (int64_t k = 0; k < v->item && k < COLUMNS; k++) printf("  %10.10s", feature_name(v, k, text, sizeof text));
    putchar('\n');
}

static void print_row(const view *v) {
    char text[80];
    for (int64_t k = 0; k < v->item && k < COLUMNS; k++) printf("  %10.5g", v->x[k]);
    if (v->item > COLUMNS) fputs("  ...", stdout);
    if (v->classes > 0) printf("  ->  %s\n", class_text(v, (int)v->t[0], text, sizeof text));
    else printf("  ->  %.6g%s\n", v->t[0], v->targets > 1 ? " ..." : "");
}

static int print_items(const view *v, int64_t rows) {
    if (rows > 0 && clg_dataset_row(v->train, 0, v->x, v->t) < 0) return clg_tool_fail();
    if (rows > 0 && v->shape.ndim > 1) print_picture(v);
    if (rows > 0 && v->shape.ndim == 1) print_row_title(v);
    for (int64_t i = 0; v->shape.ndim == 1 && i < rows && i < clg_dataset_size(v->train); i++) {
        if (clg_dataset_row(v->train, i, v->x, v->t) < 0) return clg_tool_fail();
        print_row(v);
    }
    return CLG_EXIT_OK;
}

int clg_cmd_data(int argc, char **argv) {
    int64_t rows = 5, features = 40;
    const char *spec[2] = {NULL, NULL};
    const clg_opt options[] = {
        {CLG_OPT_INT, "rows", "N", &rows, "how many items to print; of pictures the\nfirst is drawn", .max = 1000000},
        {CLG_OPT_INT, "features", "N", &features, "how many features to describe", .max = 1000000},
        {CLG_OPT_END},
    };
    char *text = make_intro();
    if (!text) return clg_tool_error(CLG_EXIT_FAILED, "data: out of memory");
    const clg_usage usage = {.synopsis = "clgrad data [SPEC] [OPTIONS]", .intro = text, .options = options,
                             .outro = outro, .operand = spec, .max_operands = 1};
    int code = clg_opt_parse(&usage, argc, argv);
    free(text);
    if (code >= 0) return code;
    if (!spec[0]) {
        print_kinds(stdout);
        return CLG_EXIT_OK;
    }
    view v = {.spec = spec[0]};
    code = open_view(&v);
    if (code == CLG_EXIT_OK) {
        print_sizes(&v);
        if (v.classes > 0) print_classes(&v);
        print_features(&v, features);
        code = print_items(&v, rows);
    }
    close_view(&v);
    return code;
}
