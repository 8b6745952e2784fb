/* Known driver faults. A row of the table fits if platform is part of the platform's name, name part of the device's
 * name and the driver's version lies below the given one; the reason is shown in clg_device_info.quirks. Only
 * measured faults stand here. */
#include "cl/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct quirk_row {
    const char *platform, *name; /* parts, case ignored; "" fits all */
    int below;                   /* driver versions below major * 100 + minor; 0: all */
    unsigned flags;
    const char *reason;
} quirk_row;

static const quirk_row table[] = {
    { "Portable Computing Language", "", 301, CLG_QUIRK_AVOID | CLG_QUIRK_GPU_KERNELS,
      "PoCL before 3.1: fma, mad and tanh of float16 abort the process (LLVM cannot select them), so it gets the "
      "kernels of GPUs and is not chosen by default" },
    { "Portable Computing Language", "", 0, CLG_QUIRK_OWN_CACHE,
      "PoCL: asked for a program's binary it compiles each kernel a second time, so no binaries are kept beside its "
      "own cache unless CLGRAD_BINARIES=on says so" },
    { "Portable Computing Language", "", 600, CLG_QUIRK_APART,
      "PoCL before 6.0 mixes up the code of a kernel for grids of two sizes that run on two parts of a CPU at once, and "
      "ends the process, so devices that are open at a time have programs of their own" },
    { "Portable Computing Language", "", 400, CLG_QUIRK_HEADER,
      "PoCL parses 18,000 lines of declarations for each program, 0.1 s, so programs bring the few they need" },
    { "rusticl", "", 2300, CLG_QUIRK_AVOID | CLG_QUIRK_NO_PARTS | CLG_QUIRK_NO_BINARIES,
      "rusticl of Mesa 22: loops stop silently at 65,535 rounds, clCreateSubDevices crashes, and a damaged program "
      "binary ends the process, so it is not chosen by default, and no binaries are kept" },
    { "Oclgrind", "", 0, CLG_QUIRK_NO_FILL | CLG_QUIRK_NO_PREFETCH,
      "Oclgrind: after clEnqueueFillBuffer it takes what kernels write for uninitialised, so buffers are cleared by "
      "writing zeros; it has no llvm.prefetch, so kernels do not ask for it" },
};

/* "3.1+debian" -> 301, "22.3.6" -> 2203; -1 if there is no number. */
static int version_of(const char *text) {
    while (*text && (*text < '0' || *text > '9')) text++;
    int major = 0, minor = 0;
    if (sscanf(text, "%d.%d", &major, &minor) < 1) return -1;
    return major * 100 + (minor < 99 ? minor : 99);
}

void clg_quirks_apply(clg_device_row *row) {
    size_t used = 0;
    row->quirks = 0;
    row->quirk_text[0] = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const quirk_row *q = &table[i];
        if (!clg_str_contains_nocase(row->platform_name, q->platform)) continue;
        if (!clg_str_contains_nocase(row->name, q->name)) continue;
        if (q->below > 0 && version_of(row->driver) >= q->below) continue;
        row->quirks |= q->flags;
        const int n = snprintf(row->quirk_text + used, sizeof row->quirk_text - used, "%s%s", used > 0 ? "; " : "",
                               q->reason);
        used += (size_t)n;
        if (used >= sizeof row->quirk_text) used = sizeof row->quirk_text - 1;
    }
    if (row->quirks & CLG_QUIRK_GPU_KERNELS) row->caps.cls = CLG_CLASS_GPU;
}
