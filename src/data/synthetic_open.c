/* Synthetic sets by a spec: what each kind draws unless its options say otherwise. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/kinds.h"
#include <clgrad/sources.h>

static clg_status read_options(const clg_spec *s, clg_synthetic_params *p, double **w) {
    int64_t seed = 0;
    int n_w = 0;
    CLG_TRY(clg_spec_integer(s, "n", 1, INT32_MAX, &p->n));
    CLG_TRY(clg_spec_integer(s, "features", 1, INT32_MAX, &p->features));
    CLG_TRY(clg_spec_integer(s, "seed", 0, INT64_MAX, &seed));
    CLG_TRY(clg_spec_real(s, "noise", 0, 1e100, &p->noise));
    CLG_TRY(clg_spec_real(s, "margin", -1e100, 1e100, &p->margin));
    CLG_TRY(clg_spec_real(s, "flip", 0, 1, &p->flip));
    CLG_TRY(clg_spec_real(s, "b", -1e100, 1e100, &p->b));
    CLG_TRY(clg_spec_reals(s, "w", w, &n_w));
    p->seed = (uint64_t)seed;
    p->w = *w;
    p->n_w = n_w;
    return CLG_OK;
}

static clg_dataset *open_kind(const char *kind, const clg_spec *s, enum clg_part part, clg_synthetic_params p) {
    double *w = NULL;
    clg_dataset *all = read_options(s, &p, &w) < 0 ? NULL : clg_dataset_synthetic(kind, &p);
    clg_free(w);
    return clg_take_part(all, s, part);
}

clg_dataset *clg_open_linear(const clg_spec *s, enum clg_part part) {
    return open_kind("linear", s, part, (clg_synthetic_params){ .noise = 0.1 });
}

clg_dataset *clg_open_poly(const clg_spec *s, enum clg_part part) {
    return open_kind("poly", s, part, (clg_synthetic_params){ .noise = 0.2 });
}

clg_dataset *clg_open_xor(const clg_spec *s, enum clg_part part) {
    return open_kind("xor", s, part, (clg_synthetic_params){ .noise = 0.1 });
}

clg_dataset *clg_open_moons(const clg_spec *s, enum clg_part part) {
    return open_kind("moons", s, part, (clg_synthetic_params){ .noise = 0.1 });
}

clg_dataset *clg_open_clouds(const clg_spec *s, enum clg_part part) {
    return open_kind("clouds", s, part, (clg_synthetic_params){ .noise = 1, .margin = 0.5 });
}
