/* Short waits. A worker of a CPU implementation that finds its queue empty goes to sleep, and so does the host that
 * waits for it; to wake either takes 20 to 40 us on a virtual machine, as long as a small network takes for one
 * picture. Three remedies, which OpenMP's runtimes call active waiting, are used while waits are short and follow each
 * other closely:
 *
 *   - behind what is waited for goes a kernel that spins until the next run rings its bell, or its time is over. One
 *     worker spins: the other core is the host's;
 *   - behind runs of milliseconds it spins on for a moment when the bell has rung. For Linux puts workers that the host
 *     wakes beside each other on the core that is not the host's, and leaves them there for 4 to 15 ms, though the host
 *     goes to sleep at once: now the one that spins wakes the other one, when that core is idle. One picture by
 *     MobileNetV2 takes 4 ms so, and 4 to 7 otherwise;
 *   - the host looks for a moment, before it sleeps, whether that kernel has begun, and now and then for the event's
 *     state, which takes locks that the worker needs.
 *
 * Where a plan is one kernel that can stay (resident.c) it waits for the next run by itself, without a command between.
 *
 * The bell is a word of a mapped buffer, and another one tells that the kernel has begun. OpenCL 1.2 does not promise
 * that a running kernel sees the host's store, nor the host the kernel's: where they do not, the spinning ends by its
 * own count and the event tells the end, and only time is lost. Nothing else depends on it. */
#include "base/clock.h"
#include "cl/internal.h"

#define SHORT_LOOK 1e-4 /* seconds that the host looks before it sleeps: it takes a core from the workers */
#define ONE_CORE   4e-5 /* a run that takes no longer is done before a second worker has been woken */
#define SHORT_WAIT 1e-3
#define LONG_WAIT  1e-1
#define SHORT_GAP  1e-3 /* between waits that follow each other closely: short ones */
#define LONG_GAP   4e-3 /* and long ones, since a host that shares a core with a worker comes late */
#define STAY       2e-5 /* seconds in which a host that has rung goes to sleep */
enum { STREAK = 8, LONG_STREAK = 3, TRIAL = 4096, BELL_BYTES = 128, SEEN = 16 }; /* SEEN: the other word (cl/awake.cl) */

struct clg_awake {
    clg_program *program;
    cl_kernel    kernel;
    cl_mem       memory;
    atomic_uint *bell;     /* mapped; bell[SEEN]: the last round that has begun */
    double       limit;    /* seconds of spinning; 0: none */
    double       last_end, last_wait; /* when the last wait ended, and how long it was */
    cl_uint      round;    /* the spinning that is out ends when the bell reaches it; may wrap around */
    cl_int       most;     /* looks at the bell */
    int          streak;   /* waits up to now that followed each other closely, at most STREAK */
    bool         looks;    /* the last one was so short that the host may look for its end */
    bool         follows;  /* round is enqueued behind a run, and nobody has ended it */
    enum { NEW, PREPARING, READY, FAILED } state;
}; /* behind the device's lock, except for what prepare() fills in while PREPARING */

clg_status clg_awake_create(clg_device *d, int limit_us) {
    const int usual = 200;
    if (d->row.info.type != CLG_DEVICE_CPU || limit_us < 0) return CLG_OK;
    d->awake = clg_calloc(1, sizeof *d->awake);
    if (!d->awake) return clg_fail_nomem("device");
    if (d->caps.unified) d->awake->limit = 1e-6 * (limit_us > 0 ? limit_us : usual);
    return CLG_OK;
}

void clg_awake_destroy(clg_device *d) {
    clg_awake *w = d->awake;
    if (!w) return;
    if (w->bell && clg_device_works(d)) {
        clEnqueueUnmapMemObject(d->queue, w->memory, (void *)w->bell, 0, NULL, NULL);
        (void)clg_wait_queue(d, d->queue);
    }
    if (w->kernel) clReleaseKernel(w->kernel);
    if (w->memory) clReleaseMemObject(w->memory);
    clg_program_release(&w->program);
    clg_free(w);
    d->awake = NULL;
}

static void ring_locked(clg_awake *w, cl_uint round) {
    if (w->state == READY) atomic_store_explicit(w->bell, round, memory_order_release);
    if (round == w->round) w->follows = false;
}

void clg_awake_ring(clg_device *d) {
    if (!d->awake) return;
    pthread_mutex_lock(&d->lock);
    ring_locked(d->awake, d->awake->round);
    pthread_mutex_unlock(&d->lock);
}

