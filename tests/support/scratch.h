/* Folders of a test, below $TMPDIR, which it removes with all that is in them. */
#ifndef SUPPORT_SCRATCH_H_
#define SUPPORT_SCRATCH_H_

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCRATCH = 200 }; /* room for a path */

static inline void make_scratch(char path[SCRATCH]) {
    const char *tmp = getenv("TMPDIR");
    cr_assert_lt(snprintf(path, SCRATCH, "%s/clgrad-test-XXXXXX", tmp ? tmp : "/tmp"), SCRATCH, "TMPDIR is too long");
    cr_assert_not_null(mkdtemp(path), "%s", path);
}

static inline void remove_scratch(const char *path) {
    char command[SCRATCH + 20];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    cr_expect_eq(system(command), 0, "%s", command);
}

#endif /* SUPPORT_SCRATCH_H_ */
