/* Device memory: buffers from a pool with statistics and a cap; transfers that know dtypes.
 * Offsets and counts are in elements of the given dtype. Every buffer has CLG_BUFFER_SLACK readable bytes behind
 * its end, because vector kernels read past the end of rows. */
#ifndef CLG_CL_BUFFER_H_
#define CLG_CL_BUFFER_H_

#include "cl/link.h"
#include "cl/trace.h"

enum { CLG_BUFFER_SLACK = 4096 };

typedef struct clg_buffer clg_buffer;

/** A buffer, cleared to zero. what: for the message ("param conv1.weight", "arena of the plan").
 *  Errors: CLG_ERR_NOMEM (device memory or cap; the message has what, size, in use, cap). */
clg_status clg_buffer_create(clg_device *d, size_t bytes, const char *what, clg_buffer **out);

/** The same in memory that the host writes and reads without a command, where the device has that (caps.shares). */
clg_status clg_buffer_create_shared(clg_device *d, size_t bytes, const char *what, clg_buffer **out);
bool       clg_buffer_is_shared(const clg_buffer *b);

/** Where kernels see it, which may stand in memory that they read: clg_kernel_uses(). NULL: not known. */
void      *clg_buffer_address(const clg_buffer *b);

void       clg_buffer_destroy(clg_buffer **b); /* goes back to the pool once the device has finished with it */
size_t     clg_buffer_bytes(const clg_buffer *b);
double    *clg_buffer_host(clg_buffer *b, size_t elem); /* "ref" only: address of an element */

/** Blocking copies between the host and a buffer, ordered behind everything enqueued before. On "ref" they convert. */
clg_status clg_buffer_write(clg_buffer *b, size_t elem, clg_dtype t, const void *data, size_t n);
clg_status clg_buffer_read(clg_buffer *b, size_t elem, clg_dtype t, void *data, size_t n);

/** Copies from a shared buffer to the host, once the event is complete behind which the elements are as wanted; NULL: that
 *  is known. */
clg_status clg_buffer_look(clg_buffer *b, size_t elem, clg_dtype t, void *data, size_t n, struct _cl_event *after);

/** Enqueues a device-side copy of n elements (on "ref": copies, without events). note and l may be
 *  NULL. */
clg_status clg_buffer_copy(clg_buffer *src, size_t src_elem, clg_buffer *dst, size_t dst_elem, clg_dtype t, size_t n,
                           clg_note *note, const clg_link *l);

/**
 * An upload channel for one input tensor, with its memory. clg_upload_write() copies the caller's data into one of two
 * staging slots and enqueues the transfer without waiting for anything but that slot. In line, the transfer is on the
 * compute queue, and the one buffer stays. Doubled, it is on the upload queue, into the buffer that no run reads:
 * `reader` is an event behind the runs that read the present one (retained; NULL: none does). Whoever reads the input
 * next takes clg_upload_buffer(), waits for clg_upload_sent() if the channel is fresh, and tells so by
 * clg_upload_taken(). Shared, where the device can (else it is doubled), there is no transfer: the host waits for the
 * last reader of that buffer and writes there. Allocates only at creation.
 */
enum clg_upload_way { CLG_UPLOAD_IN_LINE, CLG_UPLOAD_DOUBLED, CLG_UPLOAD_SHARED };
typedef struct clg_upload clg_upload;
clg_status  clg_upload_create(clg_device *d, clg_dtype t, size_t n, enum clg_upload_way way, const char *what,
                              clg_upload **out);
enum clg_upload_way clg_upload_best(const clg_device *d, size_t bytes, bool share); /* share: if it can */
bool        clg_upload_is_doubled(const clg_upload *u);      /* or shared, which has two buffers as well */
clg_status  clg_upload_write(clg_upload *u, const void *data, struct _cl_event *reader);
clg_buffer *clg_upload_buffer(const clg_upload *u);          /* owned by the channel */
bool        clg_upload_fresh(const clg_upload *u);           /* doubled: written, and not read yet */
struct _cl_event *clg_upload_sent(const clg_upload *u);      /* of the last write; NULL: none is under way */
void        clg_upload_idle(clg_upload *u);                  /* all runs are done: the same buffer may be written again */
void        clg_upload_taken(clg_upload *u);
void        clg_upload_destroy(clg_upload **u);

/**
 * A download channel for n elements of one type: clg_download_begin() enqueues a copy to the host on the download queue
 * behind the event `after` (NULL: behind everything enqueued before on the compute queue) and returns; at most
 * CLG_DOWNLOADS are under way (clg_download_full()). clg_download_end() waits for the oldest, of which there must be
 * one, and hands it out. Allocates only at creation. Whoever writes to src later must wait for what
 * clg_download_pending() lists, and returns the number of: at most CLG_DOWNLOADS.
 */
enum { CLG_DOWNLOADS = 2 };
typedef struct clg_download clg_download;
clg_status clg_download_create(clg_device *d, clg_dtype t, size_t n, const char *what, clg_download **out);
clg_status clg_download_begin(clg_download *x, clg_buffer *src, size_t elem, struct _cl_event *after);
clg_status clg_download_end(clg_download *x, void *data);
bool       clg_download_full(const clg_download *x);
bool       clg_download_begun(const clg_download *x);
int        clg_download_pending(const clg_download *x, struct _cl_event **wait);
void       clg_download_destroy(clg_download **x); /* waits for what is under way */

/** Elements of the "ref" device from and to the host's; rounds to nearest even, integers saturate. */
void clg_to_double(clg_dtype t, const void *from, double *to, size_t n);
void clg_from_double(clg_dtype t, const double *from, void *to, size_t n);

#endif /* CLG_CL_BUFFER_H_ */
