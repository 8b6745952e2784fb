/* Megakernels: on class cpu, the kernels of a plan that follow each other become one program and one launch, as far as
 * they need no events between them. A launch costs a CPU implementation some microseconds and the waking of workers,
 * more than a small step takes; here workers go from step to step by themselves (cl/mega.clh), each on its own part of
 * the data as long as there is work there, and one that comes late misses a chunk and not a step. The functions are
 * those of the kernels (isolate.c), called for the same work-items, so the bits are the same. What each step is, with
 * its arguments, stands in a table, so that steps with the same kernel share its text.
 *
 * As with the persistent threads of Gupta et al. (2012), but that chunks are taken by who runs, as blocks take their
 * number in the scan of Merrill and Garland (2016): so nobody waits for a group that does not run. */
#include "plan/codegen.h"

#include "base/alloc.h"
#include "base/integer.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAST = 2,            /* steps that are worth it */
    MOST_ARG_BYTES = 960, /* of a kernel's arguments: a device must take 1024 */
    MOST_FUNCTIONS = 48,  /* of a program, which is compiled in one go by one thread */
    HEAD = 4, FIXED = 9,  /* words of the table: before the records; of a record before the arguments (cl/mega.clh) */
    MOST_REGIONS = 8,     /* whose counters are looked at when a step is nearly over */
    TICKET = 4,           /* place of that argument of the kernel */
    WORK_BYTES = 82176,   /* of CLG_WORK: the most that a kernel asks for, conv_expand.cl */
};

typedef struct function {
    int step, section; /* the first step that calls it */
} function;

/* Memory that is no arena. listed: it stays where it is, and the address is known and stands in the table; so it is no
 * argument, of which there may be few, and each takes time at every launch. */
typedef struct own {
    int  value;
    bool writes, listed;
} own;

struct clg_mega {
    int begin, end;       /* steps */
    own *values; int n_values, cap_values;
    int arg_bytes;        /* of those */
    bool lists_arenas;    /* whose addresses stand in the table as well */
    function *fn; int n_fn, cap_fn;
    int *of, cap_of;      /* by step: its function */
    int n_sections, width;
    clg_program *program;
    clg_kernel  *kernel;
    clg_buffer  *table, *state;
};

/* --- what goes together --- */

static bool is_eligible(const clg_step *s) {
    if (s->kind != CLG_STEP_KERNEL || s->queue > 0 || s->n_waits > 0 || s->forks) return false;
    if (s->local[0] != 1 || s->local[1] != 1 || s->local[2] != 1) return false;
    if (s->file && strcmp(s->file, "conv_gemm") == 0) return false; /* its kernels are made by a macro */
    for (int i = 0; i < s->n_args; i++) {
        const clg_step_arg *a = &s->args[i];
        if (a->kind == CLG_ARG_LOCAL) return false;
        if (a->kind == CLG_ARG_INT && (a->u.i < INT32_MIN || a->u.i > INT32_MAX)) return false; /* refused alone */
    }
    return true;
}

/* The arena that a buffer is; n_arenas: none. */
static int arena_of(const clg_plan *p, const clg_buffer *b) {
    int i = 0;
    while (i < p->n_arenas && p->arenas[i] != b) i++;
    return i;
}

static int find_value(const clg_mega *m, int value) {
    for (int i = 0; i < m->n_values; i++)
        if (m->values[i].value == value) return i;
    return -1;
}

/* Inputs and targets may become the application's memory, from any element on, and with them what lives in theirs. */
static bool stays(const clg_plan *p, int value) {
    const clg_value *v = &p->values[value], *m = &p->values[clg_value_mem(p, value)];
    const bool input = m->t->node && m->t->node->op == &clg_op_input;
    return !input && !v->keep && !m->keep && !m->import && !m->borrowed;
}

static int args_of(const own *o) { return o->listed ? 0 : 2; }

