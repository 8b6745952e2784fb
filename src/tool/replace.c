/* Files of results are replaced as a whole: an old one is lost only for a new one that is on the disk. */
#define _POSIX_C_SOURCE 200809L
#include "tool/tool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int clg_tool_replace(const char *command, const char *path, const char *text, size_t size) {
    char temporary[4096];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary)
        return clg_tool_error(CLG_EXIT_FILE, "%s: the path %s is too long", command, path);
    FILE *f = fopen(temporary, "w");
    bool ok = f && fwrite(text, 1, size, f) == size && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int why = errno;
    if (f && fclose(f) != 0 && ok) ok = false, why = errno;
    if (ok && rename(temporary, path) == 0) return CLG_EXIT_OK;
    if (ok) why = errno;
    if (f) remove(temporary);
    return clg_tool_error(CLG_EXIT_FILE, "%s: %s cannot be written: %s", command, path, strerror(why));
}
