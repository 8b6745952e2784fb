/* Traces as files: Trace Event Format (Google, "Trace Event Format", 2016), JSON object form. Spans are complete events
 * ("X") with ts and dur in us from the trace's creation; process 0 is the host, process 1 + i device i. Times of
 * commands are brought to the host's clock by two moments at which both clocks were read, so that a drift is taken out
 * too. */
#include "base/file.h"
#include "cl/recording.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- times --- */

/* The host's seconds of a time of the device's clock. Two moments say how fast it goes, if they are far enough apart
 * and what they say is credible. */
static double host_time(const clg_trace *t, int device, uint64_t ns) {
    const clg_moment *a = &t->devices[device].first, *b = &t->devices[device].last;
    const double gap = (double)(int64_t)(b->device - a->device);
    double rate = gap > 1e7 ? (b->host - a->host) / gap : 1e-9;
    if (fabs(rate * 1e9 - 1) > 1e-3) rate = 1e-9;
    return a->host + rate * (double)(int64_t)(ns - a->device);
}

/* "1234.567": microseconds, with a point in every locale. */
static void write_us(FILE *to, double seconds) {
    const long long ns = seconds > 0 ? llround(seconds * 1e9) : 0;
    fprintf(to, "%lld.%03lld", ns / 1000, ns % 1000);
}

/* --- texts --- */

/* Bytes of the UTF-8 character at s; 0: it is none. */
static int character(const unsigned char *s) {
    const int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    const bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    const bool no_character = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || no_character ? 0 : n;
}

/* A JSON string; what is no UTF-8 (a name may have been cut within a character) becomes a question mark. */
static void write_text(FILE *to, const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    putc('"', to);
    while (*s) {
        const int n = character(s);
        if (n == 0) putc('?', to);
        else if (*s < 0x20 || *s == '"' || *s == '\\') fprintf(to, "\\u%04x", *s);
        else fwrite(s, 1, (size_t)n, to);
        s += n > 0 ? n : 1;
    }
    putc('"', to);
}

/* --- events --- */

static void write_name(FILE *to, const char *what, int process, int thread, const char *name) {
    fprintf(to, "{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"%s_name\",\"args\":{\"name\":", process, thread, what);
    write_text(to, name);
    fprintf(to, "}},\n{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"%s_sort_index\",\"args\":{\"sort_index\":%d}},\n",
            process, thread, what, thread > 0 ? thread : process);
}

static void write_rows(const clg_trace *t, FILE *to) {
    char name[32];
    write_name(to, "process", 0, 0, "host");
    for (int i = 0; i < t->n_threads; i++) {
        snprintf(name, sizeof name, "thread %d", i + 1);
        write_name(to, "thread", 0, 1 + i, name);
    }
    for (int i = 0; i < t->n_devices; i++) write_name(to, "process", 1 + i, 0, t->devices[i].device->row.name);
    for (int i = 0; i < t->n_queues; i++) write_name(to, "thread", 1 + t->queues[i].device, 1 + i, t->queues[i].name);
}

static void write_span(const clg_trace *t, const clg_span *s, FILE *to) {
    const int queue = s->row >= 0 ? s->row : -1, device = queue >= 0 ? t->queues[queue].device : -1;
    double start = s->at.s.start, end = s->at.s.end;
    if (device >= 0 && !t->devices[device].device->caps.ref) {
        start = host_time(t, device, s->at.ns.start);
        end = host_time(t, device, s->at.ns.end);
    }
    fprintf(to, "{\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":", 1 + device, queue >= 0 ? 1 + queue : -s->row);
    write_us(to, start - t->zero);
    fputs(",\"dur\":", to);
    write_us(to, end - start);
    fputs(",\"name\":", to);
    write_text(to, s->name);
    fputs("},\n", to);
}

static void write_all(const clg_trace *t, FILE *to) {
    int64_t lost = 0, unfinished = 0;
    for (int64_t i = 0; i < t->n; i++) {
        lost += t->spans[i].lost;
        unfinished += t->spans[i].event != NULL;
    }
    fprintf(to, "{\"displayTimeUnit\":\"ms\",\n\"otherData\":{\"producer\":\"clgrad %s\",\"spans\":%lld,"
            "\"dropped_spans\":%lld,\"spans_without_times\":%lld,\"unfinished_spans\":%lld},\n\"traceEvents\":[\n",
            clg_version(), (long long)(t->n - lost - unfinished), (long long)t->dropped, (long long)lost,
            (long long)unfinished);
    write_rows(t, to);
    for (int64_t i = 0; i < t->n; i++)
        if (!t->spans[i].lost && !t->spans[i].event) write_span(t, &t->spans[i], to);
    fprintf(to, "{\"ph\":\"M\",\"pid\":0,\"tid\":0,\"name\":\"process_labels\",\"args\":{\"labels\":\"%lld spans",
            (long long)(t->n - lost - unfinished));
    if (t->dropped > 0) fprintf(to, "; the trace was full: %lld are missing", (long long)t->dropped);
    fputs("\"}}\n]}\n", to);
}

clg_status clg_trace_write(clg_trace *t, FILE *to) {
    if (!t || !to) return clg_fail(CLG_ERR_INVALID, "clg_trace_write: the %s is NULL", t ? "file" : "trace");
    for (int i = 0; i < t->n_devices; i++) {
        clg_moment now;
        if (t->devices[i].device->caps.ref) continue;
        CLG_TRY(clg_clock_compare(t->devices[i].device, &now));
        pthread_mutex_lock(clg_trace_lock());
        t->devices[i].last = now;
        pthread_mutex_unlock(clg_trace_lock());
    }
    pthread_mutex_lock(clg_trace_lock());
    clg_trace_read(t, t->n);
    write_all(t, to);
    const bool ok = fflush(to) == 0 && !ferror(to);
    pthread_mutex_unlock(clg_trace_lock());
    return ok ? CLG_OK : clg_fail(CLG_ERR_IO, "clg_trace_write: the trace could not be written");
}

clg_status clg_trace_save(clg_trace *t, const char *path) {
    char *text = NULL;
    size_t size = 0;
    if (!t || !path) return clg_fail(CLG_ERR_INVALID, "clg_trace_save: the %s is NULL", t ? "path" : "trace");
    FILE *f = open_memstream(&text, &size);
    if (!f) return clg_fail_nomem("trace");
    clg_status status = clg_trace_write(t, f);
    if (fclose(f) != 0 && status >= 0) status = clg_fail_nomem("trace");
    if (status == CLG_ERR_IO) status = clg_fail_nomem("trace"); /* no file was written to yet */
    if (status >= 0) status = clg_file_write(path, &(clg_file_part){ text, size }, 1, true);
    free(text);
    return status;
}
