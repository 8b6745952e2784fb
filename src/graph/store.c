/* Stores: slots by name, metadata, and copies from and to the host. Files are in store_file.c. */
#include "graph/store.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "graph/init.h"
#include "graph/op.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- metadata --- */

static int meta_find(const clg_meta *m, const char *key) {
    for (int i = 0; i < m->n; i++)
        if (strcmp(m->item[i].key, key) == 0) return i;
    return -1;
}

const char *clg_meta_get(const clg_meta *m, const char *key) {
    const int i = meta_find(m, key);
    return i < 0 ? NULL : m->item[i].value;
}

static void meta_remove(clg_meta *m, int i) {
    clg_free(m->item[i].key);
    clg_free(m->item[i].value);
    memmove(&m->item[i], &m->item[i + 1], (size_t)(m->n - i - 1) * sizeof *m->item);
    m->n--;
}

clg_status clg_meta_set(clg_meta *m, const char *key, const char *value) {
    const int i = meta_find(m, key);
    if (!value) {
        if (i >= 0) meta_remove(m, i);
        return CLG_OK;
    }
    char *v = clg_copy_text(value);
    if (v && i >= 0) {
        clg_free(m->item[i].value);
        m->item[i].value = v;
        return CLG_OK;
    }
    char *k = v ? clg_copy_text(key) : NULL;
    if (!k || !clg_grow(&m->item, &m->cap, m->n + 1, sizeof *m->item)) {
        clg_free(k);
        clg_free(v);
        return clg_fail_nomem("metadata of a store");
    }
    m->item[m->n].key = k;
    m->item[m->n++].value = v;
    return CLG_OK;
}

void clg_meta_free(clg_meta *m) {
    while (m->n > 0) meta_remove(m, m->n - 1);
    clg_free(m->item);
    *m = (clg_meta){ 0 };
}

bool clg_seed_parse(const char *text, uint64_t *seed) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    const unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end) return false;
    *seed = v;
    return true;
}

clg_status clg_store_set_meta(clg_store *s, const char *key, const char *value) {
    uint64_t seed;
    if (!s || !key || !*key) return clg_fail(CLG_ERR_INVALID, "clg_store_set_meta: store and key are needed");
    if (strcmp(key, "seed") != 0) return clg_meta_set(&s->meta, key, value);
    if (!value || !clg_seed_parse(value, &seed))
        return clg_fail(CLG_ERR_INVALID, "clg_store_set_meta: \"seed\" is the store's seed: give a number of 64 bits, "
                        "not \"%s\"", value ? value : "NULL");
    CLG_TRY(clg_meta_set(&s->meta, key, value));
    s->seed = seed;
    return CLG_OK;
}

const char *clg_store_meta(const clg_store *s, const char *key) {
    return s && key ? clg_meta_get(&s->meta, key) : NULL;
}

/* --- life --- */

clg_store *clg_store_create(clg_device *dev, uint64_t seed) {
    if (!dev) {
        clg_fail(CLG_ERR_INVALID, "clg_store_create: device is NULL");
        return NULL;
    }
    clg_store *s = clg_calloc(1, sizeof *s);
    if (!s) {
        clg_fail_nomem("store");
        return NULL;
    }
    char text[24];
    atomic_init(&s->refs, 1);
    s->device = clg_device_ref(dev);
    s->seed = seed;
    snprintf(text, sizeof text, "%" PRIu64, seed);
    if (clg_meta_set(&s->meta, "seed", text) < 0) clg_store_destroy(&s);
    return s;
}

