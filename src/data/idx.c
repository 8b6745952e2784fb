/* IDX reader. A small input stream hides whether the bytes are gzipped; the header is checked against what can really
 * be there (a gzip stream expands at most 1032-fold) before memory is asked for, so that a lying header costs nothing.
 * Format: yann.lecun.com/exdb/mnist: 0, 0, type (8 = unsigned byte), number of axes; one u32 an axis; the bytes. */
#include "data/idx.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include <string.h>
#include <zlib.h>

enum { GZIP_MAX_EXPANSION = 1032, MAX_SIDE = 1 << 16 };
static const uint64_t max_file = (uint64_t)1 << 32;

typedef struct source {
    const char    *name;
    const uint8_t *data; /* what is left of a plain source */
    size_t         size;
    bool           gzip, ended;
    z_stream       z;
} source;

static clg_status source_open(source *s, const char *name, const void *data, size_t size) {
    *s = (source){.name = name, .data = data, .size = size};
    s->gzip = size >= 2 && s->data[0] == 0x1f && s->data[1] == 0x8b;
    if (!s->gzip) return CLG_OK;
    if (size > UINT32_MAX) return clg_fail(CLG_ERR_FORMAT, "%s: larger than 4 GiB", name);
    s->z.next_in = (Bytef *)(uintptr_t)s->data; /* zlib's interface wants no const; it does not write */
    s->z.avail_in = (uInt)size;
    if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK) return clg_fail_nomem("zlib");
    return CLG_OK;
}

static void source_close(source *s) {
    if (s->gzip) inflateEnd(&s->z);
}

/* Fills to[0 .. n) as far as the source goes; *got is how far. Failing means a damaged gzip stream. */
static clg_status source_inflate(source *s, uint8_t *to, size_t n, size_t *got) {
    *got = 0;
    while (*got < n && !s->ended) {
        const size_t room = n - *got;
        const uInt part = room > (1u << 30) ? 1u << 30 : (uInt)room;
        s->z.next_out = to + *got;
        s->z.avail_out = part;
        const int r = inflate(&s->z, Z_NO_FLUSH);
        *got += part - s->z.avail_out;
        if (r == Z_STREAM_END) {
            /* gzip files may be several streams one behind the other */
            s->ended = s->z.avail_in == 0;
            if (!s->ended && inflateReset(&s->z) != Z_OK) return clg_fail_nomem("zlib");
        } else if (r == Z_MEM_ERROR) {
            return clg_fail_nomem("zlib");
        } else if (r == Z_BUF_ERROR || (r == Z_OK && s->z.avail_in == 0 && s->z.avail_out > 0)) {
            return clg_fail(CLG_ERR_FORMAT, "%s: the gzip stream is cut off after %lu bytes; get the file again",
                            s->name, s->z.total_in);
        } else if (r != Z_OK) {
            return clg_fail(CLG_ERR_FORMAT, "%s: damaged gzip stream (%s); get the file again", s->name,
                            s->z.msg ? s->z.msg : "bad data");
        }
    }
    return CLG_OK;
}

static clg_status source_read(source *s, void *to, size_t n, size_t *got) {
    if (s->gzip) return source_inflate(s, to, n, got);
    *got = n < s->size ? n : s->size;
    if (*got > 0) memcpy(to, s->data, *got);
    s->data += *got;
    s->size -= *got;
    return CLG_OK;
}

