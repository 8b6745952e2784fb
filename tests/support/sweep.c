/* Sweeps of faults: see sweep.h. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "support/scratch.h"
#include "support/sweep.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fail.h"

enum { BATCH = 64 };

/* What a child process tells; in shared memory. */
typedef struct told {
    long at;          /* the fault under way */
    bool done;        /* the job no longer reaches the fault */
    char call[64];
    char wrong[600];  /* "" if all is well */
} told;

/* --- one child --- */

static void set_fault(const sweep *s, long n) {
    if (s->allocations) {
        fail_alloc_at(n);
    } else {
        fail_call_at(n);
    }
}

static bool reached(const sweep *s) { return s->allocations ? fail_alloc_reached() : fail_call_name() != NULL; }

/* The job with fault n; false: something is wrong, and t says what. */
static bool try_fault(const sweep *s, const char *dir, long n, double want, told *t) {
    double value = 0;
    t->at = n;
    set_fault(s, n);
    const clg_status status = s->job(dir, &value);
    const bool hit = reached(s);
    snprintf(t->call, sizeof t->call, "%s", s->allocations ? "allocation" : hit ? fail_call_name() : "none");
    set_fault(s, 0);
    t->done = !hit;
    if (status < 0 && (!hit || *clg_error() == 0 || clg_error_status() != status))
        snprintf(t->wrong, sizeof t->wrong, "status %d with error %d \"%s\"", status, clg_error_status(), clg_error());
    else if (status >= 0 && value != want /* another implementation rounds otherwise */
             && !(strcmp(t->call, "clBuildProgram") == 0 && fabs(value - want) < 1e-5 * fabs(want)))
        snprintf(t->wrong, sizeof t->wrong, "success with the value %g, not %g", value, want);
    else if (fail_blocks_alive() != 0 || fail_objects_alive() != 0)
        snprintf(t->wrong, sizeof t->wrong, "%ld blocks and %ld OpenCL objects leak; status %d, %s",
                 fail_blocks_alive(), fail_objects_alive(), status, clg_error());
    else if ((s->cold || n / s->step % 4 == 0) && (s->job(dir, &value) < 0 || value != want))
        snprintf(t->wrong, sizeof t->wrong, "the next run gives %g, not %g: %s", value, want, clg_error());
    return *t->wrong == 0;
}

/* want: the job's value; 0: what it gives without a fault. */
static void child(const sweep *s, const char *dir, long first, double want, told *t) {
    double value = want;
    if (fail_alloc_install() < 0) snprintf(t->wrong, sizeof t->wrong, "%s", clg_error());
    if (!s->cold && (s->job(dir, &value) < 0 || (want != 0 && value != want)))
        snprintf(t->wrong, sizeof t->wrong, "without a fault: value %g, %s", value, clg_error());
    const long last = s->cold ? first : first + (BATCH - 1) * s->step;
    for (long i = first; i <= last && !t->done && *t->wrong == 0; i += s->step)
        if (!try_fault(s, dir, i, value, t)) break;
}

/* --- the sweep --- */

static told *shared(void) {
    told *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(t != MAP_FAILED);
    return t;
}

/* One batch in a child process; false: it crashed. */
static bool run_batch(const sweep *s, const char *dir, long first, double want, told *t) {
    int status = 0;
    const pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        child(s, dir, first, want, t);
        _exit(0);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void run_sweep(const sweep *s, double want, long most) {
    char dir[SCRATCH];
    const long batch = s->cold ? 1 : (long)BATCH * s->step;
    long faults = 0;
    told *t = shared();
    make_scratch(dir);
    for (long first = 1; !t->done && (!s->cold || first <= most); first += batch) {
        const bool alive = run_batch(s, dir, first, want, t);
        cr_expect(alive, "%s: the process died at fault %ld (after %s)", s->name, t->at, t->call);
        cr_expect(*t->wrong == 0, "%s: fault %ld (%s): %s", s->name, t->at, t->call, t->wrong);
        if (!alive || *t->wrong) break;
        faults = t->at;
    }
    cr_expect(faults > 10, "%s: only %ld faults", s->name, faults);
    remove_scratch(dir);
    munmap(t, sizeof *t);
}
