/* Standardisation: each feature of an item, or channel of a picture, to mean 0 and variance 1. */
#include "data/scaler.h"
#include "base/alloc.h"

clg_scaler *clg_scaler_ref(clg_scaler *s) {
    if (s) atomic_fetch_add(&s->refs, 1);
    return s;
}

void clg_scaler_destroy(clg_scaler **s) {
    if (!s || !*s) return;
    clg_scaler *dead = *s;
    *s = NULL;
    if (atomic_fetch_sub(&dead->refs, 1) > 1) return;
    clg_free(dead->mean);
    clg_free(dead->deviation);
    clg_free(dead);
}
