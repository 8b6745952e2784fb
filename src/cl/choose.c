/* Which device is meant: an index, a "platform:type:name" pattern, or the default. */
#include "cl/internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = { "cpu", "gpu", "accel", "ref" };

enum { MAX_TEXT = 256 };

/* What a pattern asks for. */
typedef struct pattern {
    const char *platform, *name; /* substrings; NULL: any */
    const char *either;          /* platform or name */
    int type;                    /* enum clg_device_type; -1: any */
    int ordinal;                 /* counts the devices that fit; -1: the best of them */
    char text[MAX_TEXT];         /* what the strings point into */
} pattern;

/* A small number; -1 if it is none. More than three digits are part of a name ("4090"). */
static int number_of(const char *text) {
    const size_t n = strlen(text);
    return n > 0 && n <= 3 && strspn(text, "0123456789") == n ? atoi(text) : -1;
}

static int type_index(const char *text) {
    for (int i = 0; i < (int)(sizeof type_names / sizeof type_names[0]); i++)
        if (strlen(text) == strlen(type_names[i]) && clg_str_contains_nocase(text, type_names[i])) return i;
    return -1;
}

static clg_status bad_pattern(const char *which, const char *why) {
    return clg_fail(CLG_ERR_DEVICE, "device \"%s\": %s; a device is an index or \"platform:type:name\", every part "
                    "optional, with type one of cpu, gpu, accel, ref, and \"#i/n\" behind it for a part", which, why);
}

/* Splits at colons. With three parts the middle one is the type; with fewer, the type is found by its name, what
 * stands before it is the platform and what stands behind it the name. Numbers count wherever they stand. */
static clg_status parse(const char *which, pattern *p) {
    *p = (pattern){ .type = -1, .ordinal = -1 };
    if (strlen(which) >= sizeof p->text) return bad_pattern("(very long)", "too long");
    strcpy(p->text, which);
    const char *part[4];
    int n = 0;
    for (char *s = p->text; s; n++) {
        if (n == 4) return bad_pattern(which, "more than four parts");
        part[n] = s;
        s = strchr(s, ':');
        if (s) *s++ = 0;
    }
    for (int i = 0; i < n; i++) {
        const bool middle = i == 1 && n >= 3;
        if (*part[i] == 0) continue;
        if (number_of(part[i]) >= 0) {
            if (p->ordinal >= 0) return bad_pattern(which, "two numbers");
            p->ordinal = number_of(part[i]);
        } else if (type_index(part[i]) >= 0 && (n < 3 || middle)) {
            if (p->type >= 0) return bad_pattern(which, "two types");
            p->type = type_index(part[i]);
        } else if (middle || i == 3) {
            return bad_pattern(which, middle ? "the middle part is no type" : "the fourth part is no number");
        } else if (n == 1) {
            p->either = part[i];
        } else if (i == 0) {
            p->platform = part[i];
        } else {
            p->name = part[i];
        }
    }
    return CLG_OK;
}

/* "pocl" is only in PoCL's version text, so that counts as its platform's name. */
static bool platform_has(const clg_device_row *row, const char *part) {
    return clg_str_contains_nocase(row->platform_name, part) || clg_str_contains_nocase(row->platform_version, part);
}

static bool platform_fits(const clg_device_row *row, const char *part) {
    return platform_has(row, part) || clg_str_contains_nocase(row->vendor, part);
}

static bool fits(const pattern *p, const clg_device_row *row) {
    const bool ref = row->info.type == CLG_DEVICE_REF;
    if (p->type >= 0 && p->type != (int)row->info.type) return false;
    if (ref && p->type < 0 && !p->either && !p->platform && !p->name) return false; /* never by accident */
    if (p->platform && !platform_fits(row, p->platform)) return false;
    if (p->name && !clg_str_contains_nocase(row->name, p->name)) return false;
    return !p->either || platform_fits(row, p->either) || clg_str_contains_nocase(row->name, p->either);
}

/* Larger is better: sound drivers, then GPU, accelerator, CPU, then a platform of the name that is asked for (on a CPU
 * of Intel, PoCL's device has "Intel" in its name too), then own memory, then speed on paper. */
static double rank(const pattern *p, const clg_device_row *row) {
    if (row->info.type == CLG_DEVICE_REF) return -1e12;
    const double kind = row->info.type == CLG_DEVICE_GPU ? 2 : row->info.type == CLG_DEVICE_ACCEL ? 1 : 0;
    const char *platform = p->either ? p->either : p->platform;
    const double named = platform && platform_has(row, platform) ? 1 : 0, own = row->info.unified_memory ? 0 : 1;
    const double speed = (double)row->info.compute_units * (row->clock_mhz > 0 ? row->clock_mhz : 1000);
    const double sound = *row->unusable ? -2 : row->quirks & CLG_QUIRK_AVOID ? -1 : 0;
    return sound * 2e10 + kind * 4e9 + named * 2e9 + own * 1e9 + (speed < 9e8 ? speed : 9e8);
}

