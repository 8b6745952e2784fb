/* Zero-padded planes, the operand of the direct convolutions of class cpu; see cl/conv_pad.cl. */
#ifndef CLG_OPS_CONV_PLANES_H_
#define CLG_OPS_CONV_PLANES_H_

#include "ops/conv_shape.h"

typedef struct clg_conv_planes {
    /* what kernels want */
    int64_t in[3];         /* sizes of a source plane */
    int64_t pad[3];        /* zeros before its first element */
    int64_t step[3];       /* one phase plane holds every step-th element of the padded source */
    int64_t phases[3];     /* phases of each axis; phase p starts at element p * phase_step % step */
    int64_t phase_step[3];
    int64_t need[3];       /* entries that are addressed along each axis of a phase plane */
    int64_t lanes;         /* entries of a row that must not overlap the next row */
    /* the layout, by clg_conv_planes_layout() */
    int64_t rows[2];       /* slices of a plane, rows of a slice */
    int64_t pitch, size;   /* entries from row to row, from plane to plane */
    bool    direct;        /* the source has this layout itself: nothing to copy */
} clg_conv_planes;

/** Planes of x as a convolution reads them. */
clg_conv_planes clg_conv_input_planes(const clg_conv_geom *g);

/** Chooses rows, pitch and size; may_direct: the source may serve as it is, without zeros behind its end. */
void clg_conv_planes_layout(clg_conv_planes *p, bool may_direct);

/** Phase planes of a source plane. */
int64_t clg_conv_planes_count(const clg_conv_planes *p);

/** Where in the padded source each phase begins: rows of (z, y, x). */
clg_status clg_conv_phase_table(clg_emit *e, const clg_conv_planes *p, const clg_tensor **table);

/** Appends the making of the planes from n source planes and gives them in *out: scratch, or src itself if direct. */
clg_status clg_conv_emit_planes(clg_emit *e, const clg_conv_planes *p, const clg_tensor *src, int64_t n,
                                const clg_tensor **out);

/** Entry that tap t of channel c reads for output pixel 0, counted from the planes of channel 0. */
int64_t clg_conv_tap_entry(const clg_conv_geom *g, const clg_conv_planes *p, int64_t c, int64_t t);

/** Those of all channels of a group and their taps, as a table. */
clg_status clg_conv_offset_table(clg_emit *e, const clg_conv_geom *g, const clg_conv_planes *p,
                                 const clg_tensor **table);

#endif /* CLG_OPS_CONV_PLANES_H_ */
