/* Kernels as functions of a larger program: the text of a program in which nothing clashes with another one's. All
 * names that it declares at file scope get a number, by macros that end with it; macros that it defines end with it;
 * build options stand before it as macros; its kernels become functions whose first parameters are where the work-item
 * is.
 *
 * A kernel begins with "KERNEL name(" at the start of a line, other functions with "static" or "INLINE", types
 * with "typedef", constants with "enum {", as everywhere in cl/. */
#include "cl/internal.h"

#include "base/alloc.h"

#include <ctype.h>
#include <string.h>

/* Where a work-item is, in what get_global_id() and its like mean in a section. Work-groups have one item: its local
 * memory is as good as private, which functions may declare, and it waits for nobody. */
static const char item[] = "const size_t clg_i0, const size_t clg_i1, const size_t clg_i2, "
                           "const size_t clg_n0, const size_t clg_n1, const size_t clg_n2, uchar *const clg_work";
static const struct { const char *name, *params, *is; } meanings[] = {
    { "get_global_id", "(d)", "clg_i##d" }, { "get_group_id", "(d)", "clg_i##d" }, { "get_local_id", "(d)", "0" },
    { "get_global_size", "(d)", "clg_n##d" }, { "get_num_groups", "(d)", "clg_n##d" }, { "get_local_size", "(d)", "1" },
    { "barrier", "(flags)", "" }, { "__local", "", "__private" },
    { "CLG_WORK", "(type, name, n)", "type *const name = (type *)clg_work; "
                                     "typedef char clg_work_##name[sizeof(type) * (n) <= CLG_WORK_BYTES ? 1 : -1]" },
};

/* What depends on no options but the types of tensors, and declares names by macros: once for all sections. */
static const char *const shared[] = { "builtins.clh", "ew.clh", "ew_math.clh", "exp.clh", NULL };

typedef struct word { const char *at; size_t size; } word;
typedef struct words { word *w; int n, cap; } words;

typedef struct section {
    words macros, names;
    bool  failed;
} section;

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static bool has(const words *list, word w) {
    for (int i = 0; i < list->n; i++)
        if (list->w[i].size == w.size && memcmp(list->w[i].at, w.at, w.size) == 0) return true;
    return false;
}

static void add(section *s, words *list, word w) {
    if (w.size == 0 || has(list, w)) return;
    if (clg_grow(&list->w, &list->cap, list->n + 1, sizeof *list->w)) list->w[list->n++] = w;
    else s->failed = true;
}

static bool begins(const char *line, const char *with) { return strncmp(line, with, strlen(with)) == 0; }

static word word_at(const char *at) {
    word w = { at, 0 };
    while (is_word(at[w.size])) w.size++;
    return w;
}

/* The word that ends before `end`. */
static word word_before(const char *begin, const char *end) {
    while (end > begin && !is_word(end[-1])) end--;
    const char *at = end;
    while (at > begin && is_word(at[-1])) at--;
    return (word){ at, (size_t)(end - at) };
}

/* The name of the function that a line begins: before the first parenthesis that is not an attribute's. */
static word function_name(const char *line, const char *end) {
    for (const char *p = line; (p = memchr(p, '(', (size_t)(end - p))) != NULL;) {
        const word w = word_before(line, p);
        if (w.size != 13 || memcmp(w.at, "__attribute__", 13) != 0) return w;
        for (int depth = 0; p < end; p++) {
            depth += (*p == '(') - (*p == ')');
            if (depth == 0) break;
        }
    }
    return (word){ line, 0 };
}

static const char *find(const char *line, const char *end, const char *what) {
    const size_t size = strlen(what);
    for (const char *p = line; p + size <= end; p++)
        if (memcmp(p, what, size) == 0) return p;
    return NULL;
}

static word type_name(const char *line, const char *end) {
    const char *attribute = find(line, end, " __attribute__");
    if (end == line || end[-1] != ';') return (word){ line, 0 }; /* at its closing brace */
    return word_before(line, attribute ? attribute : end);
}

static void add_constants(section *s, const char *at) {
    for (at = strchr(at, '{'); at && *at && *at != '}'; at++) {
        if (*at != '{' && *at != ',') continue;
        while (at[1] && isspace((unsigned char)at[1])) at++;
        add(s, &s->names, word_at(at + 1));
    }
}

