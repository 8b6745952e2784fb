/* Copies of strided regions: permute, slice (a step of any sign) and concat are one kernel with other numbers. */
#include "ops/move.h"

#include <string.h>

const char *clg_move_type(clg_dtype t) {
    static const char *const types[CLG_DTYPE_COUNT] = {
        [CLG_F32] = "float", [CLG_F16] = "ushort", [CLG_BF16] = "ushort", [CLG_F64] = "double",
        [CLG_I32] = "int",   [CLG_U8] = "uchar",   [CLG_I64] = "long",
    };
    return types[t];
}

bool clg_move_fits(const clg_node *n, const clg_device *d) {
    (void)d;
    for (int i = 0; i < n->n_in; i++)
        if (in_elems(n, i) > INT32_MAX) return false;
    for (int i = 0; i < n->n_out; i++)
        if (out_elems(n, i) > INT32_MAX) return false;
    return true;
}

bool clg_move_fits_group(const clg_node *n, const clg_device *d) {
    const clg_device_caps *c = clg_device_get_caps(d);
    return clg_move_fits(n, d) && c->max_group >= CLG_MOVE_GROUP && c->max_item[0] >= CLG_MOVE_GROUP &&
           c->max_item[1] >= 16;
}

clg_span clg_span_of(clg_shape s, int axis) {
    clg_span p = { 1, s.dim[axis], 1 };
    for (int i = 0; i < axis; i++) p.outer *= s.dim[i];
    for (int i = axis + 1; i < s.ndim; i++) p.inner *= s.dim[i];
    return p;
}

clg_tensor *clg_fail_axis(const char *op, const clg_tensor *x, int axis) {
    char text[128];
    const char *const name = clg_tensor_name(x);
    return clg_graph_fail(x->graph, CLG_ERR_SHAPE, "%s(%s): there is no axis %d: %s is %s", op, name, axis, name,
                          clg_shape_text(x->dtype, x->shape, text, sizeof text));
}

void clg_region_add(clg_region *r, int64_t dim, int64_t step, bool merge) {
    if (merge && dim == 1) return;
    if (merge && r->n > 0 && r->step[r->n - 1] == dim * step) {
        r->dim[r->n - 1] *= dim;
        r->step[r->n - 1] = step;
        return;
    }
    r->dim[r->n] = dim;
    r->step[r->n++] = step;
}

enum { CHUNK = 16384 }; /* class cpu: elements of a row that are worth a work-item */

clg_status clg_emit_region(clg_emit *e, const clg_tensor *x, const clg_tensor *y, const clg_region *r, bool gpu) {
    int64_t d[CLG_MAX_DIMS] = { 1, 1, 1, 1, 1, 1 }, s[CLG_MAX_DIMS] = { 0 };
    const int first = CLG_MAX_DIMS - r->n;
    memcpy(d + first, r->dim, (size_t)r->n * sizeof *d);
    memcpy(s + first, r->step, (size_t)r->n * sizeof *s);
    const int64_t n = d[0] * d[1] * d[2] * d[3] * d[4], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5];
    const int64_t s0 = s[0], s1 = s[1], s2 = s[2], s3 = s[3], s4 = s[4], s5 = s[5];
    const int64_t from = r->from, to = r->to, pitch = r->pitch, chunk = d5 < CHUNK ? d5 : CHUNK;
    const int64_t per = gpu ? 1 : clg_units_per_item(n, chunk);
    if (n * d5 == 0) return CLG_OK;
    const clg_arg args[] = { IN(x), OUT(y), INT(n), INT(d1), INT(d2), INT(d3), INT(d4), INT(d5), LONG(s0), LONG(s1),
                             LONG(s2), LONG(s3), LONG(s4), LONG(s5), LONG(from), LONG(to), LONG(pitch), INT(chunk),
                             INT(per), { .kind = CLG_ARG_END } };
    const clg_launch l = {
        .kernel = gpu ? "move.items" : "move.rows", .args = args,
        .global = { (size_t)(gpu ? n * d5 : clg_div_up(n, per)), (size_t)(gpu ? 1 : clg_div_up(d5, chunk)), 1 },
        .local = { gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .options = clg_emit_options(e, "-DT=%s -DSTEP=%d", clg_move_type(x->dtype),
                                    !gpu && (s5 == 1 || s5 == -1 || s5 == 2) ? (int)s5 : 0) };
    return clg_emit_launch(e, &l);
}
