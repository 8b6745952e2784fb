/* What can be chosen about a training run, by name: the table behind clg_setup_set(), searches and curves. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/number.h"
#include "base/str.h"
#include "fit/select.h"

#include <math.h>
#include <string.h>

enum kind { REAL, COUNT, TEXT, ZOO_REAL, ZOO_TEXT, SCHEDULE };

typedef struct field {
    clg_setup_name name;
    enum kind      kind;
    size_t         offset;
    double         low, high; /* low is allowed, high is not */
} field;

#define TINY 0x1p-1000 /* for "above 0" */
#define AT(member) offsetof(clg_setup, member)
#define OPTIM(member) offsetof(clg_setup, fit.optim.member)

static const field fields[] = {
    {{"lr", "learning_rate", "learning rate", false}, REAL, OPTIM(lr), TINY, INFINITY},
    {{"optimizer", NULL, "sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw", false}, TEXT, AT(fit.optimizer)},
    {{"momentum", NULL, "of sgd and rmsprop", false}, REAL, OPTIM(momentum), 0, 1},
    {{"beta1", NULL, "of adam", false}, REAL, OPTIM(beta1), 0, 1},
    {{"beta2", NULL, "of adam", false}, REAL, OPTIM(beta2), 0, 1},
    {{"weight_decay", "wd", "decoupled: w <- (1 - lr wd) w", false}, REAL, OPTIM(weight_decay), 0, INFINITY},
    {{"l2", NULL, "the penalty l2/2 |w|^2", false}, REAL, OPTIM(l2), 0, INFINITY},
    {{"max_norm2", NULL, "|w|^2 at most this, by projection", false}, REAL, OPTIM(max_norm2), 0, INFINITY},
    {{"clip_norm", NULL, "norm of all gradients at most this", false}, REAL, OPTIM(clip_norm), 0, INFINITY},
    {{"clip_value", NULL, "each gradient within +- this", false}, REAL, OPTIM(clip_value), 0, INFINITY},
    {{"schedule", NULL, "constant, step, cosine, one_cycle, plateau", false}, SCHEDULE, AT(fit.schedule.kind)},
    {{"warmup", NULL, "steps in which the rate rises", true}, COUNT, AT(fit.schedule.warmup), 0, 0x1p40},
    {{"epochs", NULL, "passes over the training part", true}, COUNT, AT(fit.epochs), 1, 0x1p30},
    {{"batch", NULL, "items a step", true}, COUNT, AT(fit.batch), 1, 0x1p30},
    {{"accumulate", NULL, "batches whose gradients make a step", true}, COUNT, AT(fit.accumulate), 1, 0x1p20},
    {{"patience", NULL, "epochs without a better validation loss before the end", true}, COUNT, AT(fit.patience), 0,
     0x1p30},
    {{"shift", NULL, "augmentation: pixels, each way", true}, COUNT, AT(fit.augment.shift), 0, 0x1p16},
    {{"noise", NULL, "augmentation: deviation of what is added", false}, REAL, AT(fit.augment.noise), 0, INFINITY},
    {{"hidden", NULL, "sizes of the hidden layers of mlp: 64, or 128,64", false}, ZOO_TEXT, AT(zoo_params.hidden)},
    {{"width", NULL, "factor on channels and hidden sizes", false}, ZOO_REAL, AT(zoo_params.width), 0x1p-20, 0x1p20},
    {{"dropout", NULL, "probability", false}, ZOO_REAL, AT(zoo_params.dropout), 0, 1},
    {{"activation", NULL, "relu, sigmoid, tanh, ...", false}, ZOO_TEXT, AT(zoo_params.activation)},
    {{"pooling", NULL, "max, avg", false}, ZOO_TEXT, AT(zoo_params.pooling)},
    {{"init", NULL, "he, xavier, normal, uniform, zero", false}, ZOO_TEXT, AT(zoo_params.init)},
    {{"features", NULL, "the first so many numbers of each item only", true}, COUNT, AT(features), 1, 0x1p30},
};
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

const clg_setup_name *clg_setup_name_at(int i) {
    return i >= 0 && i < N_FIELDS ? &fields[i].name : NULL;
}

static const field *find(const char *name) {
    for (int i = 0; name && i < N_FIELDS; i++) {
        const char *alias = fields[i].name.alias;
        if (strcmp(fields[i].name.name, name) == 0 || (alias && strcmp(alias, name) == 0)) return &fields[i];
    }
    return NULL;
}

const clg_setup_name *clg_setup_find(const char *name) {
    const field *f = find(name);
    return f ? &f->name : NULL;
}

/* --- setting --- */

static clg_status unknown_name(const char *name) {
    clg_str names = {0};
    for (int i = 0; i < N_FIELDS; i++) clg_str_printf(&names, "%s%s", i ? ", " : "", fields[i].name.name);
    const clg_status status = clg_fail(CLG_ERR_INVALID, "setup_set(%s): there is no such name; known are %s", name,
                                       clg_str_text(&names));
    clg_str_free(&names);
    return status;
}