static bool knows_arenas(const clg_plan *p) {
    bool known = true;
    for (int i = 0; i < p->n_arenas; i++) known &= clg_buffer_address(p->arenas[i]) != NULL;
    return known;
}

static clg_status add_value(const clg_plan *p, clg_mega *m, const clg_step_arg *a) {
    if (!clg_arg_touches(a) || arena_of(p, p->values[a->value].buffer) < p->n_arenas) return CLG_OK;
    int i = find_value(m, a->value);
    if (i < 0) {
        if (!clg_grow(&m->values, &m->cap_values, m->n_values + 1, sizeof *m->values)) return clg_fail_nomem("plan");
        i = m->n_values++;
        const bool known = clg_buffer_address(p->values[a->value].buffer) != NULL;
        m->values[i] = (own){ .value = a->value, .listed = known && stays(p, a->value) };
        m->arg_bytes += 8 * args_of(&m->values[i]);
    }
    m->values[i].writes |= clg_arg_writes(a);
    return CLG_OK;
}

/* The function of a step, added if no step before calls it. */
static clg_status add_function(const clg_plan *p, clg_mega *m, int step) {
    const clg_step *s = &p->steps[step];
    int section = -1;
    if (!clg_grow(&m->of, &m->cap_of, step - m->begin + 1, sizeof *m->of)) return clg_fail_nomem("plan");
    for (int f = 0; f < m->n_fn; f++) {
        const clg_step *x = &p->steps[m->fn[f].step];
        if (!clg_step_shares(x, s)) continue;
        section = m->fn[f].section;
        m->of[step - m->begin] = f;
        if (strcmp(x->function, s->function) == 0) return CLG_OK;
    }
    if (!clg_grow(&m->fn, &m->cap_fn, m->n_fn + 1, sizeof *m->fn)) return clg_fail_nomem("plan");
    m->of[step - m->begin] = m->n_fn;
    m->fn[m->n_fn++] = (function){ .step = step, .section = section >= 0 ? section : m->n_sections++ };
    return CLG_OK;
}

static bool has_room(const clg_plan *p, const clg_mega *m, const clg_step *s) {
    return m->n_fn < MOST_FUNCTIONS && m->arg_bytes + 16 * (s->n_args + p->n_arenas + 2) <= MOST_ARG_BYTES;
}

/* Seconds of one core for a step, roughly. Costs stand at some steps of a unit: any other may be all of it. */
static double seconds_of(const clg_plan *p, int step) {
    const int unit = p->steps[step].unit;
    double most = 0;
    int first = step;
    while (unit >= 0 && first > p->n_prepared && p->steps[first - 1].unit == unit) first--;
    for (int i = first; i < p->n_steps && (i == step || p->steps[i].unit == unit); i++) {
        const double seconds = p->steps[i].flops / 50e9 + p->steps[i].bytes / 10e9;
        if (seconds > most) most = seconds;
    }
    return most;
}

/* Seconds of all cores for a run, of which a part is said to be more than it takes. */
static double seconds_of_run(const clg_plan *p) {
    const double units = p->caps->compute_units > 0 ? p->caps->compute_units : 1;
    return (p->info.flops / 50e9 + p->info.bytes_moved / 10e9) / units;
}

/* Takes steps from `begin` on, as many as can be. */
static clg_status gather(const clg_plan *p, clg_mega *m, int begin) {
    m->begin = m->end = begin;
    m->lists_arenas = knows_arenas(p);
    while (m->end < p->n_steps && is_eligible(&p->steps[m->end]) && has_room(p, m, &p->steps[m->end])) {
        const clg_step *s = &p->steps[m->end];
        for (int i = 0; i < s->n_args; i++) CLG_TRY(add_value(p, m, &s->args[i]));
        CLG_TRY(add_function(p, m, m->end++));
        if (FIXED + 2 * s->n_args > m->width) m->width = FIXED + 2 * s->n_args;
    }
    return CLG_OK;
}

