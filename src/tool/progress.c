/* The progress bar, and clocks. The bar is drawn on stderr only if that is a terminal, so logs stay clean. */
#include "tool/tool.h"
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };

double clg_tool_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double started;

void clg_tool_start(void) {
    started = clg_tool_now();
}

double clg_tool_uptime(void) {
    return clg_tool_now() - started;
}

/* "1:05:09", "4:09", "0:03" */
static void time_text(double seconds, char *to, size_t size) {
    const long s = seconds < 0 || seconds > 3.6e6 ? 0 : (long)(seconds + 0.5);
    if (s >= 3600) snprintf(to, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else snprintf(to, size, "%ld:%02ld", s / 60, s % 60);
}

static void draw(clg_progress *p, int64_t done) {
    char bar[BAR + 1], rest[24];
    const double now = clg_tool_now(), rate = (double)(done - p->first) / (now - p->began + 1e-9);
    const int full = p->total > 0 ? (int)(BAR * done / p->total) : 0;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(full < 0 ? 0 : full > BAR ? BAR : full));
    bar[BAR] = 0;
    fprintf(stderr, "\r%s [%s] %lld/%lld", p->label, bar, (long long)done, (long long)p->total);
    if (done > p->first) { /* before, nothing is known of the rate */
        time_text((double)(p->total - done) / rate, rest, sizeof rest);
        fprintf(stderr, "  %.*f %s/s  %s left", rate < 10 ? 1 : 0, rate, p->unit, rest);
    }
    fputs("\033[K", stderr);
    fflush(stderr);
    p->drawn = now;
}

void clg_progress_begin(clg_progress *p, const char *label, const char *unit, int64_t done, int64_t total) {
    *p = (clg_progress){.on = isatty(STDERR_FILENO) == 1, .unit = unit, .total = total, .first = done};
    snprintf(p->label, sizeof p->label, "%s", label);
    p->began = clg_tool_now();
    if (p->on) draw(p, done);
}

void clg_progress_update(clg_progress *p, int64_t done) {
    if (p->on && clg_tool_now() - p->drawn >= 0.1) draw(p, done);
}

void clg_progress_note(const char *text) {
    if (isatty(STDERR_FILENO) != 1) return;
    fprintf(stderr, "\r%s\033[K", text ? text : "");
    fflush(stderr);
}

void clg_progress_end(clg_progress *p) {
    if (!p->on) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->on = false;
}
