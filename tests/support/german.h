/* A locale that writes numbers in another way than C does. */
#ifndef CLG_TEST_GERMAN_H_
#define CLG_TEST_GERMAN_H_

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A locale that writes 0,5: the system's, else one made for the test; false: the system cannot make one. */
static inline bool set_german(const char *place) {
    char command[700];
    if (setlocale(LC_ALL, "de_DE.UTF-8")) return true;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >'%s/log' 2>&1", place, place);
    if (system(command) != 0) return false;
    setenv("LOCPATH", place, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

#endif /* CLG_TEST_GERMAN_H_ */
