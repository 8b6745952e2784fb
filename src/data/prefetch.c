/* Double buffering: while the caller uploads one batch and the device works, the worker fills the other. What is in
 * a batch depends only on the job, never on timing, so prefetching cannot change a result. */
#include "data/prefetch.h"
#include "base/alloc.h"
#include <pthread.h>
#include <signal.h>

struct clg_prefetch {
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  change;
    bool            threaded, quit, busy;
    int64_t         rows;
    clg_layout      layout;
    clg_batch       batch[2];
    int             filling; /* index of the batch that the worker fills */
    clg_gather      job;
    int64_t         job_first, job_n;
};

void clg_gather_rows(const clg_gather *g, clg_batch *b, int64_t row, int64_t first, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const size_t from = g->order[first + i], to = (size_t)(row + i);
        clg_row_x(g->items, g->scaler, from, g->layout.x, (char *)b->x + to * g->layout.x_bytes);
        clg_row_target(g->items, from, g->layout.target, (char *)b->target + to * g->layout.target_bytes);
    }
}

static void do_job(clg_prefetch *p) {
    clg_gather_rows(&p->job, &p->batch[p->filling], 0, p->job_first, p->job_n);
}

static void *worker(void *arg) {
    clg_prefetch *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->quit) {
        if (!p->busy) {
            pthread_cond_wait(&p->change, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        do_job(p);
        pthread_mutex_lock(&p->lock);
        p->busy = false;
        pthread_cond_broadcast(&p->change);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals stay with the threads of the program: Ctrl-C must not be delivered to a worker. */
static bool start_worker(clg_prefetch *p) {
    sigset_t all, old;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0) return false;
    const bool ok = pthread_create(&p->thread, NULL, worker, p) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}

clg_prefetch *clg_prefetch_create(int64_t rows, const clg_layout *layout) {
    clg_prefetch *p = clg_calloc(1, sizeof *p);
    if (!p) return NULL;
    p->rows = rows;
    p->layout = *layout;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->change, NULL);
    for (int i = 0; i < 2; i++) {
        p->batch[i].x = clg_calloc((size_t)rows, layout->x_bytes);
        p->batch[i].target = clg_calloc((size_t)rows, layout->target_bytes);
        if (!p->batch[i].x || !p->batch[i].target) {
            clg_prefetch_destroy(&p);
            return NULL;
        }
    }
    p->threaded = start_worker(p);
    return p;
}

void clg_prefetch_destroy(clg_prefetch **pp) {
    clg_prefetch *p = *pp;
    if (!p) return;
    if (p->threaded) {
        pthread_mutex_lock(&p->lock);
        p->quit = true;
        pthread_cond_broadcast(&p->change);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    pthread_cond_destroy(&p->change);
    pthread_mutex_destroy(&p->lock);
    for (int i = 0; i < 2; i++) {
        clg_free(p->batch[i].x);
        clg_free(p->batch[i].target);
    }
    clg_free(p);
    *pp = NULL;
}

bool clg_prefetch_suits(const clg_prefetch *p, int64_t rows, const clg_layout *layout) {
    return p->rows >= rows && p->layout.x == layout->x && p->layout.target == layout->target;
}

void clg_prefetch_begin(clg_prefetch *p, const clg_gather *g, int64_t first, int64_t n) {
    p->job = *g;
    p->job_first = first;
    p->job_n = n;
    p->batch[p->filling].n = n;
    if (!p->threaded) {
        do_job(p);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->busy = true;
    pthread_cond_broadcast(&p->change);
    pthread_mutex_unlock(&p->lock);
}

void clg_prefetch_wait(clg_prefetch *p) {
    if (!p->threaded) return;
    pthread_mutex_lock(&p->lock);
    while (p->busy) pthread_cond_wait(&p->change, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

clg_batch *clg_prefetch_take(clg_prefetch *p) {
    clg_prefetch_wait(p);
    clg_batch *b = &p->batch[p->filling];
    p->filling ^= 1;
    p->batch[p->filling].n = 0;
    return b;
}

void clg_prefetch_drop(clg_prefetch *p) {
    clg_prefetch_wait(p);
    p->batch[p->filling].n = 0;
}
