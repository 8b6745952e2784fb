/* Records of tuning as text: lines, the file of a device, and the defaults that the library ships.
 *
 * Nothing in a file can do harm: a line counts only if its key is that of a node at hand, its implementation is in the
 * op's table and accepts the node, and each value is in the knob's list. Files are replaced by rename, under a lock,
 * and what others have written meanwhile is kept. */
#include "plan/tune.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 24, MAX_PATTERN = 4096 };

static const char first_line[] = "# clgrad tuning records, format 1\n";
static const char between[] = " = ";

/* --- choices --- */

const char *clg_chosen_name(enum clg_chosen by) {
    static const char *const names[] = { "heuristic", "shipped", "tuned", "forced" };
    return names[by];
}

clg_choice clg_choice_default(const clg_impl *m, enum clg_chosen by) {
    clg_choice c = { .impl = m, .by = by };
    for (int i = 0; m && m->knobs && m->knobs[i].name && i < CLG_MAX_KNOBS; i++) c.knob[i] = m->knobs[i].value[0];
    return c;
}

void clg_choice_print(const clg_choice *c, clg_str *out) {
    clg_str_add(out, c->impl->name);
    for (int i = 0; c->impl->knobs && c->impl->knobs[i].name && i < CLG_MAX_KNOBS; i++)
        if (c->knob[i] != c->impl->knobs[i].value[0])
            clg_str_printf(out, " %s=%d", c->impl->knobs[i].name, c->knob[i]);
}

static bool has_value(const clg_knob *k, long v) {
    for (int i = 0; i < k->n; i++)
        if (k->value[i] == v) return true;
    return false;
}

/* The next word of a line; its size, 0 at the end. */
static size_t next_word(const char **at, const char *end, const char **word) {
    while (*at < end && **at == ' ') (*at)++;
    *word = *at;
    while (*at < end && **at != ' ') (*at)++;
    return (size_t)(*at - *word);
}

static bool is_word(const char *word, size_t size, const char *text) {
    return strlen(text) == size && memcmp(word, text, size) == 0;
}

/* "tile=3" into the choice; false if there is no such knob or value. */
static bool parse_knob(const char *word, size_t size, clg_choice *c) {
    char text[80], *end = NULL;
    if (size >= sizeof text) return false;
    memcpy(text, word, size);
    text[size] = 0;
    char *equals = strchr(text, '=');
    if (!equals || !equals[1]) return false;
    *equals = 0;
    const long v = strtol(equals + 1, &end, 10);
    for (int i = 0; *end == 0 && c->impl->knobs && c->impl->knobs[i].name && i < CLG_MAX_KNOBS; i++) {
        if (strcmp(c->impl->knobs[i].name, text) != 0 || !has_value(&c->impl->knobs[i], v)) continue;
        c->knob[i] = (int)v;
        return true;
    }
    return false;
}

/* What stands behind the key, up to the remarks. */
static bool parse_choice(const char *at, const char *end, const clg_op *op, clg_choice *c) {
    const char *word, *remark = memchr(at, '#', (size_t)(end - at));
    if (remark) end = remark;
    size_t size = next_word(&at, end, &word);
    const clg_impl *m = op->impls;
    while (m && m->name && !is_word(word, size, m->name)) m++;
    if (!m || !m->name) return false;
    *c = clg_choice_default(m, CLG_CHOSEN_HEURISTIC);
    while ((size = next_word(&at, end, &word)) > 0)
        if (!parse_knob(word, size, c)) return false;
    return true;
}

/* --- lines --- */

typedef struct line {
    const char *text, *end; /* end: of the line, without the newline */
    const char *value;      /* behind " = "; NULL: no record */
} line;

static const char *find_text(const char *at, const char *end, const char *what) {
    const size_t n = strlen(what);
    for (; (size_t)(end - at) >= n; at++)
        if (memcmp(at, what, n) == 0) return at;
    return NULL;
}

static bool is_plain(const char *at, const char *end) {
    for (; at < end; at++)
        if ((unsigned char)*at < 32 || (unsigned char)*at > 126) return false;
    return true;
}

/* The line at *offset, which moves behind it; false at the end. */
static bool next_line(const clg_records *r, size_t *offset, line *l) {
    if (*offset >= r->size) return false;
    const char *text = r->text + *offset, *newline = memchr(text, '\n', r->size - *offset);
    *l = (line){ text, newline ? newline : r->text + r->size, NULL };
    *offset = (size_t)(l->end - r->text) + 1;
    if (text == l->end || *text == '#' || !is_plain(text, l->end)) return true;
    const char *equals = find_text(text, l->end, between);
    if (equals && equals > text && equals + 3 < l->end) l->value = equals + 3;
    return true;
}

