/* einsum: sums of products by letters for axes. A composite: from left to right, two operands at a time. Letters are
 * sorted into those of the batch (in both, needed later), K (in both, summed over), M (left only) and N (right only);
 * so the product is [batch,M,K] by [batch,K,N], where an operand that lies as [batch,K,M] is only flagged as
 * transposed. Without a K it is an elementwise product with broadcasting. The reference loops over all letters. */
#include "graph/op.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TEXT = 80, LETTERS = 128 };

typedef struct attr {
    char text[MAX_TEXT]; /* the equation without blanks, zeros behind it */
} attr;

typedef char labels[CLG_MAX_DIMS + 1]; /* a string */

/** The equation, read against the operands. */
typedef struct sum {
    labels  in[CLG_MAX_IN], out;
    int64_t size[LETTERS]; /* by letter; -1: does not occur */
    int     count[LETTERS]; /* how often it occurs in the operands */
} sum;

static const char *text_of(const clg_node *n) { return ((const attr *)n->attr)->text; }

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool has(const char *s, char c) { return strchr(s, c) != NULL; }

static void append(char *s, char c) {
    const size_t n = strlen(s);
    if (n < CLG_MAX_DIMS) s[n] = c, s[n + 1] = 0;
}

/* --- reading --- */

static clg_status check_text(const clg_node *n, const char *text) {
    if (has(text, '.')) return clg_fail_op(n, "\"%s\": there is no \"...\" here; give every axis a letter", text);
    const char *arrow = strstr(text, "->");
    for (const char *c = text; *c; c++) {
        if (arrow && (c == arrow || c == arrow + 1)) continue;
        if (is_letter(*c) || (*c == ',' && !(arrow && c > arrow))) continue;
        return clg_fail_op(n, "\"%s\": '%c' has no meaning there; it wants letters, as in \"ij,jk->ik\"", text, *c);
    }
    int operands = 1;
    for (const char *c = text; *c; c++) operands += *c == ',';
    if (operands != n->n_in)
        return clg_fail_op(n, "\"%s\" is for %d operands, given are %d", text, operands, n->n_in);
    return CLG_OK;
}

static clg_status read_operand(const clg_node *n, int k, const char *at, size_t length, sum *s) {
    const clg_shape shape = in_shape(n, k);
    if (length != (size_t)shape.ndim)
        return clg_fail_op(n, "\"%s\" has %d letters for operand %d, which has %d axes", text_of(n), (int)length, k,
                           shape.ndim);
    for (int i = 0; i < shape.ndim; i++) {
        const int c = at[i];
        append(s->in[k], at[i]);
        s->count[c]++;
        if (s->size[c] >= 0 && s->size[c] != shape.dim[i])
            return clg_fail_op(n, "in \"%s\" the letter %c stands for sizes %lld and %lld", text_of(n), c,
                               (long long)s->size[c], (long long)shape.dim[i]);
        s->size[c] = shape.dim[i];
    }
    return CLG_OK;
}

static clg_status read_result(const clg_node *n, const char *arrow, sum *s) {
    int axes = 0;
    for (int c = 0; !arrow && c < LETTERS; c++)
        if (s->count[c] == 1) append(s->out, (char)c), axes++;
    for (const char *c = arrow ? arrow + 2 : ""; *c; c++, axes++) {
        if (s->size[(int)*c] < 0)
            return clg_fail_op(n, "in \"%s\" the result has the letter %c, which no operand has", text_of(n), *c);
        if (has(s->out, *c)) return clg_fail_op(n, "in \"%s\" the result has the letter %c twice", text_of(n), *c);
        append(s->out, *c);
    }
    if (axes > CLG_MAX_DIMS)
        return clg_fail_op(n, "the result of \"%s\" has %d axes; at most 6 are possible", text_of(n), axes);
    return CLG_OK;
}

