/* What L2 and L3 know of a store: its slots. */
#ifndef CLG_GRAPH_STORE_H_
#define CLG_GRAPH_STORE_H_

#include "cl/buffer.h"
#include <clgrad/graph.h>
#include <stdatomic.h>

/** What a slot holds at first, by clg_param() or clg_state(). */
typedef struct clg_initial {
    bool          known; /* false: made by a file, and not yet claimed */
    enum clg_init init;  /* of a param */
    double        value; /* of a state */
} clg_initial;

/** A named tensor of a store. Lives as long as the store; its buffer stays where the first graph wanted it. */
typedef struct clg_slot {
    char       *name;
    clg_dtype   dtype;
    clg_shape   shape;
    bool        trainable;
    bool        loaded;   /* made by a file; not yet claimed by clg_param() or clg_state() */
    clg_initial initial;
    clg_device *device;   /* where buffer is, with a reference: that of the store, or a pinned one */
    clg_buffer *buffer;
    atomic_uint_fast64_t version; /* writes so far, by whomever */
} clg_slot;

/** To be called before each write to a slot. */
static inline void clg_slot_change(clg_slot *s) { atomic_fetch_add(&s->version, 1); }

clg_store  *clg_store_ref(clg_store *s);
clg_device *clg_store_device(const clg_store *s);
clg_slot   *clg_store_find(const clg_store *s, const char *name); /* NULL if there is none */

/** A new slot on a device, zero-filled; on the reference device if that one lacks the type. The name must be new. */
clg_status clg_store_add(clg_store *s, clg_device *dev, const char *name, clg_dtype t, clg_shape shape, bool trainable,
                         clg_slot **out);

/** The reference device of a store and its graphs, for what their devices cannot do: opened when first asked for; NULL:
 *  reported. It lives as long as the store. */
clg_device *clg_store_reference(clg_store *s);

/** Moves a slot that no graph has used so far, with what is in it. */
clg_status clg_slot_move(clg_store *s, clg_slot *slot, clg_device *dev);

/** Takes the newest slot back: for whoever added it and could not fill it. No tensor may refer to it. */
void clg_store_remove_last(clg_store *s);

/** Text that travels with a store. Keys in order of first setting. */
typedef struct clg_meta {
    struct { char *key, *value; } *item;
    int n, cap;
} clg_meta;

const char *clg_meta_get(const clg_meta *m, const char *key);
clg_status  clg_meta_set(clg_meta *m, const char *key, const char *value); /* value NULL: removes the key */
void        clg_meta_free(clg_meta *m);

struct clg_store {
    atomic_int  refs;
    clg_device *device, *reference; /* reference: NULL until it is asked for */
    uint64_t    seed;    /* the metadata "seed" says the same */
    clg_slot  **slots;   /* in order of creation */
    int         n_slots, cap_slots;
    clg_meta    meta;
};

/** Reads a seed as clg_store_seed() prints it; false if the text is no number of 64 bits. */
bool clg_seed_parse(const char *text, uint64_t *seed);

#endif /* CLG_GRAPH_STORE_H_ */
