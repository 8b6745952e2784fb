/* Pixels inside of a drawing: a PNG (libpng's simplified interface) in base64 (RFC 4648) in a data URL. */
#include "base/alloc.h"
#include "plot/draw.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>

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

void clg_put_picture(clg_str *s, double x, double y, double width, double height, const uint8_t *rgba, int w, int h) {
    png_image png = { .version = PNG_IMAGE_VERSION, .width = (png_uint_32)w, .height = (png_uint_32)h,
                      .format = PNG_FORMAT_RGBA };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    uint8_t *data = clg_alloc(size);
    if (data && png_image_write_to_memory(&png, data, &size, 0, rgba, 0, NULL)) {
        clg_str_printf(s, "<image class=\"p\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" "
                       "preserveAspectRatio=\"none\" href=\"data:image/png;base64,", CLG_N(x), CLG_N(y), CLG_N(width),
                       CLG_N(height));
        put_base64(s, data, size);
        clg_str_add(s, "\"/>\n");
    } else {
        s->failed = true;
    }
    png_image_free(&png);
    clg_free(data);
}
