/* What the tests of the clgrad program share: a folder of their own for each test, runs of the program ($CLGRAD_TOOL)
 * in it, and looks at what they left there. */
#ifndef CLG_TEST_PROGRAM_H_
#define CLG_TEST_PROGRAM_H_

#include "support/scratch.h"
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[SCRATCH];

static inline void set_up(void) {
    cr_assert_not_null(getenv("CLGRAD_TOOL"), "CLGRAD_TOOL must be the path of the program");
    make_scratch(folder);
    cr_assert_eq(chdir(folder), 0);
}

static inline void tear_down(void) { remove_scratch(folder); }

/* --- processes and files --- */

/* Contents of a file in the folder, zero-terminated; "" if there is none. */
static inline char *slurp(const char *name, size_t *size) {
    FILE *f = fopen(name, "rb");
    char *text = calloc(1, 1);
    size_t n = 0;
    cr_assert_not_null(text);
    while (f && !feof(f)) {
        text = realloc(text, n + 65536 + 1);
        cr_assert_not_null(text);
        n += fread(text + n, 1, 65536, f);
        text[n] = 0;
    }
    if (f) fclose(f);
    if (size) *size = n;
    return text;
}

static inline pid_t start(const char *before, const char *arguments) {
    char command[2000];
    snprintf(command, sizeof command, "%s exec \"$CLGRAD_TOOL\" %s >out 2>err", before, arguments);
    remove("out"); /* nobody shall wait for what an earlier run has written */
    remove("err");
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static inline int finish(pid_t pid) {
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Runs `clgrad ARGUMENTS`; its output is in the files out and err. Returns the exit code, negative for a signal. */
static inline int run(const char *format, ...) {
    char arguments[1500];
    va_list ap;
    va_start(ap, format);
    vsnprintf(arguments, sizeof arguments, format, ap);
    va_end(ap);
    return finish(start("", arguments));
}

static inline bool file_has(const char *name, const char *text) {
    char *all = slurp(name, NULL);
    const bool there = strstr(all, text) != NULL;
    if (!there) fprintf(stderr, "no \"%s\" in %s:\n%s\n", text, name, all);
    free(all);
    return there;
}

static inline bool same_files(const char *a, const char *b) {
    size_t na, nb;
    char *ta = slurp(a, &na), *tb = slurp(b, &nb);
    const bool same = na > 0 && na == nb && memcmp(ta, tb, na) == 0;
    free(ta);
    free(tb);
    return same;
}

#define expect_run(code, ...)                                                                              \
    do {                                                                                                   \
        const int code_ = run(__VA_ARGS__);                                                                \
        char *err_ = slurp("err", NULL);                                                                   \
        cr_expect_eq(code_, (code), "exit code %d, wanted %d; stderr: %s", code_, (code), err_);           \
        free(err_);                                                                                        \
    } while (0)

#endif /* CLG_TEST_PROGRAM_H_ */
