/* Options of the subcommands: one table makes the parser and the --help text. Also the words for failing. */
#include "tool/tool.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- failing --- */

int clg_tool_exit(clg_status s) {
    if (s >= 0) return CLG_EXIT_OK;
    if (s == CLG_ERR_DEVICE) return CLG_EXIT_DEVICE;
    return s == CLG_ERR_IO || s == CLG_ERR_FORMAT ? CLG_EXIT_FILE : CLG_EXIT_FAILED;
}

int clg_tool_fail(void) {
    clg_progress_note(NULL);
    fprintf(stderr, "clgrad: %s\n", clg_error());
    const int code = clg_tool_exit(clg_error_status());
    return code == CLG_EXIT_OK ? CLG_EXIT_FAILED : code;
}

int clg_tool_fail_usage(void) {
    const int code = clg_tool_fail();
    return clg_error_status() == CLG_ERR_INVALID ? CLG_EXIT_USAGE : code;
}

int clg_tool_error(int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    clg_progress_note(NULL);
    fputs("clgrad: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

/* --- help --- */

enum { HELP_COLUMN = 26, HELP_WIDTH = 80 };

/* Text that may have several lines, each from the help column on; the first line begins at column `at`. */
static void print_column(const char *text, int at) {
    for (;;) {
        const int n = (int)strcspn(text, "\n");
        printf("%*s%.*s\n", at < HELP_COLUMN ? HELP_COLUMN - at : 0, "", n, text);
        if (text[n] == 0) return;
        text += n + 1;
        at = 0;
    }
}

/* Appends " (default X)" to the help of an option that has one. */
static void default_text(const clg_opt *o, char *to, size_t size) {
    to[0] = 0;
    if (o->kind == CLG_OPT_INT && *(int64_t *)o->value != 0)
        snprintf(to, size, " (default %lld)", (long long)*(int64_t *)o->value);
    if (o->kind == CLG_OPT_SEED) snprintf(to, size, " (default %llu)", (unsigned long long)*(uint64_t *)o->value);
    if (o->kind == CLG_OPT_REAL && !isnan(*(double *)o->value))
        snprintf(to, size, " (default %g)", *(double *)o->value);
    if (o->kind == CLG_OPT_CHOICE || o->kind == CLG_OPT_TEXT) {
        const char *text = *(const char **)o->value;
        if (text) snprintf(to, size, " (default %s)", text);
    }
}

static void print_help(const clg_usage *u) {
    printf("usage: %s\n\n%s\n", u->synopsis, u->intro);
    for (const clg_opt *o = u->options; o->kind != CLG_OPT_END; o++) {
        if (o->kind == CLG_OPT_TITLE) {
            printf("\n%s\n", o->help);
            continue;
        }
        char text[1024], dflt[160];
        default_text(o, dflt, sizeof dflt);
        int at = printf("  --%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        if (at > HELP_COLUMN - 2) {
            putchar('\n');
            at = 0;
        }
        const char *last = strrchr(o->help, '\n');
        const size_t width = strlen(last ? last + 1 : o->help) + strlen(dflt);
        if (dflt[0] && width > HELP_WIDTH - HELP_COLUMN) dflt[0] = '\n'; /* instead of the space */
        snprintf(text, sizeof text, "%s%s", o->help, dflt);
        print_column(text, at);
    }
    print_column("this text", printf("  --help"));
    printf("\nExit codes\n");
#define X(name, value, text) \
    if (u->trains || value < CLG_EXIT_DIVERGED) printf("  %-4d%s\n", value, text);
    CLG_EXIT_MAP(X)
#undef X
    if (u->outro) printf("\n%s\n", u->outro);
}

/* --- reading --- */

bool clg_opt_is_choice(const char *choices, const char *text) {
    const size_t n = strlen(text);
    for (const char *c = choices; n > 0;) {
        const size_t k = strcspn(c, "|");
        if (k == n && strncmp(c, text, n) == 0) return true;
        if (c[k] == 0) break;
        c += k + 1;
    }
    return false;
}

/* Edit distance, for a hint; strings beyond 31 characters are no match for anything. */
static int distance(const char *a, const char *b) {
    const int n = (int)strlen(a), m = (int)strlen(b);
    if (n > 31 || m > 31) return 99;
    int row[32];
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            const int change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            if (change < row[j]) row[j] = change;
        }
    }
    return row[m];
}

