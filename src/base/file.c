/* Files: whole reads, writes that replace a file in one step (temporary file, fsync, rename, fsync of the directory),
 * and the place of the cache. */
#include "base/file.h"

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 30 }; /* some systems refuse single transfers of 2 GiB */

static clg_status fail_io(const char *path, const char *doing) {
    return clg_fail(CLG_ERR_IO, "%s: cannot %s: %s", path, doing, strerror(errno));
}

static clg_status fail_large(const char *path, size_t max) {
    return clg_fail(CLG_ERR_FORMAT, "%s: larger than the %zu bytes allowed for such a file", path, max);
}

/* Reads to the end; the size is not known before for pipes. */
static clg_status read_all(int fd, const char *path, size_t max, size_t guess, char **data, size_t *size) {
    size_t cap = guess, n = 0;
    char *p = clg_alloc(cap + 1);
    if (!p) return clg_fail(CLG_ERR_NOMEM, "%s: out of host memory: %zu bytes", path, cap);
    *data = p;
    for (;;) {
        if (n == cap) { /* the byte kept for the zero shows whether this is the end */
            const ssize_t got = read(fd, p + n, 1);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail_io(path, "read");
            if (got == 0) break;
            if (n >= max) return fail_large(path, max);
            n++;
            cap = cap < max / 2 ? cap * 2 + 4096 : max;
            p = clg_resize(p, cap + 1);
            if (!p) return clg_fail(CLG_ERR_NOMEM, "%s: out of host memory: %zu bytes", path, cap);
            *data = p;
            continue;
        }
        const size_t want = cap - n < CHUNK ? cap - n : CHUNK;
        const ssize_t got = read(fd, p + n, want);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_io(path, "read");
        if (got == 0) break;
        n += (size_t)got;
    }
    p[n] = 0;
    *size = n;
    return CLG_OK;
}

clg_status clg_file_read(const char *path, size_t max, void **data, size_t *size) {
    clg_status status = CLG_OK;
    char *text = NULL;
    size_t n = 0;
    if (max > SIZE_MAX / 2) max = SIZE_MAX / 2;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_io(path, "open");
    struct stat st;
    if (fstat(fd, &st) != 0) {
        status = fail_io(path, "read");
    } else if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        status = fail_io(path, "read");
    } else if (S_ISREG(st.st_mode) && (uintmax_t)st.st_size > max) {
        status = fail_large(path, max);
    } else {
        status = read_all(fd, path, max, S_ISREG(st.st_mode) ? (size_t)st.st_size : 0, &text, &n);
    }
    close(fd);
    if (status < 0) {
        clg_free(text);
        return status;
    }
    *data = text;
    *size = n;
    return CLG_OK;
}

static bool write_all(int fd, const void *data, size_t size) {
    const char *p = data;
    while (size > 0) {
        const ssize_t put = write(fd, p, size < CHUNK ? size : CHUNK);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        p += put;
        size -= (size_t)put;
    }
    return true;
}

/* The directory entry must reach the disk too. File systems that cannot sync a directory say EINVAL: fine. */
static bool sync_dir(const char *path) {
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const int n = !slash ? 1 : slash == path ? 1 : (int)(slash - path);
    snprintf(dir, sizeof dir, "%.*s", n, slash ? path : ".");
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES; /* a directory may be writable and not readable */
    const bool done = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    close(fd);
    return done;
}

/* A name that may not be replaced is refused before anything is written. mode: permissions to give, 0 for the default.
 * real: the file behind symbolic links, so that a link stays one. */
static clg_status check_target(const char *path, char *real, mode_t *mode) {
    struct stat st;
    *mode = 0;
    if (strlen(path) >= PATH_MAX - 64) {
        errno = ENAMETOOLONG;
        return fail_io(path, "write");
    }
    strcpy(real, path);
    if (stat(path, &st) != 0) return CLG_OK; /* new, or the open below says what is wrong */
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return fail_io(path, "write");
    }
    if (!S_ISREG(st.st_mode)) return clg_fail(CLG_ERR_IO, "%s: cannot write: not a regular file", path);
    if (access(path, W_OK) != 0) return fail_io(path, "write");
    if (!realpath(path, real)) return fail_io(path, "write");
    if (strlen(real) >= PATH_MAX - 64) {
        errno = ENAMETOOLONG;
        return fail_io(path, "write");
    }
    *mode = st.st_mode & 0777;
    return CLG_OK;
}

clg_status clg_file_write(const char *path, const clg_file_part *parts, int n, bool sync) {
    static atomic_uint counter;
    char real[PATH_MAX], temp[PATH_MAX + 64];
    mode_t mode;
    CLG_TRY(check_target(path, real, &mode));
    snprintf(temp, sizeof temp, "%s.tmp.%ld.%u", real, (long)getpid(), atomic_fetch_add(&counter, 1));
    const int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return fail_io(path, "create a temporary file beside it");
    const char *doing = "write";
    bool fine = mode == 0 || fchmod(fd, mode) == 0;
    for (int i = 0; fine && i < n; i++) fine = write_all(fd, parts[i].data, parts[i].size);
    if (fine && sync) {
        doing = "sync";
        fine = fsync(fd) == 0;
    }
    int why = errno;
    if (close(fd) != 0 && fine) {
        doing = "write";
        fine = false;
        why = errno;
    }
    if (fine) {
        doing = "rename the new file to it";
        fine = rename(temp, real) == 0;
        why = errno;
    }
    if (!fine) {
        unlink(temp);
        errno = why;
        return fail_io(path, doing);
    }
    if (sync && !sync_dir(real)) return fail_io(path, "sync its directory");
    return CLG_OK;
}

enum { LOCK_TRIES = 6000, LOCK_PAUSE_MS = 10 }; /* a minute: a stopped process shall not stop others for ever */

static bool lock_byte(int file, off_t at) {
    const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (fcntl(file, F_SETLK, &lock) == 0) return true;
        if (errno != EACCES && errno != EAGAIN && errno != EINTR) return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

int clg_file_lock(const char *path, int64_t at) {
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || lock_byte(file, (off_t)at)) return file;
    close(file);
    return -1;
}

void clg_file_unlock(int lock) {
    if (lock >= 0) close(lock); /* which gives the lock back */
}

static bool is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

clg_status clg_dir_make(const char *path) {
    char part[PATH_MAX];
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return clg_fail(CLG_ERR_IO, "%s: cannot create the directory: name is empty or too long", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) == 0 || is_dir(part)) continue;
        return clg_fail(CLG_ERR_IO, "%s: cannot create the directory: %s", part, strerror(errno));
    }
    return CLG_OK;
}

bool clg_cache_dir(const char *dir, char *path, size_t size) {
    const char *tail = "";
    if (!dir) dir = getenv("CLGRAD_CACHE_DIR");
    if (!dir) {
        tail = "/clgrad";
        dir = getenv("XDG_CACHE_HOME");
        if (dir && dir[0] != '/') dir = NULL; /* the XDG specification: relative or empty paths are ignored */
    }
    if (!dir) {
        tail = "/.cache/clgrad";
        dir = getenv("HOME");
    }
    if (!dir || !dir[0]) return false;
    const int n = snprintf(path, size, "%s%s", dir, tail);
    return n > 0 && (size_t)n < size;
}
