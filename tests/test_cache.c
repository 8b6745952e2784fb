/* The disk cache of programs: other processes load what one has built, and nothing that lies on the disk can hurt.
 * Each use is a process of its own, made by fork(); the test's process itself never touches OpenCL. */
#include <criterion/criterion.h>

#include "support/device.h"
#include "support/scratch.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "cl/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What one process does, and what it saw. */
typedef struct job {
    const char *dir;      /* of the cache */
    const char *function; /* which kernel to launch: "add1" or "add2"; "bad": it does not build */
    const char *driver;   /* not NULL: pretend that the driver is of this version */
    const char *options;
} job;

typedef struct seen {
    int  built, cached;
    bool right;           /* the kernel gave the right result */
    bool own;             /* the driver has a cache of its own */
    char error[400];
} seen;

static const char text[] =
    "KERNEL add1(INOUT(x)) { const size_t i = get_global_id(0); STORE(x, i, LOAD(x, i) + 1.0f); }\n"
    "KERNEL add2(INOUT(x)) { const size_t i = get_global_id(0); STORE(x, i, LOAD(x, i) + 2.0f); }\n";

static bool launch(clg_device *d, clg_program *p, const char *function) {
    clg_buffer *x = NULL;
    clg_kernel *k = NULL;
    float data[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    const size_t global[] = { 8, 1, 1 }, local[] = { 1, 1, 1 };
    bool ok = clg_buffer_create(d, sizeof data, "x", &x) == CLG_OK;
    ok = ok && clg_buffer_write(x, 0, CLG_F32, data, 8) == CLG_OK;
    const clg_bind bind = { .kind = CLG_BIND_BUFFER, .name = "x", .buffer = x };
    ok = ok && clg_kernel_create(p, function, &bind, 1, &k) == CLG_OK
        && clg_kernel_set_range(k, global, local) == CLG_OK
        && clg_kernel_enqueue(k, NULL, NULL) == CLG_OK && clg_buffer_read(x, 0, CLG_F32, data, 8) == CLG_OK;
    for (int i = 0; ok && i < 8; i++) ok = data[i] == (float)(i + function[3] - '0');
    clg_kernel_destroy(&k);
    clg_buffer_destroy(&x);
    return ok;
}

static void work(const job *j, seen *s) {
    clg_program *p = NULL;
    clg_device_stats stats;
    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.cache_dir = j->dir));
    if (d && j->driver) snprintf(d->row.driver, sizeof d->row.driver, "%s", j->driver);
    if (d && clg_program_get(d, &(clg_source){ "cached", text, j->options }, &p) == CLG_OK) {
        s->right = launch(d, p, j->function);
        clg_program_save_new(d);
        clg_program_save_new(d); /* nothing left to do */
        if (clg_error_status() != CLG_OK) s->right = false; /* a cache in trouble is no failed call */
    }
    s->own = d && (d->row.quirks & CLG_QUIRK_OWN_CACHE);
    clg_device_get_stats(d, &stats);
    s->built = stats.programs_built;
    s->cached = stats.programs_cached;
    snprintf(s->error, sizeof s->error, "%s", clg_error());
    clg_program_release(&p);
    clg_device_destroy(&d);
}

/* Starts a process that does the job; its answer comes through the pipe. */
static int start(const job *j) {
    int ends[2];
    cr_assert(pipe(ends) == 0);
    const pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid > 0) {
        close(ends[1]);
        return ends[0];
    }
    seen s = { 0 };
    work(j, &s);
    const bool sent = write(ends[1], &s, sizeof s) == sizeof s;
    _exit(sent ? 0 : 1);
}

static seen finish(int pipe_end) {
    seen s = { 0 };
    int status = 0;
    const bool got = read(pipe_end, &s, sizeof s) == sizeof s;
    close(pipe_end);
    wait(&status);
    cr_assert(got && WIFEXITED(status) && WEXITSTATUS(status) == 0, "the process died");
    return s;
}

static seen run(job j) { return finish(start(&j)); }

static void expect(seen s, int built, int cached, const char *what) {
    cr_expect(s.right && s.built == built && s.cached == cached, "%s: %d built, %d cached, result %s; %s", what,
              s.built, s.cached, s.right ? "right" : "wrong", s.error);
}

/* --- scratch directories --- */

/* Number of files in a directory. The path of the last one goes to `last`, if not NULL. */
static int files_in(const char *dir, char *last, bool remove_them) {
    char path[600];
    int n = 0;
    DIR *d = opendir(dir);
    cr_assert(d, "%s", dir);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        n++;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (last) strcpy(last, path);
        if (remove_them) cr_assert(unlink(path) == 0);
    }
    closedir(d);
    return n;
}

static void remove_dir(const char *dir) {
    char lock[700];
    files_in(dir, NULL, true);
    snprintf(lock, sizeof lock, "%s/.lock", dir);
    unlink(lock); /* if programs were made there */
    cr_expect(rmdir(dir) == 0);
}

static void write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

/* --- tests --- */

/* Each has options of its own: they run side by side over one cache of PoCL, which a lock in our directory guards only
 * where that directory is the same. */