/* --- the program --- */

/* What the call of a function passes for an argument, and its words in the table from word `at` on. */
static int write_arg(const clg_step_arg *a, int i, int at, clg_str *locals, clg_str *call) {
    switch (a->kind) {
    case CLG_ARG_INT:    clg_str_printf(locals, "    const int a%d = (int)r[%d];\n", i, at); break;
    case CLG_ARG_LONG:   clg_str_printf(locals, "    const long a%d = r[%d];\n", i, at); break;
    case CLG_ARG_FLOAT:  clg_str_printf(locals, "    const float a%d = as_float((int)r[%d]);\n", i, at); break;
    case CLG_ARG_DOUBLE: clg_str_printf(locals, "    const double a%d = as_double(r[%d]);\n", i, at); break;
    default:
        clg_str_printf(locals, "    __global void *a%d = (__global void *)memory[r[%d]];\n    const ulong a%d_off = "
                       "(ulong)r[%d];\n", i, at, i, at + 1);
        clg_str_printf(call, ", a%d, a%d_off", i, i);
        return at + 2;
    }
    clg_str_printf(call, ", a%d", i);
    return at + 1;
}

/* Axes of one item take no part in the count. */
static void write_function(const clg_plan *p, const clg_mega *m, int f, clg_str *out) {
    const clg_step *s = &p->steps[m->fn[f].step];
    clg_str locals = { 0 }, call = { 0 };
    int at = FIXED;
    for (int i = 0; i < s->n_args; i++) at = write_arg(&s->args[i], i, at, &locals, &call);
    clg_str_printf(out, "static inline __attribute__((always_inline)) void mega_call_%d(__global const long *r, "
                   "__global uchar *const *memory, uchar *const work, long first, const long end) {\n%s"
                   "    const size_t n0 = (size_t)r[MEGA_N0], n1 = (size_t)r[MEGA_N1], n2 = (size_t)r[MEGA_N2];\n"
                   "    const size_t row = (size_t)first / n0;\n"
                   "    size_t i0 = (size_t)first - row * n0, i2 = row / n1, i1 = row - i2 * n1;\n"
                   "    for (; first < end; first++) {\n"
                   "        %s_%d(i0, i1, i2, n0, n1, n2, work%s);\n"
                   "        if (++i0 < n0) continue;\n"
                   "        i0 = 0;\n"
                   "        if (++i1 < n1) continue;\n"
                   "        i1 = 0;\n"
                   "        i2++;\n"
                   "    }\n}\n", f, clg_str_text(&locals), s->function, m->fn[f].section, clg_str_text(&call));
    out->failed |= locals.failed || call.failed;
    clg_str_free(&locals);
    clg_str_free(&call);
}

static void write_calls(const clg_mega *m, clg_str *out) {
    clg_str_add(out, "static inline __attribute__((always_inline)) void mega_call(__global const long *r, "
                     "__global uchar *const *memory, uchar *const work, long first, long end) {\n"
                     "    switch ((int)r[MEGA_FN]) {\n");
    for (int f = 0; f < m->n_fn; f++)
        clg_str_printf(out, "    case %d: mega_call_%d(r, memory, work, first, end); break;\n", f, f);
    clg_str_add(out, "    default: break;\n    }\n}\n");
}

/* Where the addresses of values, and then of arenas, stand in the table. */
static int first_address(const clg_mega *m) { return HEAD + (m->end - m->begin) * m->width; }

/* What memory that values and arenas are is for the kernel: as records tell it by number. */
static void write_memory(const clg_plan *p, const clg_mega *m, clg_str *out) {
    const int at = first_address(m);
    clg_str_add(out, "    __global uchar *memory[] = {");
    for (int i = 0; i < m->n_values; i++) {
        const own *o = &m->values[i];
        if (o->listed) clg_str_printf(out, "(__global uchar *)table[%d], ", at + i);
        else clg_str_printf(out, "(__global uchar *)(v%d + v%d_off), ", i, i);
    }
    for (int i = 0; i < p->n_arenas; i++)
        if (m->lists_arenas) clg_str_printf(out, "(__global uchar *)table[%d], ", at + m->n_values + i);
        else clg_str_printf(out, "m%d + m%d_off, ", i, i);
    clg_str_add(out, "0};\n");
}