static bool is_long(const clg_awake *w) { return w->last_wait >= SHORT_WAIT; }

/* Whether the next run is likely to come soon, and to be waited for. */
static bool is_steady(const clg_awake *w) { return w->limit > 0 && w->streak >= (is_long(w) ? LONG_STREAK : STREAK); }

/* Enqueues the spinning of round w->round. */
static cl_int spin(clg_device *d, cl_int most) {
    clg_awake *w = d->awake;
    const size_t one = 1;
    const cl_int stay = is_long(w) ? (cl_int)(STAY / w->limit * most) : 0;
    cl_int err = clSetKernelArg(w->kernel, 2, sizeof w->round, &w->round);
    if (err == CL_SUCCESS) err = clSetKernelArg(w->kernel, 3, sizeof most, &most);
    if (err == CL_SUCCESS) err = clSetKernelArg(w->kernel, 4, sizeof stay, &stay);
    if (err != CL_SUCCESS) return err;
    cl_event event = NULL;
    err = clEnqueueNDRangeKernel(d->queue, w->kernel, 1, NULL, &one, &one, 0, NULL,
                                 clg_trace_wants(d) ? &event : NULL);
    clg_note_command(d, d->queue, NULL, "staying awake", event);
    return err;
}

/* How many looks fit into the limit: by the faster of two trials, behind a first one that compiles. */
static cl_int calibrate(clg_device *d) {
    clg_awake *w = d->awake;
    double least = 1;
    w->round = 1;
    for (int i = 0; i < 3; i++) {
        const double begin = clg_now();
        cl_int err = spin(d, TRIAL);
        if (err == CL_SUCCESS) err = clg_wait_queue(d, d->queue);
        if (err != CL_SUCCESS) return err;
        if (i > 0 && clg_now() - begin < least) least = clg_now() - begin;
    }
    const double looks = w->limit / least * TRIAL;
    w->most = looks > 1e8 ? 100000000 : (cl_int)looks + 1;
    return CL_SUCCESS;
}

/* The buffer with the bell, and the kernel bound to it. */
static cl_int make(clg_device *d) {
    clg_awake *w = d->awake;
    const cl_ulong offset = 0;
    cl_int err = CL_SUCCESS;
    w->memory = clCreateBuffer(d->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, BELL_BYTES, NULL, &err);
    if (err != CL_SUCCESS) return w->memory = NULL, err;
    void *bell = clEnqueueMapBuffer(d->queue, w->memory, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 0, BELL_BYTES, 0, NULL,
                                    NULL, &err);
    if (err != CL_SUCCESS) return err;
    w->bell = bell;
    err = clg_wait_queue(d, d->queue);
    if (err != CL_SUCCESS) return err;
    atomic_init(w->bell, 0);
    atomic_init(w->bell + SEEN, 0);
    w->kernel = clCreateKernel(w->program->program, "spin", &err);
    if (err != CL_SUCCESS) return w->kernel = NULL, err;
    err = clSetKernelArg(w->kernel, 0, sizeof w->memory, &w->memory);
    if (err == CL_SUCCESS) err = clSetKernelArg(w->kernel, 1, sizeof offset, &offset);
    return err == CL_SUCCESS ? calibrate(d) : err;
}

/* Makes what spinning needs. A device works without it as well, so a failure is only logged. */
static void prepare(clg_device *d) {
    clg_awake *w = d->awake;
    const clg_source src = { "awake", NULL, "" };
    clg_error_state before;
    clg_error_save(&before);
    const clg_status status = clg_program_get(d, &src, &w->program);
    const int function = status < 0 ? -1 : clg_program_function(d, w->program, "spin");
    const cl_int err = function < 0 ? CL_OUT_OF_HOST_MEMORY : make(d);
    if (err != CL_SUCCESS)
        clg_log_msg(CLG_LOG_INFO, "device %s sleeps between runs: %s", d->row.name,
                    function < 0 ? clg_error() : clg_cl_code_name(err));
    clg_error_restore(&before);
    pthread_mutex_lock(&d->lock);
    if (err == CL_SUCCESS) w->program->functions[function].launched = true;
    w->state = err == CL_SUCCESS ? READY : FAILED;
    pthread_mutex_unlock(&d->lock);
    if (err == CL_SUCCESS) clg_program_save_new(d);
}

