/* GEMM through CLBlast; the only file that includes it. All calls hold the build lock: its program cache has a thread
 * race before 1.6.1. Its cache keeps contexts alive, so it is cleared when the last device that used it goes. Its
 * kernels are built when they are first wanted: a device on which that fails is remembered as long as the process
 * lasts. */
#include "cl/internal.h"

#include <clblast_c.h>
#include <limits.h>

enum { MAX_BROKEN = 32 };

const char clg_gemm_clblast_name[] = "clblast";
static int users; /* open devices that called CLBlast; build lock */
static cl_device_id broken[MAX_BROKEN]; /* written behind the build lock, before the count */
static atomic_int n_broken;

typedef struct status_text { int code; const char *text; } status_text;

static const status_text status_texts[] = {
    { CLBlastNotImplemented, "not implemented" },
    { CLBlastInvalidMatrixA, "matrix A is no valid buffer" },
    { CLBlastInvalidMatrixB, "matrix B is no valid buffer" },
    { CLBlastInvalidMatrixC, "matrix C is no valid buffer" },
    { CLBlastInvalidDimension, "m, n and k have to be larger than zero" },
    { CLBlastInvalidLeadDimA, "the row pitch of A is smaller than its row" },
    { CLBlastInvalidLeadDimB, "the row pitch of B is smaller than its row" },
    { CLBlastInvalidLeadDimC, "the row pitch of C is smaller than its row" },
    { CLBlastInsufficientMemoryA, "the buffer of A is too small" },
    { CLBlastInsufficientMemoryB, "the buffer of B is too small" },
    { CLBlastInsufficientMemoryC, "the buffer of C is too small" },
    { CLBlastInsufficientMemoryTemp, "the temporary buffer is too small" },
    { CLBlastInvalidBatchCount, "the batch has to be larger than zero" },
    { CLBlastInvalidOverrideKernel, "its kernel Xgemm has no such parameters" },
    { CLBlastMissingOverrideParameter, "its kernel Xgemm has other parameters" },
    { CLBlastInvalidLocalMemUsage, "its kernel needs more local memory than the device has" },
    { CLBlastDatabaseError, "the device is not in its database" },
    { CLBlastUnknownError, "unknown error" },
    { CLBlastUnexpectedError, "unexpected exception" },
};

static const char *text_of(int code) {
    for (size_t i = 0; i < sizeof status_texts / sizeof status_texts[0]; i++)
        if (status_texts[i].code == code) return status_texts[i].text;
    return clg_cl_code_name(code); /* the others are OpenCL's own */
}

bool clg_gemm_clblast_broken(const clg_device *d) {
    for (int i = 0, n = atomic_load_explicit(&n_broken, memory_order_acquire); i < n; i++)
        if (broken[i] == d->row.id) return true;
    return false;
}