static void write_kernel(const clg_plan *p, const clg_mega *m, clg_str *out) {
    clg_str_add(out, "__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void mega(__global const long *plan, "
                     "const ulong plan_off, __global int *state, const ulong state_off, const int ticket");
    for (int i = 0; i < m->n_values; i++) {
        const own *o = &m->values[i];
        if (o->listed) continue;
        clg_str_printf(out, ", __global %s%s *v%d, const ulong v%d_off", o->writes ? "" : "const ",
                       clg_gen_memory_type(p->values[o->value].t->dtype), i, i);
    }
    for (int i = 0; i < p->n_arenas && !m->lists_arenas; i++)
        clg_str_printf(out, ", __global uchar *m%d, const ulong m%d_off", i, i);
    clg_str_add(out, ") {\n    __global const long *table = plan + plan_off;\n");
    write_memory(p, m, out);
    clg_str_add(out, "    mega_run(table, state + state_off, ticket, memory);\n}\n");
}

/* One section for the steps that share a program. */
static clg_status write_sections(const clg_plan *p, const clg_mega *m, clg_str *out) {
    clg_str generated = { 0 };
    clg_status status = CLG_OK;
    clg_generated_source(p, &generated);
    if (generated.failed) CLG_TRY_END(clg_fail_nomem("kernel source"));
    for (int f = 0, section = 0; f < m->n_fn; f++) {
        clg_source src;
        clg_str kernels = { 0 };
        if (m->fn[f].section != section) continue;
        status = clg_step_source(p, m->fn[f].step, m->end, clg_str_text(&generated), &kernels, &src);
        if (status >= 0) status = clg_source_isolate(&src, section++, out);
        clg_str_free(&kernels);
        CLG_TRY_END(status);
    }
end:
    clg_str_free(&generated);
    return status;
}

/* What all sections have before them: for the types of tensors that there are. */
static void write_prelude(const clg_plan *p, const clg_mega *m, clg_str *out) {
    unsigned types = p->generated_types | 1u << CLG_F32;
    for (int i = m->begin; i < m->end; i++)
        for (int k = 0; k < p->steps[i].n_args; k++)
            if (clg_arg_touches(&p->steps[i].args[k])) types |= 1u << p->values[p->steps[i].args[k].value].t->dtype;
    for (int t = 0; t < CLG_DTYPE_COUNT; t++)
        if (types & 1u << t) clg_str_printf(out, "#define EW_HAS_%s\n", clg_dtype_name((clg_dtype)t));
    clg_str_printf(out, "#define CLG_WORK_BYTES %d\n#include \"ew.clh\"\n#pragma OPENCL FP_CONTRACT OFF\n"
                   "#include \"ew_math.clh\"\n", WORK_BYTES);
}

static clg_status build(const clg_plan *p, clg_mega *m) {
    clg_str text = { 0 };
    clg_status status = CLG_OK;
    write_prelude(p, m, &text);
    CLG_TRY_END(write_sections(p, m, &text));
    clg_str_printf(&text, "#define MEGA_WIDTH %d\n#define MEGA_LINE %d\n#define MEGA_DOORS %d\n#define MEGA_TAG %d\n"
                   "#include \"mega.clh\"\n", m->width, CLG_STAY_LINE, CLG_STAY_DOORS, CLG_STAY_TAG);
    for (int f = 0; f < m->n_fn; f++) write_function(p, m, f, &text);
    write_calls(m, &text);
    write_kernel(p, m, &text);
    if (text.failed) CLG_TRY_END(clg_fail_nomem("kernel source"));
    clg_log_msg(CLG_LOG_DEBUG, "megakernel of steps %d to %d: %d functions, %zu bytes of source", m->begin, m->end - 1,
                m->n_fn, text.size);
    const clg_source src = { .name = "megakernel", .text = clg_str_text(&text), .options = "" };
    status = clg_program_get(p->device, &src, &m->program);
end:
    clg_str_free(&text);
    return status;
}

