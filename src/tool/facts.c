/* Tables of two columns in reports, and the rows that every report has. */
#include "tool/facts.h"
#include <stdarg.h>
#include <time.h>

void clg_facts_add(clg_facts *f, const char *what, const char *fmt, ...) {
    va_list ap;
    if (f->n == CLG_FACTS_ROWS) return;
    va_start(ap, fmt);
    snprintf(f->text[f->n][0], CLG_FACTS_TEXT, "%s", what);
    vsnprintf(f->text[f->n++][1], CLG_FACTS_TEXT, fmt, ap);
    va_end(ap);
}

void clg_facts_put(clg_facts *f, clg_report *r, const char *caption) {
    const char *cell[CLG_FACTS_ROWS * 2];
    for (int i = 0; i < f->n * 2; i++) cell[i] = f->text[i / 2][i % 2];
    if (f->n > 0) clg_report_table(r, caption, 2, f->n, cell);
    f->n = 0;
}

void clg_facts_add_device(clg_facts *f, clg_device *dev) {
    clg_device_info d;
    clg_device_stats s;
    clg_device_get_info(dev, &d);
    clg_device_get_stats(dev, &s);
    clg_facts_add(f, "device", "%s", d.name);
    clg_facts_add(f, "platform", "%s", d.platform);
    clg_facts_add(f, "driver", "%s", d.driver);
    clg_facts_add(f, "compute units", "%d", d.compute_units);
    clg_facts_add(f, "library", "clgrad %s", clg_version());
    clg_facts_add(f, "most device memory", "%.1f MB", (double)s.mem_peak / 1e6);
    clg_facts_add(f, "programs", "%d built in %.1f s, %d from the cache", s.programs_built, s.build_seconds,
                  s.programs_cached);
}

void clg_facts_add_time(clg_facts *f) {
    char now[40];
    const time_t t = time(NULL);
    struct tm utc;
    clg_facts_add(f, "in all", "%.1f s", clg_tool_uptime());
    if (gmtime_r(&t, &utc) && strftime(now, sizeof now, "%Y-%m-%d %H:%M UTC", &utc) > 0)
        clg_facts_add(f, "finished", "%s", now);
}