Test(cache, second_process_loads) {
    char dir[SCRATCH], path[600];
    make_scratch(dir);
    const job j = { .dir = dir, .function = "add1", .options = "-DA=1" };
    expect(run(j), 1, 0, "first");
    cr_expect(files_in(dir, path, false) == 1);
    cr_expect(strlen(path) > 68 && strcmp(path + strlen(path) - 4, ".bin") == 0, "%s", path);
    expect(run(j), 0, 1, "second");
    expect(run((job){ dir, "add1", NULL, "-DA=2" }), 1, 0, "other options");
    expect(run((job){ dir, "add1", "99.1 of another day", "-DA=1" }), 1, 0, "other driver");
    expect(run((job){ dir, "add1", "99.1 of another day", "-DA=1" }), 0, 1, "other driver again");
    expect(run(j), 0, 1, "the first one is still there");
    cr_expect(files_in(dir, NULL, false) == 3);
    remove_dir(dir);
}

/* A binary holds compiled code only for kernels that were launched: so it is written again when that changes. */
Test(cache, further_functions_are_added) {
    char dir[SCRATCH], path[600];
    void *file = NULL;
    size_t size = 0;
    make_scratch(dir);
    expect(run((job){ dir, "add1", NULL, "-DB=1" }), 1, 0, "add1");
    cr_assert(files_in(dir, path, false) == 1);
    for (int n = 1; n <= 2; n++) {
        cr_assert(clg_file_read(path, 1 << 28, &file, &size) == CLG_OK);
        cr_expect(size > 152 && ((uint8_t *)file)[144] == n, "%d functions", n);
        cr_expect(strcmp((char *)file + 152, "add1") == 0 && (n < 2 || strcmp((char *)file + 152 + 64, "add2") == 0));
        clg_free(file);
        expect(run((job){ dir, "add2", NULL, "-DB=1" }), 0, 1, "add2");
    }
    expect(run((job){ dir, "add1", NULL, "-DB=1" }), 0, 1, "add1");
    remove_dir(dir);
}

Test(cache, damaged_files_are_misses, .timeout = 240) {
    char dir[SCRATCH], path[600];
    void *file = NULL;
    size_t size = 0;
    make_scratch(dir);
    const job j = { .dir = dir, .function = "add1", .options = "-DC=1" };
    expect(run(j), 1, 0, "first");
    cr_assert(files_in(dir, path, false) == 1);
    cr_assert(clg_file_read(path, 1 << 28, &file, &size) == CLG_OK);
    uint8_t *bytes = file;
    /* one byte of: magic, key, digest, size, number of names, a name, the binary, its end */
    const size_t at[] = { 0, 20, 80, 137, 144, 151, 152, 152 + 63, size / 2, size - 1 };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        bytes[at[i]] ^= 0x40;
        write_file(path, bytes, size);
        bytes[at[i]] ^= 0x40;
        char what[64];
        snprintf(what, sizeof what, "byte %zu", at[i]);
        expect(run(j), 1, 0, what);
    }
    const size_t cut[] = { 0, 7, 151, 152, 200, size - 1 };
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        char what[64];
        snprintf(what, sizeof what, "cut to %zu", cut[i]);
        write_file(path, bytes, cut[i]);
        expect(run(j), 1, 0, what);
    }
    write_file(path, "\x7f" "ELF, not ours at all", 21);
    expect(run(j), 1, 0, "foreign");
    expect(run(j), 0, 1, "written anew");
    clg_free(file);
    cr_expect(files_in(dir, NULL, false) == 1);
    remove_dir(dir);
}

/* A whole, well-formed file with a binary that the driver refuses. */
Test(cache, refused_binaries_are_misses) {
    char dir[SCRATCH], path[600];
    void *file = NULL;
    size_t size = 0;
    make_scratch(dir);
    const job j = { .dir = dir, .function = "add1", .options = "-DD=1" };
    expect(run(j), 1, 0, "first");
    cr_assert(files_in(dir, path, false) == 1);
    cr_assert(clg_file_read(path, 1 << 28, &file, &size) == CLG_OK);
    uint8_t *bytes = file;
    clg_sha256 h;
    char digest[65];
    const size_t start = 152 + 64 * (size_t)bytes[144];
    memset(bytes + start, 'x', size - start);
    clg_sha256_init(&h);
    clg_sha256_add(&h, bytes + 152, size - 152);
    clg_sha256_end(&h, digest);
    memcpy(bytes + 72, digest, 64);
    write_file(path, bytes, size);
    clg_free(file);
    expect(run(j), 1, 0, "refused");
    expect(run(j), 0, 1, "written anew");
    remove_dir(dir);
}

Test(cache, many_processes_at_once, .timeout = 120) {
    enum { N = 8 };
    char dir[SCRATCH], path[600];
    int pipes[N], built = 0;
    make_scratch(dir);
    const job j = { .dir = dir, .function = "add1", .options = "-DE=1" };
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) pipes[i] = start(&j);
        for (int i = 0; i < N; i++) {
            const seen s = finish(pipes[i]);
            cr_expect(s.right && s.built + s.cached == 1, "process %d: %s", i, s.error);
            built += s.built;
        }
        cr_expect(files_in(dir, path, false) == 1, "one file, and nothing temporary");
        if (round == 0) { /* and once more over a damaged one */
            cr_expect(built >= 1);
            write_file(path, "damage", 6);
        }
    }
    expect(run(j), 0, 1, "afterwards");
    remove_dir(dir);
}

