/* The disk cache of program binaries: one file a key, "<SHA-256>.bin", in this form (little-endian):
 *
 *     "CLGBIN1\n"  key (64 hex digits)  SHA-256 of what follows the header (64 hex digits)
 *     size of the binary (8 bytes)  number of names n (8 bytes)
 *     n names of 64 bytes: the functions that had been launched when the binary was fetched
 *     the binary
 *
 * PoCL's binaries hold compiled code only for launched kernels, so a program is saved again when further functions
 * were launched. Files are replaced by rename, so readers see a whole file; whatever does not fit is a miss.
 * The file ".lock" is empty: processes lock the byte that a key stands for while they make its program. */
#include "cl/internal.h"

#include "base/file.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 8 + 64 + 64 + 8 + 8, NAME = 64, MAX_NAMES = 4096, MAX_BINARY = 1 << 28 };

static const char magic[] = "CLGBIN1\n";

static void put_u64(uint8_t *to, uint64_t value) {
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_u64(const uint8_t *from) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* false: no memory. */
static bool path_of(const clg_device *d, const clg_program *p, clg_str *path) {
    clg_str_printf(path, "%s/%s.bin", d->cache_dir, p->key);
    return !path->failed;
}

/* Where the binary starts; 0 if the file is damaged or foreign. */
static size_t check(const uint8_t *file, size_t size, const char *key) {
    clg_sha256 h;
    char digest[65];
    if (size < HEADER || memcmp(file, magic, 8) != 0 || memcmp(file + 8, key, 64) != 0) return 0;
    const uint64_t binary = get_u64(file + 136), names = get_u64(file + 144);
    if (names > MAX_NAMES || binary == 0 || binary > MAX_BINARY || size != HEADER + names * NAME + binary) return 0;
    clg_sha256_init(&h);
    clg_sha256_add(&h, file + HEADER, size - HEADER);
    clg_sha256_end(&h, digest);
    if (memcmp(file + 72, digest, 64) != 0) return 0;
    for (uint64_t i = 0; i < names; i++)
        if (!memchr(file + HEADER + i * NAME, 0, NAME)) return 0;
    return (size_t)(HEADER + names * NAME);
}

static cl_program create(clg_device *d, const uint8_t *binary, size_t size) {
    cl_int status = CL_SUCCESS, err = CL_SUCCESS;
    cl_program program = clCreateProgramWithBinary(d->context, 1, &d->row.id, &size, &binary, &status, &err);
    if (err == CL_SUCCESS && status == CL_SUCCESS) return program;
    if (err == CL_SUCCESS && program) clReleaseProgram(program);
    return NULL;
}

/* The driver may refuse a binary that it made itself in another life: a miss like any other. */
static bool build(clg_device *d, clg_program *p, const uint8_t *names, size_t n_bytes) {
    bool complete = clBuildProgram(p->program, 1, &d->row.id, p->options, NULL, NULL) == CL_SUCCESS;
    for (size_t at = 0; complete && at < n_bytes; at += NAME) {
        const int i = clg_program_function(d, p, (const char *)names + at);
        complete = i >= 0;
        if (complete) p->functions[i].saved = true;
    }
    return complete;
}

/* The file is let go before the build, in which a driver takes more memory than for anything else. */
static bool load(clg_device *d, clg_program *p, const char *path) {
    void *file = NULL;
    size_t size = 0;
    if (access(path, R_OK) != 0 || clg_file_read(path, HEADER + MAX_NAMES * NAME + MAX_BINARY, &file, &size) < 0)
        return false;
    const size_t start = check(file, size, p->key), n_bytes = start > 0 ? start - HEADER : 0;
    uint8_t *names = start > 0 ? clg_alloc(n_bytes + 1) : NULL;
    if (names) memcpy(names, (const uint8_t *)file + HEADER, n_bytes);
    if (names) p->program = create(d, (const uint8_t *)file + start, size - start);
    clg_free(file);
    const bool complete = p->program && build(d, p, names, n_bytes);
    clg_free(names);
    if (p->program && !complete) {
        clReleaseProgram(p->program);
        p->program = NULL;
    }
    if (!complete) clg_log_msg(CLG_LOG_DEBUG, "program %s: %s is damaged or was refused by the driver", p->name, path);
    return complete;
}

bool clg_cache_load(clg_device *d, clg_program *p) {
    clg_error_state before;
    clg_str path = { 0 };
    if (!d->keeps_binaries) return false;
    clg_error_save(&before);
    const bool hit = path_of(d, p, &path) && load(d, p, clg_str_text(&path));
    clg_error_restore(&before);
    clg_str_free(&path);
    return hit;
}

/* The names of the launched functions, 64 bytes each, as one block; NULL: no memory. */
static uint8_t *launched_names(clg_device *d, clg_program *p, uint64_t *n) {
    uint8_t *names = NULL;
    *n = 0;
    pthread_mutex_lock(&d->lock);
    names = clg_calloc((size_t)p->n_functions + 1, NAME);
    for (int i = 0; names && i < p->n_functions; i++)
        if (p->functions[i].launched || p->functions[i].saved)
            memcpy(names + NAME * (*n)++, p->functions[i].name, NAME);
    pthread_mutex_unlock(&d->lock);
    return names;
}

static clg_status fetch_binary(clg_device *d, clg_program *p, uint8_t **binary, size_t *size) {
    cl_int err = clGetProgramInfo(p->program, CL_PROGRAM_BINARY_SIZES, sizeof *size, size, NULL);
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clGetProgramInfo", "size of the binary of %s", p->name);
    if (*size == 0 || *size > MAX_BINARY)
        return clg_fail(CLG_ERR_DEVICE, "the driver gives a binary of %zu bytes for %s", *size, p->name);
    *binary = clg_alloc(*size);
    if (!*binary) return clg_fail_nomem("program binary");
    err = clGetProgramInfo(p->program, CL_PROGRAM_BINARIES, sizeof *binary, binary, NULL);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, "clGetProgramInfo", "binary of %s", p->name);
}

