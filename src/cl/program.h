/* Programs: embedded or generated source -> built program, through the memory and disk caches. */
#ifndef CLG_CL_PROGRAM_H_
#define CLG_CL_PROGRAM_H_

#include "base/str.h"
#include "cl/device.h"

typedef struct clg_program clg_program; /* reference-counted, owned by the device's table */

/** One thing to build. */
typedef struct clg_source {
    const char *name;    /* "pool": cl/pool.cl, or the name of the generated text in messages */
    const char *text;    /* generated source, behind #include "clg.clh"; NULL: the embedded (or $CLGRAD_CL_PATH) file */
    const char *options; /* "-DKH=5 ..." */
    const char *before;  /* text in front of the file; NULL: none */
    const char *only;    /* "tile,pack": the kernels that are kept of the file; NULL: all */
    const char *const *without; /* files that are not included again, up to a NULL; NULL: none */
} clg_source;

/**
 * Gets a built program: from the device's table, else the disk cache, else the compiler. The key is the SHA-256 of
 * (sources after #include, options, device, driver, platform, library version). A failed build is remembered.
 *
 * Errors: CLG_ERR_BUILD with the log, the name and the options.
 */
clg_status clg_program_get(clg_device *d, const clg_source *src, clg_program **out);
void       clg_program_release(clg_program **p);

/** Appends the text of `src` as a part of a larger program (clg_source.text): its functions, types and macros clash
 *  with no other part's, its options are macros that end with it. What ew.clh, ew_math.clh and exp.clh have stands
 *  before all parts (as codegen.c includes it). Kernel `f` becomes the function f_<number>, with six parameters of type
 *  size_t before its own, the work-item's global id, x first, and the global size, and behind them CLG_WORK_BYTES of
 *  private memory for CLG_WORK, a macro that the program defines. Work-groups have one item. Errors: as a file that is
 *  not there gives them, CLG_ERR_NOMEM. */
clg_status clg_source_isolate(const clg_source *src, int number, clg_str *out);

/** Writes binaries of programs that were compiled since the last call to the disk cache (PoCL's binaries hold only
 *  the kernels launched before: so call it after the first run of a plan). Failures are logged, not returned. */
void clg_program_save_new(clg_device *d);

/** Embedded sources (made by src/tool/embed.c from cl/): entry i, NULL past the last; for tests and reports. */
const char *clg_program_file(int i, const char **text);

#endif /* CLG_CL_PROGRAM_H_ */
