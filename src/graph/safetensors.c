/* Reading and writing safetensors headers. Nothing of a file is believed: every number is checked against the file's
 * size before it is used, and tensors must tile the data exactly, as the format demands. */
#include "graph/safetensors.h"

#include "base/alloc.h"
#include "base/error.h"
#include "graph/op.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are copied as they are: little-endian hosts only");

#define METADATA "__metadata__"

/* All types of the format; dtype CLG_DTYPE_COUNT are those this library cannot hold. */
static const struct { const char *name; clg_dtype dtype; int size; } types[] = {
    { "F32", CLG_F32, 4 }, { "F16", CLG_F16, 2 }, { "BF16", CLG_BF16, 2 }, { "F64", CLG_F64, 8 },
    { "I32", CLG_I32, 4 }, { "U8", CLG_U8, 1 },   { "I64", CLG_I64, 8 },
    { "BOOL", CLG_DTYPE_COUNT, 1 }, { "I8", CLG_DTYPE_COUNT, 1 },  { "F8_E5M2", CLG_DTYPE_COUNT, 1 },
    { "I16", CLG_DTYPE_COUNT, 2 },  { "U16", CLG_DTYPE_COUNT, 2 }, { "F8_E4M3", CLG_DTYPE_COUNT, 1 },
    { "U32", CLG_DTYPE_COUNT, 4 },  { "U64", CLG_DTYPE_COUNT, 8 },
};
enum { N_TYPES = sizeof types / sizeof types[0] };

/* A name from a file, safe and short enough to stand in a message. */
typedef struct shown { char text[80]; } shown;

static shown show(const char *name) {
    shown s;
    size_t n = 0;
    for (; name[n] && n < sizeof s.text - 4; n++) s.text[n] = (unsigned char)name[n] < 32 ? '?' : name[n];
    strcpy(s.text + n, name[n] ? "..." : "");
    return s;
}

clg_status clg_st_header_size(const void *first, size_t size, uint64_t file_size, uint64_t *json_size) {
    const uint8_t *p = first;
    uint64_t n = 0;
    if (size < 8 || file_size < 8)
        return clg_fail(CLG_ERR_FORMAT, "not a safetensors file: %" PRIu64 " bytes are too few for a header",
                        file_size);
    for (int i = 7; i >= 0; i--) n = n << 8 | p[i];
    if (n < 2 || n > CLG_ST_MAX_HEADER || n > file_size - 8)
        return clg_fail(CLG_ERR_FORMAT, "not a safetensors file, or truncated: it claims a header of %" PRIu64
                        " bytes in a file of %" PRIu64, n, file_size);
    *json_size = n;
    return CLG_OK;
}

/* "shape": up to CLG_MAX_DIMS sizes, none negative. */
static clg_status parse_shape(const json_t *sizes, const char *name, clg_shape *out) {
    if (!json_is_array(sizes))
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": no array \"shape\"", show(name).text);
    const size_t n = json_array_size(sizes);
    if (n > CLG_MAX_DIMS)
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\" has %zu axes; at most %d can be held", show(name).text, n,
                        CLG_MAX_DIMS);
    clg_shape s = { .ndim = (int)n };
    for (size_t i = 0; i < n; i++) {
        const json_t *d = json_array_get(sizes, i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": size %zu of its shape is no whole number above or at 0",
                            show(name).text, i);
        s.dim[i] = json_integer_value(d);
    }
    *out = s;
    return CLG_OK;
}

/* Bytes of all elements; false if that overflows. */
static bool byte_count(clg_shape s, int size, uint64_t *bytes) {
    uint64_t n = (uint64_t)size, left = (uint64_t)1 << 62;
    bool empty = false;
    left /= n;
    for (int i = 0; i < s.ndim; i++) {
        const uint64_t d = (uint64_t)s.dim[i];
        if (d == 0) {
            empty = true;
        } else if (d > left) {
            return false;
        } else {
            left /= d;
            n *= d;
        }
    }
    *bytes = empty ? 0 : n;
    return true;
}

