/* `clgrad show`: pictures of a saved network, as files of a folder or as one HTML page. */
#include "tool/loaded.h"
#include "tool/show.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char intro[] =
    "Draws a checkpoint of clgrad train: the weights of its first layer, what each\n"
    "layer makes of one picture (feature maps), the confusion matrix, the surest\n"
    "mistakes; for points of the plane the decision boundary; for real targets the\n"
    "predicted against the true values. What has no meaning for the model is left out.";

static const char outro[] =
    "Examples\n"
    "  clgrad train --save lenet.safetensors\n"
    "  clgrad show --load lenet.safetensors --out lenet.html\n"
    "  clgrad show --load lenet.safetensors --item 7 --out pictures";

typedef struct show {
    clg_loaded  l;
    const char *out;
    int64_t     item;
} show;

static bool is_page(const char *path) {
    const size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".html") == 0;
}

static int make_folder(const char *path) {
    struct stat s;
    if (mkdir(path, 0777) == 0) return CLG_EXIT_OK;
    const int error = errno;
    if (error == EEXIST && stat(path, &s) == 0 && S_ISDIR(s.st_mode)) return CLG_EXIT_OK;
    return clg_tool_error(CLG_EXIT_FILE, "--out %s: cannot make this folder: %s", path, strerror(error));
}

static void draw(const show *s, clg_album *a) {
    const clg_loaded *l = &s->l;
    const clg_exhibit x = {.dev = l->dev, .trainer = l->trainer, .data = l->set, .confusion = l->confusion,
                           .output = l->output};
    clg_show_filters(a, &x);
    clg_show_maps(a, &x, s->item);
    clg_show_confusion(a, &x);
    clg_show_wrong(a, &x);
    clg_show_targets(a, &x);
    clg_show_regions(a, &x);
}

static int draw_page(const show *s) {
    char title[300];
    snprintf(title, sizeof title, "%s: %s on %s", s->l.load, clg_model_name(s->l.model), s->l.data);
    clg_album a = {.report = clg_report_create(title)};
    if (!a.report) return clg_tool_fail();
    clg_report_text(a.report, "%s part, %lld items.", s->l.part, (long long)s->l.score.n);
    draw(s, &a);
    clg_report_heading(a.report, "Model");
    clg_report_code(a.report, clg_model_text(s->l.model));
    if (a.code == CLG_EXIT_OK && clg_report_save(a.report, s->out) < 0) a.code = clg_tool_fail();
    clg_report_destroy(&a.report);
    if (a.code == CLG_EXIT_OK) printf("%d figures in %s\n", a.n, s->out);
    return a.code;
}

static int draw_folder(const show *s) {
    clg_album a = {.folder = s->out, .code = make_folder(s->out)};
    if (a.code == CLG_EXIT_OK) draw(s, &a);
    if (a.code == CLG_EXIT_OK) printf("%d figures in %s\n", a.n, s->out);
    return a.code;
}

static int run(show *s) {
    if (!s->out) return clg_tool_error(CLG_EXIT_USAGE, "show: --out is missing; see clgrad show --help");
    int code = clg_loaded_open(&s->l, "show");
    if (code != CLG_EXIT_OK) return code;
    const int64_t n = clg_dataset_size(s->l.set);
    if (s->item >= n)
        return clg_tool_error(CLG_EXIT_USAGE, "show: --item %lld: the %s part has the items 0 to %lld",
                              (long long)s->item, s->l.part, (long long)n - 1);
    code = clg_loaded_measure(&s->l);
    if (code != CLG_EXIT_OK) return code;
    return is_page(s->out) ? draw_page(s) : draw_folder(s);
}

int clg_cmd_show(int argc, char **argv) {
    show s = {.l = CLG_LOADED_NONE};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        CLG_LOADED_OPTIONS(s.l),
        {CLG_OPT_INT, "item", "N", &s.item, "the picture for the feature maps, from 0", 0, 1e15},
        {CLG_OPT_TEXT, "out", "DIR|FILE", &s.out, "a folder for SVG files, or a page (.html) (required)"},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad show --load FILE --out DIR|FILE.html [OPTIONS]", intro, options, outro, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = run(&s);
    clg_loaded_close(&s.l);
    return code;
}
