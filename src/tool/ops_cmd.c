/* clgrad ops: the table of operations, for people and as docs/ops.md. All of it comes from the rows and their cases. */
#include "check/check.h"
#include "tool/tool.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* A row with what its cases say of it. */
typedef struct entry {
    clg_op_info info;
    int  index, cases;
    int  k;                     /* the largest bound of its cases, in eps; -1: no case compares reals */
    bool exact, small, random;  /* integers agree in every bit; k counts from the largest result; draws numbers */
} entry;

static int read_entry(int i, entry *e) {
    const clg_case *c;
    *e = (entry){.index = i, .k = -1};
    if (clg_op_get_info(i, &e->info) < 0) return clg_tool_fail();
    for (int n = 0; (c = clg_case_at(e->info.name, n)) != NULL; n++) {
        if (c->flags & (CLG_CASE_BENCH | CLG_CASE_MIXED)) continue;
        e->cases++;
        e->exact = e->exact || c->flags & CLG_CASE_EXACT;
        e->small = e->small || c->flags & CLG_CASE_SMALL;
        e->random = e->random || c->flags & CLG_CASE_RANDOM;
        if (c->k > e->k) e->k = c->k;
    }
    return CLG_EXIT_OK;
}

/* --- what an entry says --- */

static const char *gradient_of(const entry *e) {
    if (*e->info.gradient) return e->info.gradient;
    return e->info.differentiable ? "see its expansion" : "none";
}

static void print_bound(FILE *to, const entry *e) {
    if (e->k < 0) fprintf(to, "no case");
    else if (e->k == 0) fprintf(to, "exact");
    else fprintf(to, "%s%d eps %s", e->exact ? "exact for small integers, else " : "", e->k,
                 e->small ? "of the largest result" : "max(1, |y|)");
}

/* quote: what stands around names of implementations. */
static void print_kernels(FILE *to, const entry *e, const char *quote) {
    const char *impl;
    if (e->info.composite) fprintf(to, "composite: the ops that it expands to");
    else if (e->info.elementwise) fprintf(to, "generated, fused with its neighbours");
    else if (!clg_op_impl(e->index, 0)) fprintf(to, "none of its own");
    else
        for (int k = 0; (impl = clg_op_impl(e->index, k)) != NULL; k++)
            fprintf(to, "%s%s%s%s", k ? ", " : "", quote, impl, quote);
}

static const char *bits_of(const entry *e) {
    return e->random ? "the same for the same seed and step" : "the same in every run";
}

/* --- for people --- */

static void print_row(FILE *to, const entry *e) {
    fprintf(to, "  %-18s %s\n", e->info.name, e->info.formula);
}

static void print_entry(FILE *to, const entry *e) {
    fprintf(to, "%s (%s)\n  formula   %s\n  shapes    %s\n  gradient  %s\n  kernels   ", e->info.name, e->info.family,
            e->info.formula, e->info.shapes, gradient_of(e));
    print_kernels(to, e, "");
    fprintf(to, "\n  bits      %s\n  bound     ", bits_of(e));
    print_bound(to, e);
    fprintf(to, "\n  cases     %d: clgrad doctor --op %s\n", e->cases, e->info.name);
}

/* --- docs/ops.md --- */

static const char intro[] =
    "# Operations\n"
    "\n"
    "<!-- Generated from the table of ops; do not edit. To make it again: clgrad ops --markdown > docs/ops.md -->\n"
    "\n"
    "Every operation is one row of a table, and this page is printed from it, as are the checks: `clgrad doctor` runs\n"
    "all of them on your device, `clgrad ops NAME` prints one entry. The builder of an op `name` is `clg_name()`, in\n"
    "`include/clgrad/ops_*.h`, with its arguments. Where there is no such function the row is a part of another one:\n"
    "`..._bwd`, `place`, `axis_map`, `first_max` and `first_min` belong to gradients, `cast_...`, `..._int` and\n"
    "`argsort` to `clg_cast()`, `clg_div()`, `clg_abs()`, `clg_remainder()` and `clg_sort()`, `convolve` is "
    "`clg_conv()`\nwith `.flip`, and `variable` is what `clg_param()` and `clg_state()` give.\n"
    "\n"
    "- **Shapes** name the sizes: N batch, C and O channels, S a spatial axis; `...` any further axes.\n"
    "- **Gradient**: gy is the gradient of the result, gx that of operand x. *none*: the op is constant\n"
    "  almost everywhere, or its operands are no floats; what depends on them through it has the gradient 0.\n"
    "- **Kernels**: the implementations, the device's default first among those that suit it. A *composite* is built\n"
    "  from other ops; a *generated* one is fused with its elementwise neighbours into one kernel.\n"
    "- **Bits**: no op adds floating-point numbers in an order that varies, so that results repeat bit for bit.\n"
    "- **Bound**: the largest error that its cases allow against the reference in double: *exact*, or k eps with\n"
    "  eps = 2^-23 in f32 (2^-52 in f64); k grows with the number of terms, here of the largest case.\n";