static clg_status parse_tensor(const char *name, const json_t *json, uint64_t data_size, clg_st_tensor *t) {
    if (!*name) return clg_fail(CLG_ERR_FORMAT, "a tensor has an empty name");
    if (!json_is_object(json)) return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\" is no JSON object", show(name).text);
    const char *type = json_string_value(json_object_get(json, "dtype"));
    if (!type) return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": no text \"dtype\"", show(name).text);
    int k = 0;
    while (k < N_TYPES && strcmp(types[k].name, type) != 0) k++;
    if (k == N_TYPES)
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": unknown dtype \"%s\"", show(name).text, show(type).text);
    t->name = name;
    t->dtype = types[k].dtype;
    t->type_name = types[k].name;
    CLG_TRY(parse_shape(json_object_get(json, "shape"), name, &t->shape));
    const json_t *offsets = json_object_get(json, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": \"data_offsets\" are not two whole numbers", show(name).text);
    const json_int_t b = json_integer_value(begin), e = json_integer_value(end);
    if (b < 0 || e < b || (uint64_t)e > data_size)
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": bytes %lld to %lld do not lie in the %" PRIu64 " bytes of data",
                        show(name).text, (long long)b, (long long)e, data_size);
    uint64_t bytes;
    char text[128];
    if (!byte_count(t->shape, types[k].size, &bytes) || bytes != (uint64_t)(e - b))
        return clg_fail(CLG_ERR_FORMAT, "tensor \"%s\": %s%s does not fit its %lld bytes", show(name).text, type,
                        strchr(clg_shape_text(CLG_DTYPE_COUNT, t->shape, text, sizeof text), '['), (long long)(e - b));
    t->begin = (uint64_t)b;
    t->end = (uint64_t)e;
    return CLG_OK;
}

