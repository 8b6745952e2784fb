/* Faults on demand: the n-th OpenCL call, or the n-th allocation, fails. And a count of what is alive, so that a leak
 * shows without a sanitizer. Link support/fail.c into the test: its cl* functions stand before those of the loader. */
#ifndef CLG_TEST_FAIL_H_
#define CLG_TEST_FAIL_H_

#include <clgrad/base.h>

/** The n-th OpenCL call from now on fails (0: none) and the count starts anew. */
void        fail_call_at(long n);
long        fail_call_count(void);
const char *fail_call_name(void); /* the call that was made to fail; NULL: it was not reached */

/** From the n-th kernel launch on (0: none) every call on the device that was opened as number `device` (its context;
 *  from 0) fails, as on one that is lost. */
void        fail_device_at(int device, long n);
bool        fail_device_lost(void);

/** How often clFinish() and clWaitForEvents() were called. */
long        fail_waits(void);

/** Contexts, queues, buffers, shared memory, programs, kernels and events that were made and not released. */
long        fail_objects_alive(void);

/** The same for the host allocator, which fail_alloc_install() puts in place (before anything is allocated). */
clg_status  fail_alloc_install(void);
void        fail_alloc_at(long n);
long        fail_alloc_count(void);
bool        fail_alloc_reached(void);
long        fail_blocks_alive(void);

#endif /* CLG_TEST_FAIL_H_ */
