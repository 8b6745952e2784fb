/* Bump allocator: many small objects that die together. Memory is cleared and aligned for any type. */
#ifndef CLG_BASE_ARENA_H_
#define CLG_BASE_ARENA_H_

#include <clgrad/base.h>
#include <stdarg.h>

typedef struct clg_arena {
    struct clg_arena_block *blocks;
} clg_arena; /* all zero is an empty arena */

void *clg_arena_alloc(clg_arena *a, size_t size);               /* NULL: no memory (clg_fail was called) */
void *clg_arena_array(clg_arena *a, size_t n, size_t size);     /* checks the product */
void *clg_arena_copy(clg_arena *a, const void *p, size_t size); /* NULL p gives cleared memory */
char *clg_arena_strdup(clg_arena *a, const char *s);
char *clg_arena_printf(clg_arena *a, const char *fmt, ...) CLG_FMT(2, 3);
char *clg_arena_vprintf(clg_arena *a, const char *fmt, va_list ap);
void  clg_arena_free(clg_arena *a);                             /* frees all; the arena is empty and usable again */

#endif /* CLG_BASE_ARENA_H_ */
