/* Stores to and from safetensors files. Loading checks the whole file against the store, and reserves all memory,
 * before it changes anything. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "graph/op.h"
#include "graph/safetensors.h"
#include "graph/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- saving --- */

/* Large elements first, then by name: so every tensor starts at a multiple of its element size although the format
 * allows no holes, and equal contents give equal bytes. */
static int by_size_and_name(const void *a, const void *b) {
    const clg_slot *x = *(clg_slot *const *)a, *y = *(clg_slot *const *)b;
    const size_t sx = clg_dtype_size(x->dtype), sy = clg_dtype_size(y->dtype);
    return sx != sy ? (sx > sy ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const clg_st_pair *)a)->key, ((const clg_st_pair *)b)->key);
}

/* What a file will hold. */
typedef struct saving {
    clg_slot      **slots; /* in the order of the file */
    clg_st_tensor  *tensors;
    int             n;
    clg_st_pair    *meta;
    char           *data;
    size_t          size;
    clg_str         header;
} saving;

static clg_status choose_slots(const clg_store *s, const char *pattern, saving *f) {
    f->slots = clg_calloc((size_t)s->n_slots, sizeof *f->slots);
    f->tensors = clg_calloc((size_t)s->n_slots, sizeof *f->tensors);
    f->meta = clg_calloc((size_t)s->meta.n, sizeof *f->meta);
    if (!f->slots || !f->tensors || !f->meta) return clg_fail_nomem("clg_store_save()");
    for (int i = 0; i < s->n_slots; i++)
        if (clg_str_glob(pattern, s->slots[i]->name)) f->slots[f->n++] = s->slots[i];
    if (f->n > 0) qsort(f->slots, (size_t)f->n, sizeof *f->slots, by_size_and_name);
    for (int i = 0; i < f->n; i++) {
        const clg_slot *slot = f->slots[i];
        const size_t bytes = (size_t)clg_shape_elems(slot->shape) * clg_dtype_size(slot->dtype);
        if (bytes > SIZE_MAX / 2 - f->size) return clg_fail_nomem("clg_store_save()");
        f->tensors[i] = (clg_st_tensor){ .name = slot->name, .dtype = slot->dtype, .shape = slot->shape,
                                         .begin = f->size, .end = f->size + bytes };
        f->size += bytes;
    }
    for (int i = 0; i < s->meta.n; i++) f->meta[i] = (clg_st_pair){ s->meta.item[i].key, s->meta.item[i].value };
    if (s->meta.n > 0) qsort(f->meta, (size_t)s->meta.n, sizeof *f->meta, by_key);
    return CLG_OK;
}

static clg_status save(const clg_store *s, const char *path, const char *pattern, saving *f) {
    CLG_TRY(choose_slots(s, pattern, f));
    CLG_TRY(clg_st_compose(f->tensors, f->n, f->meta, s->meta.n, &f->header));
    f->data = clg_alloc(f->size);
    if (!f->data) return clg_fail(CLG_ERR_NOMEM, "out of host memory: %zu bytes of tensors", f->size);
    for (int i = 0; i < f->n; i++) {
        const clg_slot *slot = f->slots[i];
        const size_t elems = (size_t)clg_shape_elems(slot->shape);
        if (elems > 0) CLG_TRY(clg_buffer_read(slot->buffer, 0, slot->dtype, f->data + f->tensors[i].begin, elems));
    }
    const clg_file_part parts[] = { { f->header.text, f->header.size }, { f->data, f->size } };
    return clg_file_write(path, parts, 2, true);
}

/* Puts the file's name before a message that does not have it. */
static clg_status name_file(clg_status status, const char *path) {
    if (status < 0 && strncmp(clg_error(), path, strlen(path)) != 0) clg_fail_context(status, "%s: ", path);
    return status;
}

clg_status clg_store_save(clg_store *s, const char *path, const char *pattern) {
    if (!s || !path || !*path) return clg_fail(CLG_ERR_INVALID, "clg_store_save: store and path are needed");
    saving f = { 0 };
    const clg_status status = save(s, path, pattern, &f);
    clg_free(f.data);
    clg_str_free(&f.header);
    clg_free(f.meta);
    clg_free(f.tensors);
    clg_free(f.slots);
    return name_file(status, path);
}

/* --- loading --- */

/* One tensor of the file that is wanted. */
typedef struct item {
    const clg_st_tensor *from;
    clg_slot   *to;       /* NULL until it is made */
    const void *data;
    int32_t    *narrowed; /* the values of an I64 tensor for an i32 one; else NULL */
    bool        is_new;   /* made by this load */
} item;

