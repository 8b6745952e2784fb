#include "drawing.h"
#include "xml.h"

#include <criterion/criterion.h>
#include <math.h>

static void place(drawing *d, const xml_element *e, double x, double y) {
    const double w = d->width[e->depth - 1], h = d->height[e->depth - 1];
    if (x >= -0.01 && y >= -0.01 && x <= w + 0.01 && y <= h + 0.01) return;
    cr_log_error("%s %s: (%g, %g) is outside %g x %g", e->name, e->attribute[0].name, x, y, w, h);
    d->outside++;
}

/* Absolute M, L, H, V; relative parts belong to marks of a few pixels. */
static void walk_path(drawing *d, const xml_element *e, const char *p, bool curve) {
    double x = 0, y = 0;
    for (char command = 0; *p != '"';) {
        if (strchr("MLHVhvlz", *p)) command = *p++;
        char *end = (char *)p;
        const double a = command == 'z' ? 0 : strtod(p, &end);
        cr_assert(isfinite(a) && (end > p || command == 'z'), "a damaged path: %.40s", p);
        p = end;
        const double b = strchr("MLl", command) ? strtod(p, &end) : 0;
        p = end;
        if (command == 'M' || command == 'L') x = a, y = b;
        if (command == 'H') x = a;
        if (command == 'V') y = a;
        place(d, e, x, y);
        if (!curve) continue;
        d->segments += command == 'L';
        d->pens += command == 'M';
        if (command == 'L') {
            d->low_y = fmin(d->low_y, y);
            d->high_y = fmax(d->high_y, y);
        }
    }
}

static int digit_of(char c) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digit, c);
    return c && at ? (int)(at - digit) : 0;
}

static void read_picture(drawing *d, const char *href, size_t size) {
    static const char head[] = "data:image/png;base64,";
    const size_t n = sizeof head - 1;
    cr_assert(size > n && strncmp(href, head, n) == 0 && (size - n) % 4 == 0, "%.40s", href);
    uint8_t *png = malloc(size);
    size_t bytes = 0;
    for (size_t i = n; i < size; i += 4) {
        uint32_t bits = 0;
        for (int k = 0; k < 4; k++) bits = bits << 6 | (uint32_t)digit_of(href[i + (size_t)k]);
        for (int k = 0; k < 3; k++) png[bytes++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    cr_assert(d->pictures < MAX_PICTURES);
    cr_assert_eq(clg_image_parse("picture", png, bytes, &d->picture[d->pictures]), CLG_OK, "%s", clg_error());
    cr_assert_eq(d->picture[d->pictures++].channels, 4);
    free(png);
}

static void visit(void *user, const xml_element *e) {
    drawing *d = user;
    const bool svg = strcmp(e->name, "svg") == 0, rect = strcmp(e->name, "rect") == 0;
    const bool image = strcmp(e->name, "image") == 0;
    cr_assert_lt(e->depth, DEPTH);
    for (int i = 0; i < e->n; i++) {
        const xml_attribute *a = &e->attribute[i];
        const bool link = strcmp(a->name, "href") == 0 || strcmp(a->name, "src") == 0;
        if (link && a->value[0] != '#' && strncmp(a->value, "data:", 5) != 0) d->n_links++;
        if (strcmp(a->name, "d") == 0) walk_path(d, e, a->value, xml_is(e, "class", "l"));
        if (image && link) read_picture(d, a->value, a->size);
    }
    if (svg || rect || image) {
        const double x = xml_number(e, "x", 0), y = xml_number(e, "y", 0);
        double w = xml_number(e, "width", -1), h = xml_number(e, "height", -1);
        if (svg && w < 0) /* in a report */
            for (int i = 0; i < e->n; i++)
                if (strcmp(e->attribute[i].name, "viewBox") == 0)
                    cr_assert_eq(sscanf(e->attribute[i].value, "0 0 %lf %lf", &w, &h), 2);
        cr_assert(w > 0 && h > 0, "%s without a size", e->name);
        const bool inner = e->depth > 0 && d->width[e->depth - 1] > 0;
        if (inner) place(d, e, x, y);
        if (inner) place(d, e, x + w, y + h);
        d->panels += svg && inner;
        d->width[e->depth] = w;
        d->height[e->depth] = h;
    } else {
        d->width[e->depth] = e->depth ? d->width[e->depth - 1] : 0;
        d->height[e->depth] = e->depth ? d->height[e->depth - 1] : 0;
    }
    if (strcmp(e->name, "line") == 0) {
        place(d, e, xml_number(e, "x1", NAN), xml_number(e, "y1", NAN));
        place(d, e, xml_number(e, "x2", NAN), xml_number(e, "y2", NAN));
    }
    if (strcmp(e->name, "text") == 0) place(d, e, xml_number(e, "x", NAN), xml_number(e, "y", NAN));
    if (strcmp(e->name, "circle") == 0) place(d, e, xml_number(e, "cx", NAN), xml_number(e, "cy", NAN));
    d->circles += strcmp(e->name, "circle") == 0;
    d->marks += xml_is(e, "class", "m");
    d->curves += xml_is(e, "class", "l") && strcmp(e->name, "path") == 0;
    d->rects += rect;
    for (int level = 1; rect && level <= 10; level++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", level);
        d->right += xml_is(e, "class", name);
        name[0] = 'w';
        d->wrong += xml_is(e, "class", name);
    }
}

void free_pictures(drawing *d) {
    for (int i = 0; i < d->pictures; i++) clg_image_free(&d->picture[i]);
}

void look_at_text(const char *text, drawing *d) {
    *d = (drawing){ .low_y = INFINITY, .high_y = -INFINITY };
    const char *wrong = xml_read(text, visit, d);
    cr_assert_null(wrong, "%s", wrong);
    cr_expect_eq(d->outside, 0);
    cr_expect_eq(d->n_links, 0);
}