/* --- the table --- */

static int64_t bits_of(const clg_step_arg *a) {
    int64_t bits = a->u.i;
    if (a->kind == CLG_ARG_FLOAT) {
        const float f = (float)a->u.f;
        int32_t word;
        memcpy(&word, &f, sizeof word);
        bits = word;
    } else if (a->kind == CLG_ARG_DOUBLE) {
        memcpy(&bits, &a->u.f, sizeof bits);
    }
    return bits;
}

/* The words of a step's arguments: of memory, which and the offset in elements. */
static void fill_args(const clg_plan *p, const clg_mega *m, const clg_step *s, int64_t *to) {
    for (int i = 0; i < s->n_args; i++) {
        const clg_step_arg *a = &s->args[i];
        if (!clg_arg_touches(a)) {
            *to++ = bits_of(a);
            continue;
        }
        const clg_value *v = &p->values[a->value];
        const int at = find_value(m, a->value);
        *to++ = at >= 0 ? at : m->n_values + arena_of(p, v->buffer);
        *to++ = at >= 0 ? 0 : (int64_t)v->offset;
    }
}

/* Some chunks for each compute unit, so that the last ones end at about the same time, and none so long that the others
 * would not wait for it; but a chunk costs a fraction of a microsecond, and a very short step is one. */
static int64_t chunks_of(const clg_plan *p, int step, int64_t items) {
    const int64_t units = p->caps->compute_units > 0 ? p->caps->compute_units : 1;
    const double wanted = seconds_of(p, step) / 15e-6, least = 1e-6;
    int64_t n = wanted < 4.0 * (double)units ? 4 * units : wanted > 32.0 * (double)units ? 32 * units : (int64_t)wanted;
    if (units == 1 || seconds_of(p, step) < least) n = 1;
    return items < n ? items : n;
}

/* More than there are workers, who take several at once: PoCL 3.1 gives the first one all of a few. */
static int groups_of(const clg_plan *p) { return p->caps->compute_units > 1 ? 4 * p->caps->compute_units : 1; }

/* How many runs one command does at most: the device is not kept longer from what other queues have for it. */
static int runs_of(const clg_plan *p) {
    const double most = 20e-3, runs = most / seconds_of_run(p);
    return runs < 1e6 ? (int)runs : 1000000;
}

/* How often a group looks whether a step may begin, some 10 ns each, before it leaves the rest to others: the longest
 * that a chunk before it may take, on a core some times slower than the model's, and a while for a worker that the
 * system has put aside. One that leaves too early leaves its core idle until the end. */
static int64_t looks_for(double longest) {
    const double a_while = 200e-6, times = 4, most = 1e9, looks = (a_while + times * longest) / 10e-9;
    return looks < most ? (int64_t)looks : (int64_t)most;
}

static int regions_of(const clg_plan *p) {
    const int units = p->caps->compute_units;
    return units < 1 ? 1 : units > MOST_REGIONS ? MOST_REGIONS : units;
}

/* As kernels see the first element. */
static int64_t address_of(const clg_value *v) {
    return (int64_t)((intptr_t)clg_buffer_address(v->buffer) + (intptr_t)(v->offset * clg_dtype_size(v->t->dtype)));
}

