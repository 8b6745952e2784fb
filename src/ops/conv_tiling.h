/* The register tiles of the direct convolutions of class cpu (cl/conv_tile.clh): what their two kernels share. */
#ifndef CLG_OPS_CONV_TILING_H_
#define CLG_OPS_CONV_TILING_H_

#include "ops/conv_planes.h"

enum { CLG_PHASE_K0, CLG_PHASE_K1, CLG_PHASE_OZ, CLG_PHASE_OY, CLG_PHASE_OX, CLG_PHASE_NZ, CLG_PHASE_NY, CLG_PHASE_NX,
       CLG_PHASE_SIZE };

/** One launch: y[rows] = w[rows][k] planes[k]. */
typedef struct clg_conv_tiling {
    const clg_tensor *x, *w, *b, *y;  /* b: NULL for none */
    int32_t *taps, *phases;           /* n_taps pairs (offset in planes, offset in w); n_phases rows, largest first */
    int64_t n_taps, n_phases;
    int64_t N, groups, channels;      /* channels of x per group */
    int64_t M, depth;                 /* rows per group; largest NZ */
    int64_t w_group, w_row;
    int64_t y_size[3], step[3];       /* a plane of y; distance of the pixels of a phase in it */
    int64_t pitch;                    /* lanes from row to row, of planes and so of y */
    int64_t gaps;                     /* not 0: phase 0 alone, whose lines are so far apart; the other pixels are 0 */
    int64_t lead;                     /* zeros before each row of a band, beside its padding */
    int64_t lines, high;              /* largest NY, and how many a band has; 0: no bands */
} clg_conv_tiling;

typedef struct clg_conv_tile {
    int mr, nv;   /* rows; vectors of 16 lanes */
    double cost;  /* of all tiles */
} clg_conv_tile;

typedef struct clg_conv_work {
    int64_t rows, runs, lanes; /* `runs` runs of so many lanes each */
    double k, first;           /* taps; of these read lines that are not in the nearest cache yet */
    int most;                  /* rows of a tile at most */
    bool whole;                /* only tiles that divide a run, if any */
} clg_conv_work;

/** The tile with the least work; or that of knob "tile". */
clg_conv_tile clg_conv_choose_tile(clg_emit *e, const clg_conv_work *w);

/** The work of conv.direct_cpu for one plane of each channel of a group, on the scale of clg_conv_tile.cost. */
double clg_conv_direct_cost(const clg_conv_geom *g, const clg_device *d);

/** Rows of an output phase that one work-item makes at a time from padded rows of its own. p: the planes of all of x,
 *  before their layout. */
int64_t clg_conv_band_rows(clg_emit *e, const clg_conv_tiling *c, const clg_conv_planes *p);

/** Appends it by bands; p: the planes of one band. */
clg_status clg_conv_emit_bands(clg_emit *e, const clg_conv_tiling *c, const clg_conv_planes *p);

#endif /* CLG_OPS_CONV_TILING_H_ */