/* Notes what a line at file scope declares. */
static void scan_line(section *s, const char *line, const char *end) {
    if (*line == '#') {
        const char *p = line + 1;
        while (*p == ' ' || *p == '\t') p++;
        if (!begins(p, "define")) return;
        p += strlen("define");
        while (*p == ' ' || *p == '\t') p++;
        add(s, &s->macros, word_at(p));
    } else if (begins(line, "static ") || begins(line, "INLINE ") || begins(line, "KERNEL ")) {
        add(s, &s->names, function_name(line, end));
    } else if (begins(line, "typedef ") || begins(line, "} ")) {
        add(s, &s->names, type_name(line, end));
    } else if (begins(line, "enum ")) {
        add_constants(s, line);
    }
}

static const char *line_end(const char *line) {
    const char *end = strchr(line, '\n');
    return end ? end : line + strlen(line);
}

static void scan(section *s, const char *text) {
    for (const char *line = text; *line;) {
        const char *end = line_end(line);
        scan_line(s, line, end);
        line = *end ? end + 1 : end;
    }
}

static void end_macros(const words *list, clg_str *out) {
    for (int i = 0; i < list->n; i++) clg_str_printf(out, "#undef %.*s\n", (int)list->w[i].size, list->w[i].at);
}

/* "-DA=1 -DB" as macros, or their end. */
static void write_options(const char *options, bool end, clg_str *out) {
    for (const char *p = options; p && (p = strstr(p, "-D")) != NULL;) {
        const word name = word_at(p += 2);
        p += name.size;
        const size_t size = *p == '=' ? strcspn(p + 1, " ") : 0;
        if (end) clg_str_printf(out, "#undef %.*s\n", (int)name.size, name.at);
        else clg_str_printf(out, "#define %.*s %.*s\n", (int)name.size, name.at, size ? (int)size : 1,
                            size ? p + 1 : "1");
    }
}

static void write_text(const char *text, clg_str *out) {
    static const char kernel[] = "KERNEL ";
    for (const char *line = text; *line;) {
        const char *end = line_end(line);
        const char *paren = begins(line, kernel) ? memchr(line, '(', (size_t)(end - line)) : NULL;
        if (paren) {
            clg_str_add(out, "static inline __attribute__((always_inline)) void ");
            clg_str_add_bytes(out, line + strlen(kernel), (size_t)(paren + 1 - line) - strlen(kernel));
            clg_str_printf(out, "%s, ", item);
            line = paren + 1;
        }
        clg_str_add_bytes(out, line, (size_t)(end - line));
        clg_str_add(out, "\n");
        line = *end ? end + 1 : end;
    }
}

static void write_section(const section *s, const clg_source *src, const char *text, int number, clg_str *out) {
    const size_t n = sizeof meanings / sizeof *meanings;
    end_macros(&s->macros, out); /* of the prelude of the whole */
    clg_str_add(out, "#pragma OPENCL FP_CONTRACT DEFAULT\n");
    write_options(src->options, false, out);
    for (size_t i = 0; i < n; i++) clg_str_printf(out, "#define %s%s %s\n", meanings[i].name,
                                                       meanings[i].params, meanings[i].is);
    for (int i = 0; i < s->names.n; i++) {
        const word w = s->names.w[i];
        if (!has(&s->macros, w))
            clg_str_printf(out, "#define %.*s %.*s_%d\n", (int)w.size, w.at, (int)w.size, w.at, number);
    }
    write_text(text, out);
    for (size_t i = 0; i < n; i++) clg_str_printf(out, "#undef %s\n", meanings[i].name);
    write_options(src->options, true, out);
    end_macros(&s->names, out);
    end_macros(&s->macros, out);
}

clg_status clg_source_isolate(const clg_source *src, int number, clg_str *out) {
    clg_str text = { 0 };
    section s = { 0 };
    clg_source part = *src;
    part.without = shared;
    clg_status status = clg_source_expand(&part, &text);
    if (status >= 0 && text.failed) status = clg_fail_nomem("kernel source");
    if (status >= 0) {
        scan(&s, clg_str_text(&text));
        if (!s.failed) write_section(&s, src, clg_str_text(&text), number, out);
        if (s.failed || out->failed) status = clg_fail_nomem("kernel source");
    }
    clg_free(s.macros.w);
    clg_free(s.names.w);
    clg_str_free(&text);
    return status;
}