Test(cache, works_without_a_directory) {
    char dir[SCRATCH], path[600];
    make_scratch(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    write_file(path, "", 0);
    char below[700];
    snprintf(below, sizeof below, "%s/cache", path);
    expect(run((job){ below, "add1", NULL, "-DF=1" }), 1, 0, "below a file");
    expect(run((job){ "/proc/clgrad", "add1", NULL, "-DF=1" }), 1, 0, "not writable");
    expect(run((job){ "", "add1", NULL, "-DF=1" }), 1, 0, "off");
    snprintf(below, sizeof below, "%s/new/deep", dir);
    expect(run((job){ below, "add1", NULL, "-DF=1" }), 1, 0, "made when needed");
    expect(run((job){ below, "add1", NULL, "-DF=1" }), 0, 1, "made when needed");
    remove_dir(below);
    snprintf(below, sizeof below, "%s/new", dir);
    cr_expect(rmdir(below) == 0);
    setenv("CLGRAD_CACHE_DIR", dir, 1);
    expect(run((job){ NULL, "add1", NULL, "-DF=1" }), 1, 0, "environment");
    expect(run((job){ NULL, "add1", NULL, "-DF=1" }), 0, 1, "environment");
    remove_dir(dir);
}

/* Off: programs are built each time, and nothing is left. */
Test(cache, binaries_off) {
    char dir[SCRATCH];
    make_scratch(dir);
    setenv("CLGRAD_BINARIES", "off", 1);
    expect(run((job){ dir, "add1", NULL, "-DF=1" }), 1, 0, "first");
    expect(run((job){ dir, "add1", NULL, "-DF=1" }), 1, 0, "second");
    unsetenv("CLGRAD_BINARIES"); /* on, unless the driver has a cache of its own: PoCL */
    const seen first = run((job){ dir, "add1", NULL, "-DF=1" });
    const int built = first.own;
    expect(first, 1, 0, "by default, first");
    expect(run((job){ dir, "add1", NULL, "-DF=1" }), built, !built, "by default, second");
    setenv("CLGRAD_BINARIES", "on", 1);
    expect(run((job){ dir, "add1", NULL, "-DF=1" }), built, !built, "asked for, first");
    expect(run((job){ dir, "add1", NULL, "-DF=1" }), 0, 1, "asked for, second");
    remove_dir(dir);
    setenv("CLGRAD_BINARIES", "0", 1);
    cr_expect_null(clg_device_open(NULL, NULL));
    cr_expect(strstr(clg_error(), "CLGRAD_BINARIES=0"), "%s", clg_error());
}

/* Files instead of embedded sources, for editing kernels without building. */
Test(cache, cl_path) {
    char dir[SCRATCH], path[600];
    const char *name, *content;
    clg_program *p = NULL;
    make_scratch(dir);
    for (int i = 0; (name = clg_program_file(i, &content)) != NULL; i++) {
        if (strcmp(name, "clg.clh") != 0 && strcmp(name, "builtins.clh") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, name);
        write_file(path, content, strlen(content));
    }
    snprintf(path, sizeof path, "%s/mine.cl", dir);
    static const char mine[] = "#include \"clg.clh\"\n#include \"two.clh\"\nKERNEL add2(INOUT(x)) {\n"
                               "    const size_t i = get_global_id(0);\n    STORE(x, i, LOAD(x, i) + TWO);\n}\n";
    write_file(path, mine, sizeof mine - 1);
    snprintf(path, sizeof path, "%s/two.clh", dir);
    write_file(path, "#define TWO 2.0f\n", 17);

    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.cache_dir = ""));
    cr_assert(d, "%s", clg_error());
    const clg_source source = { .name = "mine" };
    cr_expect(clg_program_get(d, &source, &p) == CLG_ERR_BUILD, "not among the embedded ones");
    setenv("CLGRAD_CL_PATH", dir, 1);
    cr_assert(clg_program_get(d, &source, &p) == CLG_OK, "%s", clg_error());
    cr_expect(launch(d, p, "add2"));
    clg_program_release(&p);
    write_file(path, "#define TWO 2.0f +\n", 19); /* an edit is seen at once */
    cr_expect(clg_program_get(d, &source, &p) == CLG_ERR_BUILD && (strstr(clg_error(), "mine.cl:5")
              || driver_is("Oclgrind")), "%s", clg_error()); /* which counts lines from the prelude on */
    cr_assert(unlink(path) == 0);
    cr_expect(clg_program_get(d, &source, &p) == CLG_ERR_IO, "%s", clg_error());
    cr_expect(strstr(clg_error(), path) && strstr(clg_error(), "CLGRAD_CL_PATH"), "%s", clg_error());
    clg_device_destroy(&d);
    remove_dir(dir);
}
