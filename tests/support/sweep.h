/* Sweeps of faults: a job is run again and again, and each time another OpenCL call, or another allocation, of it
 * fails. Whatever fails, the job must return a clean status with a message, or the right result where a call is
 * optional; nothing may leak, and a run after it must work. Jobs run in child processes, a batch each, so that a crash
 * is told with the number and name of the call. */
#ifndef CLG_TEST_SWEEP_H_
#define CLG_TEST_SWEEP_H_

#include <clgrad/base.h>

/** A job leaves the same value whenever it succeeds. dir: scratch space. */
typedef clg_status (*job_fn)(const char *dir, double *value);

/** One sweep: which job, and what fails. */
typedef struct sweep {
    const char *name;
    job_fn job;
    bool allocations; /* else OpenCL calls */
    bool cold;        /* a process for each fault, so that finding the devices can fail too */
    int  step;        /* every step-th fault is tried; 1: each */
} sweep;

/** All faults from 1 until the job no longer reaches them; those of a cold sweep until `most`. want: the value that the
 *  job leaves; 0: what it gives without a fault. */
void run_sweep(const sweep *s, double want, long most);

#endif /* CLG_TEST_SWEEP_H_ */
