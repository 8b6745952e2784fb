/* ZIP reader. The list of entries at the end of the archive (the central directory) is believed only as far as the file
 * reaches; contents are checked by their CRC. An entry that promises more than deflate can make of its bytes is refused
 * before memory is asked for. */
#include "data/zip.h"
#include "base/alloc.h"
#include "base/error.h"
#include <string.h>
#include <zlib.h>

enum {
    END = 22, END64_LOCATOR = 20, END64 = 56, CENTRAL = 46, LOCAL = 30, /* sizes of the fixed parts of records */
    MAX_COMMENT = 65535, MAX_EXPANSION = 1032,                          /* of deflate */
    EXTRA64 = 1, ENCRYPTED = 1, STORED = 0, DEFLATED = 8
};
static const uint32_t end_mark = 0x06054b50, end64_mark = 0x06064b50, locator_mark = 0x07064b50,
                      central_mark = 0x02014b50, local_mark = 0x04034b50;

/* A little-endian number of n bytes. */
static uint64_t number(const uint8_t *b, int n) {
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--) v = v << 8 | b[i];
    return v;
}

static clg_status fail(const clg_zip *z, const char *what) {
    return clg_fail(CLG_ERR_FORMAT, "%s: damaged ZIP archive: %s; get the file again", z->name, what);
}

/* The record at `at` with its mark, if it is inside of the file; else NULL. */
static const uint8_t *record(const clg_zip *z, uint64_t at, size_t bytes, uint32_t mark) {
    if (at > z->size || bytes > z->size - at) return NULL;
    const uint8_t *b = z->data + at;
    return number(b, 4) == mark ? b : NULL;
}

/* Where the list of entries is, and how many there are. */
static clg_status find_list(const clg_zip *z, uint64_t *at, uint64_t *n) {
    const size_t farthest = z->size < END + MAX_COMMENT ? z->size : END + MAX_COMMENT;
    for (size_t back = END; back <= farthest; back++) {
        const uint8_t *end = record(z, z->size - back, END, end_mark);
        if (!end) continue;
        *n = number(end + 10, 2);
        *at = number(end + 16, 4);
        if (back + END64_LOCATOR > z->size) return CLG_OK;
        const uint8_t *locator = record(z, z->size - back - END64_LOCATOR, END64_LOCATOR, locator_mark);
        if (!locator) return CLG_OK;
        const uint8_t *end64 = record(z, number(locator + 8, 8), END64, end64_mark);
        if (!end64) return fail(z, "its 64-bit end record is missing");
        *n = number(end64 + 32, 8);
        *at = number(end64 + 48, 8);
        return CLG_OK;
    }
    return clg_fail(CLG_ERR_FORMAT, "%s: not a ZIP archive, or its end is cut off", z->name);
}

/* Sizes that do not fit into 32 bits stand in an extra field, in this order, each only if it is needed. */
static clg_status read_extra(const clg_zip *z, const uint8_t *b, size_t size, clg_zip_entry *e) {
    uint64_t *const wide[] = { &e->size, &e->packed, &e->at };
    while (size >= 4) {
        const size_t kind = (size_t)number(b, 2), bytes = (size_t)number(b + 2, 2);
        if (bytes > size - 4) return fail(z, "an extra field is too long");
        if (kind == EXTRA64) {
            size_t used = 0;
            for (int i = 0; i < 3; i++) {
                if (*wide[i] != UINT32_MAX) continue;
                if (used + 8 > bytes) return fail(z, "a 64-bit size is missing");
                *wide[i] = number(b + 4 + used, 8);
                used += 8;
            }
            return CLG_OK;
        }
        b += 4 + bytes;
        size -= 4 + bytes;
    }
    return CLG_OK;
}

/* One entry of the list; *at moves behind it. */
static clg_status read_entry(const clg_zip *z, uint64_t *at, clg_zip_entry *e) {
    const uint8_t *b = record(z, *at, CENTRAL, central_mark);
    if (!b) return fail(z, "its list of entries is cut off");
    const size_t name = (size_t)number(b + 28, 2), extra = (size_t)number(b + 30, 2);
    const size_t comment = (size_t)number(b + 32, 2);
    if (name + extra + comment > z->size - *at - CENTRAL) return fail(z, "its list of entries is cut off");
    *e = (clg_zip_entry){ .name = (const char *)b + CENTRAL, .name_size = name, .flags = (unsigned)number(b + 8, 2),
                          .method = (unsigned)number(b + 10, 2), .crc = (uint32_t)number(b + 16, 4),
                          .packed = number(b + 20, 4), .size = number(b + 24, 4), .at = number(b + 42, 4) };
    *at += CENTRAL + name + extra + comment;
    return read_extra(z, b + CENTRAL + name, extra, e);
}