typedef struct loading {
    clg_store    *store;
    char         *file;
    size_t        file_size;
    clg_st_header header;
    item         *items;
    int           n;
    clg_meta      meta;    /* of the store after the load */
    uint64_t      seed;
} loading;

static clg_status narrow(item *it, size_t n) {
    it->narrowed = clg_calloc(n, sizeof *it->narrowed);
    if (!it->narrowed) return clg_fail(CLG_ERR_NOMEM, "out of host memory: tensor \"%s\"", it->from->name);
    for (size_t i = 0; i < n; i++) {
        int64_t v;
        memcpy(&v, (const char *)it->data + i * sizeof v, sizeof v); /* data in a file may lie unaligned */
        if (v < INT32_MIN || v > INT32_MAX)
            return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\" is I64 and its element %zu, %" PRId64 ", does not fit i32",
                            it->from->name, i, v);
        it->narrowed[i] = (int32_t)v;
    }
    it->data = it->narrowed;
    return CLG_OK;
}

static clg_status choose_item(loading *l, const clg_st_tensor *t) {
    char have[128], want[128], why[256];
    if (t->dtype == CLG_DTYPE_COUNT)
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\" has dtype %s; f32, f16, bf16, f64, i32, u8 and i64 can be read",
                        t->name, t->type_name);
    if (!clg_shape_valid(t->dtype, t->shape, why, sizeof why))
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": %s", t->name, why);
    item *it = &l->items[l->n++];
    *it = (item){ .from = t, .to = clg_store_find(l->store, t->name), .data = l->file + l->header.data_at + t->begin };
    /* PyTorch counts in I64; a counter of this library may be i32. */
    const bool narrows = it->to && it->to->dtype == CLG_I32 && t->dtype == CLG_I64;
    if (it->to && ((it->to->dtype != t->dtype && !narrows) || !clg_shape_equal(it->to->shape, t->shape)))
        return clg_fail(CLG_ERR_SHAPE, "\"%s\" is %s in the file and %s in the store", t->name,
                        clg_shape_text(t->dtype, t->shape, have, sizeof have),
                        clg_shape_text(it->to->dtype, it->to->shape, want, sizeof want));
    return narrows ? narrow(it, (size_t)clg_shape_elems(t->shape)) : CLG_OK;
}

/* Everything of the store that fits the pattern must be in the file. */
static clg_status check_complete(const loading *l, const char *pattern) {
    for (int i = 0; i < l->store->n_slots; i++) {
        const clg_slot *slot = l->store->slots[i];
        bool found = !clg_str_glob(pattern, slot->name);
        for (int k = 0; k < l->n && !found; k++) found = l->items[k].to == slot;
        if (!found)
            return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\" is missing; the file has %d tensors", slot->name,
                            l->header.n_tensors);
    }
    return CLG_OK;
}

static clg_status merge_meta(loading *l) {
    const char *key, *value;
    const clg_meta *old = &l->store->meta;
    for (int i = 0; i < old->n; i++) CLG_TRY(clg_meta_set(&l->meta, old->item[i].key, old->item[i].value));
    l->seed = l->store->seed;
    for (void *i = NULL; (i = clg_st_meta_next(&l->header, i, &key, &value));) {
        if (strcmp(key, "seed") == 0 && !clg_seed_parse(value, &l->seed)) continue; /* means something else there */
        CLG_TRY(clg_meta_set(&l->meta, key, value));
    }
    return CLG_OK;
}

/* Reads and checks; the store is not touched. */
static clg_status prepare(loading *l, const char *path, const char *pattern, bool all) {
    uint64_t json_size;
    CLG_TRY(clg_file_read(path, CLG_ST_MAX_FILE > SIZE_MAX ? SIZE_MAX : (size_t)CLG_ST_MAX_FILE, (void **)&l->file,
                          &l->file_size));
    CLG_TRY(clg_st_header_size(l->file, l->file_size, l->file_size, &json_size));
    CLG_TRY(clg_st_parse(l->file + 8, (size_t)json_size, l->file_size, &l->header));
    l->items = clg_calloc((size_t)l->header.n_tensors, sizeof *l->items);
    if (!l->items) return clg_fail_nomem("clg_store_load()");
    for (int i = 0; i < l->header.n_tensors; i++)
        if (clg_str_glob(pattern, l->header.tensors[i].name)) CLG_TRY(choose_item(l, &l->header.tensors[i]));
    if (all) CLG_TRY(check_complete(l, pattern));
    return merge_meta(l);
}

