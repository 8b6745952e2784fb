/* Pooling and its gradients on a GPU: a work-item owns an element of the result. Geometry: pool.clh; what is computed:
 * pool.cl, pool_bwd.cl; host side: src/ops/pool.c, src/ops/pool_bwd.c. */
#include "pool.clh"

/* Output i: its plane p and window zo, ro, o, the cells a, b, c of which it covers. */
#define WINDOW(i)                                                                                         \
    const int o = (int)((i) % ow), ro = (int)((i) / ow % oh), zo = (int)((i) / ow / oh % od);             \
    const long p = (long)((i) / ow / oh / od), plane = (long)d * h * w;                                  \
    const span a = CELLS_D(zo), b = CELLS_H(ro), c = CELLS_W(o)

KERNEL max_fwd(IN(x), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, LOAD(x, p * plane + argmax(AT(x, p * plane), g, a, b, c)));
}

KERNEL at_fwd(IN(x), IN(v), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, LOAD(v, p * plane + argmax(AT(x, p * plane), g, a, b, c)));
}

INLINE int count_cells(const geo g, const int zo, const int ro, const int o) {
    return COUNT_D(zo) * COUNT_H(ro) * COUNT_W(o);
}

KERNEL avg_fwd(IN(x), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, sum_cells(AT(x, p * plane), g, a, b, c) / (ACC)count_cells(g, zo, ro, o));
}

/** The windows of an axis that cover cell i of size, or that may, where cells are apart. */
INLINE span windows(const int i, const int stride, const int kernel_size, const int apart, const int pad,
                    const int size, const int n) {
#if ADAPTIVE
    return (span){(int)((long)i * n / size), (int)(((long)(i + 1) * n + size - 1) / size)};
#else
    const int end = i + pad, reach = (kernel_size - 1) * apart + 1;
    return (span){end < reach ? 0 : (end - reach) / stride + 1, min(n, end / stride + 1)};
#endif
}

/* Element i of gx: its plane p, its index `at` there, the windows a, b, c that cover it. */
#define CELL(i)                                                                                              \
    const long plane = (long)d * h * w, p = (long)(i) / plane;                                               \
    const int at = (int)((long)(i) - p * plane);                                                             \
    const span a = windows(at / w / h, SD, KD, DLD, pd, d, od), b = windows(at / w % h, SH, KH, DLH, ph, h, oh), \
               c = windows(at % w, SW, KW, DLW, pw, w, ow)

KERNEL max_bwd(IN(x), IN(gy), OUT(gx), const long n, GEO TAIL_ARGS) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    CELL(i);
    ACC sum = 0;
    for (int zo = a.from; zo < a.to; zo++)
        for (int ro = b.from; ro < b.to; ro++)
            for (int o = c.from; o < c.to; o++)
                if (argmax(AT(x, p * plane), g, CELLS_D(zo), CELLS_H(ro), CELLS_W(o)) == at)
                    sum += LOAD(gy, ((p * od + zo) * oh + ro) * ow + o);
    STORE(gx, i, TAIL(sum, (uint)(i / w), at % w));
}

KERNEL avg_bwd(IN(gy), OUT(gx), const long n, GEO TAIL_ARGS) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    CELL(i);
    ACC sum = 0;
    for (int zo = a.from; zo < a.to; zo++)
        for (int ro = b.from; ro < b.to; ro++)
            for (int o = c.from; o < c.to; o++)
                sum += LOAD(gy, ((p * od + zo) * oh + ro) * ow + o) / (ACC)count_cells(g, zo, ro, o);
    STORE(gx, i, TAIL(sum, (uint)(i / w), at % w));
}
