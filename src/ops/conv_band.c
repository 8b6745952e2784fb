/* Direct convolution by bands (cl/conv_band.cl), for planes that would leave the caches if they were padded in memory:
 * conv_direct.c makes the tables, here are the band and the launch. */
#include "ops/conv_tiling.h"
#include "ops/registers.h"

enum {
    BAND_BYTES = 384 << 10, /* of a band: in a core's L2 with the weights it is multiplied by */
    PAST_BYTES = 32 << 20,  /* of y: more than the last cache keeps until y is read */
    PAST_TERMS = 64,        /* of sums: with fewer, a core of an EPYC (AVX2) makes more than it stores so (3 GB/s) */
    ITEMS_PER_CORE = 4,
    MOST_ROWS = 8,          /* of a tile */
};

const clg_knob clg_conv_bands_knobs[] = {
    { "tile", 13, { -1, 0, 1, 2, 4, 6, 15, 16, 18, 19, 21, 23, 24 } },
    { "band", 4, { -1, 128, 256, 768 } }, /* KiB */
    { 0 },
};

int64_t clg_conv_band_rows(clg_emit *e, const clg_conv_tiling *c, const clg_conv_planes *p) {
    const int knob = clg_emit_knob(e, "band");
    const int64_t band = knob > 0 ? (int64_t)knob << 10 : BAND_BYTES;
    clg_conv_planes all = *p;
    clg_conv_planes_layout(&all, false);
    const int64_t row_bytes = c->channels * clg_conv_planes_count(p) * all.pitch * (int64_t)clg_dtype_size(c->y->dtype);
    const int64_t items = ITEMS_PER_CORE * clg_device_get_caps(clg_emit_device(e))->compute_units;
    const int64_t most = clg_min64(band / row_bytes - (p->need[1] - c->lines), c->N * c->lines / items);
    return clg_div_up(c->lines, clg_div_up(c->lines, clg_max64(1, clg_min64(most, c->lines)))); /* bands alike */
}

clg_status clg_conv_emit_bands(clg_emit *e, const clg_conv_tiling *c, const clg_conv_planes *p) {
    const clg_device *d = clg_emit_device(e);
    const int64_t high = c->high, M = c->M, n_phases = c->n_phases, n_starts = clg_conv_planes_count(p);
    const int64_t bands = clg_div_up(c->lines, high), all_bands = c->N * bands, channels = c->channels;
    if (all_bands == 0) return CLG_OK;
    const int64_t items = clg_min64(all_bands, ITEMS_PER_CORE * clg_device_get_caps(d)->compute_units);
    const int64_t per_item = clg_div_up(all_bands, items), width = c->phases[CLG_PHASE_NX], pitch = p->pitch;
    const int64_t size = p->size, rows = p->rows[1], has_bias = c->b != NULL, w_row = c->w_row;
    const int64_t n_taps = c->n_taps;
    const double k = clg_max64(1, n_taps / n_phases), first = (double)channels / k;
    const bool long_sums = clg_registers_of(d, false).wide || k >= PAST_TERMS;
    const int64_t past = long_sums && c->step[2] == 1 && width % 16 == 0 &&
        (double)clg_shape_elems(c->y->shape) * (double)clg_dtype_size(c->y->dtype) >= PAST_BYTES;
    const int64_t lanes = (high - 1) * pitch + width;
    const clg_conv_work lines = { M, high, width, k, first, MOST_ROWS, past };
    const clg_conv_work line = { M, 1, lanes, k, first, MOST_ROWS, false };
    const clg_conv_tile rowwise = clg_conv_choose_tile(e, &lines), flat = clg_conv_choose_tile(e, &line);
    const int64_t by_row = past || rowwise.cost < flat.cost;
    const clg_conv_tile t = by_row ? rowwise : flat;
    const int64_t all_taps = n_taps * clg_div_up(M, t.mr) *
        (by_row ? high * clg_div_up(width, 16 * t.nv) : clg_div_up(lanes, 16 * t.nv));
    const clg_tensor *x = c->x, *w = c->w, *b = c->b ? c->b : c->w, *y = c->y, *starts; /* without bias b is not read */
    CLG_TRY(clg_conv_phase_table(e, p, &starts));
    const clg_tensor *taps = clg_emit_table(e, CLG_I32, CLG_SHAPE(c->n_taps, 2), c->taps);
    const clg_tensor *phases = clg_emit_table(e, CLG_I32, CLG_SHAPE(n_phases, CLG_PHASE_SIZE), c->phases);
    const clg_tensor *xp = clg_emit_scratch(e, y->dtype, CLG_SHAPE(items, channels * n_starts * size + 16 * t.nv));
    const int64_t in_h = p->in[1], in_w = p->in[2], pad_h = p->pad[1], pad_w = p->pad[2], in_step_h = p->step[1];
    const int64_t in_step_w = p->step[2], y_h = c->y_size[1], y_w = c->y_size[2], step_h = c->step[1];
    const int64_t step_w = c->step[2];
    const int64_t in_skip = p->phases[1] == 1 ? in_step_h : 1; /* of these rows one is read */
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_band.conv_band",
        .options = clg_emit_options(e, "-DMR=%d -DNV=%d", t.mr, t.nv),
        .global = { (size_t)clg_div_up(all_bands, per_item) },
        .args = ARGS(IN(x), IN(w), IN(b), IN(taps), IN(phases), IN(starts), OUT(xp), OUT(y), INT(has_bias), INT(M),
                     INT(n_phases), INT(n_starts), INT(channels), INT(in_h), INT(in_w), INT(pad_h), INT(pad_w),
                     INT(in_step_h), INT(in_step_w), INT(in_skip), INT(rows), INT(pitch), INT(size), INT(high),
                     INT(bands), INT(all_bands), INT(per_item), INT(w_row), INT(y_h), INT(y_w), INT(step_h),
                     INT(step_w), INT(by_row), INT(past), LONG(all_taps)),
        .tail_cols = y_h * y_w,
    });
}
