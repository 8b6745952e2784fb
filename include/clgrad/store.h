/* Stores: named tensors on a device, their files, and text that travels with them. */
#ifndef CLGRAD_STORE_H_
#define CLGRAD_STORE_H_

#include <clgrad/device.h>
#include <clgrad/tensor.h>

CLG_BEGIN_DECLS

/** Thread-safety: one thread at a time. */
typedef struct clg_store clg_store;

/** An empty store on a device. The seed fixes initial weights and dropout: same seed, same bits, any device. */
CLG_API clg_store *clg_store_create(clg_device *dev, uint64_t seed);
CLG_API void       clg_store_destroy(clg_store **store);
CLG_API uint64_t   clg_store_seed(const clg_store *s);

/** Starts anew: every param and state gets the value again that its clg_param() or clg_state() gave it, by the store's
 *  seed. Tensors that only a file or clg_store_put() has made stay as they are. Plans see the change; texts stay.
 *  After a failure some tensors may have been written. */
CLG_API CLG_CHECK clg_status clg_store_reset(clg_store *s);

/** What a store holds under a name. The name lives as long as the store. */
typedef struct clg_store_entry {
    const char *name;
    clg_dtype   dtype;
    clg_shape   shape;
    bool        trainable; /* made by clg_param(), or loaded and not yet claimed by a graph */
} clg_store_entry;

/** Number of tensors; entry i in order of creation, 0 <= i < count. */
CLG_API int clg_store_count(const clg_store *s);
CLG_API CLG_CHECK clg_status clg_store_get(const clg_store *s, int i, clg_store_entry *entry);

/** Copies a named tensor from or to host memory (blocking; waits for the runs so far). bytes must be the exact size.
 *  Errors: CLG_ERR_INVALID if there is no such name or bytes differ. */
CLG_API CLG_CHECK clg_status clg_store_write(clg_store *s, const char *name, const void *data, size_t bytes);
CLG_API CLG_CHECK clg_status clg_store_read(clg_store *s, const char *name, void *data, size_t bytes);

/**
 * Makes a tensor of the store, or writes the one that has this name: for what belongs to weights and is no part of a
 * graph, as the scale of the data. Until a graph asks for it by clg_param() or clg_state(), clg_store_reset() leaves it
 * as it is. data: all elements, copied (blocking).
 * Errors: CLG_ERR_SHAPE if the name exists with another shape or type; CLG_ERR_INVALID, CLG_ERR_NOMEM, CLG_ERR_UNSUP.
 */
CLG_API CLG_CHECK clg_status clg_store_put(clg_store *s, const char *name, clg_dtype type, clg_shape shape,
                                           const void *data);

/**
 * Gives a store all that another one has, which may be on another device: tensors, made where they are missing, texts
 * and seed. What only `to` has stays. Blocking: both wait for their runs so far.
 * Errors: CLG_ERR_SHAPE if a name has another shape or type there; CLG_ERR_NOMEM, CLG_ERR_UNSUP (f64), CLG_ERR_DEVICE.
 * After a failure some tensors may have been written.
 */
CLG_API CLG_CHECK clg_status clg_store_copy(clg_store *to, clg_store *from);

/** Text that is saved with the tensors (the __metadata__ of a safetensors file): model, step, seed. value NULL
 *  removes the key. clg_store_meta() returns NULL if there is none; valid until the key is set again. */
CLG_API CLG_CHECK clg_status clg_store_set_meta(clg_store *s, const char *key, const char *value);
CLG_API const char *clg_store_meta(const clg_store *s, const char *key);

/**
 * Saves to / loads from a safetensors file. Saving goes through a temporary file, sync and rename: the old file
 * is intact until the new one is complete. Equal contents give equal bytes. Loading fills tensors that exist,
 * creates those that do not, takes over the metadata, and changes nothing at all if the file is bad.
 * pattern is a glob on names ("conv*"); NULL is everything.
 *
 * Errors: CLG_ERR_IO, CLG_ERR_FORMAT, CLG_ERR_SHAPE (a name exists with another shape or type).
 */
CLG_API CLG_CHECK clg_status clg_store_save(clg_store *s, const char *path, const char *pattern);
CLG_API CLG_CHECK clg_status clg_store_load(clg_store *s, const char *path, const char *pattern);

/** As clg_store_load(), but every tensor of the store that fits the pattern must be in the file.
 *  Errors: also CLG_ERR_FORMAT naming the first tensor that is missing. */
CLG_API CLG_CHECK clg_status clg_store_load_all(clg_store *s, const char *path, const char *pattern);

/** Reads one metadata value of a safetensors file into value (size bytes, zero-terminated) without loading it.
 *  Errors: CLG_ERR_IO, CLG_ERR_FORMAT, CLG_ERR_INVALID if the key is absent or the value does not fit. */
CLG_API CLG_CHECK clg_status clg_file_meta(const char *path, const char *key, char *value, size_t size);

CLG_END_DECLS

#endif /* CLGRAD_STORE_H_ */