static void set_broken(const clg_device *d) {
    pthread_mutex_lock(clg_build_lock());
    const int n = atomic_load(&n_broken);
    if (n < MAX_BROKEN && !clg_gemm_clblast_broken(d)) {
        broken[n] = d->row.id;
        atomic_store_explicit(&n_broken, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(clg_build_lock());
}

static bool is_size(int64_t v) { return v > 0 && v < INT_MAX; }

/* CLBlast's kernels count in int: so must every index within a matrix, and every stride between them. */
bool clg_gemm_clblast_fits(const clg_device *d, const clg_gemm *g) {
    if (d->caps.ref || clg_gemm_clblast_broken(d)) return false;
    if (!is_size(g->m) || !is_size(g->n) || !is_size(g->k) || !is_size(g->batch)) return false;
    if (!is_size(g->lda) || !is_size(g->ldb) || !is_size(g->ldc)) return false;
    const int64_t rows_a = g->ta ? g->k : g->m, rows_b = g->tb ? g->n : g->k;
    const int64_t cols_a = g->ta ? g->m : g->k, cols_b = g->tb ? g->k : g->n;
    if (g->lda < cols_a || g->ldb < cols_b || g->ldc < g->n) return false;
    if (rows_a > INT_MAX / g->lda || rows_b > INT_MAX / g->ldb || g->m > INT_MAX / g->ldc) return false;
    if (g->batch == 1) return true;
    if (g->a_stride < 0 || g->b_stride < 0 || g->c_stride < (g->m - 1) * g->ldc + g->n) return false;
    const int64_t last = g->batch - 1;
    return g->a_stride <= INT_MAX / last && g->b_stride <= INT_MAX / last && g->c_stride <= INT_MAX / last;
}

#define CLBLAST_BELOW(major, minor, patch)                                                            \
    ((CLBLAST_VERSION_MAJOR * 10000 + CLBLAST_VERSION_MINOR * 100 + CLBLAST_VERSION_PATCH)               \
     < (major) * 10000 + (minor) * 100 + (patch))

/* Before 1.6.3 the kernel GEMMK=1 is wrong where MWG and NWG differ. The database of 1.5 names such settings for
 * Intel's devices, that of 1.6 for others too; AMD's GPUs have none. Those devices get settings sound for any GPU. */
static bool has_wrong_parameters(const clg_device *d) {
    const bool intel = clg_str_contains_nocase(d->row.vendor, "intel");
    const bool amd_gpu = clg_str_contains_nocase(d->row.vendor, "advanced micro devices");
    return CLBLAST_BELOW(1, 6, 0) ? intel : CLBLAST_BELOW(1, 6, 3) && !amd_gpu;
}

static int set_sound_parameters(const clg_device *d) {
    const char *names[] = { "GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB", "NDIMC", "NWG", "SA", "SB",
                            "STRM", "STRN", "VWM", "VWN" };
    const size_t large[] = { 0, 1, 32, 2, 16, 16, 64, 16, 16, 64, 1, 1, 0, 0, 2, 4 };
    const size_t small[] = { 0, 1, 16, 2, 8, 8, 32, 8, 8, 32, 1, 1, 0, 0, 2, 2 };
    const bool fits = d->caps.max_group >= 256 && d->caps.local_mem >= 16384;
    return CLBlastOverrideParameters(d->row.id, "Xgemm", CLBlastPrecisionSingle, sizeof names / sizeof names[0], names,
                                     fits ? large : small);
}

/* The first use of CLBlast by a device; the build lock is held. */
static int prepare(clg_device *d) {
    if (d->used_clblast) return CLBlastSuccess;
    const int code = has_wrong_parameters(d) ? set_sound_parameters(d) : CLBlastSuccess;
    if (code != CLBlastSuccess) return code;
    d->used_clblast = true;
    users++;
    return CLBlastSuccess;
}

static int call(cl_command_queue q, const clg_gemm *g, cl_event *event) {
    const CLBlastTranspose ta = g->ta ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose tb = g->tb ? CLBlastTransposeYes : CLBlastTransposeNo;
    const size_t m = (size_t)g->m, n = (size_t)g->n, k = (size_t)g->k;
    const size_t lda = (size_t)g->lda, ldb = (size_t)g->ldb, ldc = (size_t)g->ldc;
    if (g->batch == 1)
        return CLBlastSgemm(CLBlastLayoutRowMajor, ta, tb, m, n, k, 1.0f, g->a->mem, g->a_off, lda, g->b->mem, g->b_off,
                            ldb, 0.0f, g->c->mem, g->c_off, ldc, &q, event);
    return CLBlastSgemmStridedBatched(CLBlastLayoutRowMajor, ta, tb, m, n, k, 1.0f, g->a->mem, g->a_off, lda,
                                      (size_t)g->a_stride, g->b->mem, g->b_off, ldb, (size_t)g->b_stride, 0.0f,
                                      g->c->mem, g->c_off, ldc, (size_t)g->c_stride, (size_t)g->batch, &q, event);
}

/* Failures of its kernels on this device, and not of the device, of memory, or of what it was given. */
static bool is_its_own(int code) {
    switch (code) {
    case CLBlastOpenCLCompilerNotAvailable:
    case CLBlastOpenCLOutOfResources:
    case CLBlastOpenCLBuildProgramFailure:
    case CLBlastNotImplemented:
    case CLBlastInvalidLocalMemUsage:
    case CLBlastDatabaseError:
    case CLBlastUnknownError:
    case CLBlastUnexpectedError: return true;
    default: return code <= CLBlastInvalidBinary && code >= CLBlastInvalidLocalThreadsDim; /* programs to groups */
    }
}

clg_status clg_gemm_clblast(clg_device *d, const clg_gemm *g, clg_note *note, const clg_link *l) {
    cl_event event = NULL;
    if (!clg_gemm_clblast_fits(d, g))
        return clg_fail(CLG_ERR_UNSUP, "gemm: CLBlast cannot do m %lld, n %lld, k %lld, batch %lld on device %s",
                        (long long)g->m, (long long)g->n, (long long)g->k, (long long)g->batch, d->row.name);
    cl_command_queue q = clg_link_queue(d, l);
    if (l && l->n_wait > 0) /* its calls take no list of events */
        CLG_TRY(clg_link_mark(d, &(clg_link){ .queue = l->queue, .n_wait = l->n_wait, .wait = l->wait }));
    CLG_TRY(clg_device_check(d));
    pthread_mutex_lock(clg_build_lock());
    int code = prepare(d);
    if (code == CLBlastSuccess) code = call(q, g, clg_link_wants(d, note, l) ? &event : NULL);
    clg_resident_end(d);
    pthread_mutex_unlock(clg_build_lock());
    if (code == CLBlastSuccess) return clg_link_give(d, q, note, "clblast", l, event);
    clg_event_release(&event);
    const bool own = is_its_own(code);
    const bool memory = code == CLBlastTempBufferAllocFailure || code == CLBlastOpenCLOutOfHostMemory;
    const clg_status kind = own ? CLG_ERR_UNSUP : memory ? CLG_ERR_NOMEM : CLG_ERR_DEVICE;
    const clg_status status = clg_fail(kind, "CLBlast gemm, m %lld, n %lld, k %lld, batch %lld%s%s, on device %s: %s "
                                       "(%d)", (long long)g->m, (long long)g->n, (long long)g->k, (long long)g->batch,
                                       g->ta ? ", A transposed" : "", g->tb ? ", B transposed" : "", d->row.name,
                                       text_of(code), code);
    clg_device_note(d, code, "CLBlast");
    if (own) set_broken(d);
    return status;
}

void clg_clblast_release(clg_device *d) {
    pthread_mutex_lock(clg_build_lock());
    if (d->used_clblast && --users == 0) CLBlastClearCache();
    pthread_mutex_unlock(clg_build_lock());
}
