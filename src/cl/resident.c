/* Kernels that stay: one command for several runs that follow each other. A command costs a CPU implementation some
 * microseconds, and its workers go to sleep and are woken between two; a kernel that takes its work by itself
 * (cl/mega.clh) looks instead, when it has done what was asked for, whether one more run is, which costs nothing, and
 * where the host is known to come back soon it looks for a while. As the persistent threads of Gupta et al. (2012), but
 * for a time that ends whatever the host does.
 *
 * Each such command has a door, a word that says how many runs are asked of it, and whether it is closed: then there
 * will be no more. The host asks at an open door in place of enqueueing; it closes the door as soon as anything else has
 * been enqueued on the device, behind which the next run belongs, and before it waits. The kernel closes it when it has
 * done all and does not wait for more: no work-group is the last to leave while the door is open, so each run that was
 * asked for is done. One more word counts the runs that are done, which a host may read that has to wait only for a
 * moment.
 *
 * The kernel's atomic operations are those of OpenCL 1.2, which promises nothing of what a host sees; on the CPU
 * implementations that say they have atomics in shared memory they are the processor's.
 *
 * A door is used again when all runs that it was asked for are done. A work-group that comes that late finds another
 * tag at it than its command has. */
#include "base/clock.h"
#include "cl/internal.h"

enum { DOORS = CLG_STAY_DOORS, LINE = CLG_STAY_LINE, TAG = CLG_STAY_TAG };
enum { TAGS = 1 << 20, RUN = 1 << 1, RUNS = (1 << TAG) - RUN, CLOSED = 1 }; /* of a door: tag, runs, closed */

struct clg_resident {
    clg_device  *device;
    atomic_uint *done, *door; /* door: the first one; NULL: there are none */
    cl_uint      arg;         /* of the kernel: which door, and its tag */
    cl_uint      most;        /* runs of a command */
    cl_uint      asked;       /* runs of all commands up to now: modulo 2^32, like *done */
    cl_uint      last[DOORS]; /* when so many are done, the door is free */
    cl_uint      tag;
    int          at;          /* the last door */
    bool         opens;       /* the last command has one */
    bool         lingers;     /* and looks for more when it has done all */
    cl_event     event;       /* of the last command: a number to know it by */
};

static atomic_uint *door_of(const clg_resident *r, int i) { return r->door + (size_t)i * LINE; }

clg_status clg_resident_create(clg_device *d, clg_buffer *words, cl_uint arg, int most, clg_resident **out) {
    clg_resident *r = clg_calloc(1, sizeof *r);
    if (!r) return clg_fail_nomem("kernel");
    *r = (clg_resident){ .device = d, .arg = arg, .most = most < 1 ? 1 : most > RUNS / RUN ? RUNS / RUN : (cl_uint)most };
    if (words->shared && d->resides) {
        r->done = (atomic_uint *)words->shared + LINE;
        r->door = r->done + LINE;
    }
    *out = r;
    return CLG_OK;
}

static void end_locked(clg_device *d) {
    if (d->resident) atomic_fetch_or(door_of(d->resident, d->resident->at), CLOSED);
    d->resident = NULL;
    d->changes++;
}

void clg_resident_end(clg_device *d) {
    if (!d->resides) return;
    pthread_mutex_lock(&d->lock);
    end_locked(d);
    pthread_mutex_unlock(&d->lock);
}

void clg_resident_destroy(clg_resident **resident) {
    clg_resident *r = *resident;
    *resident = NULL;
    if (!r) return;
    pthread_mutex_lock(&r->device->lock);
    if (r->device->resident == r) end_locked(r->device);
    pthread_mutex_unlock(&r->device->lock);
    clg_free(r);
}

static bool is_free(const clg_resident *r, int i) { return (cl_int)(atomic_load(r->done) - r->last[i]) >= 0; }

cl_int clg_resident_open(clg_resident *r, cl_kernel k, cl_uint *changes) {
    clg_device *d = r->device;
    const int next = (r->at + 1) % DOORS;
    const bool opens = r->door && is_free(r, next);
    const cl_int looks = opens ? clg_awake_looks(d) : 0;
    pthread_mutex_lock(&d->lock);
    end_locked(d);
    *changes = d->changes;
    pthread_mutex_unlock(&d->lock);
    r->opens = opens;
    r->lingers = looks > 0;
    if (opens) {
        r->at = next;
        r->tag = (r->tag + 1) % TAGS;
        atomic_store(door_of(r, next) + 1, (cl_uint)looks);
        atomic_store(door_of(r, next), r->tag << TAG | RUN);
    }
    const cl_int ticket = opens ? (cl_int)(r->tag * DOORS) + next : -1;
    return clSetKernelArg(k, r->arg, sizeof ticket, &ticket);
}

void clg_resident_opened(clg_resident *r, cl_uint changes, cl_event event) {
    clg_device *d = r->device;
    if (!r->opens) { /* another thread's may be the present one since */
        clg_resident_end(d);
        return;
    }
    r->event = event;
    pthread_mutex_lock(&d->lock);
    r->last[r->at] = ++r->asked;
    if (d->changes != changes) { /* another thread's command may be before this one or behind it: neither is the last */
        atomic_fetch_or(door_of(r, r->at), CLOSED);
        end_locked(d);
    } else d->resident = r;
    pthread_mutex_unlock(&d->lock);
}

/* Whether the door was open, and one more run is asked for now. */
static bool ask(const clg_resident *r) {
    atomic_uint *door = door_of(r, r->at);
    cl_uint seen = atomic_load(door);
    while (!(seen & CLOSED) && (seen & RUNS) / RUN < r->most)
        if (atomic_compare_exchange_weak(door, &seen, seen + RUN)) return true;
    return false;
}

bool clg_resident_again(clg_resident *r) {
    clg_device *d = r->device;
    if (!clg_device_works(d)) return false;
    pthread_mutex_lock(&d->lock);
    const bool asked = d->resident == r && ask(r);
    if (asked) r->last[r->at] = ++r->asked;
    d->stats.runs_joined += asked;
    pthread_mutex_unlock(&d->lock);
    return asked;
}

bool clg_resident_lingers(const clg_device *d) { return d->resident && d->resident->lingers; }

bool clg_resident_wait(clg_device *d, cl_event event, double limit) {
    if (!d->resides) return false;
    pthread_mutex_lock(&d->lock);
    const clg_resident *r = d->resident;
    const atomic_uint *done = r && r->lingers && r->event == event ? r->done : NULL;
    const cl_uint asked = r ? r->asked : 0;
    pthread_mutex_unlock(&d->lock);
    if (!done) return false;
    for (const double begin = clg_now(); clg_now() - begin < limit;)
        for (int i = 0; i < 64; i++)
            if ((cl_int)(atomic_load_explicit(done, memory_order_acquire) - asked) >= 0) return true;
    return false;
}