static void fill_table(const clg_plan *p, const clg_mega *m, int64_t *t) {
    const int steps = m->end - m->begin;
    double longest = 0; /* of the chunks of a step before */
    for (int i = 0; i < steps; i++) {
        const clg_step *s = &p->steps[m->begin + i];
        const int64_t n[3] = { (int64_t)s->global[0], (int64_t)s->global[1], (int64_t)s->global[2] };
        const int64_t items = n[0] * n[1] * n[2], per = clg_div_up(items, chunks_of(p, m->begin + i, items));
        const int64_t chunks = clg_div_up(items, per);
        int64_t *r = t + HEAD + (int64_t)i * m->width;
        memcpy(r, (const int64_t[FIXED]){ i, m->of[i], items, per, chunks, n[0], n[1], n[2],
                                          looks_for(longest) }, FIXED * sizeof *r);
        fill_args(p, m, s, r + FIXED);
        const double chunk = seconds_of(p, m->begin + i) / (double)chunks;
        if (chunk > longest) longest = chunk;
    }
    for (int i = 0; i < m->n_values; i++)
        if (m->values[i].listed) t[first_address(m) + i] = address_of(&p->values[m->values[i].value]);
    for (int i = 0; i < p->n_arenas && m->lists_arenas; i++)
        t[first_address(m) + m->n_values + i] = (int64_t)(intptr_t)clg_buffer_address(p->arenas[i]);
    t[0] = steps;
    t[1] = regions_of(p);
    t[2] = groups_of(p);
    t[3] = looks_for(longest);
}

static clg_status make_table(const clg_plan *p, clg_mega *m) {
    const int steps = m->end - m->begin;
    const size_t words = (size_t)(first_address(m) + m->n_values + p->n_arenas);
    int64_t *t = clg_calloc(words, sizeof *t);
    if (!t) return clg_fail_nomem("megakernel");
    fill_table(p, m, t);
    clg_status status = clg_buffer_create(p->device, words * sizeof *t, "table of a megakernel", &m->table);
    if (status >= 0) status = clg_buffer_write(m->table, 0, CLG_I64, t, words);
    clg_free(t);
    if (status < 0) return status;
    const size_t counts = (size_t)(CLG_STAY_WORDS + steps * (1 + regions_of(p)));
    return clg_buffer_create_shared(p->device, counts * sizeof(int32_t), "state of a megakernel", &m->state);
}

/* --- binding --- */

/* The kernel is told what stands in the table. */
static clg_status tell_addresses(const clg_plan *p, clg_mega *m) {
    int n = 0;
    clg_buffer **b = clg_calloc((size_t)(m->n_values + p->n_arenas + 1), sizeof(clg_buffer *));
    if (!b) return clg_fail_nomem("megakernel");
    for (int i = 0; i < m->n_values; i++)
        if (m->values[i].listed) b[n++] = p->values[m->values[i].value].buffer;
    for (int i = 0; i < p->n_arenas && m->lists_arenas; i++) b[n++] = p->arenas[i];
    const clg_status status = clg_kernel_uses(m->kernel, b, n);
    clg_free(b);
    return status;
}

