/* What a model answers: counts and mistakes for classes, predicted values for real targets, regions of the plane. */
#include "tool/show.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WRONG = 40, GRID = 160, MOST_POINTS = 2000, NAME = 64 };

static void no_memory(clg_album *a) {
    clg_album_fail(a, clg_tool_error(CLG_EXIT_FAILED, "no memory"));
}

/* The names of the classes, to be freed; NULL: they have none, or there is no memory. */
const char **clg_show_class_names(const clg_dataset *d) {
    const int n = clg_dataset_classes(d);
    if (n < 1 || !clg_dataset_class_name(d, 0)) return NULL;
    const char **name = malloc((size_t)n * sizeof *name);
    for (int k = 0; name && k < n; k++) name[k] = clg_dataset_class_name(d, k);
    return name;
}

static const char *class_text(const clg_dataset *d, int k, char out[NAME]) {
    const char *name = clg_dataset_class_name(d, k);
    snprintf(out, NAME, name ? "%s" : "%s%d", name ? name : "", k);
    return out;
}

/* --- counts --- */

static void add_class_table(clg_report *r, const clg_exhibit *x, int n) {
    enum { COLUMNS = 5 };
    const size_t rows = (size_t)n + 2;
    char (*text)[NAME] = calloc(rows * COLUMNS, NAME);
    const char **cell = malloc(rows * COLUMNS * sizeof *cell);
    static const char *const head[COLUMNS] = {"class", "precision", "recall", "F1", "items"};
    for (size_t i = 0; cell && text && i < rows * COLUMNS; i++) cell[i] = i < COLUMNS ? head[i] : text[i];
    for (int k = 0; cell && text && k <= n; k++) {
        char (*row)[NAME] = text + (k + 1) * COLUMNS;
        const clg_class_metrics c = k < n ? clg_confusion_class(x->confusion, n, k)
                                          : clg_confusion_macro(x->confusion, n);
        const double values[] = {c.precision, c.recall, c.f1};
        if (k < n) class_text(x->data, k, row[0]);
        else snprintf(row[0], NAME, "mean, all");
        for (int i = 0; i < 3; i++) snprintf(row[1 + i], NAME, "%.4f", values[i]);
        snprintf(row[4], NAME, "%lld", (long long)c.support);
    }
    if (cell && text)
        clg_report_table(r, "Precision: of the items answered with the class, the share that is of it. Recall: of the "
                         "items of the class, the share answered so. F1: their harmonic mean.", COLUMNS, (int)rows,
                         cell);
    free(text);
    free(cell);
}

void clg_show_confusion(clg_album *a, const clg_exhibit *x) {
    const int n = clg_dataset_classes(x->data);
    if (n < 1 || !x->confusion || a->code != CLG_EXIT_OK) return;
    const char **name = clg_show_class_names(x->data);
    clg_album_heading(a, "Answers");
    clg_album_add(a, "confusion", clg_figure_confusion("Confusion matrix", x->confusion, n, name),
                  "How many items of each class (row) were answered with each class (column). Blue is right, orange is "
                  "wrong; the stronger, the larger a share of its row.");
    if (a->report && n <= 100) add_class_table(a->report, x, n);
    free(name);
}

/* --- answers --- */

/* The class that an output means, and its probability. */
static int answer_of(const clg_exhibit *x, int64_t item, double *sure) {
    const int64_t n = clg_model_outputs(clg_trainer_model(x->trainer));
    const float *f = x->output + item * n;
    int best = 0;
    double sum = 0;
    if (n == 1) {
        best = f[0] > 0;
        *sure = 1 / (1 + exp(-fabs((double)f[0])));
        return best;
    }
    for (int64_t k = 1; k < n; k++)
        if (f[k] > f[best]) best = (int)k;
    for (int64_t k = 0; k < n; k++) sum += exp((double)f[k] - (double)f[best]);
    *sure = 1 / sum;
    return best;
}

