/* Portable anymaps. Every number of the header, and every sample of the plain forms, is read by one function that knows
 * white space and comments; what the header promises is checked against the size before memory is asked for. */
#include "data/pnm.h"

#include "base/error.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

typedef struct source {
    const char    *name;
    const uint8_t *b;
    size_t         at, size;
} source;

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* The next number of at most `max`; *n is not touched on failure. */
static clg_status number(source *s, const char *what, uint32_t max, uint32_t *n) {
    uint32_t v = 0;
    while (s->at < s->size && (is_space(s->b[s->at]) || s->b[s->at] == '#')) {
        if (s->b[s->at++] != '#') continue;
        while (s->at < s->size && s->b[s->at] != '\n') s->at++;
    }
    if (s->at == s->size) return clg_fail(CLG_ERR_FORMAT, "%s: cut off before the %s", s->name, what);
    if (!is_digit(s->b[s->at]))
        return clg_fail(CLG_ERR_FORMAT, "%s: byte %zu should begin the %s", s->name, s->at, what);
    for (; s->at < s->size && is_digit(s->b[s->at]); s->at++) {
        v = v * 10 + (uint32_t)(s->b[s->at] - '0');
        if (v > max) return clg_fail(CLG_ERR_FORMAT, "%s: the %s is larger than %u", s->name, what, max);
    }
    *n = v;
    return CLG_OK;
}

bool clg_is_pnm(const uint8_t *b, size_t size) {
    return size >= 3 && b[0] == 'P' && (b[1] == '2' || b[1] == '3' || b[1] == '5' || b[1] == '6') &&
           (is_space(b[2]) || b[2] == '#');
}

/* One sample of a raw file: one byte, or two, the higher first. */
static clg_status raw_sample(source *s, uint32_t max, uint32_t *v) {
    const uint8_t *b = s->b + s->at;
    *v = max > 255 ? (uint32_t)b[0] << 8 | b[1] : b[0];
    s->at += max > 255 ? 2 : 1;
    if (*v > max) return clg_fail(CLG_ERR_FORMAT, "%s: a sample is %u, the maximum %u", s->name, *v, max);
    return CLG_OK;
}

static clg_status read_samples(source *s, bool raw, uint32_t max, clg_image *image) {
    const size_t n = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    for (size_t i = 0; i < n; i++) {
        uint32_t v = 0;
        CLG_TRY(raw ? raw_sample(s, max, &v) : number(s, "next sample", max, &v));
        image->pixels[i] = (uint8_t)((v * 255 + max / 2) / max);
    }
    return CLG_OK;
}

clg_status clg_pnm_parse(const char *name, const uint8_t *b, size_t size, clg_image *out) {
    source s = { name, b, 2, size };
    clg_image image = { 0 };
    const bool raw = b[1] >= '5';
    const int channels = b[1] == '2' || b[1] == '5' ? 1 : 3;
    uint32_t width = 0, height = 0, max = 0;
    CLG_TRY(number(&s, "width", 1u << 24, &width));
    CLG_TRY(number(&s, "height", 1u << 24, &height));
    CLG_TRY(number(&s, "maximum", 65535, &max));
    if (max == 0) return clg_fail(CLG_ERR_FORMAT, "%s: the maximum is 0", name);
    if (s.at == size || !is_space(b[s.at]))
        return clg_fail(CLG_ERR_FORMAT, "%s: no white space behind the header", name);
    s.at++;
    const uint64_t samples = (uint64_t)width * height * (uint64_t)channels;
    const uint64_t least = raw ? samples * (max > 255 ? 2 : 1) : samples * 2 - (samples > 0); /* digits, and spaces */
    if (least > size - s.at)
        return clg_fail(CLG_ERR_FORMAT, "%s: truncated: %u x %u pixels need %llu bytes, %zu are there", name, width,
                        height, (unsigned long long)least, size - s.at);
    CLG_TRY(clg_image_alloc(name, width, height, channels, &image));
    const clg_status status = read_samples(&s, raw, max, &image);
    if (status < 0) clg_image_free(&image);
    else *out = image;
    return status;
}

clg_status clg_pnm_write(const char *path, const clg_image *image) {
    char header[64];
    const int n = snprintf(header, sizeof header, "P%c\n%d %d\n255\n", image->channels == 1 ? '5' : '6', image->width,
                           image->height);
    const size_t bytes = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    const clg_file_part parts[] = { { header, (size_t)n }, { image->pixels, bytes } };
    return clg_file_write(path, parts, 2, true);
}