static clg_status bind(const clg_plan *p, clg_mega *m) {
    int n = 0;
    const size_t one = 1, groups = (size_t)groups_of(p);
    clg_bind *b = clg_calloc((size_t)(3 + m->n_values + p->n_arenas), sizeof *b);
    char (*name)[16] = clg_calloc((size_t)(m->n_values + p->n_arenas + 1), sizeof *name);
    clg_status status = CLG_OK;
    if (!b || !name) CLG_TRY_END(clg_fail_nomem("megakernel"));
    b[n++] = (clg_bind){ .kind = CLG_BIND_BUFFER, .name = "plan", .is_const = true, .buffer = m->table };
    b[n++] = (clg_bind){ .kind = CLG_BIND_BUFFER, .name = "state", .buffer = m->state };
    b[n++] = (clg_bind){ .kind = CLG_BIND_INT, .name = "ticket", .i = -1 };
    for (int i = 0; i < m->n_values; i++) {
        const own *o = &m->values[i];
        const clg_value *v = &p->values[o->value];
        if (o->listed) continue;
        snprintf(name[i], sizeof name[i], "v%d", i);
        b[n++] = (clg_bind){ .kind = CLG_BIND_BUFFER, .name = name[i], .is_const = !o->writes, .buffer = v->buffer,
                             .offset = v->offset };
    }
    for (int i = 0; i < p->n_arenas && !m->lists_arenas; i++) {
        snprintf(name[m->n_values + i], sizeof *name, "m%d", i);
        b[n++] = (clg_bind){ .kind = CLG_BIND_BUFFER, .name = name[m->n_values + i], .buffer = p->arenas[i] };
    }
    CLG_TRY_END(clg_kernel_create(m->program, "mega", b, n, &m->kernel));
    CLG_TRY_END(tell_addresses(p, m));
    CLG_TRY_END(clg_kernel_stays(m->kernel, m->state, TICKET, runs_of(p)));
    status = clg_kernel_set_range(m->kernel, (const size_t[3]){ groups, one, one }, (const size_t[3]){ one, one, one });
end:
    clg_free(name);
    clg_free(b);
    return status;
}

clg_status clg_mega_rebind(const clg_plan *p, clg_mega *m, int mem) {
    for (int i = 0, at = TICKET + 1; i < m->n_values; at += args_of(&m->values[i++])) {
        const clg_value *v = &p->values[m->values[i].value];
        if (clg_value_mem(p, m->values[i].value) != mem || m->values[i].listed) continue;
        CLG_TRY(clg_kernel_set_buffer(m->kernel, at, v->buffer, v->offset));
    }
    return CLG_OK;
}

static void destroy(clg_mega *m) {
    if (!m) return;
    clg_kernel_destroy(&m->kernel);
    clg_program_release(&m->program);
    clg_buffer_destroy(&m->table);
    clg_buffer_destroy(&m->state);
    clg_free(m->values);
    clg_free(m->fn);
    clg_free(m->of);
    clg_free(m);
}

void clg_plan_mega_drop(clg_plan *p) {
    for (int i = p->n_steps - 1; i >= p->n_prepared; i--) { /* its first step is the last one that looks at it */
        if (p->steps[i].mega && p->steps[i].mega->begin == i) destroy(p->steps[i].mega);
        p->steps[i].mega = NULL;
    }
}

/* --- when --- */

/* Steps so short that launches are a good part of the run. PoCL 3.1 on two cores, both ways by turns: 40 % less time
 * for one picture by LeNet or an MLP, 10 to 15 % for training those in batches of 64 and 256, 30 % for inference by
 * LeNet in batches of 64, 15 % for one picture by MobileNetV2 (180 us a step by this model of a slow core) and for
 * eight (1440 us), 10 % for one by ResNet-18 (890 us), 1 % for training the CIFAR net in batches of 64 (2400 us), whose
 * process then takes 61 MB and not 75. Behind that, plans that share kernels had better share their programs. But of one
 * plan one program is compiled in half the time of many small ones: LeNet's training in 8 seconds and not in 14.
 *
 * A plan of one kernel has no launches to save but those between its runs (resident.c): 15 of 85 us for a product of
 * 256. Below a few microseconds it is not worth a program of its own. */
static bool is_short(const clg_plan *p) {
    const double most = 2.5e-3, alone = 5e-5;
    const bool worth = p->info.n_kernels >= LEAST || (p->info.n_steps == 1 && seconds_of_run(p) >= alone);
    return worth && seconds_of_run(p) < most * p->info.n_kernels;
}

