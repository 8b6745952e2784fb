/* Softmax and its statistics by the kernels of class gpu (cl/softmax.cl). */
#include "base/integer.h"
#include "ops/move.h"
#include "ops/softmax.h"
#include "ops/team.h"

enum { SHORT = 32,                     /* fewer classes are a work-item's */
       BUSY = 1024, LEAST = 4096, MOST = 64 }; /* parts: until there are so many groups, of so many classes; at most */

/* Parts of the classes of a position, by the shape alone. */
static int64_t parts_of(const clg_softmax_form *f) {
    const int64_t parts = clg_min64(clg_min64(clg_div_up(BUSY, f->n), f->classes / LEAST), MOST);
    return parts > 1 ? parts : 1;
}

static clg_status emit_items(clg_emit *e, const clg_tensor *x, const clg_tensor *y, const clg_softmax_form *f,
                             const char *options) {
    const int64_t n = f->n, classes = f->classes, inner = f->inner;
    const size_t group = (size_t)clg_team_group(clg_emit_device(e), CLG_TEAM_GROUP);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "softmax.items", .options = options, .global = { (size_t)n, 1, 1 }, .local = { group, 1, 1 },
        .args = ARGS(IN(x), OUT(y), INT(n), INT(classes), INT(inner)) });
}

clg_status clg_softmax_emit_gpu(clg_emit *e, const clg_tensor *x, const clg_tensor *out, const clg_softmax_form *f,
                                bool statistics, const char *options) {
    if (f->inner > 1 || f->classes < SHORT) return emit_items(e, x, out, f, options);
    const int64_t n = f->n, classes = f->classes, part_len = clg_div_up(classes, parts_of(f));
    const int64_t parts = clg_div_up(classes, part_len);
    const clg_team t = clg_team_of(clg_emit_device(e), n * parts, part_len, x->dtype == CLG_F32);
    const clg_tensor *const known = parts > 1 ? clg_emit_scratch(e, x->dtype, CLG_SHAPE(parts, 2, n)) : NULL;
    const clg_tensor *y = parts > 1 ? known : out;
    const char *const all = clg_team_options(e, &t, parts > 1 ? clg_emit_options(e, "%s -DPARTIAL=1", options)
                                                                 : options);
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "softmax.tree", .options = all, .local = { (size_t)t.group, 1, 1 },
        .global = { (size_t)clg_team_items(&t, n), (size_t)parts, 1 },
        .args = ARGS(IN(x), OUT(y), INT(n), INT(classes), INT(part_len)) }));
    if (parts == 1) return CLG_OK;
    y = out;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "softmax.spread", .options = all, .local = { (size_t)t.group, 1, 1 },
        .global = { (size_t)(statistics ? n : n * t.group), statistics ? 1 : (size_t)parts, 1 },
        .args = ARGS(IN(x), IN(known), OUT(y), INT(n), INT(classes), INT(part_len), INT(parts)) });
}
