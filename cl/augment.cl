/* Pictures moved by whole pixels, or reflected, each in its own way: src/ops/augment.c has the formulas. Random words
 * as in dropout.cl, counted by picture.
 *
 *   shift_rows, flip_rows    CPU: a work-item makes `per` rows of w elements
 *   shift_items, flip_items  GPU: a work-item makes an element
 *
 * rows: of a picture, that is c h. limit: 2 s + 1, or the word below which a picture is reflected. way: -1 back. */
#include "clg.clh"
#include "random.clh"

#define ARGUMENTS IN(x), IN_T(int, tick), OUT(y), const long n, const int key0, const int key1, const int node, \
                  const int limit, const int way, const long rows, const long h, const long w, const int per

#define WORDS(first) philox_quad((uint)(first), (uint)LOAD(tick, 0), (uint)node, (uint)key0, (uint)key1)

/* How far the picture of this row moves down and to the right. */
static inline int2 move_of(const uint4 words, const long picture, const int limit, const int way) {
    const uint2 pair = picture & 1 ? words.zw : words.xy;
    return way * (as_int2(mul_hi(pair, (uint2)(limit))) - limit / 2);
}
#define MOVE(row) move_of(WORDS((row) / rows / 2), (row) / rows, limit, way)

static inline bool is_mirrored(const uint4 words, const long picture, const uint limit) {
    const uint2 pair = picture & 2 ? words.zw : words.xy;
    return (picture & 1 ? pair.y : pair.x) < limit;
}
#define MIRRORED(row) is_mirrored(WORDS((row) / rows / 4), (row) / rows, (uint)limit)

KERNEL shift_rows(ARGUMENTS) {
    const long first = (long)get_global_id(0) * per, end = min(first + per, n);
    for (long row = first; row < end; row++) {
        const int2 move = MOVE(row);
        const long i = row % h - move.x, to = row * w, from = (row - move.x) * w - move.y;
        const bool inside = i >= 0 && i < h;
        const long left = inside ? max(move.y, 0) : w, right = inside ? w + min(move.y, 0) : w;
        for (long j = 0; j < left; j++) STORE(y, to + j, 0);
        for (long j = left; j < right; j++) STORE(y, to + j, LOAD(x, from + j));
        for (long j = right; j < w; j++) STORE(y, to + j, 0);
    }
}

KERNEL shift_items(ARGUMENTS) {
    const long at = (long)get_global_id(0), row = at / w;
    if (at >= n) return;
    const int2 move = MOVE(row);
    const long i = row % h - move.x, j = at - row * w - move.y;
    STORE(y, at, i >= 0 && i < h && j >= 0 && j < w ? LOAD(x, (row - move.x) * w + j) : 0);
}

KERNEL flip_rows(ARGUMENTS) {
    const long first = (long)get_global_id(0) * per, end = min(first + per, n);
    for (long row = first; row < end; row++) {
        const long to = row * w;
        if (MIRRORED(row))
            for (long j = 0; j < w; j++) STORE(y, to + j, LOAD(x, to + w - 1 - j));
        else
            for (long j = 0; j < w; j++) STORE(y, to + j, LOAD(x, to + j));
    }
}

KERNEL flip_items(ARGUMENTS) {
    const long at = (long)get_global_id(0), row = at / w;
    if (at >= n) return;
    const long j = at - row * w;
    STORE(y, at, LOAD(x, row * w + (MIRRORED(row) ? w - 1 - j : j)));
}
