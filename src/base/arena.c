/* Bump allocator: blocks of growing size in a list; a large object gets a block of its own size. */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 256 * 1024 };

typedef struct clg_arena_block {
    struct clg_arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
} clg_arena_block;

static clg_arena_block *add_block(clg_arena *a, size_t size) {
    size_t room = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
    if (room > LARGEST_BLOCK) room = LARGEST_BLOCK;
    if (room < size) room = size;
    clg_arena_block *b = room <= SIZE_MAX - sizeof *b ? clg_calloc(1, sizeof *b + room) : NULL;
    if (!b) {
        clg_fail(CLG_ERR_NOMEM, "out of host memory: %zu bytes for an arena", size);
        return NULL;
    }
    b->size = room;
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

void *clg_arena_alloc(clg_arena *a, size_t size) {
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align) size = SIZE_MAX - align; /* no block of this size exists: fails below */
    size = (size + align - 1) / align * align;
    if (size == 0) size = align;
    clg_arena_block *b = a->blocks;
    if (!b || b->size - b->used < size) b = add_block(a, size);
    if (!b) return NULL;
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

void *clg_arena_array(clg_arena *a, size_t n, size_t size) {
    if (size && n > SIZE_MAX / size) {
        clg_fail(CLG_ERR_NOMEM, "out of host memory: %zu elements of %zu bytes", n, size);
        return NULL;
    }
    return clg_arena_alloc(a, n * size);
}

void *clg_arena_copy(clg_arena *a, const void *p, size_t size) {
    void *copy = clg_arena_alloc(a, size);
    if (copy && p && size) memcpy(copy, p, size);
    return copy;
}

char *clg_arena_strdup(clg_arena *a, const char *s) {
    return clg_arena_copy(a, s, strlen(s) + 1);
}

char *clg_arena_vprintf(clg_arena *a, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    char *text = clg_arena_alloc(a, n < 0 ? 1 : (size_t)n + 1);
    if (text && n > 0) vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

char *clg_arena_printf(clg_arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *text = clg_arena_vprintf(a, fmt, ap);
    va_end(ap);
    return text;
}

void clg_arena_free(clg_arena *a) {
    while (a->blocks) {
        clg_arena_block *b = a->blocks;
        a->blocks = b->next;
        clg_free(b);
    }
}
