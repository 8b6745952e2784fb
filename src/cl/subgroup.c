/* Whether sub-groups can be used (clg_device_has_subgroups). What devices say of them cannot be relied on: some name an
 * extension whose functions their compiler does not know in OpenCL C 1.2, some name none and have them. So a small
 * kernel that uses each function of cl/team.clh is built, in the oldest language that has them, and run, and its
 * numbers are compared with those of the host. */
#include "cl/internal.h"

#include <stdlib.h>
#include <string.h>

enum { N = 64, GROUPS = 2, PLACES = 6 };

static const char kernel_text[] =
    "#include \"team.clh\"\n"
    "KERNEL trial(OUT_T(int, y)) {\n"
    "    const int me = (int)get_local_id(0), v = me * 7 % 32 - 9;\n"
    "    const size_t at = get_global_id(0) * 6;\n"
    "    STORE(y, at, (int)get_sub_group_size());\n"
    "    STORE(y, at + 1, (int)get_sub_group_id());\n"
    "    STORE(y, at + 2, (int)get_sub_group_local_id());\n"
    "    STORE(y, at + 3, (int)sub_group_reduce_add((float)v));\n"
    "    STORE(y, at + 4, (int)sub_group_reduce_max((float)v) + 100 * sub_group_reduce_min(v));\n"
    "    STORE(y, at + 5, sub_group_broadcast(sub_group_scan_exclusive_add(v), 2) + (sub_group_any(v == 22) "
    "? 1000 : 0));\n"
    "}\n";

typedef struct trial {
    clg_program *program;
    clg_buffer  *y;
    clg_kernel  *kernel;
} trial;

static clg_status run(clg_device *d, trial *t, int32_t *y) {
    const clg_source src = { .name = "subgroup_trial", .text = kernel_text,
                             .options = "-DT=float -DWGX=64 " CLG_SUBGROUP_OPTION };
    const size_t global[] = { GROUPS * N, 1, 1 }, local[] = { N, 1, 1 };
    CLG_TRY(clg_program_get(d, &src, &t->program));
    CLG_TRY(clg_buffer_create(d, GROUPS * N * PLACES * sizeof(cl_int), "trial of sub-groups", &t->y));
    const clg_bind args[] = { { .kind = CLG_BIND_BUFFER, .name = "y", .buffer = t->y } };
    CLG_TRY(clg_kernel_create(t->program, "trial", args, 1, &t->kernel));
    CLG_TRY(clg_kernel_set_range(t->kernel, global, local));
    CLG_TRY(clg_kernel_enqueue(t->kernel, NULL, NULL));
    CLG_TRY(clg_buffer_read(t->y, 0, CLG_I32, y, GROUPS * N * PLACES));
    clg_program_save_new(d);
    return CLG_OK;
}

/* Whether the items of one work-group form sub-groups of equal size, numbered in the order of the items, and each join
 * is that of the host. */
static bool is_right(const int32_t *y) {
    const int32_t size = y[0];
    if (size < 4 || size > N || N % size != 0) return false;
    for (int32_t first = 0; first < N; first += size) {
        int32_t sum = 0, most = INT32_MIN, least = INT32_MAX, two = 0;
        for (int32_t i = first; i < first + size; i++) {
            const int32_t v = i * 7 % 32 - 9;
            sum += v;
            most = v > most ? v : most;
            least = v < least ? v : least;
            if (i < first + 2) two += v;
        }
        const int32_t want[PLACES] = { size, first / size, 0, sum, most + 100 * least, two + (most == 22 ? 1000 : 0) };
        for (int32_t i = 0; i < size; i++)
            for (int k = 0; k < PLACES; k++)
                if (y[(first + i) * PLACES + k] != (k == 2 ? i : want[k])) return false;
    }
    return true;
}

/* Why not, for the log; NULL: yes. */
static const char *try_language(clg_device *d) {
    int32_t y[GROUPS * N * PLACES] = { 0 };
    trial t = { 0 };
    const char *why = run(d, &t, y) < 0 ? clg_error() : NULL;
    for (int g = 0; g < GROUPS && !why; g++)
        if (!is_right(y + g * N * PLACES)) why = "wrong numbers";
    clg_kernel_destroy(&t.kernel);
    clg_buffer_destroy(&t.y);
    clg_program_release(&t.program);
    return why;
}

/* Leaves subgroup_std at the first language that works, or at NULL. CLGRAD_SUBGROUPS may name one, which is
 * believed. */
static bool find_language(clg_device *d) {
    static const char *const languages[] = { "CL1.2", "CL2.0", "CL3.0" };
    const char *const forced = getenv("CLGRAD_SUBGROUPS");
    clg_error_state before;
    const bool refused = forced && strcmp(forced, "no") == 0;
    if (d->caps.ref || refused || !d->row.info.subgroups || d->caps.max_group < N || d->caps.max_item[0] < N)
        return false;
    clg_error_save(&before);
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++) {
        if (forced && strcmp(forced, languages[i]) != 0) continue;
        d->subgroup_std = languages[i];
        const char *const why = forced ? NULL : try_language(d);
        clg_log_msg(CLG_LOG_DEBUG, "device %s: sub-groups in %s: %s", d->row.name, languages[i], why ? why : "yes");
        if (!why) break;
        d->subgroup_std = NULL;
    }
    clg_error_restore(&before);
    if (forced && !d->subgroup_std)
        clg_log_msg(CLG_LOG_WARN, "CLGRAD_SUBGROUPS=%s: is none of no, CL1.2, CL2.0, CL3.0; no sub-groups are used",
                    forced);
    return d->subgroup_std != NULL;
}

bool clg_device_has_subgroups(const clg_device *dev) {
    enum { UNKNOWN, NO, YES };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    clg_device *const d = (clg_device *)dev; /* what is found out changes nothing that others see */
    if (atomic_load(&d->subgroups) == UNKNOWN) {
        pthread_mutex_lock(&lock);
        if (atomic_load(&d->subgroups) == UNKNOWN) atomic_store(&d->subgroups, find_language(d) ? YES : NO);
        pthread_mutex_unlock(&lock);
    }
    return atomic_load(&d->subgroups) == YES;
}
