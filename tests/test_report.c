/* Reports: what is put in stands there, escaped and without a link to the outside; the first failure is told; figures
 * and reports while allocations fail. */
#include "support/drawing.h"
#include "support/files.h"

#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <unistd.h>

static clg_report *full_report(void) {
    const double y[] = {1, 2, 4};
    const char *const cells[] = {"setting", "value", "lr", "0.01", "<b>", NULL};
    clg_series s = {.name = "loss", .y = y, .n = 3};
    clg_chart c[] = {{.title = "loss", .series = &s, .n_series = 1}, {.title = "accuracy"}};
    clg_report *r = clg_report_create("a <report>");
    clg_figure *f = clg_figure_charts("curves & more", c, 2);
    clg_report_heading(r, "Part 1 & more");
    clg_report_text(r, "%d epochs\nin <two> lines", 3);
    clg_report_figure(r, f, "The loss of <each> epoch.");
    clg_report_heading(r, "Part 2");
    clg_report_table(r, "a table", 2, 3, cells);
    clg_report_code(r, "input 1 28 28\nlinear 10 # a < b\n");
    clg_figure_destroy(&f);
    return r;
}

static char *read_all(const char *path) {
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    cr_assert(f && text && fread(text, 1, (1 << 20) - 1, f) > 0, "%s", path);
    fclose(f);
    return text;
}

Test(report, parts, .init = make_folder, .fini = remove_folder) {
    const char *const path = in_folder("r.html");
    drawing d;
    clg_report *r = full_report();
    cr_assert_eq(clg_report_save(r, path), CLG_OK, "%s", clg_error());
    char *text = read_all(path);
    look_at_text(text, &d);
    cr_expect(d.curves == 1 && d.marks == 4, "%d curves, %d marks", d.curves, d.marks);
    static const char *const parts[] = {"<title>a &lt;report&gt;</title>", "<h1>a &lt;report&gt;</h1>",
        "<a href=\"#part1\">Part 1 &amp; more</a>", "<h2 id=\"part2\">Part 2</h2>", 
        "<p>3 epochs<br/>\nin &lt;two&gt; lines</p>",
        "aria-label=\"curves &amp; more\">",
        "<figcaption><b>curves &amp; more</b>. The loss of &lt;each&gt; epoch.</figcaption>",
        "<figcaption>a table</figcaption>",
        "<td class=\"n\">0.01</td>", "<td class=\"s\">&lt;b&gt;</td>", "linear 10 # a &lt; b\n</pre>",
        "prefers-color-scheme:dark",
        "name=\"viewport\"", "charset=\"utf-8\""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect_not_null(strstr(text, parts[i]), "%s", parts[i]);
    static const char *const outside[] = {"http", "src=", "<script", "@import", "url("};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        cr_expect_null(strstr(text, outside[i]), "%s", outside[i]);
    clg_report_text(r, "later");
    cr_assert_eq(clg_report_save(r, path), CLG_OK);
    free(text);
    text = read_all(path);
    cr_expect_not_null(strstr(text, "<p>later</p>"));
    free(text);
    clg_report_destroy(&r);
    cr_assert_null(r);
}

Test(report, tells_the_first_failure, .init = make_folder, .fini = remove_folder) {
    const char *const path = in_folder("none.html");
    clg_report *r = clg_report_create(NULL);
    clg_report_table(r, NULL, 0, 1, NULL);
    clg_report_figure(r, clg_figure_confusion("t", NULL, 1, NULL), NULL);
    cr_expect_eq(clg_report_save(r, path), CLG_ERR_INVALID);
    cr_expect_not_null(strstr(clg_error(), "none.html: clg_report_table: there are no cells"), "%s", clg_error());
    cr_expect_eq(access(path, F_OK), -1);
    clg_report_destroy(&r);
    r = clg_report_create("t");
    clg_report_figure(r, clg_figure_confusion("t", NULL, 1, NULL), NULL);
    cr_expect_eq(clg_report_save(r, path), CLG_ERR_INVALID);
    cr_expect_not_null(strstr(clg_error(), "clg_figure_confusion: 1 classes at NULL"));
    clg_report_destroy(&r);
    r = clg_report_create("t");
    cr_expect_eq(clg_report_save(r, "/nowhere/r.html"), CLG_ERR_IO);
    cr_expect_eq(clg_report_save(NULL, "r.html"), CLG_ERR_INVALID);
    clg_report_destroy(&r);
    clg_report_text(NULL, "nothing"); /* no report: nothing happens */
    clg_report_figure(NULL, NULL, NULL);
}

/* An allocator that fails once, at the allocation that is said. */
static int fail_at, allocations;

static void *resize(void *user, void *p, size_t size) {
    if (size > 0 && ++allocations == fail_at) return NULL;
    if (size > 0) return realloc(p, size);
    free(p);
    return NULL;
}

/* Draws all kinds; CLG_OK or the status of what failed. */
static clg_status draw_all(void) {
    const int64_t counts[4] = {1}, many[40 * 40] = {1};
    const int32_t region[] = {0};
    const float plane[] = {0};
    clg_report *r = full_report();
    clg_figure *f[] = {clg_figure_confusion("t", counts, 2, NULL), clg_figure_confusion("t", many, 40, NULL),
                       clg_figure_regions("t", &(clg_region_params){0, 1, 0, 1, 1, 1, region}),
                       clg_figure_tiles("t", &(clg_tiles_params){plane, 1, 1, 1})};
    for (int i = 0; i < 4; i++) clg_report_figure(r, f[i], NULL);
    const clg_status status = r ? clg_report_save(r, in_folder("alloc.html")) : clg_error_status();
    for (int i = 0; i < 4; i++) clg_figure_destroy(&f[i]);
    clg_report_destroy(&r);
    return status;
}

Test(report, every_allocation_may_fail, .init = make_folder, .fini = remove_folder) {
    const clg_allocator mine = {resize, NULL};
    cr_assert_eq(clg_set_allocator(&mine), CLG_OK);
    for (fail_at = 1;; fail_at++) {
        allocations = 0;
        unlink(in_folder("alloc.html"));
        const clg_status status = draw_all();
        cr_assert_eq(clg_set_allocator(&mine), CLG_OK, "allocation %d: %s", fail_at, clg_error()); /* no leak */
        if (allocations < fail_at) {
            cr_expect_eq(status, CLG_OK);
            break;
        }
        cr_expect_eq(status, CLG_ERR_NOMEM, "allocation %d: %s", fail_at, clg_error());
        cr_expect_eq(access(in_folder("alloc.html"), F_OK), -1, "allocation %d", fail_at);
    }
    cr_expect_gt(fail_at, 20);
    unlink(in_folder("alloc.html"));
}