static clg_status mode_of(const clg_plan *p, enum clg_mega_mode *mode) {
    const char *text = getenv("CLGRAD_MEGA");
    *mode = p->params.mega;
    if (*mode < CLG_MEGA_AUTO || *mode > CLG_MEGA_ON)
        return clg_fail(CLG_ERR_INVALID, "clg_compile: mega %d is none of CLG_MEGA_AUTO, _OFF, _ON", (int)*mode);
    if (*mode != CLG_MEGA_AUTO || !text || !*text || strcmp(text, "auto") == 0) return CLG_OK;
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return clg_fail(CLG_ERR_INVALID, "CLGRAD_MEGA=%s: is none of auto, on, off", text);
    *mode = strcmp(text, "on") == 0 ? CLG_MEGA_ON : CLG_MEGA_OFF;
    return CLG_OK;
}

static clg_status is_wanted(const clg_plan *p, bool *wanted) {
    enum clg_mega_mode mode;
    enum clg_replay replay;
    CLG_TRY(mode_of(p, &mode));
    CLG_TRY(clg_plan_replay_mode(p, &replay));
    *wanted = mode != CLG_MEGA_OFF && !p->caps->ref && p->caps->cls == CLG_CLASS_CPU && p->n_queues <= 1;
    if (mode == CLG_MEGA_AUTO)
        *wanted &= !p->caps->profiling && replay != CLG_REPLAY_ON && !clg_plan_candidate(p) && is_short(p);
    return CLG_OK;
}

static clg_status make(clg_plan *p, int begin, int *end) {
    clg_status status = CLG_OK;
    clg_mega *m = clg_calloc(1, sizeof *m);
    if (!m) return clg_fail_nomem("megakernel");
    CLG_TRY_END(gather(p, m, begin));
    *end = m->end;
    if (m->end == begin || (m->end - begin < LEAST && p->info.n_steps > 1)) goto end;
    CLG_TRY_END(build(p, m));
    CLG_TRY_END(make_table(p, m));
    CLG_TRY_END(bind(p, m));
    for (int i = m->begin; i < m->end; i++) p->steps[i].mega = m;
    return CLG_OK;
end:
    destroy(m);
    return status;
}

/* Without them a plan runs as well. */
static void give_up(clg_plan *p) {
    clg_log_msg(CLG_LOG_WARN, "a plan is run step by step, without a megakernel: %s", clg_error());
    clg_plan_mega_drop(p);
}

clg_status clg_plan_mega_make(clg_plan *p) {
    clg_error_state before;
    clg_status status = CLG_OK;
    bool wanted;
    CLG_TRY(is_wanted(p, &wanted));
    clg_error_save(&before);
    for (int i = p->n_prepared; wanted && i < p->n_steps && status >= 0;) {
        int end = i;
        status = make(p, i, &end);
        i = end > i ? end : i + 1;
    }
    if (status == CLG_ERR_DEVICE) return status;
    if (status < 0) give_up(p);
    clg_error_restore(&before);
    return CLG_OK;
}

bool clg_plan_mega_launched(const clg_mega *m) { return clg_kernel_launched(m->kernel); }

clg_status clg_plan_mega_run(clg_plan *p, int i, int *next) {
    const clg_mega *m = p->steps[i].mega;
    *next = i;
    if (!m || m->begin != i) return CLG_OK;
    const int end = m->end;
    const clg_status status = clg_steps_run(p, m->begin, end, m->kernel);
    if (status >= 0) *next = end;
    if (status >= 0 || status == CLG_ERR_DEVICE || clg_kernel_launched(m->kernel)) return status;
    give_up(p); /* a driver may refuse a kernel at its first launch */
    p->unbound = true; /* until they are */
    CLG_TRY(clg_plan_bind_kernels(p));
    p->unbound = false;
    return CLG_OK;
}

int clg_plan_mega_steps(const clg_plan *p) {
    int n = 0;
    for (int i = p->n_prepared; i < p->n_steps; i++) n += p->steps[i].mega != NULL;
    return n;
}

int clg_plan_mega_launches(const clg_plan *p) {
    int n = 0;
    for (int i = p->n_prepared; i < p->n_steps; i++) n += p->steps[i].mega && p->steps[i].mega->begin == i;
    return n;
}