static clg_status read_equation(const clg_node *n, sum *s) {
    const char *at = text_of(n), *arrow = strstr(at, "->");
    memset(s, 0, sizeof *s);
    for (int i = 0; i < LETTERS; i++) s->size[i] = -1;
    CLG_TRY(check_text(n, at));
    for (int k = 0; k < n->n_in; k++) {
        const size_t length = strcspn(at, ",-");
        CLG_TRY(read_operand(n, k, at, length, s));
        at += length + 1;
    }
    return read_result(n, arrow, s);
}

/* Whether letter c is needed after the product with operand k. */
static bool needed(const sum *s, int n_in, int k, char c) {
    bool yes = has(s->out, c);
    for (int i = k + 1; i < n_in; i++) yes = yes || has(s->in[i], c);
    return yes;
}

/* --- infer, reference --- */

static clg_status infer(clg_node *n) {
    sum s;
    clg_shape y = CLG_SCALAR;
    CLG_TRY(read_equation(n, &s));
    for (int k = 0; k < n->n_in; k++) {
        if (in_dtype(n, k) != in_dtype(n, 0)) return clg_fail_op(n, "types differ; clg_cast() the operands");
        if (!clg_dtype_is_float(in_dtype(n, k))) return clg_fail_op(n, "wants floats; clg_cast() the operands");
        int axes = 0; /* of the product so far: letters seen and needed later */
        for (int c = 0; c < LETTERS; c++) {
            bool seen = false;
            for (int i = 0; i <= k; i++) seen = seen || (c && has(s.in[i], (char)c));
            axes += seen && needed(&s, n->n_in, k, (char)c);
        }
        if (axes > CLG_MAX_DIMS)
            return clg_fail_op(n, "\"%s\": the product up to operand %d needs %d axes, at most 6 are possible; another "
                               "order of operands may need less", text_of(n), k, axes);
    }
    for (const char *c = s.out; *c; c++) y.dim[y.ndim++] = s.size[(int)*c];
    return set_out(n, 0, in_dtype(n, 0), y);
}

/* Elements of operand k from one value of letter c to the next; a letter that occurs twice walks the diagonal. */
static int64_t step_of(const clg_node *n, const sum *s, int k, char c) {
    int64_t step = 1, found = 0;
    for (int i = in_shape(n, k).ndim - 1; i >= 0; i--) {
        if (s->in[k][i] == c) found += step;
        step *= in_dim(n, k, i);
    }
    return found;
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    sum s;
    char order[LETTERS] = ""; /* those of the result first */
    int letters = 0;
    int64_t total = 1, size[LETTERS], step[CLG_MAX_IN][LETTERS];
    const int64_t outputs = out_elems(n, 0);
    if (read_equation(n, &s) < 0) return; /* infer() was content */
    for (const char *c = s.out; *c; c++) order[letters++] = *c;
    for (int c = 0; c < LETTERS; c++)
        if (s.size[c] >= 0 && !has(s.out, (char)c)) order[letters++] = (char)c;
    for (int l = 0; l < letters; l++) {
        total *= size[l] = s.size[(int)order[l]];
        for (int k = 0; k < n->n_in; k++) step[k][l] = step_of(n, &s, k, order[l]);
    }
    for (int64_t i = 0; i < outputs; i++) out[0][i] = 0;
    for (int64_t i = 0; i < total; i++) {
        double product = 1;
        for (int k = 0; k < n->n_in; k++) {
            int64_t at = 0, rest = i;
            for (int l = letters - 1; l >= 0; rest /= size[l--]) at += rest % size[l] * step[k][l];
            product *= in[k][at];
        }
        out[0][i / (total / outputs)] += product;
    }
}

/* --- expansion --- */

/** A tensor whose axes have letters. */
typedef struct part {
    clg_tensor *x;
    labels      axes;
} part;

