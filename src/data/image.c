/* Pictures: the PNG side is libpng's simplified interface, which needs no longjmp; the other format is in pnm.c. */
#include "data/pnm.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const size_t max_file = (size_t)1 << 30;

clg_status clg_image_alloc(const char *name, uint64_t width, uint64_t height, int channels, clg_image *out) {
    enum { MAX_SIDE = 1 << 16 };
    const uint64_t max_pixels = (uint64_t)1 << 28;
    if (width < 1 || height < 1) return clg_fail(CLG_ERR_FORMAT, "%s: a picture without pixels", name);
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > max_pixels)
        return clg_fail(CLG_ERR_FORMAT, "%s: %llu x %llu pixels: at most 65536 a side and 2^28 in all are read", name,
                        (unsigned long long)width, (unsigned long long)height);
    const size_t bytes = (size_t)(width * height) * (size_t)channels;
    *out = (clg_image){ (int)width, (int)height, channels, clg_alloc(bytes) };
    if (!out->pixels) return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %zu bytes", name, bytes);
    return CLG_OK;
}

void clg_image_free(clg_image *image) {
    if (!image) return;
    clg_free(image->pixels);
    *image = (clg_image){ 0 };
}

/* --- PNG --- */

static const png_uint_32 formats[] = { 0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA };

static clg_status read_png(const char *name, const void *data, size_t size, clg_image *out) {
    png_image png = { .version = PNG_IMAGE_VERSION };
    clg_image image = { 0 };
    clg_status status = CLG_OK;
    if (!png_image_begin_read_from_memory(&png, data, size))
        return clg_fail(CLG_ERR_FORMAT, "%s: damaged PNG: %s", name, png.message);
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* else 16 bits are taken for linear light */
    const int channels = (png.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1) + (png.format & PNG_FORMAT_FLAG_ALPHA ? 1 : 0);
    png.format = formats[channels];
    CLG_TRY_END(clg_image_alloc(name, png.width, png.height, channels, &image));
    if (!png_image_finish_read(&png, NULL, image.pixels, 0, NULL))
        CLG_TRY_END(clg_fail(CLG_ERR_FORMAT, "%s: damaged PNG: %s", name, png.message));
    *out = image;
end:
    if (status < 0) clg_image_free(&image);
    png_image_free(&png);
    return status;
}

static clg_status write_png(const char *path, const clg_image *image) {
    png_image png = { .version = PNG_IMAGE_VERSION, .width = (png_uint_32)image->width,
                      .height = (png_uint_32)image->height, .format = formats[image->channels] };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    void *data = clg_alloc(size);
    clg_status status;
    if (!data) return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for the picture", path);
    if (png_image_write_to_memory(&png, data, &size, 0, image->pixels, 0, NULL))
        status = clg_file_write(path, &(clg_file_part){ data, size }, 1, true);
    else
        status = clg_fail(CLG_ERR_IO, "%s: the picture cannot be packed: %s", path, png.message);
    png_image_free(&png);
    clg_free(data);
    return status;
}

/* --- both --- */

static bool ends_in(const char *path, const char *end) {
    const size_t n = strlen(path), m = strlen(end);
    return n > m && strcasecmp(path + n - m, end) == 0;
}

clg_status clg_image_parse(const char *name, const void *data, size_t size, clg_image *out) {
    const uint8_t *b = data;
    if (!name || !data || !out) return clg_fail(CLG_ERR_INVALID, "clg_image_parse: an argument is NULL");
    if (size >= 8 && png_sig_cmp(b, 0, 8) == 0) return read_png(name, data, size, out);
    if (clg_is_pnm(b, size)) return clg_pnm_parse(name, b, size, out);
    return clg_fail(CLG_ERR_FORMAT, "%s: neither PNG nor PGM/PPM (P2, P3, P5, P6); convert it first", name);
}

clg_status clg_image_read(const char *path, clg_image *out) {
    void *data = NULL;
    size_t size = 0;
    if (!path || !out) return clg_fail(CLG_ERR_INVALID, "clg_image_read: an argument is NULL");
    CLG_TRY(clg_file_read(path, max_file, &data, &size));
    const clg_status status = clg_image_parse(path, data, size, out);
    clg_free(data);
    return status;
}

clg_status clg_image_write(const char *path, const clg_image *image) {
    if (!path || !image || !image->pixels || image->width < 1 || image->height < 1)
        return clg_fail(CLG_ERR_INVALID, "clg_image_write(%s): there is no picture", path ? path : "NULL");
    const int channels = image->channels;
    if (channels < 1 || channels > 4)
        return clg_fail(CLG_ERR_INVALID, "clg_image_write(%s): %d channels; 1 to 4 are possible", path, channels);
    if (ends_in(path, ".png")) return write_png(path, image);
    const bool grey = ends_in(path, ".pgm"), colour = ends_in(path, ".ppm");
    if (!grey && !colour)
        return clg_fail(CLG_ERR_INVALID, "clg_image_write(%s): the name must end in .png, .pgm or .ppm", path);
    if (channels != (grey ? 1 : 3))
        return clg_fail(CLG_ERR_INVALID, "clg_image_write(%s): the picture has %d channels, the format takes %d; .png "
                        "takes all", path, channels, grey ? 1 : 3);
    return clg_pnm_write(path, image);
}

/* --- planes --- */

/* A sample over white. */
static unsigned over_white(unsigned v, unsigned alpha) {
    return (v * alpha + 255 * (255 - alpha) + 127) / 255;
}

clg_status clg_image_planes(const clg_image *image, int channels, uint8_t *planes) {
    if (!image || !image->pixels || !planes || image->channels < 1 || image->channels > 4)
        return clg_fail(CLG_ERR_INVALID, "clg_image_planes: there is no picture of 1 to 4 channels, or no room");
    if (channels != 1 && channels != 3)
        return clg_fail(CLG_ERR_INVALID, "clg_image_planes: %d planes; 1 and 3 are possible", channels);
    const int have = image->channels, colours = have < 3 ? 1 : 3;
    const size_t n = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *const p = image->pixels + i * (size_t)have;
        const unsigned alpha = have == 2 || have == 4 ? p[have - 1] : 255;
        unsigned rgb[3];
        for (int c = 0; c < 3; c++) rgb[c] = over_white(p[colours == 3 ? c : 0], alpha);
        if (channels == 1)
            planes[i] = (uint8_t)(colours == 1 ? rgb[0] : (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
        else
            for (size_t c = 0; c < 3; c++) planes[c * n + i] = (uint8_t)rgb[c];
    }
    return CLG_OK;
}
