/* An HTML page with everything inside. It is written so that it is well-formed XML too. The page has one style sheet
 * for all figures; each panel of a figure is a drawing of its own, so that narrow screens stack them. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "plot/draw.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct clg_report {
    clg_str    title, contents, body;
    int        n_headings;
    clg_status failed; /* of the first call that failed, and its message */
    char       message[512];
};

static const char page_style[] =
    ":root{color-scheme:light dark;--back:#fff;--text:#222;--quiet:#555;--line:#d9d9d9;--soft:#f5f6f7;--link:#00609a}"
    "@media (prefers-color-scheme:dark){:root{--back:#15181c;--text:#e6e6e6;--quiet:#a8adb4;--line:#343a42;"
    "--soft:#1e2227;--link:#6fb9e8}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1.2rem 1rem 4rem;max-width:64rem;background:var(--back);color:var(--text);"
    "font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}"
    "h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0 1rem}h2{font-size:1.25rem;margin:2.4rem 0 .6rem;"
    "padding-top:.6rem;border-top:1px solid var(--line)}"
    "nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:0 0 1.4rem}a{color:var(--link)}"
    "p{margin:.6rem 0;max-width:46rem}figure{margin:1rem 0 1.6rem}"
    ".panels{display:flex;flex-wrap:wrap;gap:.5rem}.panel{flex:0 1 auto;max-width:100%;overflow-x:auto}"
    ".panel svg{display:block;height:auto;max-width:none}"
    "figcaption{color:var(--quiet);font-size:.9rem;max-width:46rem;margin-top:.2rem}"
    "figcaption b{color:var(--text)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;margin:.4rem 0;overflow-wrap:normal;font-size:.93rem}"
    "th,td{padding:.25rem .8rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}"
    "th,.s{white-space:nowrap}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "pre{background:var(--soft);border:1px solid var(--line);border-radius:4px;padding:.7rem .9rem;overflow-x:auto;"
    "font:.85rem/1.45 ui-monospace,monospace;overflow-wrap:normal}";

clg_report *clg_report_create(const char *title) {
    clg_report *r = clg_calloc(1, sizeof *r);
    if (!r) {
        clg_fail_nomem("report");
        return NULL;
    }
    clg_put_escaped(&r->title, title ? title : "report");
    return r;
}

static void fail(clg_report *r, clg_status status, const char *message) {
    if (r->failed < 0) return;
    r->failed = status;
    snprintf(r->message, sizeof r->message, "%s", message);
}

/* Contents of an element of several lines; control characters but line ends and tabs become U+FFFD. */
static void put_lines(clg_str *s, const char *text, const char *line_end) {
    char part[512];
    while (*text) {
        const size_t line = strcspn(text, "\n"), n = line < sizeof part - 1 ? line : sizeof part - 1;
        size_t whole = n; /* do not cut a character of UTF-8 in two */
        while (n < line && whole > n - 4 && (text[whole] & 0xc0) == 0x80) whole--;
        memcpy(part, text, whole);
        part[whole] = 0;
        clg_put_escaped(s, part);
        text += whole;
        if (*text != '\n') continue;
        clg_str_add(s, line_end);
        text++;
    }
}

void clg_report_heading(clg_report *r, const char *text) {
    if (!r || !text) return;
    const int id = ++r->n_headings;
    clg_str_printf(&r->contents, "<a href=\"#part%d\">", id);
    clg_put_escaped(&r->contents, text);
    clg_str_add(&r->contents, "</a>\n");
    clg_str_printf(&r->body, "<h2 id=\"part%d\">", id);
    clg_put_escaped(&r->body, text);
    clg_str_add(&r->body, "</h2>\n");
}

void clg_report_text(clg_report *r, const char *fmt, ...) {
    if (!r || !fmt) return;
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    char *text = n < 0 ? NULL : clg_alloc((size_t)n + 1);
    if (text) {
        vsnprintf(text, (size_t)n + 1, fmt, again);
        clg_str_add(&r->body, "<p>");
        put_lines(&r->body, text, "<br/>\n");
        clg_str_add(&r->body, "</p>\n");
    } else {
        fail(r, n < 0 ? CLG_ERR_INVALID : CLG_ERR_NOMEM, n < 0 ? "clg_report_text: the text cannot be formatted"
             : "clg_report_text: no host memory");
    }
    clg_free(text);
    va_end(again);
    va_end(ap);
}

/* name: for those who cannot see it */
static void put_panel(clg_str *s, const clg_panel *p, const char *name) {
    const int least = p->width < 340 ? p->width : p->width * 3 / 4 > 340 ? p->width * 3 / 4 : 340;
    clg_str_printf(s, "<div class=\"panel\"><svg class=\"clg\" viewBox=\"0 0 %d %d\" style=\"width:min(%dpx,"
                   "max(%dpx,100vw - 2rem))\" role=\"img\" aria-label=\"", p->width, p->height, p->width, least);
    clg_put_escaped(s, name);
    clg_str_add(s, "\">\n");
    clg_str_add(s, clg_str_text(&p->body));
    clg_str_add(s, "</svg></div>\n");
}

void clg_report_figure(clg_report *r, const clg_figure *f, const char *caption) {
    if (!r) return;
    if (!f) {
        const bool known = clg_error_status() < 0;
        fail(r, known ? clg_error_status() : CLG_ERR_INVALID, known ? clg_error() : "clg_report_figure: no figure");
        return;
    }
    clg_str_add(&r->body, "<figure>\n<div class=\"panels\">\n");
    const char *name = f->title ? f->title : caption ? caption : "figure";
    for (int i = 0; i < f->n; i++) put_panel(&r->body, &f->panel[i], name);
    clg_str_add(&r->body, "</div>\n<figcaption>");
    if (f->title) {
        clg_str_add(&r->body, "<b>");
        clg_put_escaped(&r->body, f->title);
        clg_str_add(&r->body, caption ? "</b>. " : "</b>");
    }
    if (caption) put_lines(&r->body, caption, "<br/>\n");
    clg_str_add(&r->body, "</figcaption>\n</figure>\n");
}

/* Digits with what may stand beside them: "0.9871", "-3e-05", "98.2 %", "1.31 s". */
static bool is_number(const char *cell) {
    const char *p = cell + strspn(cell, "+-");
    return isdigit((unsigned char)*p) && strlen(p) < 24 && strspn(p, "0123456789.,eE+-% \xc2\xb1msx") == strlen(p);
}

/* Short texts stay on a line. */
static void put_cell(clg_str *s, const char *text, const char *element, bool number) {
    const bool brief = strcmp(element, "td") == 0 && strlen(text) <= 24;
    clg_str_printf(s, "<%s%s>", element, number ? " class=\"n\"" : brief ? " class=\"s\"" : "");
    clg_put_escaped(s, text);
    clg_str_printf(s, "</%s>", element);
}

/* A head stands over numbers as they do. */
static bool is_number_column(int column, int columns, int rows, const char *const *cells) {
    for (int r = 1; r < rows; r++) {
        const char *cell = cells[(int64_t)r * columns + column];
        if (cell && *cell && !is_number(cell)) return false;
    }
    return rows > 1;
}

void clg_report_table(clg_report *r, const char *caption, int columns, int rows, const char *const *cells) {
    if (!r) return;
    if (columns < 1 || rows < 1 || !cells) {
        fail(r, CLG_ERR_INVALID, "clg_report_table: there are no cells");
        return;
    }
    clg_str *s = &r->body;
    clg_str_add(s, "<figure class=\"wide\">\n");
    if (caption) put_cell(s, caption, "figcaption", false);
    clg_str_add(s, "<table>\n");
    for (int row = 0; row < rows; row++) {
        clg_str_add(s, row == 0 ? "<thead><tr>" : "<tr>");
        for (int c = 0; c < columns; c++) {
            const char *cell = cells[(int64_t)row * columns + c];
            put_cell(s, cell ? cell : "", row == 0 ? "th" : "td", is_number_column(c, columns, rows, cells));
        }
        clg_str_add(s, row == 0 ? "</tr></thead>\n<tbody>\n" : "</tr>\n");
    }
    clg_str_add(s, "</tbody></table>\n</figure>\n");
}

void clg_report_code(clg_report *r, const char *text) {
    if (!r || !text) return;
    clg_str_add(&r->body, "<pre>");
    put_lines(&r->body, text, "\n");
    clg_str_add(&r->body, "</pre>\n");
}

clg_status clg_report_save(clg_report *r, const char *path) {
    if (!r || !path) return clg_fail(CLG_ERR_INVALID, "clg_report_save: %s", r ? "path is NULL" : "there is no report");
    if (r->failed < 0) return clg_fail(r->failed, "%s: %s", path, r->message);
    clg_str head = { 0 };
    clg_str_add(&head, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
                "content=\"width=device-width, initial-scale=1\"/>\n<title>");
    clg_str_add(&head, clg_str_text(&r->title));
    clg_str_add(&head, "</title>\n<style>");
    clg_str_add(&head, page_style);
    clg_put_style(&head);
    clg_str_printf(&head, "</style></head>\n<body>\n<h1>%s</h1>\n", clg_str_text(&r->title));
    if (r->n_headings > 1) clg_str_printf(&head, "<nav>\n%s</nav>\n", clg_str_text(&r->contents));
    static const char end[] = "</body></html>\n";
    const clg_file_part part[] = { { head.text, head.size }, { clg_str_text(&r->body), r->body.size },
                                   { end, sizeof end - 1 } };
    const bool ok = !head.failed && !r->title.failed && !r->contents.failed && !r->body.failed;
    const clg_status status = ok ? clg_file_write(path, part, 3, true)
                                 : clg_fail(CLG_ERR_NOMEM, "%s: no host memory for the report", path);
    clg_str_free(&head);
    return status;
}

void clg_report_destroy(clg_report **r) {
    if (!r || !*r) return;
    clg_str_free(&(*r)->title);
    clg_str_free(&(*r)->contents);
    clg_str_free(&(*r)->body);
    clg_free(*r);
    *r = NULL;
}
