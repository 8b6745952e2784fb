/* Pictures: what is written is read again, every form of PGM and PPM, and every way a file can be wrong. */
#include "support/scratch.h"
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void make_picture(clg_image *image, int width, int height, int channels) {
    *image = (clg_image){width, height, channels, malloc((size_t)(width * height * channels))};
    for (int i = 0; i < width * height * channels; i++) image->pixels[i] = (uint8_t)(i * 37 + i / 5);
}

Test(image, written_and_read_again) {
    static const struct { const char *name; int channels; } kinds[] = {
        {"a.png", 1}, {"a.png", 2}, {"a.png", 3}, {"a.png", 4}, {"a.pgm", 1}, {"a.PPM", 3}};
    char dir[SCRATCH], path[600];
    make_scratch(dir);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        clg_image out, in = {0};
        make_picture(&out, 13, 7, kinds[k].channels);
        if (out.channels == 2 || out.channels == 4) /* libpng may drop the colour of what cannot be seen */
            for (int i = out.channels - 1; i < 13 * 7 * out.channels; i += out.channels) out.pixels[i] |= 1;
        snprintf(path, sizeof path, "%s/%s", dir, kinds[k].name);
        cr_assert_eq(clg_image_write(path, &out), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_image_read(path, &in), CLG_OK, "%s", clg_error());
        cr_expect(in.width == 13 && in.height == 7 && in.channels == out.channels, "%s: %d x %d x %d", kinds[k].name,
                  in.width, in.height, in.channels);
        cr_expect_arr_eq(in.pixels, out.pixels, (size_t)(13 * 7 * out.channels), "%s", kinds[k].name);
        clg_image_free(&in);
        clg_image_free(&in);
        free(out.pixels);
        unlink(path);
    }
    cr_expect_eq(rmdir(dir), 0); /* no temporary file is left */
}

typedef struct text_case {
    const char *bytes;
    size_t      size;
    int         width, height, channels;
    uint8_t     pixels[12];
} text_case;
#define B(s) s, sizeof s - 1

Test(image, anymaps) {
    static const text_case good[] = {
        {B("P2\n# a comment\n3 2 # more\n255\n0 1 2\n253 254 255\n"), 3, 2, 1, {0, 1, 2, 253, 254, 255}},
        {B("P2 1 1 15 5"), 1, 1, 1, {85}},
        {B("P3\n2 1\n255\n1 2 3 4 5 6"), 2, 1, 3, {1, 2, 3, 4, 5, 6}},
        {B("P5\n2 2\n255\n\x01\x02\xfe\xff"), 2, 2, 1, {1, 2, 254, 255}},
        {B("P5 2 1 65535\n\xff\xff\x80\x00"), 2, 1, 1, {255, 128}},
        {B("P5 2 1 1\n\x00\x01"), 2, 1, 1, {0, 255}},
        {B("P6\n1 1\n255\n\x09\x08\x07"), 1, 1, 3, {9, 8, 7}},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const text_case *c = &good[i];
        clg_image image = {0};
        cr_assert_eq(clg_image_parse("case", c->bytes, c->size, &image), CLG_OK, "case %zu: %s", i, clg_error());
        cr_expect(image.width == c->width && image.height == c->height && image.channels == c->channels, "case %zu", i);
        cr_expect_arr_eq(image.pixels, c->pixels, (size_t)(c->width * c->height * c->channels), "case %zu", i);
        clg_image_free(&image);
    }
}

