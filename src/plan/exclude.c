/* What is not chosen although it would be accepted. Two kinds:
 *
 *   exclusions  implementations that give wrong numbers on a device and driver, found by the tuner's check or by
 *               `clgrad doctor --remember`. They are lines of the file of tuning records, "exclude IMPL = REASON", and
 *               are kept with the device while it is open.
 *   bars        implementations that failed while a plan was made (a program that does not build, a kernel that takes
 *               no work-group of the size it needs), or in its first run (first.c): the plan is compiled again
 *               without them. They go with the plan; the device's table of programs remembers the failed build, so the
 *               next plan finds it out at once.
 *
 * Neither holds for what clg_plan_params.impl names. */
#include "plan/tune.h"

#include "base/alloc.h"
#include "base/log.h"
#include "cl/launch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* --- exclusions --- */

typedef struct exclusion {
    char *impl, *why;
    bool  gone;  /* allowed again: the texts stay, since callers may hold them */
} exclusion;

/* What is kept with a device. */
typedef struct notes {
    exclusion *e;
    int        n, cap;
    char     **told; /* failures that were logged */
    int        n_told, cap_told;
} notes;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over the notes of all devices */

static const char prefix[] = "exclude ";

static void notes_free(void *data) {
    notes *s = data;
    for (int i = 0; i < s->n; i++) {
        clg_free(s->e[i].impl);
        clg_free(s->e[i].why);
    }
    for (int i = 0; i < s->n_told; i++) clg_free(s->told[i]);
    clg_free(s->e);
    clg_free(s->told);
    clg_free(s);
}