static int by_place(const void *a, const void *b) {
    const clg_st_tensor *x = *(clg_st_tensor *const *)a, *y = *(clg_st_tensor *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* The format: "the byte buffer needs to be entirely indexed, and cannot contain holes". */
static clg_status check_tiling(const clg_st_header *h, uint64_t data_size) {
    clg_st_tensor **order = clg_calloc((size_t)h->n_tensors, sizeof *order);
    if (!order) return clg_fail_nomem("header of a safetensors file");
    for (int i = 0; i < h->n_tensors; i++) order[i] = &h->tensors[i];
    if (h->n_tensors > 0) qsort(order, (size_t)h->n_tensors, sizeof *order, by_place);
    uint64_t at = 0;
    clg_status status = CLG_OK;
    for (int i = 0; i < h->n_tensors && status == CLG_OK; i++) {
        if (order[i]->begin != at)
            status = clg_fail(CLG_ERR_FORMAT, "tensor \"%s\" starts at byte %" PRIu64 " of the data; the one before "
                              "ends at %" PRIu64 ": they %s", show(order[i]->name).text, order[i]->begin, at,
                              order[i]->begin < at ? "overlap" : "leave a hole");
        at = order[i]->end;
    }
    clg_free(order);
    if (status == CLG_OK && at != data_size)
        status = clg_fail(CLG_ERR_FORMAT, "the tensors fill %" PRIu64 " of %" PRIu64 " bytes of data", at, data_size);
    return status;
}

static clg_status check_metadata(const json_t *meta) {
    const char *key;
    json_t *value;
    if (!json_is_object(meta)) return clg_fail(CLG_ERR_FORMAT, METADATA " is no JSON object");
    json_object_foreach((json_t *)(uintptr_t)meta, key, value) {
        if (!json_is_string(value))
            return clg_fail(CLG_ERR_FORMAT, METADATA ": the value of \"%s\" is no text", show(key).text);
    }
    return CLG_OK;
}

static clg_status parse_header(clg_st_header *h, const char *json, size_t json_size, uint64_t data_size) {
    json_error_t error;
    if (json_size == 0 || json[0] != '{') return clg_fail(CLG_ERR_FORMAT, "the header does not start with \"{\"");
    json_t *root = h->json = json_loadb(json, json_size, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return clg_fail(json_error_code(&error) == json_error_out_of_memory ? CLG_ERR_NOMEM : CLG_ERR_FORMAT,
                        "the header is no JSON: %s (byte %d)", show(error.text).text, error.position);
    h->tensors = clg_calloc(json_object_size(root), sizeof *h->tensors);
    if (!h->tensors) return clg_fail_nomem("header of a safetensors file");
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value) {
        if (strcmp(name, METADATA) == 0) {
            CLG_TRY(check_metadata(value));
        } else {
            CLG_TRY(parse_tensor(name, value, data_size, &h->tensors[h->n_tensors]));
            h->n_tensors++;
        }
    }
    return check_tiling(h, data_size);
}

clg_status clg_st_parse(const char *json, size_t json_size, uint64_t file_size, clg_st_header *out) {
    clg_st_header h = { .data_at = 8 + (uint64_t)json_size };
    const clg_status status = parse_header(&h, json, json_size, file_size - h.data_at);
    if (status < 0) {
        clg_st_free(&h);
        return status;
    }
    *out = h;
    return CLG_OK;
}

void clg_st_free(clg_st_header *h) {
    clg_free(h->tensors);
    json_decref(h->json);
    *h = (clg_st_header){ 0 };
}

const char *clg_st_meta(const clg_st_header *h, const char *key) {
    return json_string_value(json_object_get(json_object_get(h->json, METADATA), key));
}

void *clg_st_meta_next(const clg_st_header *h, void *iter, const char **key, const char **value) {
    json_t *meta = json_object_get(h->json, METADATA);
    iter = iter ? json_object_iter_next(meta, iter) : json_object_iter(meta);
    if (!iter) return NULL;
    *key = json_object_iter_key(iter);
    *value = json_string_value(json_object_iter_value(iter));
    return iter;
}

/* --- writing --- */

static const char *type_name(clg_dtype t) {
    for (int k = 0; k < N_TYPES; k++)
        if (types[k].dtype == t) return types[k].name;
    return "?";
}

/* true: done. Takes `value` over in any case, as jansson does. */
static bool put(json_t *object, const char *key, json_t *value, clg_status *status) {
    if (json_object_set_new(object, key, value) == 0) return true;
    json_t *probe = json_string(key); /* only texts that are no UTF-8 are refused; anything else is memory */
    *status = probe || !value ? clg_fail_nomem("header of a safetensors file")
                              : clg_fail(CLG_ERR_INVALID, "the name \"%s\" is no UTF-8", show(key).text);
    json_decref(probe);
    return false;
}

static json_t *tensor_json(const clg_st_tensor *t) {
    json_t *shape = json_array();
    for (int i = 0; i < t->shape.ndim; i++)
        if (json_array_append_new(shape, json_integer(t->shape.dim[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", type_name(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)t->begin, (json_int_t)t->end);
}

static clg_status build_json(json_t *root, const clg_st_tensor *tensors, int n, const clg_st_pair *meta, int n_meta) {
    clg_status status = CLG_OK;
    if (n_meta > 0) {
        json_t *m = json_object();
        if (!put(root, METADATA, m, &status)) return status;
        for (int i = 0; i < n_meta; i++) {
            json_t *value = json_string(meta[i].value);
            if (!value)
                return clg_fail(CLG_ERR_INVALID, "the metadata \"%s\" cannot be written: no UTF-8, or out of memory",
                                show(meta[i].key).text);
            if (!put(m, meta[i].key, value, &status)) return status;
        }
    }
    for (int i = 0; i < n; i++)
        if (!put(root, tensors[i].name, tensor_json(&tensors[i]), &status)) return status;
    return CLG_OK;
}

static int append(const char *text, size_t size, void *to) {
    clg_str_add_bytes(to, text, size);
    return 0;
}

clg_status clg_st_compose(const clg_st_tensor *tensors, int n, const clg_st_pair *meta, int n_meta, clg_str *out) {
    json_t *root = json_object();
    clg_status status = root ? build_json(root, tensors, n, meta, n_meta) : clg_fail_nomem("safetensors header");
    if (status == CLG_OK) {
        clg_str_add_bytes(out, "\0\0\0\0\0\0\0", 8); /* the length follows below */
        if (json_dump_callback(root, append, out, JSON_COMPACT) != 0) out->failed = true;
        while (!out->failed && out->size % 8 != 0) clg_str_add(out, " ");
        if (out->failed) status = clg_fail_nomem("header of a safetensors file");
    }
    json_decref(root);
    if (status < 0) return status;
    const uint64_t size = out->size - 8;
    for (int i = 0; i < 8; i++) out->text[i] = (char)(size >> 8 * i & 255);
    if (size > CLG_ST_MAX_HEADER)
        return clg_fail(CLG_ERR_INVALID, "the header would be larger than any reader accepts");
    return CLG_OK;
}