static void print_code(FILE *to, const char *label, const char *text) {
    if (*text) fprintf(to, "- %s: `%s`\n", label, text);
}

static void print_markdown(FILE *to, const entry *e) {
    fprintf(to, "\n### %s\n\n", e->info.name);
    print_code(to, "Formula", e->info.formula);
    print_code(to, "Shapes", e->info.shapes);
    if (*e->info.gradient) print_code(to, "Gradient", e->info.gradient);
    else fprintf(to, "- Gradient: %s\n", gradient_of(e));
    fprintf(to, "- Kernels: ");
    print_kernels(to, e, "`");
    fprintf(to, "\n- Bits: %s\n- Bound: ", bits_of(e));
    print_bound(to, e);
    fprintf(to, "\n");
}

/* --- the walk: family by family, each where its first row stands --- */

typedef struct listing {
    FILE       *to;
    const char *only; /* glob; NULL: all */
    bool        markdown;
    int         seen;
} listing;

static bool first_of_family(int i, const char *family) {
    clg_op_info info;
    for (int j = 0; j < i; j++)
        if (clg_op_get_info(j, &info) == CLG_OK && strcmp(info.family, family) == 0) return false;
    return true;
}

static int list_family(listing *l, const char *family) {
    bool titled = false;
    for (int i = 0; i < clg_op_count(); i++) {
        entry e;
        const int code = read_entry(i, &e);
        if (code) return code;
        if (strcmp(e.info.family, family) != 0 || (l->only && fnmatch(l->only, e.info.name, 0) != 0)) continue;
        if (!titled && (l->markdown || !l->only))
            fprintf(l->to, l->markdown ? "\n## %s\n" : l->seen ? "\n%s\n" : "%s\n", family);
        titled = true;
        if (l->markdown) print_markdown(l->to, &e);
        else if (l->only) print_entry(l->to, &e);
        else print_row(l->to, &e);
        l->seen++;
    }
    return CLG_EXIT_OK;
}

int clg_cmd_ops(int argc, char **argv) {
    const char *name[2] = {NULL, NULL};
    listing l = {.to = stdout};
    const clg_opt options[] = {
        {CLG_OPT_FLAG, "markdown", NULL, &l.markdown, "print the page docs/ops.md"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {
        "clgrad ops [NAME] [--markdown]",
        "Lists the operations with their formulas. With a NAME, which may be a glob such\n"
        "as 'conv*': shapes, gradient, kernels and the bound of the checks as well.",
        options, "Examples:\n  clgrad ops conv\n  clgrad ops --markdown > docs/ops.md\n", name, 1};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    l.only = name[0];
    if (l.markdown) fputs(intro, l.to);
    code = CLG_EXIT_OK;
    for (int i = 0; i < clg_op_count() && code == CLG_EXIT_OK; i++) {
        clg_op_info info;
        if (clg_op_get_info(i, &info) < 0) return clg_tool_fail();
        if (first_of_family(i, info.family)) code = list_family(&l, info.family);
    }
    if (code == CLG_EXIT_OK && !l.seen) return clg_tool_error(CLG_EXIT_USAGE, "ops: no op is called %s", l.only);
    if (code == CLG_EXIT_OK && fflush(l.to) != 0) return clg_tool_error(CLG_EXIT_FILE, "ops: cannot write");
    return code;
}