/* "0 = Portable Computing Language:cpu:pthread-..., 1 = clgrad:ref:reference" */
static void list_candidates(clg_str *to, int n) {
    clg_device_row row;
    for (int i = 0; i < n; i++) {
        if (!clg_catalog_copy(i, &row)) break;
        clg_str_printf(to, "%s%d = %s:%s:%s", i > 0 ? ", " : "", i, row.platform_name, type_names[row.info.type],
                       row.name);
        if (*row.unusable) clg_str_printf(to, " (unusable: %s)", row.unusable);
    }
}

static clg_status fail_with_list(int n, const char *fmt, ...) CLG_FMT(2, 3);
static clg_status fail_with_list(int n, const char *fmt, ...) {
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    clg_str list = { 0 };
    list_candidates(&list, n);
    const clg_status status = clg_fail(CLG_ERR_DEVICE, "%s; there are: %s", what, clg_str_text(&list));
    clg_str_free(&list);
    return status;
}

/* The best row that fits, or the p->ordinal-th; -1 if there is none. */
static int best(const pattern *p, int n) {
    clg_device_row row;
    double best_rank = 0;
    int found = -1, seen = 0;
    for (int i = 0; i < n; i++) {
        if (!clg_catalog_copy(i, &row) || !fits(p, &row)) continue;
        if (p->ordinal >= 0 && seen++ == p->ordinal) return i;
        if (p->ordinal >= 0 || (found >= 0 && rank(p, &row) <= best_rank)) continue;
        found = i;
        best_rank = rank(p, &row);
    }
    return found;
}

/* The default: as best(), but never one that is unusable or has AVOID faults. */
static int find_default(int n, clg_status loaded) {
    const pattern any = { .type = -1, .ordinal = -1 };
    clg_device_row row;
    if (loaded < 0) return loaded; /* the message says which package to install */
    const int i = best(&any, n);
    if (i < 0 || !clg_catalog_copy(i, &row)) return clg_fail(CLG_ERR_DEVICE, "no OpenCL device found");
    if (!*row.unusable && !(row.quirks & CLG_QUIRK_AVOID)) return i;
    return fail_with_list(n, "no OpenCL device is fit to be chosen by default (%s): name one by CLGRAD_DEVICE",
                          *row.unusable ? row.unusable : row.quirk_text);
}

static int find(const char *which, const char *from) {
    int n = 0;
    pattern p;
    const clg_status loaded = clg_catalog_load(&n);
    if (*which == 0) return find_default(n, loaded);
    if (number_of(which) >= 0) {
        if (number_of(which) < n) return number_of(which);
        return fail_with_list(n, "device %s%s: no such index", which, from);
    }
    CLG_TRY(parse(which, &p));
    const int i = best(&p, n);
    if (i >= 0) return i;
    if (loaded < 0) return clg_fail_context(loaded, "device \"%s\"%s: ", which, from);
    return fail_with_list(n, "device \"%s\"%s: none fits", which, from);
}

/* A device and its part. What names none is that of the environment; "#0/2" is a part of that. */
static int find_part(const char *which, clg_device_part *part) {
    char whole[MAX_TEXT];
    clg_device_part outer = { 0, 0 };
    const char *from = "", *environment = getenv("CLGRAD_DEVICE");
    CLG_TRY(clg_part_split(which ? which : "", whole, sizeof whole, part));
    if (*whole == 0) {
        CLG_TRY(clg_part_split(environment ? environment : "", whole, sizeof whole, &outer));
        from = " (from $CLGRAD_DEVICE)";
    }
    if (part->n > 0 && outer.n > 0)
        return clg_fail(CLG_ERR_DEVICE, "device \"%s\": CLGRAD_DEVICE=%s is a part itself", which, environment);
    if (outer.n > 0) *part = outer;
    return find(whole, from);
}

int clg_choose(const char *which, clg_device_part *part) {
    clg_error_state before, unused;
    clg_error_save(&before);
    const int i = find_part(which, part);
    if (i >= 0) {
        clg_error_restore(&before); /* "ref" is found although the loader failed */
    } else {
        clg_error_save(&unused);    /* the new message stays, the old one goes */
        clg_error_restore(&before);
        clg_error_restore(&unused);
    }
    return i;
}

int clg_device_find(const char *which) {
    clg_device_part part;
    return clg_choose(which, &part);
}
