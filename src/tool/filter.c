/* `clgrad filter`: a picture through a small filter, as convolution on a device: each colour is a channel of its own
 * (groups = channels), an alpha channel stays as it is. */
#include "tool/tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 31, MAX_TAPS = MAX_SIDE * MAX_SIDE };

typedef struct filter {
    int   height, width;
    float w[MAX_TAPS]; /* rows */
} filter;

static const struct { const char *name, *text; int height, width; float w[9], divisor; } shelf[] = {
    {"edge", "bright where a pixel differs from its neighbours", 3, 3, {-1, -1, -1, -1, 8, -1, -1, -1, -1}, 1},
    {"edge-vertical", "left neighbour minus right: 1, -1", 1, 2, {1, -1}, 1},
    {"edge-horizontal", "upper neighbour minus lower", 2, 1, {1, -1}, 1},
    {"sharpen", "differences to the neighbours made stronger", 3, 3, {0, -1, 0, -1, 5, -1, 0, -1, 0}, 1},
    {"blur", "Gaussian blur: 1 2 1, 2 4 2, 1 2 1, / 16; --sigma S\nfor another width", 3, 3,
     {1, 2, 1, 2, 4, 2, 1, 2, 1}, 16},
    {"box", "mean of 3 x 3", 3, 3, {1, 1, 1, 1, 1, 1, 1, 1, 1}, 9},
    {"sobel-x", "smoothed horizontal slope", 3, 3, {-1, 0, 1, -2, 0, 2, -1, 0, 1}, 1},
    {"sobel-y", "smoothed vertical slope", 3, 3, {-1, -2, -1, 0, 0, 0, 1, 2, 1}, 1},
    {"emboss", "light from the upper left", 3, 3, {-2, -1, 0, -1, 1, 1, 0, 1, 2}, 1},
};
enum { N_SHELF = sizeof shelf / sizeof shelf[0] };
#define NAMES "edge|edge-vertical|edge-horizontal|sharpen|blur|box|sobel-x|sobel-y|emboss"

typedef struct request {
    const char *in, *out, *name, *weights, *border, *device, *json;
    double sigma, scale, offset;
    int64_t stride;
    bool   flip, grey;
} request;

typedef struct result {
    uint8_t *planes;
    int      height, width;
    double   seconds;
} result;

/* --- the filter --- */

static void from_shelf(const char *name, filter *f) {
    for (int i = 0; i < N_SHELF; i++) {
        if (strcmp(shelf[i].name, name) != 0) continue;
        f->height = shelf[i].height;
        f->width = shelf[i].width;
        for (int k = 0; k < f->height * f->width; k++) f->w[k] = shelf[i].w[k] / shelf[i].divisor;
    }
}

/* exp(-d^2 / 2 sigma^2) out to three sigmas, made to sum to 1. */
static int gaussian(double sigma, filter *f) {
    const int reach = (int)ceil(3 * sigma), side = 2 * reach + 1;
    double sum = 0;
    if (side > MAX_SIDE)
        return clg_tool_error(CLG_EXIT_USAGE, "filter: --sigma %g needs a filter of %d x %d; at most %d", sigma, side,
                              side, MAX_SIDE);
    f->height = f->width = side;
    for (int i = 0; i < side * side; i++) {
        const double y = i / side - reach, x = i % side - reach;
        sum += f->w[i] = (float)exp(-(x * x + y * y) / (2 * sigma * sigma));
    }
    for (int i = 0; i < side * side; i++) f->w[i] = (float)(f->w[i] / sum);
    return -1;
}

/* "0 -1 0; -1 5 -1; 0 -1 0" */
static int parse_weights(const char *text, filter *f) {
    int rows = 0, columns = 0, n = 0;
    for (const char *s = text;; s++) {
        char *end;
        const double v = strtod(s, &end);
        if (end != s) {
            if (rows >= MAX_SIDE || ++columns > MAX_SIDE || !isfinite(v)) break;
            f->w[n++] = (float)v;
            s = end;
        }
        s += strspn(s, ", \t");
        if (*s == ';' || *s == 0) {
            if (rows > 0 && columns != f->width) break;
            f->width = columns;
            columns = 0;
            rows++;
            if (f->width < 1) break;
            if (*s == 0) {
                f->height = rows;
                return -1;
            }
        } else if (end == s) {
            break;
        } else {
            s--; /* the next number begins here */
        }
    }
    return clg_tool_error(CLG_EXIT_USAGE, "filter: --weights \"%s\": give rows of equally many numbers, with ; between "
                          "rows, at most %d x %d: \"0 -1 0; -1 5 -1; 0 -1 0\"", text, MAX_SIDE, MAX_SIDE);
}

static int make_filter(const request *r, filter *f) {
    if (r->weights) return parse_weights(r->weights, f);
    if (r->sigma > 0) return gaussian(r->sigma, f);
    from_shelf(r->name, f);
    return -1;
}

/* --- pixels and planes --- */

static int colours(const clg_image *image) { return image->channels >= 3 ? 3 : 1; }

