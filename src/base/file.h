/* Files: whole reads, atomic writes, cache directory. */
#ifndef CLG_BASE_FILE_H_
#define CLG_BASE_FILE_H_

#include <clgrad/base.h>

/** Reads a whole file; *data is freed by clg_free() and has a 0 byte behind its end. Errors: CLG_ERR_IO names path
 *  and reason; CLG_ERR_FORMAT if it is larger than max bytes. */
clg_status clg_file_read(const char *path, size_t max, void **data, size_t *size);

/** One piece of a file to write. */
typedef struct clg_file_part {
    const void *data;
    size_t size;
} clg_file_part;

/** Writes all parts to a temporary file beside path, syncs it, renames it over path and syncs the directory. On any
 *  failure path is untouched and the temporary file is gone. With sync false it skips the syncs (caches). */
clg_status clg_file_write(const char *path, const clg_file_part *parts, int n, bool sync);

/** Locks one byte of a file, which is made if it is missing, for this process; waits a minute at most. Returns a
 *  descriptor for clg_file_unlock(), or -1. A process holds its own locks already: its threads need a mutex besides. */
int  clg_file_lock(const char *path, int64_t at);
void clg_file_unlock(int lock);

/** mkdir -p, mode 0700. */
clg_status clg_dir_make(const char *path);

/** Writes the cache directory into path (size bytes): dir if not NULL, else $CLGRAD_CACHE_DIR, else
 *  $XDG_CACHE_HOME/clgrad, else $HOME/.cache/clgrad. false: none ("" given, no home, or too long). */
bool clg_cache_dir(const char *dir, char *path, size_t size);

#endif /* CLG_BASE_FILE_H_ */
