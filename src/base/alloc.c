/* Host memory: one process-wide allocator, counted, so that it can be exchanged only while nothing is in use. */
#include "base/alloc.h"

#include "base/error.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static clg_allocator current; /* resize NULL: malloc */
static atomic_llong live;     /* blocks handed out and not yet freed */

static void *raw_resize(void *ptr, size_t size) {
    if (current.resize) return current.resize(current.user, ptr, size);
    if (size > 0) return realloc(ptr, size);
    free(ptr);
    return NULL;
}

clg_status clg_set_allocator(const clg_allocator *a) {
    if (a && !a->resize) return clg_fail(CLG_ERR_INVALID, "clg_set_allocator: resize is NULL");
    const long long n = atomic_load(&live);
    if (n != 0)
        return clg_fail(CLG_ERR_INVALID, "clg_set_allocator: %lld blocks of the present allocator are still in use; "
                        "call it before any other clgrad function, or destroy all objects first", n);
    current = a ? *a : (clg_allocator){ 0 };
    return CLG_OK;
}

void *clg_alloc(size_t size) {
    void *p = raw_resize(NULL, size ? size : 1);
    if (p) atomic_fetch_add(&live, 1);
    return p;
}

void *clg_calloc(size_t n, size_t size) {
    if (size && n > SIZE_MAX / size) return NULL;
    void *p = clg_alloc(n * size);
    if (p) memset(p, 0, n * size);
    return p;
}

void *clg_resize(void *ptr, size_t size) {
    if (!ptr) return clg_alloc(size);
    return raw_resize(ptr, size ? size : 1);
}

void clg_free(void *ptr) {
    if (!ptr) return;
    raw_resize(ptr, 0);
    atomic_fetch_sub(&live, 1);
}

char *clg_copy_text(const char *text) {
    const size_t size = strlen(text) + 1;
    char *copy = clg_alloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

bool clg_grow(void *ptr_to_array, int *cap, int n, size_t size) {
    if (n <= *cap) return true;
    int want = *cap > 0 ? *cap : 8;
    while (want < n) want = want > INT_MAX / 2 ? INT_MAX : want * 2;
    if (size && (size_t)want > SIZE_MAX / size) return false;
    void *old;
    memcpy(&old, ptr_to_array, sizeof old); /* the array may be of any pointer type */
    void *grown = clg_resize(old, (size_t)want * size);
    if (!grown) return false;
    memcpy(ptr_to_array, &grown, sizeof grown);
    *cap = want;
    return true;
}