/* Enqueues the next spinning, if waits follow each other. */
static bool spin_again(clg_device *d) {
    clg_awake *w = d->awake;
    if (!is_steady(w) || w->state != READY) return false;
    w->round += w->round == UINT32_MAX ? 2 : 1; /* never 0 */
    if (spin(d, w->most) == CL_SUCCESS) return true;
    w->state = FAILED;
    return false;
}

/* The worker takes locks when it goes from one command to the next, and who finds one taken sleeps: so the next
 * spinning is enqueued before the last one ends. */
void clg_awake_follow(clg_device *d) {
    clg_awake *w = d->awake;
    if (!w) return;
    pthread_mutex_lock(&d->lock);
    const cl_uint before = w->round;
    const bool follows = !clg_resident_lingers(d) && spin_again(d);
    if (follows) (void)clFlush(d->queue); /* a failure shows at the next one */
    ring_locked(w, before);
    w->follows = follows;
    pthread_mutex_unlock(&d->lock);
}

/* The spinning whose begin tells that the event is done: the one that follows the run already, else, with the one
 * before this wait ended, a new one; 0: none. */
static cl_uint take_turns(clg_device *d, bool run, bool *must_prepare) {
    clg_awake *w = d->awake;
    if (run && w->follows) return w->round;
    ring_locked(w, w->round);
    if (spin_again(d)) return w->round;
    *must_prepare = is_steady(w) && w->state == NEW;
    if (*must_prepare) w->state = PREPARING;
    return 0;
}

cl_int clg_awake_looks(clg_device *d) {
    clg_awake *w = d->awake;
    if (!w) return 0;
    pthread_mutex_lock(&d->lock);
    const cl_int most = w->state == READY && is_steady(w) && w->last_wait < ONE_CORE ? w->most : 0;
    pthread_mutex_unlock(&d->lock);
    return most;
}

/* Looks until the event is done, or the moment since `begin` is over. */
static void poll_event(const clg_awake *w, cl_uint round, cl_event event, double begin) {
    const int each = round ? 32 : 1; /* looks between two questions */
    cl_int state = CL_QUEUED, err = CL_SUCCESS;
    for (int i = 1; err == CL_SUCCESS && state > CL_COMPLETE && clg_now() - begin < SHORT_LOOK; i++) {
        for (volatile int pause = 0; pause < 50; pause++) {} /* the worker needs the lock that is asked for */
        if (round && (cl_int)(atomic_load_explicit(w->bell + SEEN, memory_order_acquire) - round) >= 0) return;
        if (i % each == 0)
            err = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    }
}

/* What the wait since `begin` tells of the next ones. */
static void learn(clg_awake *w, double begin, double end) {
    w->last_wait = end - begin;
    const bool close = w->last_wait < LONG_WAIT && begin - w->last_end < (is_long(w) ? LONG_GAP : SHORT_GAP);
    w->streak = !close ? 0 : w->streak < STREAK ? w->streak + 1 : STREAK;
    w->looks = end - begin < SHORT_LOOK;
    w->last_end = end;
}

/* The wait for the event by the driver; *must_prepare: for the next ones. */
static cl_int wait_for(clg_device *d, cl_event event, bool run, double begin, bool *must_prepare) {
    clg_awake *w = d->awake;
    bool poll = false;
    cl_uint round = 0;
    if (w) {
        pthread_mutex_lock(&d->lock);
        poll = w->streak > 0 && w->looks;
        round = take_turns(d, run, must_prepare);
        pthread_mutex_unlock(&d->lock);
    }
    const cl_int err = clFlush(d->queue);
    if (poll) poll_event(w, round, event, begin);
    const cl_int waited = clg_wait_event(d, event); /* what was seen to be done is sure to be visible behind this */
    if (waited != CL_SUCCESS) (void)clg_wait_queue(d, d->queue); /* so nothing is written to the caller later */
    return err == CL_SUCCESS ? waited : err;
}

cl_int clg_awake_wait(clg_device *d, cl_event event, bool run) {
    const double begin = clg_now();
    bool must_prepare = false;
    const bool seen = run && clg_resident_wait(d, event, SHORT_LOOK);
    const cl_int err = seen ? CL_SUCCESS : wait_for(d, event, run, begin, &must_prepare);
    if (!d->awake) return err;
    pthread_mutex_lock(&d->lock);
    learn(d->awake, begin, clg_now());
    pthread_mutex_unlock(&d->lock);
    if (must_prepare) prepare(d);
    return err;
}
