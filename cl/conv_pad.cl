/* Zero-padded planes in memory, split into the phases of a stride, for the convolutions of class cpu. A work-item
 * owns a run of rows of one phase of one plane (the last run also what follows up to the plane's size). */
#include "clg.clh"
#include "conv_pad.clh"

/* Phase f begins at element phases[3 f ..] of the padded source. */
KERNEL pad_planes(IN(x), OUT(xp), IN_T(int, phases), const int n_phases, const int in_d, const int in_h,
                  const int in_w, const int pad_d, const int pad_h, const int pad_w, const int step_d,
                  const int step_h, const int step_w, const int rows, const int height, const int pitch,
                  const int size, const int rows_per_item) {
    const int row0 = get_global_id(0) * rows_per_item, row1 = min(rows, row0 + rows_per_item);
    const size_t plane = get_global_id(1);
    const int f = plane % n_phases;
    const int end = row1 == rows ? size : min(size, row1 * pitch);
    pad_rows(AT(x, plane / n_phases * ((size_t)in_d * in_h * in_w)), AT(xp, plane * size), row0, row1, end, height,
             pitch, in_d, in_h, in_w, LOAD(phases, 3 * f) - pad_d, LOAD(phases, 3 * f + 1) - pad_h,
             LOAD(phases, 3 * f + 2) - pad_w, step_d, step_h, step_w);
}
