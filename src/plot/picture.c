/* Pixels inside of a drawing: a PNG (libpng's simplified interface) in base64 (RFC 4648) in a data URL. */
#include "base/alloc.h"
#include "plot/draw.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_base64(clg_str *s, const uint8_t *data, size_t size) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char four[4];
    for (size_t i = 0; i < size; i += 3) {
        const size_t n = size - i < 3 ? size - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) bits = bits << 8 | (k < n ? data[i + k] : 0u);
        for (int k = 0; k < 4; k++) four[k] = (size_t)k <= n ? digit[bits >> (18 - 6 * k) & 63] : '=';
        clg_str_add_bytes(s, four, 4);
    }
}

/* Each pixel k x k times. */
static void enlarge(uint8_t *to, const uint8_t *rgba, int w, int h, int k) {
    const size_t row = (size_t)w * (size_t)k * 4;
    for (int y = 0; y < h; y++) {
        for (size_t i = 0; i < (size_t)w * (size_t)k; i++) memcpy(to + 4 * i, rgba + 4 * (i / (size_t)k), 4);
        for (int i = 1; i < k; i++) memcpy(to + (size_t)i * row, to, row);
        to += row * (size_t)k;
        rgba += (size_t)w * 4;
    }
}

static void put_png(clg_str *s, const uint8_t *rgba, int w, int h) {
    png_image png = { .version = PNG_IMAGE_VERSION, .width = (png_uint_32)w, .height = (png_uint_32)h,
                      .format = PNG_FORMAT_RGBA };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    uint8_t *data = clg_alloc(size);
    if (data && png_image_write_to_memory(&png, data, &size, 0, rgba, 0, NULL)) put_base64(s, data, size);
    else s->failed = true;
    png_image_free(&png);
    clg_free(data);
}

/* Not all programs keep the edges of enlarged pixels sharp, so the picture is as large as it is shown, nearly. */
void clg_put_picture(clg_str *s, double x, double y, double width, double height, const uint8_t *rgba, int w, int h) {
    const int k = (int)fmax(1, fmin(floor(width / w), floor(height / h)));
    uint8_t *large = clg_alloc((size_t)w * (size_t)h * (size_t)k * (size_t)k * 4);
    if (!large) {
        s->failed = true;
        return;
    }
    enlarge(large, rgba, w, h, k);
    clg_str_printf(s, "<image class=\"p\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" "
                   "preserveAspectRatio=\"none\" href=\"data:image/png;base64,", CLG_N(x), CLG_N(y), CLG_N(width),
                   CLG_N(height));
    put_png(s, large, w * k, h * k);
    clg_str_add(s, "\"/>\n");
    clg_free(large);
}
