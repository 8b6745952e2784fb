/* Whether replay pays on a device: a chain of kernels that do nearly nothing is enqueued, and recorded and replayed, by
 * turns; both must leave what the host computes (each kernel changes what the one before left, so a wrong order or a
 * missing one is seen). The least times count. Replay must be faster by a tenth, since it hides the times of steps. The
 * answer is kept beside the tuned records, in "replay-KEY.txt". */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "cl/internal.h"
#include "cl/replay.h"

#include <string.h>
#include <unistd.h>

enum { KERNELS = 32, ROUNDS = 15, N = 64 };

static const char kernel_text[] = "KERNEL advance(INOUT_T(uint, x), const int a) {\n"
                                  "    const size_t i = get_global_id(0);\n"
                                  "    STORE(x, i, LOAD(x, i) * 5u + (uint)a);\n}\n";

typedef struct trial {
    clg_device  *device;
    clg_program *program;
    clg_buffer  *x;
    clg_kernel  *kernel[KERNELS];
    clg_recorded *replay;
    double       enqueued, replayed; /* seconds for all kernels, least */
} trial;

static clg_status make(trial *t) {
    const clg_source src = { .name = "replay_trial", .text = kernel_text, .options = "" };
    const size_t global[] = { N, 1, 1 }, local[] = { 1, 1, 1 };
    CLG_TRY(clg_program_get(t->device, &src, &t->program));
    CLG_TRY(clg_buffer_create(t->device, N * sizeof(cl_uint), "trial of replay", &t->x));
    for (int i = 0; i < KERNELS; i++) {
        const clg_bind args[] = { { .kind = CLG_BIND_BUFFER, .name = "x", .buffer = t->x },
                                  { .kind = CLG_BIND_INT, .name = "a", .i = i } };
        CLG_TRY(clg_kernel_create(t->program, "advance", args, 2, &t->kernel[i]));
        CLG_TRY(clg_kernel_set_range(t->kernel[i], global, local));
    }
    return CLG_OK;
}

static clg_status enqueue(trial *t, bool replay) {
    bool enqueued = true;
    if (replay) {
        CLG_TRY(clg_recorded_enqueue(t->replay, &enqueued));
        return enqueued ? CLG_OK : clg_fail(CLG_ERR_DEVICE, "a command is done, but its event says that it is not");
    }
    for (int i = 0; i < KERNELS; i++) CLG_TRY(clg_kernel_enqueue(t->kernel[i], NULL, NULL));
    return CLG_OK;
}

/* Whether x is what the host makes of its start. */
static clg_status check(trial *t, bool *right) {
    int32_t x[N];
    CLG_TRY(clg_buffer_read(t->x, 0, CLG_I32, x, N));
    for (uint32_t i = 0; i < N; i++) {
        uint32_t want = i;
        for (uint32_t k = 0; k < KERNELS; k++) want = want * 5 + k;
        *right &= (uint32_t)x[i] == want;
    }
    return CLG_OK;
}

static clg_status one_round(trial *t, bool replay, double *least, bool *right) {
    int32_t x[N];
    for (int i = 0; i < N; i++) x[i] = i;
    CLG_TRY(clg_buffer_write(t->x, 0, CLG_I32, x, N));
    const double begin = clg_now();
    CLG_TRY(enqueue(t, replay));
    CLG_TRY(clg_queues_finish(t->device));
    const double seconds = clg_now() - begin;
    if (*least == 0 || seconds < *least) *least = seconds;
    return check(t, right);
}

static clg_status measure(trial *t, bool *right) {
    CLG_TRY(make(t));
    CLG_TRY(enqueue(t, false)); /* drivers compile at the first launch */
    CLG_TRY(clg_recorded_create(t->device, t->kernel, KERNELS, &t->replay));
    for (int i = 0; i < 2 * ROUNDS; i++)
        CLG_TRY(one_round(t, i & 1, i & 1 ? &t->replayed : &t->enqueued, right));
    clg_program_save_new(t->device);
    return CLG_OK;
}

/* Makes the trial; false also if it fails. */
static bool try_replay(clg_device *d, clg_str *told) {
    trial t = { .device = d };
    bool right = true;
    clg_error_state before;
    clg_error_save(&before);
    const bool done = measure(&t, &right) == CLG_OK, pays = done && right && t.replayed < 0.9 * t.enqueued;
    if (done)
        clg_str_printf(told, "%s # %d kernels: %.1f us enqueued, %.1f us replayed%s\n", pays ? "yes" : "no", KERNELS,
                       1e6 * t.enqueued, 1e6 * t.replayed, right ? "" : ", with wrong numbers");
    else clg_log_msg(CLG_LOG_INFO, "device %s: replay was not tried: %s", d->row.name, clg_error());
    clg_error_restore(&before);
    clg_recorded_destroy(&t.replay);
    for (int i = 0; i < KERNELS; i++) clg_kernel_destroy(&t.kernel[i]);
    clg_buffer_destroy(&t.x);
    clg_program_release(&t.program);
    return pays;
}

/* --- the answer on disk --- */

static bool path_of(const clg_device *d, clg_str *path) {
    const char *facts[] = { d->row.name, d->row.driver, d->row.platform_name, d->row.platform_version, clg_version() };
    char key[65];
    clg_sha256 h;
    clg_sha256_init(&h);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) clg_sha256_add_str(&h, facts[i]);
    clg_sha256_end(&h, key);
    clg_str_printf(path, "%s/replay-%.16s.txt", d->cache_dir, key);
    return !path->failed;
}

/* 1: yes, 0: no, -1: nothing is known. */
static int read_answer(const char *path) {
    void *data = NULL;
    size_t size = 0;
    int answer = -1;
    clg_error_state before;
    clg_error_save(&before);
    if (access(path, F_OK) == 0 && clg_file_read(path, 4096, &data, &size) == CLG_OK)
        answer = strncmp(data, "yes ", 4) == 0 ? 1 : strncmp(data, "no ", 3) == 0 ? 0 : -1;
    clg_free(data);
    clg_error_restore(&before);
    return answer;
}

static void write_answer(const char *path, const clg_str *told) {
    clg_error_state before;
    clg_error_save(&before);
    if (clg_file_write(path, &(clg_file_part){ told->text, told->size }, 1, false) < 0)
        clg_log_msg(CLG_LOG_DEBUG, "the answer is not kept: %s", clg_error());
    clg_error_restore(&before);
}

/* yes or no; the device's answer is not known yet. */
static bool find_answer(clg_device *d) {
    clg_str path = { 0 }, told = { 0 };
    bool pays = false;
    if (d->cache_dir && path_of(d, &path)) {
        const int known = read_answer(clg_str_text(&path));
        pays = known < 0 ? try_replay(d, &told) : known;
        if (told.size > 0) {
            clg_log_msg(CLG_LOG_INFO, "device %s, replay: %s", d->row.name, clg_str_text(&told));
            write_answer(clg_str_text(&path), &told);
        }
    }
    clg_str_free(&told);
    clg_str_free(&path);
    return pays;
}

bool clg_replay_pays(clg_device *d) {
    enum { UNKNOWN, NO, YES };
    if (!clg_replay_can(d)) return false;
    if (atomic_load(&d->replay_pays) == UNKNOWN) atomic_store(&d->replay_pays, find_answer(d) ? YES : NO);
    return atomic_load(&d->replay_pays) == YES;
}
