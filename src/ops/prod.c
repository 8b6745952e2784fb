/* Product over axes. Its gradient is the product of the other elements, and has to be right where elements are 0, so
 * not y / x: the vjp builds the product again as a tree of halves, from slices and elementwise products, and
 * differentiates that. O(n) work in O(log n) steps, no division, and derivatives of any order. */
#include "ops/move.h"
#include "ops/reduce.h"

static clg_reduce_form form_of(const clg_node *n) {
    return clg_reduce_form_of(in_shape(n, 0), ((const clg_reduce_attr *)n->attr)->axes);
}

static clg_status infer(clg_node *n) {
    if (in_dtype(n, 0) == CLG_U8) return clg_fail_op(n, "u8 holds flags and bytes; clg_cast() to i32 or f32 first");
    return set_out(n, 0, in_dtype(n, 0), clg_reduce_shape(in_shape(n, 0), ((const clg_reduce_attr *)n->attr)->axes));
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        double p = 1;
        for (int64_t i = 0; i < f.length; i++) p *= in[0][clg_reduce_element(&f, o, i)];
        out[0][o] = p;
    }
}

/** x as a matrix [segments, length]. */
static clg_tensor *rows(clg_tensor *x, uint32_t axes, const clg_reduce_form *f) {
    int order[CLG_MAX_DIMS], n = 0;
    for (int reduced = 0; reduced < 2; reduced++)
        for (int i = 0; i < x->shape.ndim; i++)
            if ((int)(axes >> i & 1) == reduced) order[n++] = i;
    return clg_reshape(clg_permute(x, order), CLG_SHAPE(f->segments, f->length));
}

static clg_tensor *columns(clg_tensor *x, int64_t begin, int64_t count) {
    if (!x) return NULL;
    clg_slice_attr a = clg_slice_all(x->shape);
    a.begin[1] = begin;
    a.count[1] = count;
    return clg_slice_node(x, &a);
}

static clg_tensor *tree(clg_tensor *x, int64_t n) {
    clg_tensor *odd = NULL; /* the product of the columns that were left over */
    for (; n > 1; n /= 2) {
        if (n % 2) odd = odd ? clg_mul(odd, columns(x, n - 1, 1)) : columns(x, n - 1, 1);
        x = clg_mul(columns(x, 0, n / 2), columns(x, n / 2, n / 2));
    }
    return odd ? clg_mul(x, odd) : x;
}

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const clg_reduce_form f = form_of(n);
    if (f.length == 0) return;
    clg_tensor *const y = tree(rows(n->in[0], ((const clg_reduce_attr *)n->attr)->axes, &f), f.length);
    clg_vjp(y, clg_reshape(gy[0], CLG_SHAPE(f.segments, 1)), (clg_list){ 1, n->in }, gx);
}

static clg_cost cost(const clg_node *n) { return cost_of(n, (double)in_elems(n, 0)); }

const clg_op clg_op_prod = { .name = "prod", .min_in = 1, .max_in = 1, .n_out = 1,
    .formula = "y = product of x over axes; 1 if there is nothing to multiply",
    .gradient = "gx = gy times the product of the other elements", .attr_size = sizeof(clg_reduce_attr),
    .shapes = "x [...], axes -> [...] with 1 for each of axes; a scalar if those are all",
    .infer = infer, .ref = ref, .vjp = vjp, .cost = cost, .impls = clg_reduce_impls };
