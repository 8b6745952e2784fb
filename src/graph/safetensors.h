/* The safetensors format: 8 bytes little-endian header length, a JSON header, then the elements. No stores here, so
 * that the parser can be fuzzed alone. Source: github.com/huggingface/safetensors, section "Format". */
#ifndef CLG_GRAPH_SAFETENSORS_H_
#define CLG_GRAPH_SAFETENSORS_H_

#include "base/str.h"
#include <clgrad/tensor.h>

/** Limits of what is read. */
#define CLG_ST_MAX_FILE   ((uint64_t)16 << 30)
#define CLG_ST_MAX_HEADER ((uint64_t)100 << 20)

typedef struct clg_st_tensor {
    const char *name;
    clg_dtype   dtype;     /* CLG_DTYPE_COUNT: known to the format, not to this library */
    const char *type_name; /* as the file has it */
    clg_shape   shape;
    uint64_t    begin, end; /* bytes within the data */
} clg_st_tensor;

/** A checked header. Strings live until clg_st_free(). */
typedef struct clg_st_header {
    void          *json;
    clg_st_tensor *tensors; /* in the order of the file */
    int            n_tensors;
    uint64_t       data_at; /* offset of the data in the file */
} clg_st_header;

/**
 * Length of the JSON text, from the first bytes of a file.
 * Errors: CLG_ERR_FORMAT if the file is too short for it.
 */
clg_status clg_st_header_size(const void *first, size_t size, uint64_t file_size, uint64_t *json_size);

/**
 * Parses and checks everything about the JSON text of a file: types, shapes, and that the tensors fill the data without
 * overlap or hole. Messages say what is wrong, without the name of the file.
 * Errors: CLG_ERR_FORMAT, CLG_ERR_NOMEM.
 */
clg_status clg_st_parse(const char *json, size_t json_size, uint64_t file_size, clg_st_header *out);
void       clg_st_free(clg_st_header *h);

/** Metadata: value of a key, NULL if absent; or entry by entry: iter NULL starts, NULL back is the end. */
const char *clg_st_meta(const clg_st_header *h, const char *key);
void       *clg_st_meta_next(const clg_st_header *h, void *iter, const char **key, const char **value);

/** One tensor or metadata entry to write. */
typedef struct clg_st_pair { const char *key, *value; } clg_st_pair;

/**
 * Writes length and JSON text for these tensors (name, dtype, shape, begin, end) and metadata, in the given order,
 * padded so that the data starts at a multiple of 8.
 * Errors: CLG_ERR_INVALID if a text is no UTF-8, CLG_ERR_NOMEM.
 */
clg_status clg_st_compose(const clg_st_tensor *tensors, int n, const clg_st_pair *meta, int n_meta, clg_str *out);

#endif /* CLG_GRAPH_SAFETENSORS_H_ */
