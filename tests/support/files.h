/* What the tests of readers share: a folder of their own for each test, and files in it. */
#ifndef CLG_TEST_FILES_H_
#define CLG_TEST_FILES_H_

#include "support/scratch.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[SCRATCH];

static inline void make_folder(void) { make_scratch(folder); }
static inline void remove_folder(void) { remove_scratch(folder); }

/* Path of a name in the folder; valid for the next three calls. */
static inline const char *in_folder(const char *name) {
    static char path[4][600];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static inline const char *write_file(const char *name, const void *data, size_t size) {
    const char *path = in_folder(name);
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fwrite(data, 1, size, f), size);
    fclose(f);
    return path;
}

static inline const char *write_text(const char *name, const char *text) {
    return write_file(name, text, strlen(text));
}

static inline void make_subfolder(const char *name) { cr_assert_eq(mkdir(in_folder(name), 0700), 0, "%s", name); }

/* A file of tests/data. */
static inline const char *in_data(const char *name) {
    static char path[600];
    const char *root = getenv("CLGRAD_SOURCE");
    cr_assert_not_null(root, "CLGRAD_SOURCE is not set; run the tests by meson");
    snprintf(path, sizeof path, "%s/tests/data/%s", root, name);
    return path;
}

#endif /* CLG_TEST_FILES_H_ */
