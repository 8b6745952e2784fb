/* Host memory through the allocator of clg_set_allocator(). NULL on failure; the caller reports it. */
#ifndef CLG_BASE_ALLOC_H_
#define CLG_BASE_ALLOC_H_

#include <clgrad/base.h>

void *clg_alloc(size_t size);             /* not cleared; size 0 gives a unique pointer */
void *clg_calloc(size_t n, size_t size);  /* cleared; NULL on overflow of n * size */
void *clg_resize(void *ptr, size_t size); /* realloc; on failure ptr stays valid */
void  clg_free(void *ptr);                /* NULL is fine */

char *clg_copy_text(const char *text);    /* NULL: no memory */

/** Grows the array *ptr of elements of `size` bytes to room for n; *cap is its capacity. Doubles. false: no memory. */
bool clg_grow(void *ptr_to_array, int *cap, int n, size_t size);

#endif /* CLG_BASE_ALLOC_H_ */
