/* Copies of params and states (kept.h). */
#include "plan/kept.h"

#include "base/alloc.h"

typedef struct clg_kept_copy {
    clg_slot   *slot;
    clg_buffer *near; /* on the slot's device; NULL: */
    void       *far;  /* in host memory */
} copy;

static size_t elems(const clg_slot *s) { return (size_t)clg_shape_elems(s->shape); }

static clg_status copy_near(copy *c) {
    const clg_slot *s = c->slot;
    CLG_TRY(clg_buffer_create(s->device, elems(s) * clg_device_elem_size(s->device, s->dtype), s->name, &c->near));
    return clg_buffer_copy(s->buffer, 0, c->near, 0, s->dtype, elems(s), NULL, NULL);
}

/* From the slot, or from the copy on the device, which goes. */
static clg_status copy_far(copy *c) {
    const clg_slot *s = c->slot;
    if (c->far) return CLG_OK;
    void *far = clg_alloc(elems(s) * clg_dtype_size(s->dtype));
    if (!far) return clg_fail_nomem(s->name);
    const clg_status status = clg_buffer_read(c->near ? c->near : s->buffer, 0, s->dtype, far, elems(s));
    if (status < 0) {
        clg_free(far);
        return status;
    }
    c->far = far;
    clg_buffer_destroy(&c->near);
    return CLG_OK;
}

bool clg_kept_has(const clg_kept *k, const clg_slot *s) {
    for (int i = 0; i < k->n; i++)
        if (k->copies[i].slot == s) return true;
    return elems(s) == 0;
}

clg_status clg_kept_take(clg_kept *k, clg_slot *s) {
    if (elems(s) == 0) return CLG_OK;
    if (!clg_grow(&k->copies, &k->cap, k->n + 1, sizeof *k->copies)) return clg_fail_nomem("plan");
    copy *c = &k->copies[k->n++];
    *c = (copy){ .slot = s };
    if (!k->crowded && copy_near(c) >= 0) return CLG_OK;
    clg_buffer_destroy(&c->near);
    k->crowded = true;
    const clg_status status = copy_far(c);
    if (status < 0) k->n--;
    return status;
}

bool clg_kept_make_room(clg_kept *k) {
    if (k->crowded || k->n == 0) return false;
    k->crowded = true;
    for (int i = 0; i < k->n; i++)
        if (copy_far(&k->copies[i]) < 0) return false;
    return true;
}

static clg_status put_back(const copy *c) {
    const clg_slot *s = c->slot;
    clg_slot_change(c->slot);
    if (c->far) return clg_buffer_write(s->buffer, 0, s->dtype, c->far, elems(s));
    return clg_buffer_copy(c->near, 0, s->buffer, 0, s->dtype, elems(s), NULL, NULL);
}

clg_status clg_kept_put_back(const clg_kept *k) {
    for (int i = 0; i < k->n; i++) CLG_TRY(put_back(&k->copies[i]));
    return CLG_OK;
}

void clg_kept_drop(clg_kept *k) {
    for (int i = 0; i < k->n; i++) {
        clg_buffer_destroy(&k->copies[i].near);
        clg_free(k->copies[i].far);
    }
    clg_free(k->copies);
    *k = (clg_kept){ .crowded = k->crowded };
}
