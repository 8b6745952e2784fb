/* What callers ask of a convolution, as attributes: defaults filled in, modes turned into numbers of zeros. */
#include "ops/conv_shape.h"

static const char *const mode_names[] = { "EXPLICIT", "VALID", "SAME", "FULL" };
enum { N_MODES = sizeof mode_names / sizeof mode_names[0] };

static int64_t or_one(int64_t v) { return v ? v : 1; }

/* The operands the message shows, and the graph that keeps it. */
typedef struct operands {
    const char *name;
    const clg_tensor *x, *w;
} operands;

static bool refuse(const operands *o, const char *rule) {
    char x[128], w[128];
    const clg_tensor *t = o->w ? o->w : o->x;
    clg_shape_text(o->x->dtype, o->x->shape, x, sizeof x);
    clg_shape_text(t->dtype, t->shape, w, sizeof w);
    if (!o->w)
        (void)clg_graph_fail(o->x->graph, CLG_ERR_SHAPE, "%s(%s): %s: %s is %s", o->name, clg_tensor_name(o->x), rule,
                             clg_tensor_name(o->x), x);
    else
        (void)clg_graph_fail(o->x->graph, CLG_ERR_SHAPE, "%s(%s, %s): %s: %s is %s, %s is %s", o->name,
                             clg_tensor_name(o->x), clg_tensor_name(o->w), rule, clg_tensor_name(o->x), x,
                             clg_tensor_name(o->w), w);
    return false;
}

static bool check_padding(const clg_conv_params *p, const operands *o, int axes) {
    bool given = p->asymmetric, unread = false, negative = false;
    for (int i = 0; i < axes; i++) {
        given = given || p->pad[i] != 0 || p->pad_end[i] != 0;
        unread = unread || (!p->asymmetric && p->pad_end[i] != 0 && p->pad_end[i] != p->pad[i]);
        negative = negative || p->pad[i] < 0 || p->pad_end[i] < 0;
    }
    if ((int)p->mode < 0 || (int)p->mode >= N_MODES)
        return refuse(o, "mode must be one of CLG_PAD_EXPLICIT, VALID, SAME and FULL");
    if (p->mode != CLG_PAD_EXPLICIT && given)
        return refuse(o, "padding is given beside a mode that chooses it: leave out either mode, or pad, pad_end and "
                         "asymmetric");
    if (negative) return refuse(o, "padding must not be negative");
    if (unread) return refuse(o, "pad_end differs from pad, but asymmetric is not set");
    return true;
}

/* Zeros before and after an axis. Sizes out of bounds are left to infer(), which refuses them. */
static void choose_padding(clg_conv_attr *a, int axis, enum clg_pad_mode mode, int64_t size, int64_t kernel) {
    const int64_t limit = CLG_CONV_SIZE_LIMIT, stride = a->stride[axis], dilation = a->dilation[axis];
    if (mode == CLG_PAD_VALID || kernel < 1 || stride < 1 || dilation < 1) return;
    if (size > limit || kernel > limit || stride > limit || dilation > limit) return;
    const int64_t reach = dilation * (kernel - 1);
    if (mode == CLG_PAD_FULL) {
        a->pad[axis] = a->pad_end[axis] = reach;
        return;
    }
    const int64_t out = clg_div_up(size, stride), zeros = clg_max64(0, (out - 1) * stride + reach + 1 - size);
    a->pad[axis] = clg_div_up(zeros, 2);
    a->pad_end[axis] = zeros / 2;
}

bool clg_conv_attributes(const clg_conv_params *p, const char *name, const clg_tensor *x, const clg_tensor *w, int axes,
                         const int64_t *size, const int64_t *kernel, clg_conv_attr *a) {
    *a = (clg_conv_attr){ .groups = or_one(p->groups) };
    for (int i = 0; i < 3; i++) a->stride[i] = a->dilation[i] = 1;
    if (!check_padding(p, &(operands){ name, x, w }, axes)) return false;
    for (int i = 0; i < axes; i++) {
        const int axis = clg_conv_axis(axes, i);
        a->stride[axis] = or_one(p->stride[i]);
        a->dilation[axis] = or_one(p->dilation[i]);
        a->pad[axis] = p->pad[i];
        a->pad_end[axis] = p->asymmetric ? p->pad_end[i] : p->pad[i];
        if (p->mode != CLG_PAD_EXPLICIT && kernel) choose_padding(a, axis, p->mode, size[i], kernel[i]);
    }
    return true;
}