static bool has_key(const line *l, const char *key, bool globs) {
    const size_t size = (size_t)(l->value - 3 - l->text);
    char pattern[MAX_PATTERN + 1];
    if (!globs) return is_word(l->text, size, key);
    if (size > MAX_PATTERN) return false;
    memcpy(pattern, l->text, size);
    pattern[size] = 0;
    return clg_str_glob(pattern, key);
}

bool clg_records_find(const clg_records *r, bool globs, const char *key, const clg_node *n, clg_choice_filter may,
                      const void *user, clg_choice *out, bool *unfinished) {
    bool found = false;
    size_t at = 0;
    line l;
    while (next_line(r, &at, &l) && !(found && globs)) {
        clg_choice c;
        if (!l.value || !has_key(&l, key, globs)) continue;
        if (!parse_choice(l.value, l.end, n->op, &c)) {
            clg_log_msg(globs ? CLG_LOG_DEBUG : CLG_LOG_INFO, "tuning record ignored, as this library lacks what it "
                        "names: %.*s", (int)(l.end - l.text), l.text);
            continue;
        }
        if (may && !may(user, n, c.impl)) continue;
        *out = c;
        if (unfinished) *unfinished = find_text(l.value, l.end, "unfinished") != NULL;
        found = true;
    }
    return found;
}

/* --- the file of a device --- */

static void version_of(char *to, size_t size) { /* without the commit, which changes too often */
    snprintf(to, size, "%.*s", (int)strcspn(clg_version(), " "), clg_version());
}

clg_status clg_records_path(const clg_device *d, clg_str *out) {
    const char *dir = clg_device_cache_dir(d);
    char key[65], version[40];
    clg_device_info info;
    clg_sha256 h;
    if (!dir) return CLG_OK;
    clg_device_get_info(d, &info);
    version_of(version, sizeof version);
    clg_sha256_init(&h);
    clg_sha256_add_str(&h, clg_device_kind(d));
    clg_sha256_add_str(&h, info.driver);
    clg_sha256_add_str(&h, info.platform);
    clg_sha256_add_str(&h, version);
    clg_sha256_end(&h, key);
    clg_str_printf(out, "%s/tune-%.16s.txt", dir, key);
    return out->failed ? clg_fail_nomem("path") : CLG_OK;
}

static clg_records read_file(const char *path) {
    clg_records r = { 0 };
    void *data = NULL;
    clg_error_state before;
    clg_error_save(&before);
    if (access(path, F_OK) == 0) {
        if (clg_file_read(path, MAX_FILE, &data, &r.size) == CLG_OK) r.text = r.owned = data;
        else clg_log_msg(CLG_LOG_WARN, "tuning records are not used: %s", clg_error());
    }
    clg_error_restore(&before);
    return r;
}

/* How many lines are neither records nor remarks. */
static int count_damaged(const clg_records *r) {
    int n = 0;
    size_t at = 0;
    line l;
    while (next_line(r, &at, &l)) n += !l.value && l.text < l.end && *l.text != '#';
    return n;
}

clg_records clg_records_load(const clg_device *d) {
    clg_str path = { 0 };
    clg_records r = { 0 };
    if (clg_records_path(d, &path) == CLG_OK && path.size > 0) r = read_file(clg_str_text(&path));
    const int damaged = count_damaged(&r);
    if (damaged > 0)
        clg_log_msg(CLG_LOG_WARN, "%s: %d damaged or foreign lines are ignored", clg_str_text(&path), damaged);
    clg_str_free(&path);
    return r;
}

void clg_records_free(clg_records *r) {
    clg_free(r->owned);
    *r = (clg_records){ 0 };
}

static void print_header(const clg_device *d, clg_str *out) {
    clg_device_info info;
    char version[40];
    clg_device_get_info(d, &info);
    version_of(version, sizeof version);
    clg_str_printf(out, "%s# device:  %s\n# driver:  %s; %s\n# library: %s\n"
                        "# Made by clgrad tune; one line a key, sorted. Lines may be deleted or edited.\n",
                   first_line, clg_device_kind(d), info.driver, info.platform, version);
}

static void print_record(const clg_record *r, clg_str *out) {
    clg_str_printf(out, "%s%s", r->key, between);
    clg_choice_print(&r->best, out);
    clg_str_printf(out, " # %.4g ms; without: %.4g ms by ", 1e3 * r->best_s, 1e3 * r->before_s);
    clg_choice_print(&r->before, out);
    if (r->unfinished) clg_str_add(out, "; unfinished");
}

