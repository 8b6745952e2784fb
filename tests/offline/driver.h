/* An OpenCL driver that computes nothing: it shows one device of a profile and writes the source and the options of
 * each program that it is asked to build into a folder, for compilers that need no device (scripts/offline.py). */
#ifndef TESTS_OFFLINE_DRIVER_H_
#define TESTS_OFFLINE_DRIVER_H_

#include <stdbool.h>

/** Shows a device of this profile from now on, and writes programs to the folder: NAME-KEY.cl, whose first line is a
 *  comment with the options. Call it before anything of the library. false: there is no such profile. */
bool driver_show(const char *profile, const char *folder);

/** The names of the profiles, i from 0; NULL behind the last. */
const char *driver_profile(int i);

/** Different programs so far; negative: a file could not be written. */
int driver_programs(void);

#endif /* TESTS_OFFLINE_DRIVER_H_ */
