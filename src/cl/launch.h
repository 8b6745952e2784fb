/* Kernels with arguments bound once, and their enqueueing on the in-order compute queue. */
#ifndef CLG_CL_LAUNCH_H_
#define CLG_CL_LAUNCH_H_

#include "cl/buffer.h"
#include "cl/program.h"
#include "cl/trace.h"

typedef struct clg_kernel clg_kernel; /* one cl_kernel with its arguments: belongs to one step of one plan */

enum clg_bind_kind { CLG_BIND_BUFFER, CLG_BIND_INT, CLG_BIND_LONG, CLG_BIND_FLOAT, CLG_BIND_DOUBLE, CLG_BIND_LOCAL };

/** One argument. A buffer becomes two OpenCL arguments: __global pointer and ulong offset in elements. */
typedef struct clg_bind {
    enum clg_bind_kind kind;
    const char *name;  /* of the parameter in the .cl file: checked against clGetKernelArgInfo in debug builds */
    bool is_const;     /* BUFFER: only read; checked in debug builds */
    clg_buffer *buffer;
    uint64_t offset;   /* elements */
    int64_t i;
    double f;
    size_t bytes;      /* LOCAL */
} clg_bind;

/** Creates kernel `function` of a program and binds all its arguments. The buffers must outlive the kernel.
 *  Errors: CLG_ERR_INVALID if the arguments do not fit the .cl signature (names the first that differs). */
clg_status clg_kernel_create(clg_program *p, const char *function, const clg_bind *args, int n, clg_kernel **out);
void       clg_kernel_destroy(clg_kernel **k);

/** Binds a buffer argument anew. at: its place among the OpenCL arguments, where each buffer before it counts twice. */
clg_status clg_kernel_set_buffer(clg_kernel *k, int at, clg_buffer *b, uint64_t offset);

/** Tells which buffers it uses beside its arguments, by their addresses, which must be known: with these a driver has
 *  nothing to do at a launch. Once only. It holds them; when it is destroyed, the commands that are under way do.
 *  Errors: CLG_ERR_UNSUP if the driver refuses. */
clg_status clg_kernel_uses(clg_kernel *k, clg_buffer *const *b, int n);

/** Checks that this local size fits the device and the kernel; global is rounded up by the caller. */
clg_status clg_kernel_set_range(clg_kernel *k, const size_t global[3], const size_t local[3]);

/** What the words of a kernel that stays have before its own: lines of the cache, one for itself, one for the count of
 *  runs, and the doors, whose tag begins at that bit (cl/mega.clh). */
enum { CLG_STAY_LINE = 16, CLG_STAY_DOORS = 8, CLG_STAY_TAG = 11,
       CLG_STAY_WORDS = (2 + CLG_STAY_DOORS) * CLG_STAY_LINE };

/** For a kernel that can do several runs in one command, with such words in a buffer that host and device share: `most`
 *  of them. at: the place of the argument "ticket". */
clg_status clg_kernel_stays(clg_kernel *k, clg_buffer *words, int at, int most);

/** One more run by the command that is under way, if that can be, and nothing has been enqueued since; gives: its event
 *  is wanted, which then is that of the last clg_kernel_enqueue(). */
bool clg_kernel_again(clg_kernel *k, bool gives);

/** Whether it was enqueued before: a failure behind that does not undo it. */
bool clg_kernel_launched(const clg_kernel *k);

/** Enqueues; never waits or allocates. With profiling, the note (if not NULL) gets the times. l may be NULL. */
clg_status clg_kernel_enqueue(clg_kernel *k, clg_note *note, const clg_link *l);

/** Makes work that was enqueued start (clFlush). */
clg_status clg_device_flush(clg_device *d);

/** The same behind a run for whose end the host will wait; the worker is kept awake behind it while waits are short. */
clg_status clg_device_flush_run(clg_device *d);

/* --- GEMM through CLBlast (src/cl/gemm_clblast.c) --- */

/** Row-major C[b] = op(A[b]) op(B[b]) for b < batch, f32; offsets and strides in elements; ld = row pitch. */
typedef struct clg_gemm {
    bool ta, tb;
    int64_t m, n, k, batch;
    clg_buffer *a, *b, *c;
    uint64_t a_off, b_off, c_off;
    int64_t lda, ldb, ldc, a_stride, b_stride, c_stride;
} clg_gemm;

/** Sizes below int limits; not on "ref", nor where it is broken. */
bool       clg_gemm_clblast_fits(const clg_device *d, const clg_gemm *g);

/** Whether a call failed on this device for reasons of CLBlast's own, in this process: its kernels do not build, or
 *  want more than the device has. */
bool       clg_gemm_clblast_broken(const clg_device *d);
extern const char clg_gemm_clblast_name[]; /* for messages */


/** Enqueues. The note gets the times of the last of the kernels that CLBlast makes of it. */
clg_status clg_gemm_clblast(clg_device *d, const clg_gemm *g, clg_note *note, const clg_link *l);

#endif /* CLG_CL_LAUNCH_H_ */