clg_store *clg_store_ref(clg_store *s) {
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void clg_store_remove_last(clg_store *s) {
    clg_slot *slot = s->slots[--s->n_slots];
    clg_buffer_destroy(&slot->buffer);
    clg_device_destroy(&slot->device);
    clg_free(slot->name);
    clg_free(slot);
}

void clg_store_destroy(clg_store **store) {
    if (!store || !*store) return;
    clg_store *s = *store;
    *store = NULL;
    if (atomic_fetch_sub(&s->refs, 1) > 1) return;
    while (s->n_slots > 0) clg_store_remove_last(s);
    clg_free(s->slots);
    clg_meta_free(&s->meta);
    clg_device_destroy(&s->reference);
    clg_device_destroy(&s->device);
    clg_free(s);
}

uint64_t clg_store_seed(const clg_store *s) {
    return s ? s->seed : 0;
}

clg_device *clg_store_device(const clg_store *s) {
    return s->device;
}

/* --- slots --- */

clg_slot *clg_store_find(const clg_store *s, const char *name) {
    for (int i = 0; i < s->n_slots; i++)
        if (strcmp(s->slots[i]->name, name) == 0) return s->slots[i];
    return NULL;
}

clg_device *clg_store_reference(clg_store *s) {
    if (clg_device_get_caps(s->device)->ref) return s->device;
    if (!s->reference) s->reference = clg_device_open("ref", NULL);
    return s->reference;
}

/* Memory for a slot on a device, or on the reference device if that one lacks the type. */
static clg_status place_slot(clg_store *s, clg_slot *slot, clg_device *dev, clg_buffer **out) {
    const clg_dtype t = slot->dtype;
    if (clg_dtype_size(t) > 0 && !clg_device_has_type(dev, t)) {
        clg_device_info info;
        clg_device_get_info(dev, &info);
        if (clg_device_first_time(dev, clg_dtype_name(t)))
            clg_log_msg(CLG_LOG_WARN, "device %s has no %s: %s and other tensors of that type live on the host",
                        info.name, clg_dtype_name(t), slot->name);
        dev = clg_store_reference(s);
        if (!dev) return clg_error_status();
    }
    const clg_status accepts = clg_device_accepts(dev, t);
    if (accepts < 0) return clg_fail_context(accepts, "%s: ", slot->name);
    CLG_TRY(clg_buffer_create(dev, (size_t)clg_shape_elems(slot->shape) * clg_device_elem_size(dev, t), slot->name,
                              out));
    clg_device *before = slot->device;
    slot->device = clg_device_ref(dev);
    clg_device_destroy(&before);
    return CLG_OK;
}

clg_status clg_store_add(clg_store *s, clg_device *dev, const char *name, clg_dtype t, clg_shape shape, bool trainable,
                         clg_slot **out) {
    if (strcmp(name, "__metadata__") == 0)
        return clg_fail(CLG_ERR_INVALID, "a tensor cannot be called __metadata__: safetensors files reserve the name");
    clg_slot *slot = clg_calloc(1, sizeof *slot);
    if (slot) slot->name = clg_copy_text(name);
    if (!slot || !slot->name || !clg_grow(&s->slots, &s->cap_slots, s->n_slots + 1, sizeof *s->slots)) {
        if (slot) clg_free(slot->name);
        clg_free(slot);
        return clg_fail(CLG_ERR_NOMEM, "%s: out of host memory for a tensor of the store", name);
    }
    slot->dtype = t;
    clg_shape_copy(&slot->shape, shape);
    slot->trainable = trainable;
    atomic_init(&slot->version, 0);
    const clg_status status = place_slot(s, slot, dev, &slot->buffer);
    if (status < 0) {
        clg_free(slot->name);
        clg_free(slot);
        return status;
    }
    s->slots[s->n_slots++] = slot;
    *out = slot;
    return CLG_OK;
}

clg_status clg_slot_move(clg_store *s, clg_slot *slot, clg_device *dev) {
    const size_t n = (size_t)clg_shape_elems(slot->shape);
    clg_buffer *before = slot->buffer, *made = NULL;
    if (slot->device == dev || !clg_device_has_type(dev, slot->dtype)) return CLG_OK;
    void *data = clg_calloc(n + 1, clg_dtype_size(slot->dtype));
    if (!data) return clg_fail_nomem(slot->name);
    clg_status status = clg_buffer_read(before, 0, slot->dtype, data, n);
    clg_device *from = clg_device_ref(slot->device);
    if (status >= 0) status = place_slot(s, slot, dev, &made);
    if (status >= 0) status = clg_buffer_write(made, 0, slot->dtype, data, n);
    if (status >= 0) {
        slot->buffer = made;
        clg_slot_change(slot);
        clg_buffer_destroy(&before);
    } else if (made) {
        clg_device_destroy(&slot->device);
        slot->device = clg_device_ref(from);
        clg_buffer_destroy(&made);
    }
    clg_device_destroy(&from);
    clg_free(data);
    return status;
}

int clg_store_count(const clg_store *s) {
    return s ? s->n_slots : 0;
}

clg_status clg_store_get(const clg_store *s, int i, clg_store_entry *entry) {
    if (!s || !entry) return clg_fail(CLG_ERR_INVALID, "clg_store_get: store and entry are needed");
    if (i < 0 || i >= s->n_slots)
        return clg_fail(CLG_ERR_INVALID, "clg_store_get: no tensor %d; the store has %d", i, s->n_slots);
    const clg_slot *slot = s->slots[i];
    *entry = (clg_store_entry){ slot->name, slot->dtype, slot->shape, slot->trainable };
    return CLG_OK;
}

/* The slot that a host copy of `bytes` is for. */
static clg_status find_for_copy(const clg_store *s, const char *call, const char *name, const void *data, size_t bytes,
                                clg_slot **out) {
    char text[128];
    if (!s || !name || (!data && bytes))
        return clg_fail(CLG_ERR_INVALID, "%s: store, name and data are needed", call);
    clg_slot *slot = clg_store_find(s, name);
    if (!slot) return clg_fail(CLG_ERR_INVALID, "%s: the store has no tensor \"%s\"", call, name);
    const size_t need = (size_t)clg_shape_elems(slot->shape) * clg_dtype_size(slot->dtype);
    if (bytes != need)
        return clg_fail(CLG_ERR_INVALID, "%s(%s): %s has %zu bytes, not %zu", call, name,
                        clg_shape_text(slot->dtype, slot->shape, text, sizeof text), need, bytes);
    *out = slot;
    return CLG_OK;
}

clg_status clg_store_write(clg_store *s, const char *name, const void *data, size_t bytes) {
    clg_slot *slot;
    CLG_TRY(find_for_copy(s, "clg_store_write", name, data, bytes, &slot));
    if (bytes == 0) return CLG_OK;
    clg_slot_change(slot);
    return clg_buffer_write(slot->buffer, 0, slot->dtype, data, bytes / clg_dtype_size(slot->dtype));
}

clg_status clg_store_read(clg_store *s, const char *name, void *data, size_t bytes) {
    clg_slot *slot;
    CLG_TRY(find_for_copy(s, "clg_store_read", name, data, bytes, &slot));
    if (bytes == 0) return CLG_OK;
    return clg_buffer_read(slot->buffer, 0, slot->dtype, data, bytes / clg_dtype_size(slot->dtype));
}

clg_status clg_store_put(clg_store *s, const char *name, clg_dtype type, clg_shape shape, const void *data) {
    char have[128], want[128];
    if (!s || !name || !*name || !data)
        return clg_fail(CLG_ERR_INVALID, "clg_store_put: store, name and data are needed");
    if (!clg_shape_valid(type, shape, want, sizeof want))
        return clg_fail(CLG_ERR_SHAPE, "clg_store_put(%s): %s", name, want);
    clg_slot *slot = clg_store_find(s, name);
    if (slot && (slot->dtype != type || !clg_shape_equal(slot->shape, shape)))
        return clg_fail(CLG_ERR_SHAPE, "clg_store_put(%s): the store has it as %s, not %s", name,
                        clg_shape_text(slot->dtype, slot->shape, have, sizeof have),
                        clg_shape_text(type, shape, want, sizeof want));
    const bool made = !slot;
    if (made) {
        CLG_TRY(clg_store_add(s, s->device, name, type, shape, false, &slot));
        slot->loaded = true; /* a graph may claim it, as what a file has made */
    }
    const clg_status status = clg_store_write(s, name, data, (size_t)clg_shape_elems(shape) * clg_dtype_size(type));
    if (status < 0 && made) clg_store_remove_last(s);
    return status;
}

/* --- from store to store --- */

/* The slot of `to` for what `from` holds; what is new is as if the same hands had made it. */
static clg_status slot_like(clg_store *to, const clg_slot *from, clg_slot **out) {
    char have[128], want[128];
    clg_slot *slot = clg_store_find(to, from->name);
    *out = slot;
    if (slot && slot->dtype == from->dtype && clg_shape_equal(slot->shape, from->shape)) return CLG_OK;
    if (slot)
        return clg_fail(CLG_ERR_SHAPE, "clg_store_copy(%s): one store has it as %s, the other as %s", from->name,
                        clg_shape_text(slot->dtype, slot->shape, have, sizeof have),
                        clg_shape_text(from->dtype, from->shape, want, sizeof want));
    CLG_TRY(clg_store_add(to, to->device, from->name, from->dtype, from->shape, from->trainable, out));
    (*out)->loaded = from->loaded;
    (*out)->initial = from->initial;
    return CLG_OK;
}

static clg_status copy_slot(clg_store *to, const clg_slot *from) {
    clg_slot *slot;
    CLG_TRY(slot_like(to, from, &slot));
    const size_t n = (size_t)clg_shape_elems(from->shape);
    if (n == 0) return CLG_OK;
    void *data = clg_alloc(n * clg_dtype_size(from->dtype));
    if (!data) return clg_fail_nomem("copy of a tensor");
    clg_status status = clg_buffer_read(from->buffer, 0, from->dtype, data, n);
    clg_slot_change(slot);
    if (status == CLG_OK) status = clg_buffer_write(slot->buffer, 0, slot->dtype, data, n);
    clg_free(data);
    return status;
}

clg_status clg_store_copy(clg_store *to, clg_store *from) {
    if (!to || !from) return clg_fail(CLG_ERR_INVALID, "clg_store_copy: two stores are needed");
    for (int i = 0; to != from && i < from->n_slots; i++) CLG_TRY(copy_slot(to, from->slots[i]));
    for (int i = 0; to != from && i < from->meta.n; i++)
        CLG_TRY(clg_store_set_meta(to, from->meta.item[i].key, from->meta.item[i].value));
    return CLG_OK;
}

clg_status clg_store_reset(clg_store *s) {
    if (!s) return clg_fail(CLG_ERR_INVALID, "clg_store_reset: store is NULL");
    for (int i = 0; i < s->n_slots; i++) CLG_TRY(clg_slot_reset(s->slots[i], s->seed));
    return CLG_OK;
}
