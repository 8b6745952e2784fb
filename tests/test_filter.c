/* `clgrad filter` as a program: what it writes is what the sums say, pixel by pixel. */
#include "support/scratch.h"
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WIDTH = 23, HEIGHT = 17 };

static char folder[SCRATCH];

static void set_up(void) {
    cr_assert_not_null(getenv("CLGRAD_TOOL"), "CLGRAD_TOOL must be the path of the program");
    make_scratch(folder);
    cr_assert_eq(chdir(folder), 0);
}

static void tear_down(void) { remove_scratch(folder); }

static int filter(const char *arguments) {
    char command[1000];
    snprintf(command, sizeof command, "\"$CLGRAD_TOOL\" filter %s >out 2>err", arguments);
    const int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Discs and stripes: edges of every direction. */
static void make(const char *name, int channels, clg_image *image) {
    *image = (clg_image){WIDTH, HEIGHT, channels, malloc((size_t)(WIDTH * HEIGHT * channels))};
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < channels; c++) {
                const int disc = (x - 9) * (x - 9) + (y - 8) * (y - 8) < 30, stripe = (x + 2 * y + c * 3) % 7;
                image->pixels[(y * WIDTH + x) * channels + c] = (uint8_t)(disc * 150 + stripe * 15 + 5);
            }
    cr_assert_eq(clg_image_write(name, image), CLG_OK, "%s", clg_error());
}

static int inside(int i, int n, char border) {
    if (border == 'r') return i < 0 ? 0 : i >= n ? n - 1 : i;      /* replicate */
    if (border == 'm') return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; /* reflect */
    return i < 0 || i >= n ? -1 : i;
}

/* What a pixel must be. */
static int expected(const clg_image *in, int y, int x, int c, int kh, int kw, const double *w, char border,
                    double offset) {
    double sum = offset;
    for (int i = 0; i < kh; i++)
        for (int j = 0; j < kw; j++) {
            const int v = inside(y + i - kh / 2, in->height, border), u = inside(x + j - kw / 2, in->width, border);
            if (v >= 0 && u >= 0) sum += w[i * kw + j] * in->pixels[(v * in->width + u) * in->channels + c];
        }
    sum = floor(sum + 0.5);
    return sum < 0 ? 0 : sum > 255 ? 255 : (int)sum;
}

Test(filter, every_pixel, .init = set_up, .fini = tear_down, .timeout = 300) {
    static const struct {
        const char *arguments, *in, *out;
        int channels, kh, kw;
        double w[9], offset;
        char border;
    } runs[] = {
        {"--filter edge", "in.pgm", "out.pgm", 1, 3, 3, {-1, -1, -1, -1, 8, -1, -1, -1, -1}, 0, 'r'},
        {"--filter sharpen --border zero", "in.png", "out.png", 3, 3, 3, {0, -1, 0, -1, 5, -1, 0, -1, 0}, 0, 'z'},
        {"--filter blur --border reflect", "in.ppm", "out.png", 3, 3, 3,
         {1 / 16., 1 / 8., 1 / 16., 1 / 8., 1 / 4., 1 / 8., 1 / 16., 1 / 8., 1 / 16.}, 0, 'm'},
        {"--filter edge-vertical --offset 128", "in.png", "out.pgm", 1, 1, 2, {1, -1}, 128, 'r'},
        {"--weights '0 0 1; 0,0,0; 2 0 0'", "in.png", "out.png", 2, 3, 3, {0, 0, 1, 0, 0, 0, 2, 0, 0}, 0, 'r'},
        {"--weights '0 0 1; 0,0,0; 2 0 0' --flip", "in.png", "out.png", 4, 3, 3, {0, 0, 2, 0, 0, 0, 1, 0, 0}, 0, 'r'},
    };
    for (size_t k = 0; k < sizeof runs / sizeof runs[0]; k++) {
        clg_image in, out = {0};
        char arguments[400];
        make(runs[k].in, runs[k].channels, &in);
        snprintf(arguments, sizeof arguments, "%s %s %s", runs[k].in, runs[k].out, runs[k].arguments);
        cr_assert_eq(filter(arguments), 0, "%s", arguments);
        cr_assert_eq(clg_image_read(runs[k].out, &out), CLG_OK, "%s", clg_error());
        cr_assert(out.width == WIDTH && out.height == HEIGHT && out.channels == in.channels, "%s", arguments);
        int wrong = 0;
        for (int i = 0; i < WIDTH * HEIGHT * in.channels; i++) {
            const int c = i % in.channels, x = i / in.channels % WIDTH, y = i / in.channels / WIDTH;
            const bool alpha = in.channels % 2 == 0 && c == in.channels - 1;
            wrong += out.pixels[i] != (alpha ? in.pixels[i] : expected(&in, y, x, c, runs[k].kh, runs[k].kw, runs[k].w,
                                                                       runs[k].border, runs[k].offset));
        }
        cr_expect_eq(wrong, 0, "%s: %d pixels are wrong", arguments, wrong);
        free(in.pixels);
        clg_image_free(&out);
    }
}

Test(filter, sizes_and_colours, .init = set_up, .fini = tear_down, .timeout = 300) {
    clg_image in, out = {0};
    make("in.png", 3, &in);
    cr_assert_eq(filter("in.png out.pgm --filter blur --sigma 2 --grey --stride 2 --json report"), 0);
    cr_assert_eq(clg_image_read("out.pgm", &out), CLG_OK, "%s", clg_error());
    cr_expect(out.width == 12 && out.height == 9 && out.channels == 1, "%d x %d x %d", out.width, out.height,
              out.channels);
    cr_expect_eq(access("report", F_OK), 0);
    clg_image_free(&out);
    free(in.pixels);
}

Test(filter, mistakes, .init = set_up, .fini = tear_down, .timeout = 120) {
    static const struct { const char *arguments; int code; const char *says; } bad[] = {
        {"in.png", 2, "one to write"},
        {"in.png out.png --weights '1 2; 3'", 2, "equally many"},
        {"in.png out.png --weights 'x'", 2, "equally many"},
        {"in.png out.png --weights ''", 2, "not empty"},
        {"in.png out.png --weights ' '", 2, "equally many"},
        {"in.png out.png --weights \"$(yes '1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1;' | "
         "head -40)1\"", 2, "at most 31 x 31"},
        {"in.png out.png --weights '1' --filter edge", 2, "exclude"},
        {"in.png out.png --filter nothing", 2, "nothing"},
        {"missing.png out.png", 4, "missing.png"},
        {"damaged.png out.png", 4, "damaged.png"},
        {"in.png out.gif", 1, ".png, .pgm or .ppm"},
        {"in.png nowhere/out.png", 4, "nowhere/out.png"},
        {"in.png out.png --device nothing-like-it", 3, "nothing-like-it"},
    };
    clg_image in;
    make("in.png", 1, &in);
    free(in.pixels);
    cr_assert_eq(system("head -c 40 in.png > damaged.png"), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[4096] = {0};
        const int code = filter(bad[i].arguments);
        FILE *f = fopen("err", "r");
        cr_assert(f && fread(text, 1, sizeof text - 1, f) > 0, "%s: no message", bad[i].arguments);
        fclose(f);
        cr_expect_eq(code, bad[i].code, "%s: exit %d: %s", bad[i].arguments, code, text);
        cr_expect(strstr(text, bad[i].says), "%s: %s", bad[i].arguments, text);
        cr_expect_neq(access("out.png", F_OK), 0, "%s: a file was written", bad[i].arguments);
    }
}