clg_status clg_zip_open(const char *name, const void *data, size_t size, clg_zip *out) {
    clg_zip z = { .name = name, .data = data, .size = size };
    uint64_t at = 0, n = 0;
    clg_status status = CLG_OK;
    CLG_TRY(find_list(&z, &at, &n));
    if (n == 0) return clg_fail(CLG_ERR_FORMAT, "%s: the archive is empty", name);
    if (n > size / CENTRAL) return fail(&z, "it promises more entries than it has room for");
    z.entry = clg_calloc((size_t)n, sizeof *z.entry);
    if (!z.entry) return clg_fail_nomem("entries of an archive");
    z.n = (int)n; /* a file of 2^31 entries has 98 GB: readers stop before */
    for (int i = 0; i < z.n; i++) CLG_TRY_END(read_entry(&z, &at, &z.entry[i]));
end:
    if (status < 0) clg_zip_close(&z);
    else *out = z;
    return status;
}

void clg_zip_close(clg_zip *z) {
    clg_free(z->entry);
    *z = (clg_zip){ 0 };
}

int clg_zip_find(const clg_zip *z, const char *entry) {
    for (int i = 0; i < z->n; i++)
        if (z->entry[i].name_size == strlen(entry) && memcmp(z->entry[i].name, entry, strlen(entry)) == 0) return i;
    return -1;
}

/* Fills to with exactly e->size bytes. */
static clg_status inflate_entry(const clg_zip *z, const clg_zip_entry *e, const uint8_t *from, uint8_t *to) {
    z_stream s;
    memset(&s, 0, sizeof s);
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK) return clg_fail_nomem("zlib");
    uint64_t in = e->packed, out = e->size;
    uint8_t none;
    int r = Z_OK;
    s.next_in = (Bytef *)(uintptr_t)from; /* zlib's interface wants no const; it does not write */
    s.next_out = e->size > 0 ? to : &none;
    while (r == Z_OK) { /* zlib counts in 32 bits: in pieces */
        const uInt give = in > (1u << 30) ? 1u << 30 : (uInt)in, room = out > (1u << 30) ? 1u << 30 : (uInt)out;
        s.avail_in = give;
        s.avail_out = room;
        r = inflate(&s, Z_NO_FLUSH);
        in -= give - s.avail_in;
        out -= room - s.avail_out;
        if (r == Z_OK && give - s.avail_in == 0 && room - s.avail_out == 0) break;
    }
    inflateEnd(&s);
    if (r == Z_MEM_ERROR) return clg_fail_nomem("zlib");
    if (r != Z_STREAM_END || out > 0) return fail(z, r == Z_STREAM_END ? "an entry is shorter than promised" :
                                                  "an entry cannot be unpacked");
    return CLG_OK;
}

/* The packed bytes of an entry; its local header repeats name and extra field, of other lengths. */
static clg_status find_bytes(const clg_zip *z, const clg_zip_entry *e, const uint8_t **from) {
    const uint8_t *b = record(z, e->at, LOCAL, local_mark);
    if (!b) return fail(z, "an entry is not where its list says");
    const uint64_t skip = LOCAL + number(b + 26, 2) + number(b + 28, 2);
    if (skip > z->size - e->at || e->packed > z->size - e->at - skip) return fail(z, "an entry is cut off");
    if (e->flags & ENCRYPTED) return clg_fail(CLG_ERR_FORMAT, "%s: the archive is encrypted", z->name);
    if (e->method != STORED && e->method != DEFLATED)
        return clg_fail(CLG_ERR_FORMAT, "%s: the archive is packed by method %u; stored (0) and deflate (8) are read",
                        z->name, e->method);
    if (e->method == STORED ? e->size != e->packed : e->size / MAX_EXPANSION > e->packed)
        return fail(z, "an entry promises more than it can hold");
    *from = b + skip;
    return CLG_OK;
}

clg_status clg_zip_read(const clg_zip *z, int i, uint8_t **data, size_t *size) {
    const clg_zip_entry *e = &z->entry[i];
    const uint8_t *from = NULL;
    CLG_TRY(find_bytes(z, e, &from));
    if (e->size >= SIZE_MAX) return clg_fail_nomem("entry of an archive");
    uint8_t *to = clg_alloc((size_t)e->size + 1);
    if (!to)
        return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %llu bytes", z->name, (unsigned long long)e->size);
    clg_status status = CLG_OK;
    if (e->method == STORED) memcpy(to, from, (size_t)e->size);
    else status = inflate_entry(z, e, from, to);
    if (status == CLG_OK && crc32_z(0, to, (size_t)e->size) != e->crc)
        status = fail(z, "an entry has a wrong checksum");
    if (status < 0) {
        clg_free(to);
        return status;
    }
    to[e->size] = 0;
    *data = to;
    *size = (size_t)e->size;
    return CLG_OK;
}