static clg_status read_number(const field *f, const char *value, double *number) {
    double v = 0;
    const bool all = clg_read_number(value, strlen(value), &v);
    const bool whole = f->kind != COUNT || v == floor(v);
    if (all && whole && v >= f->low && v < f->high) {
        *number = v;
        return CLG_OK;
    }
    if (!all || !whole)
        return clg_fail(CLG_ERR_INVALID, "setup_set(%s=%s): this is no %snumber", f->name.name, value,
                        f->kind == COUNT ? "whole " : "");
    if (f->low == TINY)
        return clg_fail(CLG_ERR_INVALID, "setup_set(%s=%s): give a number above 0", f->name.name, value);
    return clg_fail(CLG_ERR_INVALID, "setup_set(%s=%s): give a number from %g and below %g", f->name.name, value,
                    f->low, f->high);
}

static clg_status read_schedule(const char *value, enum clg_lr_kind *kind) {
    static const char *const names[] = {"constant", "step", "cosine", "one_cycle", "plateau"};
    for (int i = 0; i < 5; i++)
        if (strcmp(names[i], value) == 0) {
            *kind = (enum clg_lr_kind)i;
            return CLG_OK;
        }
    return clg_fail(CLG_ERR_INVALID, "setup_set(schedule=%s): known are constant, step, cosine, one_cycle and plateau",
                    value);
}

clg_status clg_setup_set(clg_setup *s, const char *name, const char *value) {
    if (!s || !name || !value)
        return clg_fail(CLG_ERR_INVALID, "setup_set: the %s is NULL", !s ? "setup" : !name ? "name" : "value");
    const field *f = find(name);
    double number = 0;
    if (!f) return unknown_name(name);
    if (!s->zoo && (f->kind == ZOO_REAL || f->kind == ZOO_TEXT))
        return clg_fail(CLG_ERR_INVALID, "setup_set(%s): only models of the zoo have this option, not one that was "
                        "described by a text", f->name.name);
    if (f->kind == REAL || f->kind == COUNT || f->kind == ZOO_REAL) CLG_TRY(read_number(f, value, &number));
    void *to = (char *)s + f->offset;
    if (f->kind == TEXT || f->kind == ZOO_TEXT) *(const char **)to = value;
    else if (f->kind == COUNT) *(int64_t *)to = (int64_t)number;
    else if (f->kind == SCHEDULE) return read_schedule(value, to);
    else *(double *)to = f->kind == ZOO_REAL && number == 0 ? -1 : number; /* dropout 0 is none, not the model's own */
    return CLG_OK;
}

/* --- model and data --- */

clg_model *clg_setup_model(const clg_setup *s, const clg_dataset *d) {
    if (!s || !d || (!s->zoo && !s->model)) {
        (void)clg_fail(CLG_ERR_INVALID, "setup_model: the %s is NULL", !s ? "setup" : !d ? "data set"
                       : "model, and so is its name in the zoo,");
        return NULL;
    }
    clg_model *open = s->zoo ? clg_model_zoo(s->zoo, &s->zoo_params) : NULL;
    if (s->zoo && !open) return NULL;
    clg_model *m = clg_model_for(open ? open : s->model, clg_dataset_shape(d), clg_dataset_classes(d),
                                 clg_dataset_targets(d));
    clg_model_destroy(&open);
    return m;
}

/* The first k numbers of all items, with their targets. Items keep their classes, even those without items. */
static clg_dataset *first_features(clg_dataset *d, int64_t k, int64_t all) {
    const int64_t n = clg_dataset_size(d), targets = clg_dataset_targets(d), t = targets > 0 ? targets : 1;
    clg_dataset *out = NULL;
    double *x = clg_calloc((size_t)n, (size_t)k * sizeof *x), *row = clg_calloc((size_t)all, sizeof *row);
    double *target = clg_calloc((size_t)n, (size_t)t * sizeof *target);
    int32_t *label = clg_calloc((size_t)n, sizeof *label);
    clg_status status = x && row && target && label ? CLG_OK : clg_fail_nomem("the first features");
    for (int64_t i = 0; status == CLG_OK && i < n; i++) {
        status = clg_dataset_row(d, i, row, target + i * t);
        memcpy(x + i * k, row, (size_t)k * sizeof *x);
        if (targets == 0) label[i] = (int32_t)target[i * t];
    }
    if (status == CLG_OK)
        out = clg_dataset_create(clg_dataset_params(.n = n, .item = CLG_SHAPE(k), .x = x,
            .label = targets > 0 ? NULL : label, .classes = clg_dataset_classes(d),
            .target = targets > 0 ? target : NULL, .targets = targets, .part = clg_dataset_part(d)));
    clg_free(x);
    clg_free(row);
    clg_free(target);
    clg_free(label);
    return out;
}

clg_status clg_setup_data(const clg_setup *s, clg_dataset *d, clg_dataset **own, clg_dataset **use) {
    const clg_shape item = clg_dataset_shape(d);
    int64_t all = 1;
    for (int i = 0; i < item.ndim; i++) all *= item.dim[i];
    *own = NULL;
    *use = d;
    if (s->features == 0 || s->features == all) return CLG_OK;
    if (s->features > all)
        return clg_fail(CLG_ERR_INVALID, "features=%lld: an item has %lld", (long long)s->features, (long long)all);
    const int64_t tested = clg_dataset_part(d) == CLG_TEST ? 0 : clg_dataset_test_items(d);
    if (tested > 0) /* the copy would not know it */
        return clg_fail(CLG_ERR_INVALID, "features=%lld: %lld of the %lld items are in a test part of the same data, "
                        "which must not be trained on: give the training part that belongs to it",
                        (long long)s->features, (long long)tested, (long long)clg_dataset_size(d));
    *use = *own = first_features(d, s->features, all);
    return *own ? CLG_OK : clg_error_status();
}