static clg_status write_item(const item *it) {
    const size_t n = (size_t)clg_shape_elems(it->to->shape);
    clg_slot_change(it->to);
    return n ? clg_buffer_write(it->to->buffer, 0, it->to->dtype, it->data, n) : CLG_OK;
}

/* Makes and fills the new slots, then fills those that exist: only a failing device can stop that. */
static clg_status commit(loading *l) {
    clg_store *s = l->store;
    const int n_before = s->n_slots;
    clg_status status = CLG_OK;
    for (int i = 0; i < l->n && status == CLG_OK; i++) {
        item *it = &l->items[i];
        if (it->to) continue;
        status = clg_store_add(s, s->device, it->from->name, it->from->dtype, it->from->shape, true, &it->to);
        if (status < 0) break;
        it->to->loaded = it->is_new = true;
        status = write_item(it);
    }
    for (int i = 0; i < l->n && status == CLG_OK; i++)
        if (!l->items[i].is_new) status = write_item(&l->items[i]);
    if (status < 0) {
        while (s->n_slots > n_before) clg_store_remove_last(s);
        return status;
    }
    const clg_meta old = s->meta;
    s->meta = l->meta;
    l->meta = old;
    s->seed = l->seed;
    return CLG_OK;
}

static clg_status load(clg_store *s, const char *call, const char *path, const char *pattern, bool all) {
    if (!s || !path || !*path) return clg_fail(CLG_ERR_INVALID, "%s: store and path are needed", call);
    loading l = { .store = s };
    clg_status status = prepare(&l, path, pattern, all);
    if (status == CLG_OK) status = commit(&l);
    for (int i = 0; i < l.n; i++) clg_free(l.items[i].narrowed);
    clg_meta_free(&l.meta);
    clg_free(l.items);
    clg_st_free(&l.header);
    clg_free(l.file);
    return name_file(status, path);
}

clg_status clg_store_load(clg_store *s, const char *path, const char *pattern) {
    return load(s, "clg_store_load", path, pattern, false);
}

clg_status clg_store_load_all(clg_store *s, const char *path, const char *pattern) {
    return load(s, "clg_store_load_all", path, pattern, true);
}

/* --- metadata of a file --- */

/* Reads length and JSON text only. */
static clg_status read_header(FILE *f, clg_st_header *h) {
    struct stat st;
    uint8_t first[8];
    uint64_t json_size;
    if (fstat(fileno(f), &st) != 0) return clg_fail(CLG_ERR_IO, "cannot read: %s", strerror(errno));
    const uint64_t file_size = (uint64_t)st.st_size;
    const size_t got = fread(first, 1, sizeof first, f);
    if (ferror(f)) return clg_fail(CLG_ERR_IO, "cannot read: %s", strerror(errno));
    CLG_TRY(clg_st_header_size(first, got, file_size, &json_size));
    char *json = clg_alloc((size_t)json_size);
    if (!json) return clg_fail(CLG_ERR_NOMEM, "out of host memory: header of %" PRIu64 " bytes", json_size);
    clg_status status = CLG_OK;
    if (fread(json, 1, (size_t)json_size, f) != json_size)
        status = clg_fail(CLG_ERR_IO, "cannot read: %s", ferror(f) ? strerror(errno) : "the file became shorter");
    if (status == CLG_OK) status = clg_st_parse(json, (size_t)json_size, file_size, h);
    clg_free(json);
    return status;
}

clg_status clg_file_meta(const char *path, const char *key, char *value, size_t size) {
    if (!path || !key || !value) return clg_fail(CLG_ERR_INVALID, "clg_file_meta: path, key and value are needed");
    FILE *f = fopen(path, "rb");
    if (!f) return clg_fail(CLG_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    clg_st_header h = { 0 };
    clg_status status = read_header(f, &h);
    fclose(f);
    if (status == CLG_OK) {
        const char *text = clg_st_meta(&h, key);
        if (!text) {
            status = clg_fail(CLG_ERR_INVALID, "no metadata \"%s\"", key);
        } else if (strlen(text) >= size) {
            status = clg_fail(CLG_ERR_INVALID, "metadata \"%s\" has %zu bytes; there is room for %zu", key,
                              strlen(text) + 1, size);
        } else {
            memcpy(value, text, strlen(text) + 1);
        }
    }
    clg_st_free(&h);
    return name_file(status, path);
}
