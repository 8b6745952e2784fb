/* Copies from one device to another. */
#ifndef CLG_CL_TRANSFER_H_
#define CLG_CL_TRANSFER_H_

#include "cl/buffer.h"

/** A way for n elements of type t into dst: through the host, or directly where both devices share a context. */
typedef struct clg_transfer clg_transfer;

/** from: the device that they come from. what: for messages. Both devices must outlive it. */
clg_status clg_transfer_create(clg_device *from, clg_buffer *dst, size_t dst_elem, clg_dtype t, size_t n,
                               const char *what, clg_transfer **out);
void       clg_transfer_destroy(clg_transfer **t);

/** Copies from src, behind all that was enqueued on its device, in front of what comes on the other. Through the host
 *  it waits for the former. Allocates nothing. */
clg_status clg_transfer_run(clg_transfer *t, clg_buffer *src, size_t src_elem);

bool clg_transfer_is_direct(const clg_transfer *t);

#endif /* CLG_CL_TRANSFER_H_ */