static char *copy_text(const char *text, size_t size) {
    char *copy = clg_alloc(size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

static exclusion *find(notes *s, const char *impl, size_t size) {
    for (int i = 0; i < s->n; i++)
        if (strlen(s->e[i].impl) == size && memcmp(s->e[i].impl, impl, size) == 0) return &s->e[i];
    return NULL;
}

/* A new reason is a new entry, so that texts that were handed out stay. */
static bool add(notes *s, const char *impl, size_t impl_size, const char *why, size_t why_size) {
    exclusion *old = find(s, impl, impl_size);
    if (old && !old->gone) return true;
    if (!clg_grow(&s->e, &s->cap, s->n + 1, sizeof *s->e)) return false;
    exclusion *e = &s->e[s->n];
    *e = (exclusion){ copy_text(impl, impl_size), copy_text(why, why_size), false };
    if (!e->impl || !e->why) {
        clg_free(e->impl);
        clg_free(e->why);
        return false;
    }
    if (old) { /* the present one is found first */
        const exclusion now = *e;
        *e = *old;
        *old = now;
    }
    s->n++;
    return true;
}

/* The lines of the file; without memory, those that fit. */
static void read_lines(const clg_device *d, notes *s) {
    clg_records r = clg_records_load(d);
    clg_records_line l;
    size_t at = 0;
    while (clg_records_next(&r, &at, prefix, &l)) {
        const char *impl = l.key + strlen(prefix);
        const size_t size = l.key_size - strlen(prefix);
        if (!clg_impl_known(impl, size))
            clg_log_msg(CLG_LOG_INFO, "there is no implementation %.*s to exclude", (int)size, impl);
        else if (!add(s, impl, size, l.value, l.value_size)) break;
    }
    clg_records_free(&r);
}

/* The notes of a device, made at the first call; NULL: no memory. The lock is held. */
static notes *notes_of(const clg_device *d) {
    clg_device_extra *extra = clg_device_extra_of(d);
    if (extra->data) return extra->data;
    notes *s = clg_calloc(1, sizeof *s);
    if (!s) return NULL;
    extra->free = notes_free;
    extra->data = s;
    read_lines(d, s);
    return s;
}

static bool excluded(const clg_device *d, const char *impl, const char **why) {
    pthread_mutex_lock(&lock);
    notes *s = notes_of(d);
    const exclusion *e = s ? find(s, impl, strlen(impl)) : NULL;
    const bool found = e && !e->gone;
    if (found && why) *why = e->why;
    pthread_mutex_unlock(&lock);
    return found;
}

static clg_status check(const char *call, const clg_device *dev, const char *impl) {
    if (!dev) return clg_fail(CLG_ERR_INVALID, "%s: the device is NULL", call);
    if (clg_device_get_caps(dev)->ref)
        return clg_fail(CLG_ERR_INVALID, "%s: the device \"ref\" has no implementations to choose from", call);
    if (impl && !clg_impl_known(impl, strlen(impl)))
        return clg_fail(CLG_ERR_INVALID, "%s: there is no implementation \"%s\"; clg_op_impl() lists them all", call,
                        impl);
    return CLG_OK;
}

/* The line of an implementation in the file; why NULL: none. */
static clg_status store(const clg_device *d, const char *impl, const char *why) {
    clg_str key = { 0 }, line = { 0 };
    clg_str_printf(&key, "%s%s", prefix, impl);
    if (why) clg_str_printf(&line, "%s = %s", clg_str_text(&key), why);
    const clg_status status = key.failed || line.failed ? clg_fail_nomem("exclusion")
        : clg_records_put(d, clg_str_text(&key), why ? clg_str_text(&line) : NULL);
    clg_str_free(&key);
    clg_str_free(&line);
    return status;
}

clg_status clg_impl_exclude(clg_device *dev, const char *impl, const char *why) {
    char text[400];
    CLG_TRY(check("clg_impl_exclude", dev, impl));
    if (!impl) return clg_fail(CLG_ERR_INVALID, "clg_impl_exclude: the implementation is NULL");
    snprintf(text, sizeof text, "%s", why && *why ? why : "no reason given");
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || (unsigned char)*c > 126) *c = *c == '\n' ? ' ' : '?'; /* a line of plain text */
    pthread_mutex_lock(&lock);
    notes *s = notes_of(dev);
    const bool ok = s && add(s, impl, strlen(impl), text, strlen(text));
    pthread_mutex_unlock(&lock);
    return ok ? store(dev, impl, text) : clg_fail_nomem("exclusion");
}

clg_status clg_impl_allow(clg_device *dev, const char *impl) {
    clg_status status = CLG_OK;
    CLG_TRY(check("clg_impl_allow", dev, impl));
    pthread_mutex_lock(&lock);
    notes *s = notes_of(dev);
    if (!s) status = clg_fail_nomem("exclusion");
    for (int i = 0; s && i < s->n && status >= 0; i++) {
        if (s->e[i].gone || (impl && strcmp(s->e[i].impl, impl) != 0)) continue;
        s->e[i].gone = true;
        status = store(dev, s->e[i].impl, NULL);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

const char *clg_impl_excluded(clg_device *dev, int i, const char **why) {
    const exclusion *found = NULL;
    if (!dev || clg_device_get_caps(dev)->ref || i < 0) return NULL;
    pthread_mutex_lock(&lock);
    notes *s = notes_of(dev);
    for (int k = 0; s && k < s->n && !found; k++)
        if (!s->e[k].gone && i-- == 0) found = &s->e[k];
    const exclusion copy = found ? *found : (exclusion){ 0 }; /* the array moves */
    pthread_mutex_unlock(&lock);
    if (copy.impl && why) *why = copy.why;
    return copy.impl;
}

/* --- bars --- */

static const clg_bar *find_bar(const clg_plan *p, const clg_node *n, const char *impl) {
    for (int i = 0; i < p->findings->bars.n; i++) {
        const clg_bar *b = &p->findings->bars.bar[i];
        if (b->device == p->device && strcmp(b->impl, impl) == 0 && (b->node < 0 || (n && b->node == n->id))) return b;
    }
    return NULL;
}

bool clg_impl_barred(const clg_plan *p, const clg_node *n, const char *impl, const char **why) {
    const clg_bar *b = find_bar(p, n, impl);
    if (b && why) *why = b->why;
    return b || excluded(p->device, impl, why);
}

void clg_bars_free(clg_bars *b) {
    for (int i = 0; i < b->n; i++) clg_free(b->bar[i].why);
    clg_free(b->bar);
    *b = (clg_bars){ 0 };
}

/* The message up to the first lines of the build log, in which mostly one mistake stands. */
static char *first_lines(const char *text) {
    enum { LINES = 4, MOST = 800 };
    const char *end = text;
    for (int i = 0; i < LINES && *end; i++) {
        end += strcspn(end, "\n");
        if (*end && i + 1 < LINES) end++;
    }
    size_t size = (size_t)(end - text);
    while (size > 0 && text[size - 1] == '\n') size--;
    return copy_text(text, size < MOST ? size : MOST);
}

/* Whether this failure was not logged before. */
static bool is_news(const clg_device *d, const char *impl) {
    bool known = false;
    pthread_mutex_lock(&lock);
    notes *s = notes_of(d);
    for (int i = 0; s && i < s->n_told && !known; i++) known = strcmp(s->told[i], impl) == 0;
    if (s && !known && clg_grow(&s->told, &s->cap_told, s->n_told + 1, sizeof *s->told)) {
        s->told[s->n_told] = copy_text(impl, strlen(impl));
        s->n_told += s->told[s->n_told] != NULL;
    }
    pthread_mutex_unlock(&lock);
    return !known;
}

/* Failures of an implementation on this device, and not of the moment, of the device, or of this library. */
static bool may_be_its_fault(clg_status status) { return status == CLG_ERR_BUILD || status == CLG_ERR_UNSUP; }

/* What failed: a library that the device's other ops would use too, a kind of elementwise kernels, which share a
 * program, or the implementation of a unit. all: no matter which node asks. */
static const char *culprit(const clg_plan *p, const clg_step *s, bool *all) {
    const clg_unit *u = &p->units[s->unit];
    *all = true;
    if (s->kind == CLG_STEP_KERNEL && !s->file) return clg_elementwise_name(clg_elementwise_for_gpu(p));
    if (s->kind == CLG_STEP_GEMM && clg_gemm_clblast_broken(p->device)) return clg_gemm_clblast_name;
    *all = false;
    return u->impl ? u->impl->name : NULL;
}

/* Notes that the implementation of the failed step is not to be taken, for its node or for all; false: it was noted
 * before, or the caller wants it. */
static bool bar(clg_plan *p, const clg_step *s, bool for_all) {
    bool all;
    const clg_unit *u = &p->units[s->unit];
    const char *impl = culprit(p, s, &all);
    const clg_choice *candidate = clg_plan_candidate(p);
    if (!impl || clg_impl_forced(p, impl) || (candidate && impl == candidate->impl->name)) return false;
    if (clg_device_check(p->device) < 0) return false; /* nothing can be made on a lost one */
    const clg_node *n = u->nodes[0];
    if (find_bar(p, n, impl)) return false; /* it came again: nothing would change */
    clg_bars *bars = &p->findings->bars;
    if (!clg_grow(&bars->bar, &bars->cap, bars->n + 1, sizeof *bars->bar)) return false;
    char *why = first_lines(clg_error());
    if (!why) return false;
    bars->bar[bars->n++] = (clg_bar){ p->device, all || for_all ? -1 : n->id, impl, why };
    clg_log_msg(is_news(p->device, impl) ? CLG_LOG_WARN : CLG_LOG_DEBUG, "%s fails here, so another implementation is "
                "taken: %s", impl, why);
    return true;
}

static const clg_step *failed_step(const clg_plan *p) {
    const clg_step *s = p->failed_step >= 0 ? &p->steps[p->failed_step] : NULL;
    return s && s->unit >= 0 ? s : NULL;
}

void clg_plan_bar(clg_plan *p, clg_status status) {
    const clg_step *s = failed_step(p);
    if (s && may_be_its_fault(status)) (void)bar(p, s, false);
}

/* Whether the device has something else for the node of a step. */
static bool has_other(const clg_plan *p, const clg_step *s) {
    const clg_unit *u = &p->units[s->unit];
    for (const clg_impl *m = u->seen ? u->seen->op->impls : NULL; m && m->name; m++)
        if (m != u->impl && clg_impl_usable(p, u->seen, m) && !clg_impl_barred(p, u->nodes[0], m->name, NULL))
            return true;
    return false;
}

/* Elementwise kernels need no memory of their own, and what lacks it must not end on the reference. An implementation
 * that has no room for its scratch in one node is taken for none. */
bool clg_plan_bar_launch(clg_plan *p, clg_status status) {
    const clg_step *s = failed_step(p);
    if (!s || (status == CLG_ERR_NOMEM && !has_other(p, s))) return false;
    return (may_be_its_fault(status) || status == CLG_ERR_NOMEM) && bar(p, s, status == CLG_ERR_NOMEM);
}

clg_status clg_fail_no_impl(clg_plan *p, const clg_node *n) {
    clg_str why = { 0 };
    const clg_op *op = n ? n->op : NULL;
    const char *reason = NULL;
    for (const clg_impl *m = op ? op->impls : NULL; m && m->name; m++)
        if (clg_impl_barred(p, n, m->name, &reason)) clg_str_printf(&why, "; %s: %s", m->name, reason);
    for (int gpu = 0; gpu < 2 && !op; gpu++)
        if (clg_impl_barred(p, NULL, clg_elementwise_name(gpu), &reason))
            clg_str_printf(&why, "; %s: %s", clg_elementwise_name(gpu), reason);
    const clg_status status = clg_fail(CLG_ERR_UNSUP, "%s: no usable implementation of %s on this device for these "
                                       "shapes and types%s", n ? clg_node_text(p, n) : "clg_compile",
                                       op ? op->name : "elementwise ops", clg_str_text(&why));
    clg_str_free(&why);
    return status;
}
