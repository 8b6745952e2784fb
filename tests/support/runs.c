/* What the tests of training runs share: a folder, a device, data, trainers. */
#include "support/runs.h"
#include "support/scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

clg_device *dev;
static char dir[SCRATCH];

void open_dev(void) {
    dev = clg_device_open("ref", NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    make_scratch(dir);
    cr_assert_eq(chdir(dir), 0);
}

void close_dev(void) {
    clg_device_destroy(&dev);
    cr_assert_eq(chdir("/"), 0);
    remove_scratch(dir);
}

clg_dataset *points(int64_t n, bool reals, double wrong, uint32_t seed, enum clg_part part) {
    double *x = calloc((size_t)n * 2, sizeof *x), *target = calloc((size_t)n * 2, sizeof *target);
    int32_t *label = calloc((size_t)n, sizeof *label);
    uint32_t r = seed;
    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) {
            r = r * 1664525u + 1013904223u;
            x[2 * i + k] = (double)(r >> 8) / (1 << 23) - 1;
        }
        r = r * 1664525u + 1013904223u;
        const double a = x[2 * i], b = x[2 * i + 1];
        const bool inside = a * a + b * b < 0.6;
        label[i] = ((double)(r >> 8) / (1 << 24) < wrong) ? !inside : inside;
        target[2 * i] = 2 * a - 3 * b + 1;
        target[2 * i + 1] = a * b;
    }
    const clg_dataset_params p = {.n = n, .item = CLG_SHAPE(2), .x = x, .label = reals ? NULL : label, .classes = 2,
                                  .target = reals ? target : NULL, .targets = 2, .part = part};
    clg_dataset_params q = p;
    if (reals) q.classes = 0;
    clg_dataset *d = clg_dataset_create(&q);
    cr_assert_not_null(d, "%s", clg_error());
    free(x);
    free(target);
    free(label);
    return d;
}

clg_model *model_for(const char *text, const clg_dataset *d) {
    clg_model *open = clg_model_parse("test", text);
    cr_assert_not_null(open, "%s", clg_error());
    clg_model *m = clg_model_for(open, clg_dataset_shape(d), clg_dataset_classes(d), clg_dataset_targets(d));
    cr_assert_not_null(m, "%s", clg_error());
    clg_model_destroy(&open);
    return m;
}

clg_trainer *trainer_on(clg_device *d, const char *text, const clg_dataset *data, const clg_fit_params *p) {
    clg_store *store = clg_store_create(d, 5);
    clg_model *m = model_for(text, data);
    clg_trainer *t = clg_trainer_create(d, store, m, p);
    cr_assert_not_null(t, "%s", clg_error());
    clg_model_destroy(&m);
    clg_store_destroy(&store);
    return t;
}

clg_trainer *trainer(const char *text, const clg_dataset *data, const clg_fit_params *p) {
    return trainer_on(dev, text, data, p);
}

clg_fit_result fit(clg_trainer *t, clg_dataset *train, clg_dataset *val) {
    clg_fit_result r;
    cr_assert_eq(clg_fit(t, train, val, &r), CLG_OK, "%s", clg_error());
    return r;
}

size_t weights(clg_trainer *t, unsigned char *to, size_t size) {
    clg_store *s = clg_trainer_store(t);
    size_t at = 0;
    for (int i = 0; i < clg_store_count(s); i++) {
        clg_store_entry e;
        cr_assert_eq(clg_store_get(s, i, &e), CLG_OK);
        size_t n = clg_dtype_size(e.dtype);
        for (int k = 0; k < e.shape.ndim; k++) n *= (size_t)e.shape.dim[k];
        if (!e.trainable || strncmp(e.name, "fit.", 4) == 0) continue; /* what a file made counts as trainable */
        cr_assert(at + n <= size);
        cr_assert_eq(clg_store_read(s, e.name, to + at, n), CLG_OK);
        at += n;
    }
    return at;
}

enum clg_fit_action stop_step(void *user, const clg_fit_state *s) {
    const stop_at *at = user;
    return at && s->step == at->step ? CLG_FIT_STOP : CLG_FIT_GO_ON;
}