typedef struct mistake {
    int64_t item;
    int     truth, answer;
    double  sure;
} mistake;

static int surer_first(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    if (x->sure != y->sure) return x->sure > y->sure ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* All wrong answers, the surest first, to be freed; *n of them. NULL: none, or no memory. */
static mistake *find_mistakes(clg_album *a, const clg_exhibit *x, int64_t *n) {
    const int64_t items = clg_dataset_size(x->data);
    mistake *all = malloc((size_t)items * sizeof *all);
    *n = 0;
    if (!all) no_memory(a);
    for (int64_t i = 0; all && i < items; i++) {
        mistake m = {.item = i};
        int32_t truth;
        if (clg_dataset_item(x->data, i, NULL, &truth) < 0) break;
        m.truth = truth;
        m.answer = answer_of(x, i, &m.sure);
        if (m.answer != m.truth) all[(*n)++] = m;
    }
    if (*n > 0) qsort(all, (size_t)*n, sizeof *all, surer_first);
    return all;
}

static void add_wrong_pictures(clg_album *a, const clg_exhibit *x, const mistake *m, int n, const char *caption) {
    const clg_shape s = clg_dataset_shape(x->data);
    const bool colour = s.dim[0] == 3, named = clg_dataset_class_name(x->data, 0) != NULL; /* names need two lines */
    const size_t size = (size_t)clg_elements(s), shown = colour ? size : (size_t)(s.dim[1] * s.dim[2]);
    float *pixels = malloc(size * sizeof *pixels), *plane = malloc((size_t)n * shown * sizeof *plane);
    char text[MOST_WRONG][2 * NAME + 8], truth[NAME], answer[NAME];
    const char *captions[MOST_WRONG];
    if (!pixels || !plane) no_memory(a);
    for (int i = 0; pixels && plane && i < n; i++) {
        if (clg_dataset_item(x->data, m[i].item, pixels, NULL) < 0) clg_album_fail(a, clg_tool_fail());
        memcpy(plane + (size_t)i * shown, pixels, shown * sizeof *plane);
        snprintf(text[i], sizeof text[i], named ? "%s\n\xe2\x86\x92 %s" : "%s \xe2\x86\x92 %s",
                 class_text(x->data, m[i].truth, truth), class_text(x->data, m[i].answer, answer));
        captions[i] = text[i];
    }
    if (a->code == CLG_EXIT_OK) {
        const clg_tiles_params p = {.plane = plane, .n = n, .h = (int)s.dim[1], .w = (int)s.dim[2], .rgb = colour,
                                    .caption = captions};
        clg_album_add(a, "wrong", clg_figure_tiles("Wrong answers: true class \xe2\x86\x92 answer", &p), caption);
    }
    free(pixels);
    free(plane);
}

static void add_wrong_table(clg_report *r, const clg_exhibit *x, const mistake *m, int n, const char *caption) {
    enum { COLUMNS = 4 };
    char text[MOST_WRONG + 1][COLUMNS][NAME] = {{"item", "true class", "answer", "probability"}};
    const char *cell[(MOST_WRONG + 1) * COLUMNS];
    for (int i = 0; i < n; i++) {
        snprintf(text[i + 1][0], NAME, "%lld", (long long)m[i].item);
        class_text(x->data, m[i].truth, text[i + 1][1]);
        class_text(x->data, m[i].answer, text[i + 1][2]);
        snprintf(text[i + 1][3], NAME, "%.4f", m[i].sure);
    }
    for (int i = 0; i < (n + 1) * COLUMNS; i++) cell[i] = text[i / COLUMNS][i % COLUMNS];
    clg_report_table(r, caption, COLUMNS, n + 1, cell);
}

void clg_show_wrong(clg_album *a, const clg_exhibit *x) {
    const clg_shape s = clg_dataset_shape(x->data);
    const bool pictures = s.ndim == 3 && s.dim[1] * s.dim[2] > 1;
    char caption[160];
    int64_t n;
    if (clg_dataset_classes(x->data) < 1 || !x->output || a->code != CLG_EXIT_OK || (!pictures && !a->report)) return;
    mistake *all = find_mistakes(a, x, &n);
    const int shown = (int)(n < MOST_WRONG ? n : MOST_WRONG);
    if (shown > 0) {
        snprintf(caption, sizeof caption, "%d of %lld wrong answers of %lld, those first that the model was surest of.",
                 shown, (long long)n, (long long)clg_dataset_size(x->data));
        clg_album_heading(a, "Mistakes");
        if (pictures) add_wrong_pictures(a, x, all, shown, caption);
        else add_wrong_table(a->report, x, all, shown, caption);
    }
    free(all);
}

/* --- real targets --- */

static void add_targets(clg_album *a, const clg_exhibit *x, int64_t targets, double *v) {
    const int64_t n = clg_dataset_size(x->data);
    double *truth = v, *f = v + n, *row = v + 2 * n, ends[2];
    for (int64_t k = 0; k < targets && k < 4 && a->code == CLG_EXIT_OK; k++) {
        ends[0] = INFINITY;
        ends[1] = -INFINITY;
        for (int64_t i = 0; i < n; i++) {
            if (clg_dataset_row(x->data, i, row + targets, row) < 0) clg_album_fail(a, clg_tool_fail());
            truth[i] = row[k];
            f[i] = (double)x->output[i * targets + k];
            ends[0] = fmin(ends[0], truth[i]);
            ends[1] = fmax(ends[1], truth[i]);
        }
        const clg_series s[] = {{.name = "items", .x = truth, .y = f, .n = n, .points = true},
                                {.name = "predicted = true", .x = ends, .y = ends, .n = 2, .dashed = true,
                                 .plain = true}};
        const clg_chart c = {.x_label = "true value", .y_label = "predicted", .series = s, .n_series = 2};
        char name[32], title[64] = "Predicted against true values";
        snprintf(name, sizeof name, "targets-%lld", (long long)k + 1);
        if (targets > 1) snprintf(title, sizeof title, "Predicted against true values: target %lld", (long long)k + 1);
        clg_album_add(a, name, clg_figure_charts(title, &c, 1), "A point for each item; a perfect model has all of "
                      "them on the dashed line.");
    }
}

void clg_show_targets(clg_album *a, const clg_exhibit *x) {
    const int64_t targets = clg_dataset_targets(x->data), n = clg_dataset_size(x->data);
    if (targets < 1 || !x->output || a->code != CLG_EXIT_OK) return;
    double *v = malloc((size_t)(2 * n + targets + clg_elements(clg_dataset_shape(x->data))) * sizeof *v);
    if (!v) {
        no_memory(a);
        return;
    }
    clg_album_heading(a, "Answers");
    add_targets(a, x, targets, v);
    free(v);
}

/* --- regions of the plane --- */

typedef struct plane {
    double  *x, *y, *grid; /* points; [GRID x GRID, 2] */
    int32_t *label, *region;
    float   *score, *output;
    int64_t  n;
    double   low[2], high[2];
} plane;

static bool read_points(plane *k, const clg_dataset *d) {
    const int64_t all = clg_dataset_size(d);
    k->n = all < MOST_POINTS ? all : MOST_POINTS;
    for (int i = 0; i < 2; i++) k->low[i] = INFINITY, k->high[i] = -INFINITY;
    for (int64_t i = 0; i < k->n; i++) {
        double at[2], label;
        if (clg_dataset_row(d, i, at, &label) < 0) return false;
        k->x[i] = at[0];
        k->y[i] = at[1];
        k->label[i] = (int32_t)label;
        for (int j = 0; j < 2; j++) {
            k->low[j] = fmin(k->low[j], at[j]);
            k->high[j] = fmax(k->high[j], at[j]);
        }
    }
    for (int i = 0; i < 2; i++) {
        const double room = k->high[i] > k->low[i] ? 0.1 * (k->high[i] - k->low[i]) : 1;
        k->low[i] -= room;
        k->high[i] += room;
    }
    return true;
}

/* Lets the model answer in the middle of each cell. */
static bool ask(plane *k, const clg_exhibit *x, int classes) {
    for (int64_t i = 0; i < GRID * GRID; i++) {
        const double at[2] = {(double)(i % GRID), (double)(i / GRID)};
        for (int j = 0; j < 2; j++) k->grid[2 * i + j] = k->low[j] + (at[j] + 0.5) / GRID * (k->high[j] - k->low[j]);
    }
    clg_dataset *cells = clg_dataset_create(clg_dataset_params(.n = GRID * GRID, .item = CLG_SHAPE(2), .x = k->grid,
                                                               .label = k->region, .classes = classes));
    clg_score score;
    const bool ok = cells && clg_evaluate(x->trainer, cells, &score, NULL, k->output) == CLG_OK;
    clg_dataset_destroy(&cells);
    clg_exhibit there = *x;
    there.output = k->output;
    for (int64_t i = 0; ok && i < GRID * GRID; i++) {
        double sure;
        k->region[i] = answer_of(&there, i, &sure);
        k->score[i] = (float)fmax(0, (sure - 1.0 / classes) / (1 - 1.0 / classes)); /* 0: no better than chance */
    }
    return ok;
}

static void add_regions(clg_album *a, const clg_exhibit *x, plane *k, const clg_dataset *d) {
    const int classes = clg_dataset_classes(d);
    if (!read_points(k, d) || !ask(k, x, classes)) {
        clg_album_fail(a, clg_tool_fail());
        return;
    }
    const char **name = clg_show_class_names(d);
    const char *x_name = clg_dataset_feature_name(d, 0), *y_name = clg_dataset_feature_name(d, 1);
    const clg_region_params p = {.x0 = k->low[0], .x1 = k->high[0], .y0 = k->low[1], .y1 = k->high[1], .nx = GRID,
        .ny = GRID, .region = k->region, .score = k->score, .px = k->x, .py = k->y, .label = k->label, .n = k->n,
        .x_label = x_name ? x_name : "first number", .y_label = y_name ? y_name : "second number", .classes = classes,
        .class_name = name};
    clg_album_heading(a, "Decision boundary");
    clg_album_add(a, "regions", clg_figure_regions("Answers in the plane", &p), "The colour of a place is the class "
                  "that the model would answer there, the stronger the surer; points are items of the training part.");
    free(name);
}

void clg_show_regions(clg_album *a, const clg_exhibit *x) {
    const clg_dataset *d = x->seen ? x->seen : x->data;
    const clg_shape s = clg_dataset_shape(d);
    const int64_t outputs = clg_model_outputs(clg_trainer_model(x->trainer)), cells = GRID * GRID;
    if (s.ndim != 1 || s.dim[0] != 2 || clg_dataset_classes(d) < 2 || a->code != CLG_EXIT_OK) return;
    plane k = {malloc(MOST_POINTS * sizeof(double)), malloc(MOST_POINTS * sizeof(double)),
               malloc((size_t)cells * 2 * sizeof(double)), malloc(MOST_POINTS * sizeof(int32_t)),
               calloc((size_t)cells, sizeof(int32_t)), malloc((size_t)cells * sizeof(float)),
               malloc((size_t)(cells * outputs) * sizeof(float))};
    if (k.x && k.y && k.grid && k.label && k.region && k.score && k.output) add_regions(a, x, &k, d);
    else no_memory(a);
    free(k.x);
    free(k.y);
    free(k.grid);
    free(k.label);
    free(k.region);
    free(k.score);
    free(k.output);
}
