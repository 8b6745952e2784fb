/* y[o,j,i] = sum over t of weight[t] x[o,index[t],i], t = start[j] .. start[j+1] - 1, in that order: a sparse matrix
 * along an axis of size h, which becomes w; n = outer w rows of `inner` elements.
 *
 *   rows    CPU: a work-item makes `per` rows, in vectors of 16 along i; where i is short, element by element
 *   pairs   CPU: the same for inner = 1 and two terms of every j; a work-item makes `per` outer places o
 *   items   GPU: a work-item an element */
#include "clg.clh"

KERNEL rows(IN(x), OUT(y), IN_T(int, start), IN_T(int, index), IN(weight), const int n, const int h, const int w,
            const int inner, const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    uint o = first / w;
    int j = first - o * w;
    for (uint r = first; r < end; r++) {
        const __global T *src = AT(x, (size_t)o * h * inner);
        __global T *dst = AT(y, (size_t)r * inner);
        const int t0 = LOAD(start, j), t1 = LOAD(start, j + 1);
        int i = 0;
        for (; i + 16 <= inner; i += 16) {
            ACC16 sum = 0;
            for (int t = t0; t < t1; t++)
                sum += LOAD(weight, t) * vload16(0, src + (size_t)LOAD(index, t) * inner + i);
            vstore16(sum, 0, dst + i);
        }
        for (; i < inner; i++) {
            ACC sum = 0;
            for (int t = t0; t < t1; t++) sum += LOAD(weight, t) * src[(size_t)LOAD(index, t) * inner + i];
            dst[i] = sum;
        }
        if (++j == w) j = 0, o++;
    }
}

KERNEL pairs(IN(x), OUT(y), IN_T(int, start), IN_T(int, index), IN(weight), const int n, const int h, const int w,
             const int inner, const int per) {
    const uint outer = n / w, first = get_global_id(0) * per, end = min(first + per, outer);
    for (uint o = first; o < end; o++) {
        const __global T *src = AT(x, (size_t)o * h), *f = AT(weight, 0);
        const __global int *k = AT(index, 0);
        __global T *dst = AT(y, (size_t)o * w);
        for (int j = 0; j < w; j++) dst[j] = f[2 * j] * src[k[2 * j]] + f[2 * j + 1] * src[k[2 * j + 1]];
    }
}

KERNEL items(IN(x), OUT(y), IN_T(int, start), IN_T(int, index), IN(weight), const int n, const int h, const int w,
             const int inner, const int per) {
    const size_t id = get_global_id(0), r = id / inner, o = r / w;
    if (id >= (size_t)n * inner) return;
    const int j = r - o * w, i = id - r * inner;
    ACC sum = 0;
    for (int t = LOAD(start, j); t < LOAD(start, j + 1); t++)
        sum += LOAD(weight, t) * LOAD(x, (o * h + LOAD(index, t)) * inner + i);
    STORE(y, id, sum);
}
