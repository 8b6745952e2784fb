/* Programs that were built twice, as cl/builtins.clh does not declare what they call: add it there. */
#ifndef SUPPORT_REBUILT_H_
#define SUPPORT_REBUILT_H_

#include <clgrad/base.h>
#include <stdio.h>
#include <string.h>

/** For clg_set_log(): counts and prints them; user is an int. */
static inline void count_rebuilt(void *user, enum clg_log_level level, const char *msg) {
    if (!strstr(msg, "built again")) return;
    fprintf(stderr, "%s\n", msg);
    ++*(int *)user;
}

#endif /* SUPPORT_REBUILT_H_ */
