/* CIFAR-10 in its binary form. */
#ifndef CLG_DATA_CIFAR_H_
#define CLG_DATA_CIFAR_H_

#include "data/items.h"

/** Adds the pictures of a file in memory to items, of which u8, label and n are used.
 *  Errors: CLG_ERR_FORMAT (not whole pictures, a class beyond 9), CLG_ERR_NOMEM; items stays as it was. */
clg_status clg_cifar_add(const char *name, const uint8_t *data, size_t size, clg_items *items);

#endif /* CLG_DATA_CIFAR_H_ */
