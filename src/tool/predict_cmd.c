/* `clgrad predict`: what a saved network takes pictures for. */
#include "tool/tool.h"
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Loads a network that clgrad train has saved and tells for each picture (PNG, PGM\n"
    "or PPM) the class that it is taken for, with the probability the network gives\n"
    "it. Pictures must be as those that it was trained on: of their size, and light\n"
    "on dark where these were. Those of MNIST are 28x28, white digits on black, the\n"
    "digit in the middle of a margin of 4; for ink on paper there is --invert.";

static const char outro[] =
    "Examples\n"
    "  clgrad train --save lenet.safetensors\n"
    "  clgrad predict --load lenet.safetensors seven.png three.png\n"
    "  clgrad predict --load lenet.safetensors --top 3 --invert --fit scan.png\n"
    "  clgrad predict --load lenet.safetensors --json - *.png";

typedef struct request {
    const char    *load, *device, *json;
    int64_t        top;
    bool           invert, fit;
    clg_device    *dev;
    clg_predictor *net;
    clg_jsonl     *lines;
    FILE          *table;
    clg_shape      item;
    int64_t        classes, outputs; /* classes 0: it gives numbers */
    float         *out;              /* of one picture */
    int32_t       *order;            /* classes, the likeliest first */
} request;

/* --- the picture --- */

/* Mean over the part of a plane [h, w] that cell (x, y) of a grid [to_h, to_w] covers. */
static double mean_of_cell(const uint8_t *plane, int w, int h, int to_w, int to_h, int x, int y) {
    const double x0 = (double)x * w / to_w, x1 = (double)(x + 1) * w / to_w;
    const double y0 = (double)y * h / to_h, y1 = (double)(y + 1) * h / to_h;
    double sum = 0;
    for (int i = (int)y0; i < h && i < y1; i++)
        for (int k = (int)x0; k < w && k < x1; k++) {
            const double height = (i + 1 < y1 ? i + 1 : y1) - (i > y0 ? i : y0);
            const double width = (k + 1 < x1 ? k + 1 : x1) - (k > x0 ? k : x0);
            sum += height * width * plane[(size_t)i * (size_t)w + (size_t)k];
        }
    return sum / ((x1 - x0) * (y1 - y0));
}

/* The picture in the network's channels, inverted and scaled as asked for. Returns 0 or an exit code. */
static int prepare(const request *r, const clg_image *in, clg_image *out) {
    const clg_shape item = r->item;
    const int channels = item.ndim == 3 && item.dim[0] == 3 ? 3 : 1;
    *out = (clg_image){in->width, in->height, channels, NULL};
    if (r->fit && item.ndim > 1) {
        out->width = (int)item.dim[item.ndim - 1];
        out->height = (int)item.dim[item.ndim - 2];
    }
    const size_t n = (size_t)in->width * (size_t)in->height, c = (size_t)channels;
    uint8_t *const planes = malloc(n * c);
    out->pixels = malloc((size_t)out->width * (size_t)out->height * c);
    if (!planes || !out->pixels || clg_image_planes(in, channels, planes) < 0) {
        const int code = planes && out->pixels ? clg_tool_fail() : clg_tool_error(CLG_EXIT_FAILED, "no memory");
        free(planes);
        return code;
    }
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            for (size_t k = 0; k < c; k++) {
                const uint8_t v = (uint8_t)(mean_of_cell(planes + k * n, in->width, in->height, out->width, out->height,
                                                         x, y) + 0.5);
                *to++ = r->invert ? (uint8_t)(255 - v) : v;
            }
    free(planes);
    return CLG_EXIT_OK;
}

/* --- the answer --- */

static double probability(const request *r, int32_t k) {
    if (r->outputs > 1) return r->out[k];
    return k == 1 ? r->out[0] : 1 - r->out[0];
}

/* Classes by falling probability; of equal ones the smaller number first. */
static void sort_classes(request *r) {
    for (int32_t k = 0; k < r->classes; k++) {
        int64_t i = k;
        for (; i > 0 && probability(r, r->order[i - 1]) < probability(r, k); i--) r->order[i] = r->order[i - 1];
        r->order[i] = k;
    }
}

static void print_class(const request *r, int32_t k) {
    const char *name = clg_predictor_class(r->net, k);
    if (name) fprintf(r->table, "%s", name);
    else fprintf(r->table, "%d", (int)k);
    fprintf(r->table, " (%.4f)", probability(r, k));
}

static void print_answer(const request *r, const char *path) {
    fprintf(r->table, "%s:", path);
    if (r->classes == 0)
        for (int64_t k = 0; k < r->outputs; k++) fprintf(r->table, " %g", r->out[k]);
    for (int64_t i = 0; i < r->top && i < r->classes; i++) {
        fputs(i ? ", " : " ", r->table);
        print_class(r, r->order[i]);
    }
    fputc('\n', r->table);
}

static json_t *json_class(const request *r, int32_t k) {
    const char *name = clg_predictor_class(r->net, k);
    return name ? json_pack("{s:i, s:s, s:o}", "class", (int)k, "name", name, "probability",
                            clg_json_real(probability(r, k)))
                : json_pack("{s:i, s:o}", "class", (int)k, "probability", clg_json_real(probability(r, k)));
}

/* {"image":, "class":, "name":, "probability":, "top": [...]}, or {"image":, "values": [...]} */
static int write_answer(const request *r, const char *path) {
    if (!r->lines) return CLG_EXIT_OK;
    json_t *line = json_pack("{s:s}", "image", path), *list = json_array();
    if (r->classes > 0) {
        json_t *first = json_class(r, r->order[0]);
        json_object_update(line, first);
        json_decref(first);
    }
    for (int64_t i = 0; i < r->top && i < r->classes; i++) json_array_append_new(list, json_class(r, r->order[i]));
    for (int64_t k = 0; r->classes == 0 && k < r->outputs; k++) json_array_append_new(list, clg_json_real(r->out[k]));
    json_object_set_new(line, r->classes > 0 ? "top" : "values", list);
    return clg_jsonl_write(r->lines, line);
}

static int predict(request *r, const char *path) {
    clg_image in = {0}, ready = {0};
    if (clg_image_read(path, &in) < 0) return clg_tool_fail();
    int code = prepare(r, &in, &ready);
    if (code == CLG_EXIT_OK && clg_predict_image(r->net, &ready, r->out, NULL) < 0) {
        const bool shape = clg_error_status() == CLG_ERR_SHAPE, pictures = r->item.ndim > 1;
        code = clg_tool_error(shape ? CLG_EXIT_FILE : clg_tool_exit(clg_error_status()), "%s: %s%s", path, clg_error(),
                              shape && pictures && !r->fit ? "; --fit scales it" : "");
    } else if (code == CLG_EXIT_OK) {
        sort_classes(r);
        print_answer(r, path);
        code = write_answer(r, path);
    }
    clg_image_free(&in);
    free(ready.pixels);
    return code;
}

/* --- all of it --- */

static int open_net(request *r) {
    int code = clg_jsonl_open(r->json, &r->lines);
    if (code != CLG_EXIT_OK) return code;
    r->table = clg_jsonl_table(r->json);
    r->dev = clg_device_open(r->device, NULL);
    r->net = r->dev ? clg_predictor_open(r->dev, r->load, NULL) : NULL;
    if (!r->net) return clg_tool_fail();
    r->classes = clg_predictor_classes(r->net);
    r->item = clg_model_item(clg_predictor_model(r->net));
    r->outputs = clg_model_outputs(clg_predictor_model(r->net));
    r->out = calloc((size_t)r->outputs, sizeof *r->out);
    r->order = calloc((size_t)r->classes + 1, sizeof *r->order);
    return r->out && r->order ? CLG_EXIT_OK : clg_tool_error(CLG_EXIT_FAILED, "no memory");
}

/* A picture that cannot be read does not keep the others from being answered. */
static int run(request *r, const char **path) {
    int code = open_net(r);
    for (bool more = code == CLG_EXIT_OK; more && *path; path++) {
        const int now = predict(r, *path);
        if (now != CLG_EXIT_OK) code = now;
        more = now == CLG_EXIT_OK || now == CLG_EXIT_FILE;
    }
    if (r->table && fflush(r->table) != 0 && code == CLG_EXIT_OK)
        code = clg_tool_error(CLG_EXIT_FILE, "predict: cannot write");
    free(r->out);
    free(r->order);
    clg_predictor_destroy(&r->net);
    clg_device_destroy(&r->dev);
    clg_jsonl_close(&r->lines);
    return code;
}

int clg_cmd_predict(int argc, char **argv) {
    request r = {.top = 1};
    const char **path = calloc((size_t)argc + 1, sizeof *path);
    if (!path) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        {CLG_OPT_TEXT, "load", "FILE", &r.load, "the saved network (required)"},
        {CLG_OPT_INT, "top", "K", &r.top, "show the K likeliest classes", 1, 1e6},
        {CLG_OPT_FLAG, "invert", NULL, &r.invert, "dark becomes light: for dark digits on a light ground"},
        {CLG_OPT_FLAG, "fit", NULL, &r.fit, "scale pictures to the network's size: each new pixel\nis the mean over "
         "what it covers; proportions may change"},
        {CLG_OPT_TEXT, "device", "D", &r.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)"},
        {CLG_OPT_TEXT, "json", "FILE", &r.json, "write a JSON line for each picture; - is stdout"},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad predict --load FILE IMAGE... [OPTIONS]", intro, options, outro, path, argc};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code < 0 && !r.load)
        code = clg_tool_error(CLG_EXIT_USAGE, "predict: --load FILE is missing; see clgrad predict --help");
    if (code < 0 && !path[0])
        code = clg_tool_error(CLG_EXIT_USAGE, "predict: give a picture, as in clgrad predict --load %s seven.png",
                              r.load);
    if (code < 0) code = run(&r, path);
    free(path);
    return code;
}