/* [height, width, channels] -> [colours, height, width]; grey: luma by Rec. 601. */
static uint8_t *planes_of(const clg_image *image, bool grey) {
    const size_t n = (size_t)image->width * (size_t)image->height;
    const int c = colours(image);
    uint8_t *planes = malloc(n * (size_t)c);
    for (size_t i = 0; planes && i < n; i++) {
        const uint8_t *p = image->pixels + i * (size_t)image->channels;
        if (grey && c == 3) planes[i] = (uint8_t)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
        else
            for (int k = 0; k < c; k++) planes[(size_t)k * n + i] = p[k];
    }
    return planes;
}

/* The way back into a picture. Alpha is that of the pixels that the stride keeps. */
static bool picture_of(const result *r, int c, int64_t stride, const clg_image *source, clg_image *out) {
    const int width = r->width, height = r->height, alpha = source->channels % 2 == 0;
    const size_t n = (size_t)width * (size_t)height;
    *out = (clg_image){width, height, c + alpha, malloc(n * (size_t)(c + alpha))};
    for (size_t i = 0; out->pixels && i < n; i++) {
        uint8_t *pixel = out->pixels + i * (size_t)out->channels;
        const size_t y = i / (size_t)width * (size_t)stride, x = i % (size_t)width * (size_t)stride;
        const uint8_t *from = source->pixels + (y * (size_t)source->width + x) * (size_t)source->channels;
        for (int k = 0; k < c; k++) pixel[k] = r->planes[(size_t)k * n + i];
        if (alpha) pixel[c] = from[source->channels - 1];
    }
    return out->pixels != NULL;
}

/* --- the graph --- */

/* As large as before (stride aside): a border by the asked rule, more before than behind for even filters. */
static clg_tensor *bordered(clg_tensor *x, const request *r, const filter *f) {
    const int64_t ph = f->height - 1, pw = f->width - 1;
    const int64_t begin[] = {0, 0, (ph + 1) / 2, (pw + 1) / 2}, end[] = {0, 0, ph / 2, pw / 2};
    const enum clg_border how = strcmp(r->border, "zero") == 0      ? CLG_BORDER_CONSTANT
                              : strcmp(r->border, "reflect") == 0 ? CLG_BORDER_REFLECT
                                                                    : CLG_BORDER_REPLICATE;
    return ph + pw > 0 ? clg_pad(x, begin, end, how, 0) : x;
}

static clg_tensor *build(clg_graph *g, const request *r, const filter *f, clg_tensor *x, int64_t c) {
    float *w = malloc((size_t)(c * f->height * f->width) * sizeof *w);
    if (!w) return clg_graph_fail(g, CLG_ERR_NOMEM, "filter: no host memory");
    for (int64_t k = 0; k < c; k++)
        memcpy(w + k * f->height * f->width, f->w, (size_t)(f->height * f->width) * sizeof *w);
    clg_tensor *weights = clg_const(g, CLG_F32, CLG_SHAPE(c, 1, f->height, f->width), w);
    free(w);
    clg_tensor *y = clg_conv(bordered(clg_cast(x, CLG_F32), r, f), weights, NULL,
                             clg_conv_params(.groups = c, .stride = {r->stride, r->stride}, .flip = r->flip));
    clg_tensor *offset = clg_fill(g, CLG_F32, CLG_SCALAR, r->offset + 0.5); /* the cast cuts: so it rounds */
    return clg_cast(clg_add(clg_scale(y, r->scale), offset), CLG_U8);
}

static clg_status run_plan(clg_device *dev, const request *r, const filter *f, const uint8_t *planes,
                           const clg_image *image, int c, result *out) {
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "picture", CLG_U8, CLG_SHAPE(1, c, image->height, image->width));
    clg_tensor *y = build(g, r, f, x, c);
    clg_plan *plan = clg_compile(g, CLG_LIST(y), NULL);
    const size_t bytes = clg_tensor_bytes(y);
    const clg_shape s = clg_tensor_shape(y);
    out->planes = plan ? malloc(bytes + 1) : NULL;
    clg_status status = plan ? out->planes ? CLG_OK : CLG_ERR_NOMEM : clg_error_status();
    if (status == CLG_OK) status = clg_write(plan, x, planes, clg_tensor_bytes(x));
    const double start = clg_tool_now();
    if (status == CLG_OK) status = clg_run(plan);
    if (status == CLG_OK) status = clg_read(plan, y, out->planes, bytes);
    out->seconds = clg_tool_now() - start;
    out->height = (int)s.dim[2];
    out->width = (int)s.dim[3];
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    return status;
}

/* --- the command --- */

static int report(const request *r, const clg_image *in, const clg_image *out, clg_device *dev, double seconds) {
    clg_jsonl *lines = NULL;
    clg_device_info info;
    clg_device_get_info(dev, &info);
    fprintf(clg_jsonl_table(r->json), "%s: %d x %d, %d channel%s, %.1f ms on %s\n", r->out, out->width, out->height,
            out->channels, out->channels == 1 ? "" : "s", seconds * 1e3, info.name);
    int code = clg_jsonl_open(r->json, &lines);
    if (code) return code;
    code = clg_jsonl_write(lines, json_pack("{s:s,s:s,s:[i,i,i],s:[i,i,i],s:s,s:f}", "in", r->in, "out", r->out,
                                            "in_size", in->height, in->width, in->channels, "out_size", out->height,
                                            out->width, out->channels, "device", info.name, "seconds", seconds));
    clg_jsonl_close(&lines);
    return code;
}