static clg_shape shape_by(const sum *s, const char *axes) {
    clg_shape r = CLG_SCALAR;
    for (; *axes; axes++) r.dim[r.ndim++] = s->size[(int)*axes];
    return r;
}

static int64_t elems_by(const sum *s, const char *axes) { return clg_shape_elems(shape_by(s, axes)); }

/* p with its axes in another order. */
static clg_tensor *ordered(part p, const char *axes) {
    int order[CLG_MAX_DIMS];
    if (strcmp(p.axes, axes) == 0) return p.x;
    for (int i = 0; axes[i]; i++) order[i] = (int)(strchr(p.axes, axes[i]) - p.axes);
    return clg_permute(p.x, order);
}

/* The letter of axis i stands at an earlier axis too: what is left of both is one axis, the last. The diagonal of a
 * square is every (size + 1)-th of its elements. */
static part diagonal(const sum *s, part p, int i) {
    const int first = (int)(strchr(p.axes, p.axes[i]) - p.axes);
    const int64_t size = s->size[(int)p.axes[i]];
    part y = {0};
    int order[CLG_MAX_DIMS], n = 0;
    for (int k = 0; p.axes[k]; k++) {
        if (k == first || k == i) continue;
        order[n++] = k;
        append(y.axes, p.axes[k]);
    }
    order[n] = first;
    order[n + 1] = i;
    clg_shape flat = shape_by(s, y.axes);
    flat.dim[flat.ndim++] = size * size;
    y.x = clg_slice(clg_reshape(clg_permute(p.x, order), flat), -1, 0, CLG_END, size + 1);
    append(y.axes, p.axes[i]);
    return y;
}

/* Takes diagonals, and sums over the letters that neither `other` has nor is needed after operand k. */
static part reduced(const sum *s, int n_in, int k, part p, const char *other) {
    part y = {0};
    unsigned axes = 0;
    for (int i = 1; p.axes[0] && p.axes[i]; i++)
        if (strchr(p.axes, p.axes[i]) < p.axes + i) p = diagonal(s, p, i), i = 0;
    for (int i = 0; p.axes[i]; i++) {
        if (has(other, p.axes[i]) || needed(s, n_in, k, p.axes[i])) append(y.axes, p.axes[i]);
        else axes |= CLG_AXIS(i);
    }
    y.x = axes ? clg_reshape(clg_sum(p.x, axes), shape_by(s, y.axes)) : p.x;
    return y;
}

/* [batch, rows, columns]; an operand that lies the other way round is turned by a flag of matmul. */
static clg_tensor *matrices(const sum *s, part p, const char *batch, const char *rows, const char *columns) {
    char straight[3 * CLG_MAX_DIMS + 1], turned[3 * CLG_MAX_DIMS + 1];
    snprintf(straight, sizeof straight, "%s%s%s", batch, rows, columns);
    snprintf(turned, sizeof turned, "%s%s%s", batch, columns, rows);
    const bool turn = strcmp(p.axes, straight) != 0 && strcmp(p.axes, turned) == 0;
    const int64_t b = elems_by(s, batch);
    const int64_t m = elems_by(s, turn ? columns : rows), n = elems_by(s, turn ? rows : columns);
    clg_tensor *x = turn ? p.x : ordered(p, straight);
    x = clg_reshape(x, *batch ? CLG_SHAPE(b, m, n) : CLG_SHAPE(m, n));
    return turn ? clg_transpose(x) : x;
}

/* The product without a letter to sum over, with axes in the order of y.axes. */
static part multiplied(const sum *s, part a, part b, part y) {
    clg_tensor *x[2];
    const part *const in[] = {&a, &b};
    for (int k = 0; k < 2; k++) {
        labels own = "";
        clg_shape shape = shape_by(s, y.axes);
        for (int i = 0; y.axes[i]; i++)
            if (has(in[k]->axes, y.axes[i])) append(own, y.axes[i]);
            else shape.dim[i] = 1;
        x[k] = clg_reshape(ordered(*in[k], own), shape);
    }
    y.x = clg_mul(x[0], x[1]);
    return y;
}

