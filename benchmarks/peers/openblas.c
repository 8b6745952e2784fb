/* Times sgemm of OpenBLAS, which is loaded at run time: openblas LIBRARY SECONDS MxKxN:HOW...
 * HOW is NN, NT or TN. Prints one JSON object a product. Core type and tuning come by the environment
 * (OPENBLAS_CORETYPE, OPENBLAS_NUM_THREADS). NumPy's library has other names for the same, with 64-bit integers. */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112, REPEATS = 7 };

typedef void (*sgemm32)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *,
                        int);
typedef void (*sgemm64)(int, int, int, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t,
                        float, float *, int64_t);

typedef struct product {
    int64_t m, k, n;
    int     ta, tb;
    float  *a, *b, *c;
} product;

static sgemm32 narrow;
static sgemm64 wide;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void multiply(const product *p) {
    const int64_t lda = p->ta == TRANS ? p->m : p->k, ldb = p->tb == TRANS ? p->k : p->n;
    if (wide) wide(ROW_MAJOR, p->ta, p->tb, p->m, p->n, p->k, 1, p->a, lda, p->b, ldb, 0, p->c, p->n);
    else narrow(ROW_MAJOR, p->ta, p->tb, (int)p->m, (int)p->n, (int)p->k, 1, p->a, (int)lda, p->b, (int)ldb, 0, p->c,
                (int)p->n);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const product *p, const char *text, double budget, const char *core) {
    double r[REPEATS];
    for (int i = 0; i < 3; i++) multiply(p);
    double begin = now();
    multiply(p);
    const double runs = budget / REPEATS / (now() - begin + 1e-7);
    const int n = runs < 1 ? 1 : (int)runs;
    for (int i = 0; i < REPEATS; i++) {
        begin = now();
        for (int k = 0; k < n; k++) multiply(p);
        r[i] = (now() - begin) / n;
    }
    qsort(r, REPEATS, sizeof r[0], ascending);
    const double median = r[REPEATS / 2];
    printf("{\"item\": \"gemm %s\", \"config\": \"%s\", \"ms\": %.6f, \"ms_best\": %.6f, \"spread\": %.3f}\n", text,
           core, median * 1e3, r[0] * 1e3, (r[REPEATS - 1] - r[0]) / median);
    fflush(stdout);
}

static float *filled(int64_t n) {
    float *v = aligned_alloc(64, ((size_t)n * sizeof *v + 63) / 64 * 64);
    for (int64_t i = 0; v && i < n; i++) v[i] = (float)(i * 7 % 13) / 13 - 0.5f;
    return v;
}

static int time_product(const char *text, double budget, const char *core) {
    product p;
    char how[3];
    if (sscanf(text, "%" SCNd64 "x%" SCNd64 "x%" SCNd64 ":%2s", &p.m, &p.k, &p.n, how) != 4) return 2;
    p.ta = how[0] == 'T' ? TRANS : NO_TRANS;
    p.tb = how[1] == 'T' ? TRANS : NO_TRANS;
    p.a = filled(p.m * p.k);
    p.b = filled(p.k * p.n);
    p.c = filled(p.m * p.n);
    const int code = p.a && p.b && p.c ? 0 : 1;
    if (!code) measure(&p, text, budget, core);
    free(p.a);
    free(p.b);
    free(p.c);
    return code;
}

int main(int argc, char **argv) {
    void *lib = argc > 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (!lib) {
        fprintf(stderr, "openblas: %s\n", argc > 3 ? dlerror() : "usage: openblas LIBRARY SECONDS MxKxN:HOW...");
        return 2;
    }
    *(void **)&wide = dlsym(lib, "scipy_cblas_sgemm64_");
    *(void **)&narrow = dlsym(lib, "cblas_sgemm");
    char *(*corename)(void);
    *(void **)&corename = dlsym(lib, wide ? "scipy_openblas_get_corename64_" : "openblas_get_corename");
    if (!wide && !narrow) {
        fprintf(stderr, "openblas: %s has no cblas_sgemm\n", argv[1]);
        return 2;
    }
    int code = 0;
    for (int i = 3; i < argc && code == 0; i++)
        code = time_product(argv[i], atof(argv[2]), corename ? corename() : "unknown");
    return code;
}