static int run(const request *r, const filter *f) {
    clg_image in = {0}, out = {0};
    result y = {0};
    int code = CLG_EXIT_OK;
    if (clg_image_read(r->in, &in) < 0) return clg_tool_fail();
    const int c = r->grey ? 1 : colours(&in);
    uint8_t *planes = planes_of(&in, r->grey);
    clg_device *dev = planes ? clg_device_open(r->device, NULL) : NULL;
    if (!planes) code = clg_tool_error(CLG_EXIT_FAILED, "filter: no host memory for the picture");
    else if (!dev || run_plan(dev, r, f, planes, &in, c, &y) < 0) code = clg_tool_fail();
    else if (!picture_of(&y, c, r->stride, &in, &out))
        code = clg_tool_error(CLG_EXIT_FAILED, "filter: no host memory for the picture");
    else if (clg_image_write(r->out, &out) < 0) code = clg_tool_fail();
    else code = report(r, &in, &out, dev, y.seconds);
    clg_device_destroy(&dev);
    free(y.planes);
    free(planes);
    free(out.pixels);
    clg_image_free(&in);
    return code;
}

static const char intro[] =
    "Lays a small filter over a picture and writes what comes out: the convolution of\n"
    "a network's first layer, for the eye. Each pixel becomes the sum of its\n"
    "neighbours times the filter's weights (cross-correlation; --flip turns the\n"
    "filter first, as mathematics has it), kept in 0 .. 255. Pictures are PNG, PGM\n"
    "or PPM; colours are filtered one by one.";

static const char outro[] =
    "Examples\n"
    "  clgrad filter photo.png edges.png --filter edge --grey\n"
    "  clgrad filter photo.png soft.png --filter blur --sigma 3\n"
    "  clgrad filter in.pgm out.pgm --weights \"1 0 -1; 2 0 -2; 1 0 -1\" --offset 128\n";

static void filter_help(char *text, size_t size) {
    size_t at = 0;
    for (int i = 0; i < N_SHELF && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s: %s", i ? "\n" : "", shelf[i].name, shelf[i].text);
}

int clg_cmd_filter(int argc, char **argv) {
    request r = {.name = "edge", .border = "replicate", .scale = 1, .stride = 1};
    const char *files[3] = {NULL};
    char help[1024];
    bool named = false;
    filter f = {0};
    filter_help(help, sizeof help);
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "The filter"},
        {CLG_OPT_CHOICE, "filter", NAMES, &r.name, help, .given = &named},
        {CLG_OPT_REAL, "sigma", "S", &r.sigma, "Gaussian blur of this width in pixels", 0, 5, NULL},
        {CLG_OPT_TEXT, "weights", "ROWS", &r.weights, "a filter of your own: \"0 -1 0; -1 5 -1; 0 -1 0\"",
         .given = NULL},
        {CLG_OPT_FLAG, "flip", NULL, &r.flip, "true convolution: turn the filter by 180 degrees", .given = NULL},
        {CLG_OPT_TITLE, .help = "The picture"},
        {CLG_OPT_CHOICE, "border", "replicate|reflect|zero", &r.border, "what lies outside the picture", .given = NULL},
        {CLG_OPT_INT, "stride", "N", &r.stride, "keep every N-th pixel", 1, 64, NULL},
        {CLG_OPT_FLAG, "grey", NULL, &r.grey, "make a grey picture of it first", .given = NULL},
        {CLG_OPT_REAL, "scale", "F", &r.scale, "result = F times the sum ...", -1e6, 1e6, NULL},
        {CLG_OPT_REAL, "offset", "F", &r.offset, "... plus F; 128 shows negative values too", -1e6, 1e6, NULL},
        {CLG_OPT_TITLE, .help = "The run"},
        {CLG_OPT_TEXT, "device", "D", &r.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)",
         .given = NULL},
        {CLG_OPT_TEXT, "json", "FILE", &r.json, "sizes, device and time as a JSON line, - for stdout", .given = NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad filter IN OUT [OPTIONS]", intro, options, outro, files, 2, false};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    if (!files[1]) return clg_tool_error(CLG_EXIT_USAGE, "filter: give a picture to read and one to write");
    if ((named && r.weights) || (r.sigma > 0 && (r.weights || (named && strcmp(r.name, "blur") != 0))))
        return clg_tool_error(CLG_EXIT_USAGE, "filter: --filter, --sigma and --weights exclude each other (but "
                              "--filter blur takes --sigma)");
    r.in = files[0];
    r.out = files[1];
    code = make_filter(&r, &f);
    return code >= 0 ? code : run(&r, &f);
}