static void join(char *to, const char *a, const char *b, const char *c) {
    to[0] = 0;
    for (; *a; a++) append(to, *a);
    for (; *b; b++) append(to, *b);
    for (; *c; c++) append(to, *c);
}

/* The product of what came before operand k with that operand. */
static part product(const sum *s, int n_in, int k, part a, part b) {
    labels batch = "", rows = "", columns = "", inner = "";
    part y = {0}, left = reduced(s, n_in, k, a, b.axes), right = reduced(s, n_in, k, b, left.axes);
    for (const char *c = left.axes; *c; c++)
        append(!has(right.axes, *c) ? rows : needed(s, n_in, k, *c) ? batch : inner, *c);
    for (const char *c = right.axes; *c; c++)
        if (!has(left.axes, *c)) append(columns, *c);
    labels other;
    join(other, batch, columns, rows);
    join(y.axes, batch, rows, columns);
    const bool last = k == n_in - 1;
    if (!*inner) {
        if (last) memcpy(y.axes, s->out, sizeof y.axes);
        return multiplied(s, left, right, y);
    }
    if (last && strcmp(other, s->out) == 0) { /* y^T: then the result needs no copy */
        memcpy(y.axes, other, sizeof y.axes);
        y.x = clg_matmul(matrices(s, right, batch, columns, inner), matrices(s, left, batch, inner, rows));
    } else {
        y.x = clg_matmul(matrices(s, left, batch, rows, inner), matrices(s, right, batch, inner, columns));
    }
    y.x = clg_reshape(y.x, shape_by(s, y.axes));
    return y;
}

static bool expand(const clg_node *n, clg_tensor **out) {
    sum s;
    part y = {.x = n->in[0]};
    if (read_equation(n, &s) < 0) return false;
    memcpy(y.axes, s.in[0], sizeof y.axes);
    for (int k = 1; k < n->n_in; k++) {
        part next = {.x = n->in[k]};
        memcpy(next.axes, s.in[k], sizeof next.axes);
        y = product(&s, n->n_in, k, y, next);
    }
    if (n->n_in == 1) y = reduced(&s, 1, 0, y, "");
    out[0] = ordered(y, s.out);
    return out[0] != NULL;
}

const clg_op clg_op_einsum = {
    .name = "einsum",
    .formula = "y[letters of the result] = sum over all other letters of the product of the operands",
    .gradient = "ga = the sum with gy for y and without a, for each operand a",
    .shapes = "\"ij,jk->ik\": a [I,J], b [J,K] -> [I,K]; any letters, 1 to 8 operands",
    .min_in = 1, .max_in = CLG_MAX_IN, .n_out = 1,
    .attr_size = sizeof(attr),
    .infer = infer, .ref = ref, .expand = expand,
};

clg_tensor *clg_einsum(const char *equation, clg_list operands) {
    attr a;
    size_t n = 0;
    for (int i = 0; i < operands.n; i++)
        if (!operands.t[i]) return NULL;
    if (operands.n < 1) {
        clg_fail(CLG_ERR_INVALID, "einsum: the list of operands is empty");
        return NULL;
    }
    clg_graph *g = operands.t[0]->graph;
    if (!equation) return clg_graph_fail(g, CLG_ERR_INVALID, "einsum: the equation is NULL");
    memset(&a, 0, sizeof a);
    for (const char *c = equation; *c; c++) {
        if (*c == ' ') continue;
        if (n == sizeof a.text - 1)
            return clg_graph_fail(g, CLG_ERR_INVALID, "einsum: \"%.32s...\" is longer than %d letters", equation,
                                  MAX_TEXT - 1);
        a.text[n++] = *c;
    }
    return clg_node_build(&clg_op_einsum, &a, operands.t, operands.n);
}