static clg_status write_file(const clg_device *d, const clg_program *p, const clg_file_part *names,
                             const clg_file_part *binary) {
    uint8_t header[HEADER];
    char digest[65];
    clg_sha256 h;
    clg_str path = { 0 };
    clg_sha256_init(&h);
    clg_sha256_add(&h, names->data, names->size);
    clg_sha256_add(&h, binary->data, binary->size);
    clg_sha256_end(&h, digest);
    memcpy(header, magic, 8);
    memcpy(header + 8, p->key, 64);
    memcpy(header + 72, digest, 64);
    put_u64(header + 136, binary->size);
    put_u64(header + 144, names->size / NAME);
    clg_status status = path_of(d, p, &path) ? clg_dir_make(d->cache_dir) : clg_fail_nomem("path");
    if (status == CLG_OK) {
        const clg_file_part parts[] = { { header, HEADER }, *names, *binary };
        status = clg_file_write(clg_str_text(&path), parts, 3, false);
    }
    clg_str_free(&path);
    return status;
}

clg_status clg_cache_save(clg_device *d, clg_program *p) {
    uint64_t n = 0;
    uint8_t *binary = NULL;
    size_t size = 0;
    uint8_t *names = launched_names(d, p, &n);
    clg_status status = names ? fetch_binary(d, p, &binary, &size) : clg_fail_nomem("program binary");
    if (status == CLG_OK)
        status = write_file(d, p, &(clg_file_part){ names, (size_t)n * NAME }, &(clg_file_part){ binary, size });
    clg_free(binary);
    clg_free(names);
    return status;
}

/* --- one process at a time --- */

int clg_cache_lock(const clg_device *d, const char *key) {
    char digits[8] = { 0 };
    clg_error_state before;
    clg_str path = { 0 };
    int lock = -1;
    if (!d->cache_dir) return -1;
    clg_error_save(&before);
    clg_str_printf(&path, "%s/.lock", d->cache_dir);
    memcpy(digits, key, 7);
    if (!path.failed && clg_dir_make(d->cache_dir) == CLG_OK)
        lock = clg_file_lock(clg_str_text(&path), strtol(digits, NULL, 16));
    clg_error_restore(&before);
    clg_str_free(&path);
    if (lock < 0) clg_log_msg(CLG_LOG_DEBUG, "no lock in %s: other processes may build the same program", d->cache_dir);
    return lock;
}

void clg_cache_unlock(int lock) { clg_file_unlock(lock); }
