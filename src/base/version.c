/* The version text: 0.API.FIX of meson.build, and the commit where the build knows it. */
#include "base/version_vcs.h"

#include <clgrad/config.h>

#define STR_(x) #x
#define STR(x) STR_(x)

const char *clg_version(void) {
    return STR(CLG_VERSION_MAJOR) "." STR(CLG_API_VERSION) "." STR(CLG_VERSION_FIX) " (" CLG_VERSION_VCS ")";
}