static int unknown_option(const clg_usage *u, const char *name, const char *command) {
    const clg_opt *best = NULL;
    int least = 3;
    for (const clg_opt *o = u->options; o->kind != CLG_OPT_END; o++) {
        const int d = o->name ? distance(name, o->name) : 99;
        if (d < least) {
            least = d;
            best = o;
        }
    }
    return clg_tool_error(CLG_EXIT_USAGE, "%s: unknown option --%s%s%s; see clgrad %s --help", command, name,
                          best ? ", perhaps meant as --" : "", best ? best->name : "", command);
}

static int bad_value(const clg_opt *o, const char *command, const char *text, const char *want) {
    return clg_tool_error(CLG_EXIT_USAGE, "%s: --%s %s: %s", command, o->name, text, want);
}

static int set_number(const clg_opt *o, const char *command, const char *text) {
    char want[120], *end = NULL;
    const bool limited = o->min != 0 || o->max != 0, whole = o->kind == CLG_OPT_INT;
    errno = 0;
    const long long i = whole ? strtoll(text, &end, 10) : 0;
    const double x = whole ? (double)i : strtod(text, &end);
    const bool parsed = end != text && *end == 0 && !isspace((unsigned char)text[0]) && !(whole && errno == ERANGE);
    if (!parsed || !isfinite(x) || (limited && (x < o->min || x > o->max))) {
        snprintf(want, sizeof want, "wants a %snumber", whole ? "whole " : "");
        if (limited) snprintf(want + strlen(want), sizeof want - strlen(want), " from %.10g to %.10g", o->min, o->max);
        return bad_value(o, command, text, want);
    }
    if (whole) *(int64_t *)o->value = i;
    else *(double *)o->value = x;
    return -1;
}

int clg_opt_set(const clg_opt *o, const char *command, const char *text) {
    if (o->given) *o->given = true;
    if (o->kind == CLG_OPT_FLAG) {
        *(bool *)o->value = true;
        return -1;
    }
    if (o->kind == CLG_OPT_INT || o->kind == CLG_OPT_REAL) return set_number(o, command, text);
    if (o->kind == CLG_OPT_SEED) {
        char *end = NULL;
        errno = 0;
        const unsigned long long i = strtoull(text, &end, 0);
        if (!isdigit((unsigned char)text[0]) || *end != 0 || errno == ERANGE)
            return bad_value(o, command, text, "wants a number from 0 to 2^64 - 1");
        *(uint64_t *)o->value = i;
        return -1;
    }
    if (o->kind == CLG_OPT_CHOICE && !clg_opt_is_choice(o->arg, text)) {
        char want[200];
        snprintf(want, sizeof want, "is none of %s", o->arg);
        return bad_value(o, command, text, want);
    }
    if (text[0] == 0) return bad_value(o, command, "\"\"", "wants a text that is not empty");
    const char **to = o->value, **const end = to + (int)o->max;
    while (o->kind == CLG_OPT_LIST && *to) to++;
    if (o->kind == CLG_OPT_LIST && to == end) return bad_value(o, command, text, "is one too many");
    *to = text;
    return -1;
}