Test(image, bad_files) {
    static const struct { const char *bytes; size_t size; const char *says; } bad[] = {
        {B(""), "neither PNG nor PGM"}, {B("GIF89a.."), "neither PNG nor PGM"}, {B("P4\n1 1\n\x80"), "neither PNG"},
        {B("P5\n"), "cut off before the width"}, {B("P5\n2"), "cut off before the height"},
        {B("P5\n2 2\n"), "cut off before the maximum"}, {B("P5\n2 2\n255"), "no white space"},
        {B("P5\n2 2\n255\nabc"), "truncated"}, {B("P5\n-2 2\n255\nabcd"), "should begin the width"},
        {B("P5\n0 2\n255\n"), "without pixels"}, {B("P5\n2 2\n0\nabcd"), "maximum is 0"},
        {B("P5\n2 2\n70000\nabcd"), "maximum is larger"}, {B("P5\n99999999999 2\n255\nabcd"), "width is larger"},
        {B("P5\n4000000 4000000\n255\nabcd"), "truncated"}, {B("P5\n2 1\n7\n\x01\x08"), "a sample is 8"},
        {B("P2\n2 1\n255\n1"), "truncated"}, {B("P2\n2 1\n255\n1 x 3"), "should begin the next sample"},
        {B("P2\n2 1\n255\n1 256"), "larger than 255"}, {B("\x89PNG\r\n\x1a\n"), "damaged PNG"},
        {B("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\0\0\0\0\0\0\0\0"), "damaged PNG"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        clg_image image = {.width = 5};
        cr_expect_eq(clg_image_parse("case", bad[i].bytes, bad[i].size, &image), CLG_ERR_FORMAT, "case %zu", i);
        cr_expect(strstr(clg_error(), bad[i].says) && strstr(clg_error(), "case"),
                  "case %zu: \"%s\" does not say \"%s\"", i, clg_error(), bad[i].says);
        cr_expect(image.width == 5 && !image.pixels, "case %zu: the output was touched", i);
    }
    clg_image image = {0};
    cr_expect_eq(clg_image_read("/nowhere/a.png", &image), CLG_ERR_IO);
    cr_expect(strstr(clg_error(), "/nowhere/a.png"));
}

Test(image, bad_writes) {
    uint8_t pixels[4] = {0};
    const clg_image grey = {2, 2, 1, pixels}, odd = {2, 2, 5, pixels}, empty = {0};
    cr_expect_eq(clg_image_write("/tmp/a.gif", &grey), CLG_ERR_INVALID);
    cr_expect_eq(clg_image_write("/tmp/a.ppm", &grey), CLG_ERR_INVALID);
    cr_expect_eq(clg_image_write("/tmp/a.png", &odd), CLG_ERR_INVALID);
    cr_expect_eq(clg_image_write("/tmp/a.png", &empty), CLG_ERR_INVALID);
    cr_expect_eq(clg_image_write("/nowhere/a.png", &grey), CLG_ERR_IO);
    cr_expect(strstr(clg_error(), "/nowhere"));
}

Test(image, planes_of_networks) {
    static const struct { int channels, planes; uint8_t pixels[8], want[6]; } rows[] = {
        {1, 1, {7, 200}, {7, 200}},
        {1, 3, {7, 200}, {7, 200, 7, 200, 7, 200}},
        {2, 1, {7, 255, 7, 0}, {7, 255}},
        {2, 1, {0, 128, 100, 51}, {127, 224}},
        {3, 3, {1, 2, 3, 4, 5, 6}, {1, 4, 2, 5, 3, 6}},
        {3, 1, {255, 0, 0, 10, 20, 30}, {76, 18}},
        {4, 3, {1, 2, 3, 255, 4, 5, 6, 0}, {1, 255, 2, 255, 3, 255}},
        {4, 1, {0, 255, 0, 255, 9, 9, 9, 255}, {150, 9}}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t pixels[8], planes[6] = {0};
        memcpy(pixels, rows[i].pixels, sizeof pixels);
        const clg_image image = {2, 1, rows[i].channels, pixels};
        cr_assert_eq(clg_image_planes(&image, rows[i].planes, planes), CLG_OK);
        cr_expect_arr_eq(planes, rows[i].want, (size_t)(2 * rows[i].planes), "row %zu", i);
    }
    uint8_t one[4] = {0}, room[3];
    cr_expect_eq(clg_image_planes(&(clg_image){1, 1, 1, one}, 2, room), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "2 planes; 1 and 3 are possible"), "%s", clg_error());
    cr_expect_eq(clg_image_planes(&(clg_image){1, 1, 5, one}, 1, room), CLG_ERR_INVALID);
    cr_expect_eq(clg_image_planes(NULL, 1, room), CLG_ERR_INVALID);
}