static uint32_t big_endian(const uint8_t b[4]) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static clg_status read_header(source *s, int ndim, clg_idx *idx) {
    uint8_t h[4 + 4 * CLG_IDX_MAX_DIMS];
    size_t got;
    CLG_TRY(source_read(s, h, 4, &got));
    if (got < 4) return clg_fail(CLG_ERR_FORMAT, "%s: only %zu bytes: not an IDX file", s->name, got);
    if (h[0] != 0 || h[1] != 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: begins with %02x %02x %02x %02x: not an IDX file", s->name, h[0], h[1],
                        h[2], h[3]);
    if (h[2] != 8)
        return clg_fail(CLG_ERR_FORMAT, "%s: IDX element type is 0x%02x; only 0x08 (unsigned byte) is read", s->name,
                        h[2]);
    if (h[3] != ndim)
        return clg_fail(CLG_ERR_FORMAT, "%s: an IDX array of %d axes where one of %d (%s) is needed%s", s->name, h[3],
                        ndim, ndim == 1 ? "labels" : "pictures",
                        h[3] == 1 || h[3] == 3 ? "; are pictures and labels exchanged?" : "");
    CLG_TRY(source_read(s, h + 4, 4 * (size_t)ndim, &got));
    if (got < 4 * (size_t)ndim) return clg_fail(CLG_ERR_FORMAT, "%s: the IDX header is cut off", s->name);
    idx->ndim = ndim;
    for (int i = 0; i < ndim; i++) idx->dim[i] = big_endian(h + 4 + 4 * i);
    return CLG_OK;
}

/* Checks that the header's sizes are sensible and that a source of `size` bytes can hold so much. */
static clg_status check_sizes(const source *s, const clg_idx *idx, size_t size, size_t *bytes) {
    uint64_t n = 1;
    for (int i = 0; i < idx->ndim; i++) {
        const uint64_t d = (uint64_t)idx->dim[i];
        if (d == 0) return clg_fail(CLG_ERR_FORMAT, "%s: size of axis %d is 0: there is nothing in it", s->name, i);
        if ((i > 0 && d > MAX_SIDE) || d > INT32_MAX)
            return clg_fail(CLG_ERR_FORMAT, "%s: size of axis %d is %llu: too large to be true", s->name, i,
                            (unsigned long long)d);
        n *= d; /* at most 2^31 2^16 2^16 */
    }
    const uint64_t header = 4 + 4 * (uint64_t)idx->ndim;
    const uint64_t most = s->gzip ? (uint64_t)size * GZIP_MAX_EXPANSION : size;
    if (n > max_file || n + header > most)
        return clg_fail(CLG_ERR_FORMAT, "%s: the header promises %llu bytes of data, but the file has %zu%s", s->name,
                        (unsigned long long)n, s->gzip ? size : (size_t)(size - header), s->gzip ? " compressed" : "");
    *bytes = (size_t)n;
    return CLG_OK;
}

static clg_status read_data(source *s, clg_idx *idx, size_t bytes) {
    idx->data = clg_alloc(bytes);
    if (!idx->data) return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %zu bytes", s->name, bytes);
    size_t got, more;
    uint8_t extra;
    CLG_TRY(source_read(s, idx->data, bytes, &got));
    if (got < bytes)
        return clg_fail(CLG_ERR_FORMAT, "%s: truncated: the header promises %zu bytes of data, %zu are there", s->name,
                        bytes, got);
    /* one byte more: a gzip stream is verified (CRC) only at its end */
    CLG_TRY(source_read(s, &extra, 1, &more));
    if (more > 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: there is more in the file than the %zu bytes its header promises", s->name,
                        bytes);
    return CLG_OK;
}

clg_status clg_idx_parse(const char *name, const void *data, size_t size, int ndim, clg_idx *out) {
    source s;
    clg_idx idx = {0};
    size_t bytes = 0;
    clg_status status = source_open(&s, name, data, size);
    if (status < 0) return status;
    CLG_TRY_END(read_header(&s, ndim, &idx));
    CLG_TRY_END(check_sizes(&s, &idx, size, &bytes));
    CLG_TRY_END(read_data(&s, &idx, bytes));
    *out = idx;
end:
    if (status < 0) clg_free(idx.data);
    source_close(&s);
    return status;
}

clg_status clg_idx_read(const char *path, int ndim, clg_idx *out) {
    void *data = NULL;
    size_t size = 0;
    CLG_TRY(clg_file_read(path, (size_t)(max_file + 16), &data, &size));
    const clg_status status = clg_idx_parse(path, data, size, ndim, out);
    clg_free(data);
    return status;
}