/* Reads the option argv[*i], which begins with "--"; moves *i past its value. */
static int read_option(const clg_usage *u, int argc, char **argv, int *i) {
    const char *arg = argv[*i] + 2, *command = argv[0];
    char name[64];
    const size_t n = strcspn(arg, "=");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), arg);
    const char *value = arg[n] == '=' ? arg + n + 1 : NULL;
    const clg_opt *o = u->options;
    while (o->kind != CLG_OPT_END && (!o->name || strcmp(o->name, name) != 0)) o++;
    if (o->kind == CLG_OPT_END) return unknown_option(u, name, command);
    if (o->kind == CLG_OPT_FLAG) {
        if (value) return clg_tool_error(CLG_EXIT_USAGE, "%s: --%s takes no value", command, name);
        *(bool *)o->value = true;
        if (o->given) *o->given = true;
        return -1;
    }
    const bool bare = *i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0;
    if (!value && bare && strcmp(name, "json") == 0) value = "-"; /* on stdout */
    if (!value) {
        if (*i + 1 >= argc)
            return clg_tool_error(CLG_EXIT_USAGE, "%s: --%s wants a value: --%s %s", command, name, name, o->arg);
        value = argv[++*i];
    }
    return clg_opt_set(o, command, value);
}

int clg_tool_check_output(const char *option, const char *path) {
    if (!path) return CLG_EXIT_OK;
    const char *slash = strrchr(path, '/');
    const int n = slash ? (int)(slash - path) : 0;
    char *dir = malloc((size_t)n + 2);
    if (!dir) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    snprintf(dir, (size_t)n + 2, "%.*s", slash ? (n ? n : 1) : 1, slash ? path : ".");
    const bool ok = access(dir, W_OK | X_OK) == 0;
    const int error = errno;
    free(dir);
    return ok ? CLG_EXIT_OK
              : clg_tool_error(CLG_EXIT_FILE, "--%s %s: cannot write there: %s", option, path, strerror(error));
}

const char *clg_opt_text(const clg_opt *o, char text[CLG_OPT_TEXT_SIZE]) {
    text[0] = 0;
    switch (o->kind) {
    case CLG_OPT_TEXT:
    case CLG_OPT_CHOICE:
        return *(const char **)o->value ? *(const char **)o->value : text;
    case CLG_OPT_INT:
        if (*(int64_t *)o->value != 0) snprintf(text, CLG_OPT_TEXT_SIZE, "%lld", (long long)*(int64_t *)o->value);
        break;
    case CLG_OPT_REAL:
        if (isnan(*(double *)o->value)) break;
        snprintf(text, CLG_OPT_TEXT_SIZE, "%.15g", *(double *)o->value);
        if (strtod(text, NULL) != *(double *)o->value) /* it must read back as the same number */
            snprintf(text, CLG_OPT_TEXT_SIZE, "%.17g", *(double *)o->value);
        break;
    case CLG_OPT_SEED:
        snprintf(text, CLG_OPT_TEXT_SIZE, "%llu", (unsigned long long)*(uint64_t *)o->value);
        break;
    case CLG_OPT_FLAG:
        if (*(bool *)o->value) snprintf(text, CLG_OPT_TEXT_SIZE, "yes");
        break;
    case CLG_OPT_TITLE:
    case CLG_OPT_LIST:
    case CLG_OPT_END: break;
    }
    return text;
}

int clg_opt_parse(const clg_usage *u, int argc, char **argv) {
    int operands = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(u);
            return CLG_EXIT_OK;
        }
    }
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != 0) {
            const int r = read_option(u, argc, argv, &i);
            if (r >= 0) return r;
        } else if (u->operand && operands < u->max_operands) {
            u->operand[operands++] = argv[i];
            u->operand[operands] = NULL;
        } else {
            return clg_tool_error(CLG_EXIT_USAGE, "%s: unexpected \"%s\"; options begin with two dashes; see "
                                  "clgrad %s --help", argv[0], argv[i], argv[0]);
        }
    }
    return -1;
}

bool clg_opt_lists(const char *list, const char *name) {
    const size_t n = strlen(name);
    if (strcmp(list, "all") == 0) return true;
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += n)
        if ((at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ',')) return true;
    return false;
}

double clg_opt_seconds(const char *text) {
    char *unit = NULL;
    const double n = strtod(text, &unit), seconds = n * (*unit == 'h' ? 3600 : *unit == 'm' ? 60 : 1);
    const bool whole = unit != text && (*unit == 0 || (strchr("smh", *unit) && unit[1] == 0));
    return whole && seconds >= 1e-6 && seconds < 3.2e7 ? seconds : 0;
}
