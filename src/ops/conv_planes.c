/* Zero-padded planes: layout and the padding pass. With a stride s, element i of the padded source is entry i / s of
 * phase i % s, so that neighbouring output pixels read neighbouring entries whatever the stride is. */
#include "ops/conv_planes.h"

#include "base/alloc.h"

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        const int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

clg_conv_planes clg_conv_input_planes(const clg_conv_geom *g) {
    clg_conv_planes p = { .lanes = g->out[2] };
    for (int a = 0; a < 3; a++) {
        p.in[a] = g->in[a];
        p.pad[a] = g->pad[a];
        p.step[a] = g->stride[a];
        p.phase_step[a] = g->dil[a];
        p.phases[a] = clg_min64(g->k[a], g->stride[a] / gcd(g->dil[a], g->stride[a])); /* remainders repeat after it */
        p.need[a] = g->out[a] + (g->k[a] - 1) * g->dil[a] / g->stride[a];
    }
    return p;
}

void clg_conv_planes_layout(clg_conv_planes *p, bool may_direct) {
    p->direct = may_direct;
    for (int a = 0; a < 3; a++)
        if (p->pad[a] != 0 || p->step[a] != 1 || p->need[a] > p->in[a]) p->direct = false;
    if (p->direct) {
        p->rows[0] = p->in[0];
        p->rows[1] = p->in[1];
        p->pitch = p->in[2];
        p->size = p->in[0] * p->in[1] * p->in[2];
        return;
    }
    p->rows[0] = p->need[0];
    p->rows[1] = p->need[1];
    p->pitch = p->need[2];
    if (p->step[2] == 1) { /* entries past the pitch fall on the left padding of the next row */
        const int64_t shared = clg_max64(p->pad[2] + p->in[2], p->need[2] - p->pad[2]);
        p->pitch = clg_min64(p->need[2], clg_max64(shared, p->lanes));
    }
    const int64_t entries = p->rows[0] * p->rows[1] * p->pitch + p->need[2] - p->pitch;
    p->size = clg_div_up(entries, 16) * 16;
}

int64_t clg_conv_planes_count(const clg_conv_planes *p) { return p->phases[0] * p->phases[1] * p->phases[2]; }

clg_status clg_conv_phase_table(clg_emit *e, const clg_conv_planes *p, const clg_tensor **table) {
    const int64_t n = clg_conv_planes_count(p);
    int32_t *start = clg_alloc((size_t)n * 3 * sizeof *start);
    if (!start) return clg_fail_nomem("phases of a convolution");
    for (int64_t f = 0; f < n; f++) {
        int64_t rest = f;
        for (int a = 2; a >= 0; a--) {
            start[3 * f + a] = (int32_t)(rest % p->phases[a] * p->phase_step[a] % p->step[a]);
            rest /= p->phases[a];
        }
    }
    *table = clg_emit_table(e, CLG_I32, CLG_SHAPE(n, 3), start);
    clg_free(start);
    return CLG_OK;
}

clg_status clg_conv_emit_planes(clg_emit *e, const clg_conv_planes *p, const clg_tensor *src, int64_t n,
                                const clg_tensor **out) {
    const clg_tensor *x = src, *phases = NULL;
    *out = src;
    if (p->direct || n == 0) return CLG_OK;
    CLG_TRY(clg_conv_phase_table(e, p, &phases));
    const int64_t n_phases = clg_conv_planes_count(p), planes = n * n_phases;
    const clg_tensor *xp = clg_emit_scratch(e, src->dtype, CLG_SHAPE(planes, p->size));
    /* enough items for a few per core, but not below some 4000 entries each */
    const int64_t rows = p->rows[0] * p->rows[1];
    const int64_t chunks = clg_max64(1, clg_min64(clg_div_up(64, planes), rows * p->pitch / 4096));
    const int64_t rows_per_item = clg_div_up(rows, chunks);
    const int64_t in_d = p->in[0], in_h = p->in[1], in_w = p->in[2], pad_d = p->pad[0], pad_h = p->pad[1];
    const int64_t pad_w = p->pad[2], step_d = p->step[0], step_h = p->step[1], step_w = p->step[2];
    const int64_t height = p->rows[1], pitch = p->pitch, size = p->size;
    *out = xp;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_pad.pad_planes",
        .global = { (size_t)clg_div_up(rows, rows_per_item), (size_t)planes },
        .args = ARGS(IN(x), OUT(xp), IN(phases), INT(n_phases), INT(in_d), INT(in_h), INT(in_w), INT(pad_d),
                     INT(pad_h), INT(pad_w), INT(step_d), INT(step_h), INT(step_w), INT(rows), INT(height),
                     INT(pitch), INT(size), INT(rows_per_item)),
    });
}

int64_t clg_conv_tap_entry(const clg_conv_geom *g, const clg_conv_planes *p, int64_t c, int64_t t) {
    int64_t phase = 0, entry = 0, tap[3];
    for (int a = 2; a >= 0; a--) {
        tap[a] = t % g->k[a];
        t /= g->k[a];
    }
    const int64_t length[3] = { p->rows[0], p->rows[1], p->pitch };
    for (int a = 0; a < 3; a++) {
        phase = phase * p->phases[a] + tap[a] % (g->stride[a] / gcd(g->dil[a], g->stride[a]));
        entry = entry * length[a] + tap[a] * g->dil[a] / g->stride[a];
    }
    return (c * clg_conv_planes_count(p) + phase) * p->size + entry;
}

clg_status clg_conv_offset_table(clg_emit *e, const clg_conv_geom *g, const clg_conv_planes *p,
                                 const clg_tensor **table) {
    const int64_t K = g->Cg * g->T;
    int32_t *offset = clg_alloc((size_t)K * sizeof *offset);
    if (!offset) return clg_fail_nomem("offsets of a convolution");
    for (int64_t k = 0; k < K; k++) offset[k] = (int32_t)clg_conv_tap_entry(g, p, k / g->T, k % g->T);
    *table = clg_emit_table(e, CLG_I32, CLG_SHAPE(K), offset);
    clg_free(offset);
    return CLG_OK;
}
