/* Figures: every one is well-formed, has all marks inside, and draws as many points, cells and tiles, in
 * the colours, that its numbers say; hostile texts and numbers; what cannot be drawn is refused. */
#include "support/drawing.h"
#include "support/files.h"
#include "support/german.h"
#include "support/xml.h"

#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <unistd.h>

/* Red, green, blue and opacity of a pixel of picture i, which is w pixels wide and enlarged by a whole factor. */
static uint32_t pixel(const drawing *d, int i, int w, int x, int y) {
    const clg_image *m = &d->picture[i];
    const int k = m->width / w;
    cr_assert(k >= 1 && m->width == k * w && y * k < m->height && m->height % k == 0);
    const uint8_t *first = m->pixels + 4 * (y * k * m->width + x * k), *p = first;
    for (int j = 0; j < k * k; j++) {
        p = first + 4 * (j / k * m->width + j % k);
        cr_assert_arr_eq(p, first, 4, "not enlarged evenly");
    }
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Looks at a figure and destroys it. */
static void look_at(clg_figure *f, drawing *d) {
    cr_assert_not_null(f, "%s", clg_error());
    look_at_text(clg_figure_svg(f), d);
    clg_figure_destroy(&f);
    cr_assert_null(f);
}

static clg_figure *one_chart(clg_series s, bool log_x, bool log_y) {
    const clg_chart c = {.title = "chart", .x_label = "x", .y_label = "y", .series = &s, .n_series = 1, .log_x = log_x,
                         .log_y = log_y};
    return clg_figure_charts("one", &c, 1);
}

Test(plot, the_reader_of_xml_is_strict) {
    static const char *const bad[] = {"", "a", "<a>", "<a></b>", "<a/><b/>", "<a b=c/>", "<a b=\"1\" b=\"2\"/>",
        "<a>&x;</a>", "<a>\x01</a>", "<a>\xff</a>", "<a>\xc0\x80</a>", "<a>\xed\xa0\x80</a>", "<a>\xef\xbf\xbf</a>",
        "<a b=\"<\"/>", "<a", "<1/>", "<a>&</a>", "<a></a >", "<a/>x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not_null(xml_read(bad[i], NULL, NULL), "%s", bad[i]);
    cr_expect_null(xml_read("<!DOCTYPE html>\n<a b=\"&amp;\"><c1/>\xe2\x82\xac &lt;</a>\n", NULL, NULL));
}

Test(plot, curves_have_their_points) {
    enum { N = 10 };
    double y[N], x[N], error[N];
    drawing d;
    for (int i = 0; i < N; i++) y[i] = i * i, x[i] = 0.5 * i, error[i] = 1 + i;
    look_at(one_chart((clg_series){.y = y, .n = N}, false, false), &d);
    cr_expect(d.curves == 1 && d.marks == N && d.circles == N && d.segments == N - 1 && d.panels == 1);
    look_at(one_chart((clg_series){.x = x, .y = y, .n = N, .points = true, .name = "points"}, false, false), &d);
    cr_expect(d.curves == 0 && d.marks == N + 1, "and the legend's mark");
    look_at(one_chart((clg_series){.x = x, .y = y, .error = error, .n = N, .dashed = true}, false, false), &d);
    cr_expect(d.curves == 1 && d.marks == N);
    look_at(one_chart((clg_series){.y = y, .n = N, .plain = true, .name = "line"}, false, false), &d);
    cr_expect(d.curves == 1 && d.marks == 0);
    y[4] = NAN;
    y[8] = INFINITY;
    look_at(one_chart((clg_series){.y = y, .n = N}, false, false), &d);
    cr_expect(d.marks == N - 2 && d.segments == 3 + 2, "gaps: %d marks, %d segments", d.marks, d.segments);
}

/* Where the label of a tick stands: x of those below, y of those at the left, which have the word "e" (end). */
static double tick_at(const char *svg, const char *label, bool left) {
    char text[64];
    double x = NAN, y = NAN;
    snprintf(text, sizeof text, "class=\"q %c\">%s</text>", left ? 'e' : 'c', label);
    const char *at = strstr(svg, text);
    cr_assert_not_null(at, "no tick %s", label);
    while (strncmp(at, "<text", 5) != 0) at--;
    cr_assert_eq(sscanf(at, "<text x=\"%lf\" y=\"%lf\"", &x, &y), 2);
    return left ? y - 4.5 : x;
}

static void check_ticks(clg_figure *f, const char *const *x, const char *const *y, int n) {
    cr_assert_not_null(f);
    const char *at = clg_figure_svg(f);
    for (int i = 0; i < n; i++) {
        double cx, cy;
        at = strstr(at, "<circle cx=");
        cr_assert(at && sscanf(at++, "<circle cx=\"%lf\" cy=\"%lf\"", &cx, &cy) == 2);
        cr_expect_float_eq(cx, tick_at(clg_figure_svg(f), x[i], false), 0.02, "%s", x[i]);
        cr_expect_float_eq(cy, tick_at(clg_figure_svg(f), y[i], true), 0.02, "%s", y[i]);
    }
    clg_figure_destroy(&f);
}

Test(plot, marks_stand_at_their_ticks) {
    const double x[] = {0, 10, 20, 30}, y[] = {-1, 0.5, 2, 0}, decades[] = {1e-4, 1e-2, 1, 1e6};
    const double big[] = {1e6, 2e6, 5e6, 3e6}, fine[] = {0.02, 0.05, 0.1, 0.5};
    check_ticks(one_chart((clg_series){.x = x, .y = y, .n = 4}, false, false), (const char *[]){"0", "10", "20", "30"},
                (const char *[]){"-1", "0.5", "2", "0"}, 4);
    check_ticks(one_chart((clg_series){.x = decades, .y = decades, .n = 4}, true, true),
                (const char *[]){"1e-4", "0.01", "1", "1e6"}, (const char *[]){"1e-4", "0.01", "1", "1e6"}, 4);
    check_ticks(one_chart((clg_series){.y = fine, .n = 4}, false, true), (const char *[]){"1", "2", "3", "4"},
                (const char *[]){"0.02", "0.05", "0.1", "0.5"}, 4);
    clg_figure *f = one_chart((clg_series){.y = big, .n = 4}, false, false);
    cr_expect_not_null(strstr(clg_figure_svg(f), ">\xc3\x97 1e6</text>"));
    check_ticks(f, (const char *[]){"1", "2", "3", "4"}, (const char *[]){"1", "2", "5", "3"}, 4);
}

Test(plot, several_charts) {
    const double y[] = {1, 2, 3};
    clg_series s[] = {{.name = "training", .y = y, .n = 3}, {.name = "validation", .y = y, .n = 3}};
    clg_chart c[4];
    drawing d;
    for (int i = 0; i < 4; i++) c[i] = (clg_chart){.title = "chart", .series = s, .n_series = 2};
    for (int n = 1; n <= 4; n++) {
        look_at(clg_figure_charts(NULL, c, n), &d);
        cr_expect(d.panels == n && d.curves == 2 * n && d.marks == 8 * n, "%d: %d marks", n, d.marks);
    }
}

Test(plot, values_at_the_edges) {
    const double none[] = {NAN, INFINITY, -INFINITY, 2e300}, equal[] = {0.7, 0.7, 0.7}, zero[] = {0, 0};
    const double huge[] = {-1e300, 1e300, 0}, tiny[] = {1e-320, 2e-320}, close[] = {1, 1 + 1e-15}, big[] = {3e9, 5e9};
    const double log[] = {0, 1e-5, -1, 1e-3, 10}, lone[] = {1, NAN, 1};
    const struct { const double *y; int n; bool log; int marks; } cases[] = {
        {NULL, 0, false, 0}, {NULL, 0, true, 0}, {none, 4, false, 0}, {none, 4, true, 0}, {equal, 1, false, 1},
        {equal, 3, false, 3}, {equal, 3, true, 3}, {zero, 2, false, 2}, {zero, 2, true, 0}, {huge, 3, false, 3},
        {tiny, 2, false, 2}, {tiny, 2, true, 2}, {close, 2, false, 2}, {big, 2, false, 2}, {log, 5, true, 3},
        {lone, 3, false, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        drawing d;
        clg_figure *f = one_chart((clg_series){.y = cases[i].y, .n = cases[i].n}, false, cases[i].log);
        cr_assert_not_null(f, "case %zu: %s", i, clg_error());
        cr_expect_eq(strstr(clg_figure_svg(f), "no data") != NULL, cases[i].marks == 0, "case %zu", i);
        cr_expect_null(strstr(clg_figure_svg(f), "nan"), "case %zu", i);
        look_at(f, &d);
        cr_expect_eq(d.marks, cases[i].marks, "case %zu: %d marks", i, d.marks);
        const clg_series diagonal = {.x = cases[i].y, .y = cases[i].y, .n = cases[i].n};
        look_at(one_chart(diagonal, cases[i].log, cases[i].log), &d);
        cr_expect_eq(d.marks, cases[i].marks, "case %zu as x: %d marks", i, d.marks);
    }
}

/* With 100 000 values on 600 pixels the least and the greatest are still there, and the file is small. */
Test(plot, long_curves_keep_their_spikes) {
    enum { N = 100000 };
    double *y = malloc(N * sizeof *y);
    drawing d;
    for (int i = 0; i < N; i++) y[i] = sin(i * 0.01) + (i % 7) * 0.1;
    y[54321] = 50;
    y[65432] = -50;
    clg_figure *f = one_chart((clg_series){.y = y, .n = N}, false, false);
    cr_assert_not_null(f);
    cr_expect_lt(strlen(clg_figure_svg(f)), 100000);
    look_at(f, &d);
    cr_expect(d.segments < 2500 && d.pens == 2 && d.marks == 0, "%d segments, %d pens", d.segments, d.pens);
    cr_expect(d.high_y - d.low_y > 200, "from %g to %g", d.low_y, d.high_y);
    look_at(one_chart((clg_series){.y = y, .n = N, .points = true}, false, false), &d);
    cr_expect(d.marks > 100 && d.marks < 30000, "%d marks", d.marks);
    free(y);
}

Test(plot, what_leaves_the_axes_is_cut_off) {
    const double y[] = {0.5, 3, 0.5, -1e300, 0.25};
    clg_series s = {.y = y, .n = 5};
    drawing d;
    look_at(clg_figure_charts("cut", &(clg_chart){.series = &s, .n_series = 1, .y_low = 0.1, .y_high = 1}, 1), &d);
    cr_expect(d.marks == 3 && d.segments == 4 && d.pens > 2, "%d marks, %d segments, %d pens", d.marks, d.segments,
              d.pens);
}

static const char hostile[] = "a<b>&\"c\"\x01\x1b[2J\xff\xc0\x80\xed\xa0\x80\xef\xbf\xbe\xe2\x82\xac]]>--><script>";

Test(plot, hostile_texts) {
    const char *const names[] = {hostile, hostile};
    char longest[3000];
    const double y[] = {1, 2};
    const int64_t counts[] = {3, 1, 0, 2};
    const int32_t region[] = {0, 1};
    const float plane[] = {0, 1};
    memset(longest, 'W', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    for (int round = 0; round < 2; round++) {
        const char *const text = round ? longest : hostile;
        const clg_series s = {.name = text, .y = y, .n = 2};
        const clg_region_params r = {0, 1, 0, 1, 2, 1, region, NULL, y, y, NULL, 2, text, text, 2, names};
        const clg_tiles_params t = {.plane = plane, .n = 2, .h = 1, .w = 1, .caption = (const char *[]){text, NULL}};
        clg_figure *f[] = {
            clg_figure_charts(text, &(clg_chart){text, text, text, &s, 1}, 1),
            clg_figure_confusion(text, counts, 2, round ? (const char *[]){text, text} : names),
            clg_figure_regions(text, &r), clg_figure_tiles(text, &t)};
        for (int i = 0; i < 4; i++) {
            drawing d;
            cr_assert_not_null(f[i], "%s", clg_error());
            cr_expect_null(strstr(clg_figure_svg(f[i]), "<script"));
            if (round == 0 && i < 3) {
                cr_expect_not_null(strstr(clg_figure_svg(f[i]),
                                          "a&lt;b&gt;&amp;&quot;c&quot;\xef\xbf\xbd\xef\xbf\xbd[2J"));
                cr_expect_not_null(strstr(clg_figure_svg(f[i]), "\xe2\x82\xac"), "the euro sign is kept");
            } else if (i < 3) {
                cr_expect_not_null(strstr(clg_figure_svg(f[i]), "W\xe2\x80\xa6</text>"), "%d: shortened", i);
            }
            look_at(f[i], &d);
            free_pictures(&d);
        }
    }
}

Test(plot, confusion_matrix) {
    const int64_t counts[] = {50, 0, 0, 0, 47, 3, 0, 25, 25};
    const char *const names[] = {"setosa", "versicolor", "virginica"};
    drawing d;
    clg_figure *f = clg_figure_confusion("iris", counts, 3, names);
    cr_assert_not_null(f);
    const char *svg = clg_figure_svg(f);
    cr_expect_not_null(strstr(svg, "122 of 150 right (81.33 %)"));
    cr_expect_not_null(strstr(svg, "class=\"r10\"/>\n<text"), "all of the first class are right");
    cr_expect_not_null(strstr(svg, "class=\"c r"), "white or black on blue");
    cr_expect_not_null(strstr(svg, "class=\"c wt1\">3<"), "3 of 50 are seen");
    cr_expect_not_null(strstr(svg, "class=\"c wt5\">25<"));
    cr_expect_not_null(strstr(svg, ">virginica<"));
    look_at(f, &d);
    cr_expect(d.right == 3 && d.wrong == 2 && d.rects == 9 + 2, "%d right, %d wrong, %d", d.right, d.wrong, d.rects);

    enum { MANY = 100 };
    int64_t *many = calloc(MANY * MANY, sizeof *many);
    for (int i = 0; i < MANY; i++) many[i * MANY + i] = 7;
    many[3 * MANY + 90] = 7;
    look_at(clg_figure_confusion("many", many, MANY, NULL), &d);
    cr_assert_eq(d.pictures, 1);
    cr_expect_eq(pixel(&d, 0, MANY, 0, 0), 0x0072b2ff, "class 0: blue");
    const uint32_t half = pixel(&d, 0, MANY, 90, 3);
    cr_expect(half >> 8 == 0xd55e00 && (half & 255) < 200, "half of class 3: orange, %08x", half);
    cr_expect_eq(pixel(&d, 0, MANY, 17, 0) & 255, 0, "no count: nothing");
    cr_expect_eq(pixel(&d, 0, MANY, MANY - 1, MANY - 1), 0x0072b2ff);
    free_pictures(&d);
    free(many);
}

Test(plot, regions) {
    const int32_t region[] = {0, 1, -1, 1, 0, 2}, label[] = {0, 1, -1, 2, 1};
    const float score[] = {1, 0, 1, 1, 0.5f, NAN};
    const double x[] = {0, 1.5, 3, 9, 2}, y[] = {0, 0.5, 1, 0, NAN};
    drawing d;
    const clg_region_params p = {0, 3, 0, 1, 3, 2, region, score, x, y, label, 5, "x1", "x2"};
    look_at(clg_figure_regions("regions", &p), &d);
    cr_assert_eq(d.pictures, 1);
    uint32_t low[3], high[3];
    for (int i = 0; i < 3; i++) low[i] = pixel(&d, 0, 3, i, 1), high[i] = pixel(&d, 0, 3, i, 0);
    cr_expect(low[0] >> 8 == 0x0072b2 && low[1] >> 8 == 0xd55e00 && low[2] == 0, "the first row is the lowest");
    cr_expect(high[0] >> 8 == 0xd55e00 && high[1] >> 8 == 0x0072b2 && high[2] >> 8 == 0x009e73);
    cr_expect((low[0] & 255) > (low[1] & 255) && (low[1] & 255) > 20, "the surer, the stronger");
    cr_expect_eq(d.marks, 3 + 3, "two points are outside; three classes in the legend");
    free_pictures(&d);
}

Test(plot, tiles) {
    const float plane[] = {0, 5, 10, 10, -1, 0, 1, NAN, 7, 7, 7, 7};
    const char *const caption[] = {"7 \xe2\x86\x92 1", NULL, "first\nsecond line"};
    drawing d;
    clg_tiles_params p = {.plane = plane, .n = 3, .h = 2, .w = 2, .caption = caption};
    clg_figure *f = clg_figure_tiles("grey", &p);
    cr_assert_not_null(f);
    cr_expect_not_null(strstr(clg_figure_svg(f), ">7 \xe2\x86\x92 1</text>"));
    cr_expect_not_null(strstr(clg_figure_svg(f), ">first</text>"));
    cr_expect_not_null(strstr(clg_figure_svg(f), ">second line</text>"));
    look_at(f, &d);
    cr_assert_eq(d.pictures, 3);
    cr_expect(pixel(&d, 0, 2, 0, 0) == 0x000000ff && pixel(&d, 0, 2, 1, 0) == 0x808080ff);
    cr_expect(pixel(&d, 1, 2, 0, 1) == 0xffffffff && pixel(&d, 1, 2, 1, 1) == 0xdd00ddff);
    cr_expect_eq(pixel(&d, 2, 2, 0, 0), 0x808080ff, "all equal");
    free_pictures(&d);
    p.diverging = true;
    look_at(clg_figure_tiles("diverging", &p), &d);
    cr_expect_eq(pixel(&d, 0, 2, 0, 0), 0xf7f7f7ff, "0 is white");
    cr_expect_eq(pixel(&d, 1, 2, 0, 0), 0x2166acff, "the least is blue");
    cr_expect_eq(pixel(&d, 2, 2, 0, 0), 0xb2182bff, "the largest is red");
    free_pictures(&d);
    p = (clg_tiles_params){.plane = plane, .n = 1, .h = 1, .w = 4, .rgb = true, .high = 10};
    look_at(clg_figure_tiles("colours", &p), &d);
    cr_expect(pixel(&d, 0, 4, 0, 0) == 0x0000b3ff && pixel(&d, 0, 4, 1, 0) == 0x8000b3ff);
    free_pictures(&d);
}

static bool refuses(const clg_figure *f, const char *says) {
    const bool ok = !f && clg_error_status() == CLG_ERR_INVALID && strstr(clg_error(), says);
    if (!ok) cr_log_error("\"%s\" is not in: %s", says, clg_error());
    return ok;
}

Test(plot, what_cannot_be_drawn_is_refused) {
    const double y[] = {1};
    const int64_t counts[] = {1, 0, -1, 0}, much[] = {INT64_MAX, 1, 0, 0};
    const int32_t region[] = {3};
    const float plane[] = {0};
    const clg_series s = {.y = y, .n = 1}, bad_n = {.y = y, .n = -1}, no_y = {.n = 1};
    const clg_region_params flat = {1, 1, 0, 1, 1, 1, region}, endless = {0, 1, 0, INFINITY, 1, 1, region};
    const clg_region_params no_points = {0, 1, 0, 1, 1, 1, region, .n = 2};
    const int32_t last[] = {INT32_MAX};
    const clg_region_params few = {0, 1, 0, 1, 1, 1, region, .classes = 3};
    const clg_tiles_params large = {plane, 4096, 999, 999}, both = {plane, 1, 1, 1, .rgb = true, .diverging = true};
    cr_expect(refuses(clg_figure_charts("t", NULL, 1), "at NULL"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){0}, 5), "5 charts"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){.n_series = 1}, 1), "1 series at NULL"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){"abc", .n_series = 65, .series = &s}, 1), "(abc): 65"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){.n_series = 1, .series = &bad_n}, 1), "has -1 points"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){.n_series = 1, .series = &no_y}, 1), "1 points at NULL"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){.y_low = 2, .y_high = 1}, 1), "from 2 to 1"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){.y_low = NAN, .y_high = 1}, 1), "must be the lower"));
    cr_expect(refuses(clg_figure_charts("t", &(clg_chart){.y_high = 1, .log_y = true}, 1), "no 0"));
    cr_expect(refuses(clg_figure_confusion("t", NULL, 2, NULL), "at NULL"));
    cr_expect(refuses(clg_figure_confusion("t", counts, 0, NULL), "0 classes"));
    cr_expect(refuses(clg_figure_confusion("t", counts, 2, NULL), "true class 1 and answer 0 is -1"));
    cr_expect(refuses(clg_figure_confusion("t", much, 2, NULL), "true class 0 and answer 1"));
    cr_expect(refuses(clg_figure_regions("t", NULL), "at NULL"));
    cr_expect(refuses(clg_figure_regions("t", &(clg_region_params){0, 1, 0, 1, 0, 1, region}), "0 x 1 cells"));
    cr_expect(refuses(clg_figure_regions("t", &flat), "x from 1 to 1"));
    cr_expect(refuses(clg_figure_regions("t", &endless), "y from 0 to inf"));
    cr_expect(refuses(clg_figure_regions("t", &no_points), "2 points at NULL"));
    cr_expect(refuses(clg_figure_regions("t", &few), "class 3 of 3"));
    cr_expect(refuses(clg_figure_regions("t", &(clg_region_params){0, 1, 0, 1, 1, 1, last}), "class 2147483647 of"));
    cr_expect(refuses(clg_figure_tiles("t", NULL), "at NULL"));
    cr_expect(refuses(clg_figure_tiles("t", &(clg_tiles_params){.plane = plane, .n = 1, .h = 0, .w = 1}), "0 x 1"));
    cr_expect(refuses(clg_figure_tiles("t", &large), "2^24"));
    cr_expect(refuses(clg_figure_tiles("t", &(clg_tiles_params){plane, 1, 1, 1, -1}), "-1 columns"));
    cr_expect(refuses(clg_figure_tiles("t", &(clg_tiles_params){plane, 1, 1, 1, .low = 1}), "from 1 to 0"));
    cr_expect(refuses(clg_figure_tiles("t", &both), "diverge"));
    cr_expect_eq(clg_figure_save(NULL, "/tmp/none.svg"), CLG_ERR_INVALID);
    cr_expect_not_null(strstr(clg_error(), "/tmp/none.svg: clg_figure_tiles"), "%s", clg_error());
}

static clg_figure *draw_numbers(bool table) {
    const double y[] = {0.5, 1.25, 3e-7};
    const int64_t counts[] = {7, 2, 1, 3};
    if (table) return clg_figure_confusion("t", counts, 2, NULL);
    return one_chart((clg_series){.x = y, .y = y, .error = y, .n = 3}, true, false);
}

Test(plot, the_same_bytes_in_every_locale, .init = make_folder, .fini = remove_folder) {
    clg_figure *here[] = {draw_numbers(false), draw_numbers(true)};
    char text[8];
    if (set_german(folder)) cr_expect(snprintf(text, 8, "%.1f", 0.5) && text[1] == ',', "else this shows nothing");
    for (int i = 0; i < 2; i++) {
        clg_figure *there = draw_numbers(i);
        cr_expect_str_eq(clg_figure_svg(there), clg_figure_svg(here[i]));
        clg_figure_destroy(&there);
        clg_figure_destroy(&here[i]);
    }
}