static int by_text(const void *a, const void *b) {
    const line *x = a, *y = b;
    const size_t n = (size_t)(x->end - x->text), m = (size_t)(y->end - y->text);
    const int c = memcmp(x->text, y->text, n < m ? n : m);
    return c ? c : (n > m) - (n < m);
}

/* All lines of the old file but those of the key, and the new one unless it is NULL, in order. */
static void merge(const clg_device *d, const clg_records *old, const char *key, const char *new, clg_str *out) {
    line *lines = NULL, l;
    int n = 0, cap = 0;
    size_t at = 0;
    print_header(d, out);
    while (!out->failed && next_line(old, &at, &l)) {
        if (!l.value || has_key(&l, key, false)) continue;
        if (clg_grow(&lines, &cap, n + 1, sizeof *lines)) lines[n++] = l;
        else out->failed = true;
    }
    if (new && !out->failed) {
        if (clg_grow(&lines, &cap, n + 1, sizeof *lines)) lines[n++] = (line){ new, new + strlen(new), NULL };
        else out->failed = true;
    }
    if (lines) qsort(lines, (size_t)n, sizeof *lines, by_text);
    for (int i = 0; i < n; i++) {
        clg_str_add_bytes(out, lines[i].text, (size_t)(lines[i].end - lines[i].text));
        clg_str_add(out, "\n");
    }
    clg_free(lines);
}

clg_status clg_records_put(const clg_device *d, const char *key, const char *text) {
    static pthread_mutex_t threads = PTHREAD_MUTEX_INITIALIZER; /* a lock on a file is the process's */
    clg_str path = { 0 }, lock_path = { 0 }, all = { 0 };
    clg_status status = CLG_OK;
    int lock = -1;
    clg_records old = { 0 };
    pthread_mutex_lock(&threads);
    CLG_TRY_END(clg_records_path(d, &path));
    if (path.size == 0) goto end;
    CLG_TRY_END(clg_dir_make(clg_device_cache_dir(d)));
    clg_str_printf(&lock_path, "%s/.tune.lock", clg_device_cache_dir(d));
    if (!lock_path.failed) lock = clg_file_lock(clg_str_text(&lock_path), 0);
    old = read_file(clg_str_text(&path));
    merge(d, &old, key, text, &all);
    CLG_TRY_END(all.failed ? clg_fail_nomem("tuning records") : CLG_OK);
    const clg_file_part part = { all.text, all.size };
    status = clg_file_write(clg_str_text(&path), &part, 1, true);
end:
    clg_file_unlock(lock);
    pthread_mutex_unlock(&threads);
    clg_records_free(&old);
    clg_str_free(&path);
    clg_str_free(&lock_path);
    clg_str_free(&all);
    return status;
}

clg_status clg_records_store(const clg_device *d, const clg_record *r) {
    clg_str text = { 0 };
    print_record(r, &text);
    const clg_status status = text.failed ? clg_fail_nomem("tuning records")
                                          : clg_records_put(d, r->key, clg_str_text(&text));
    clg_str_free(&text);
    return status;
}

bool clg_records_next(const clg_records *r, size_t *at, const char *begin, clg_records_line *out) {
    line l;
    while (next_line(r, at, &l)) {
        if (!l.value || strncmp(l.text, begin, strlen(begin)) != 0) continue;
        *out = (clg_records_line){ l.text, l.value, (size_t)(l.value - 3 - l.text), (size_t)(l.end - l.value) };
        return true;
    }
    return false;
}

/* --- shipped --- */

struct clg_embedded { const char *name; const unsigned char *data; size_t size; };
extern const struct clg_embedded clg_tuned_files[]; /* made by embed.c from src/plan/tuned */

/* By what the device says of itself, never by its name. */
static const char *class_file(const clg_device_caps *c) {
    if (c->ref) return "";
    if (c->cls == CLG_CLASS_GPU) return c->wave >= 64 ? "gpu-wave64.txt" : "gpu-wave32.txt";
    return c->vector_f32 >= 16 ? "cpu-avx512.txt" : c->vector_f32 >= 8 ? "cpu-avx2.txt" : "cpu-generic.txt";
}

clg_records clg_records_shipped(const clg_device *d) {
    const char *name = class_file(clg_device_get_caps(d));
    for (const struct clg_embedded *f = clg_tuned_files; f->name; f++)
        if (strcmp(f->name, name) == 0) return (clg_records){ (const char *)f->data, f->size, NULL };
    return (clg_records){ 0 };
}
