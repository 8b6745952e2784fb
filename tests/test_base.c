/* src/base: published vectors of the hashes and the generator, and the promises of memory, text, errors and files. */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/number.h"
#include "base/philox.h"
#include "base/str.h"
#include "support/german.h"
#include "support/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <dirent.h>
#include <unistd.h>

Test(base, sha256_has_the_published_values) {
    static const struct { const char *text; int times; const char *hex; } cases[] = {
        { "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
          "nopqrstu", 1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
        { "aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clg_sha256 h;
        char hex[65];
        clg_sha256_init(&h);
        for (int k = 0; k < cases[i].times; k++) clg_sha256_add(&h, cases[i].text, strlen(cases[i].text));
        clg_sha256_end(&h, hex);
        cr_expect_str_eq(hex, cases[i].hex, "case %zu: %s", i, hex);
    }
}

/* Every length around the block size, in one piece and byte by byte; and the border between two texts counts. */
Test(base, sha256_does_not_depend_on_the_pieces) {
    char text[200], a[65], b[65];
    memset(text, 'x', sizeof text);
    for (size_t n = 0; n < sizeof text; n++) {
        clg_sha256 h;
        clg_sha256_init(&h);
        clg_sha256_add(&h, text, n);
        clg_sha256_end(&h, a);
        clg_sha256_init(&h);
        for (size_t i = 0; i < n; i++) clg_sha256_add(&h, text + i, 1);
        clg_sha256_end(&h, b);
        cr_expect_str_eq(a, b, "length %zu", n);
    }
    clg_sha256 x, y;
    clg_sha256_init(&x), clg_sha256_init(&y);
    clg_sha256_add_str(&x, "ab"), clg_sha256_add_str(&x, "c");
    clg_sha256_add_str(&y, "a"), clg_sha256_add_str(&y, "bc");
    clg_sha256_end(&x, a), clg_sha256_end(&y, b);
    cr_expect_str_neq(a, b);
}

/* isthe.com/chongo/src/fnv: 64-bit FNV-1a */
Test(base, fnv1a_has_the_published_values) {
    cr_expect_eq(clg_fnv1a(CLG_FNV_BASIS, "", 0), 0xcbf29ce484222325u);
    cr_expect_eq(clg_fnv1a(CLG_FNV_BASIS, "a", 1), 0xaf63dc4c8601ec8cu);
    cr_expect_eq(clg_fnv1a(CLG_FNV_BASIS, "foobar", 6), 0x85944171f73967e8u);
}

/* kat_vectors of Random123: philox4x32 10 */
Test(base, philox_has_the_published_values) {
    static const struct { uint32_t counter[4], key[2], out[4]; } cases[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t out[4];
        clg_philox(cases[i].counter, cases[i].key, out);
        cr_expect_arr_eq(out, cases[i].out, sizeof out, "case %zu", i);
    }
    cr_expect_eq(clg_philox_unit(0), 0.0f);
    cr_expect_eq(clg_philox_unit(UINT32_MAX), 1 - 0x1p-24f);
}

/* --- memory --- */

static int live_blocks, fail_after = -1;

static void *counting(void *user, void *p, size_t size) {
    (*(int *)user)++;
    if (size == 0) {
        if (p) live_blocks--;
        free(p);
        return NULL;
    }
    if (fail_after >= 0 && fail_after-- == 0) return NULL;
    if (!p) live_blocks++;
    return realloc(p, size);
}

Test(base, allocator_is_exchanged_only_while_nothing_is_in_use) {
    int calls = 0;
    const clg_allocator mine = { counting, &calls }, none = { NULL, NULL };
    cr_assert_eq(clg_set_allocator(&mine), CLG_OK);
    void *p = clg_alloc(0), *q = clg_calloc(3, 5);
    cr_assert(p && q && p != q);
    cr_expect_eq(live_blocks, 2);
    cr_expect_eq(clg_set_allocator(NULL), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "2 blocks"), "%s", clg_error());
    p = clg_resize(p, 1000);
    clg_free(p), clg_free(q), clg_free(NULL);
    cr_expect_eq(live_blocks, 0);
    cr_expect_eq(calls, 5);
    clg_fail(CLG_ERR_IO, "%02000d", 7); /* an old message does not hold on to the allocator */
    cr_expect_eq(clg_set_allocator(&none), CLG_ERR_INVALID);
    cr_expect_eq(clg_set_allocator(NULL), CLG_OK);
    cr_expect_null(clg_calloc(SIZE_MAX / 2, 3));
}

Test(base, growing_an_array_keeps_it_and_survives_failure) {
    int calls = 0, *a = NULL, cap = 0;
    const clg_allocator mine = { counting, &calls };
    cr_assert_eq(clg_set_allocator(&mine), CLG_OK);
    for (int i = 0; i < 1000; i++) {
        cr_assert(clg_grow(&a, &cap, i + 1, sizeof *a));
        a[i] = i;
    }
    for (int i = 0; i < 1000; i++) cr_assert_eq(a[i], i);
    const int before = cap;
    fail_after = 0;
    cr_expect_not(clg_grow(&a, &cap, before + 1, sizeof *a));
    fail_after = -1;
    cr_expect_eq(cap, before);
    cr_expect_eq(a[999], 999);
    cr_expect_not(clg_grow(&a, &cap, INT32_MAX, SIZE_MAX / 4), "overflow");
    clg_free(a);
    cr_expect_eq(live_blocks, 0);
}

Test(base, arena_memory_is_cleared_aligned_and_freed_at_once) {
    int calls = 0;
    const clg_allocator mine = { counting, &calls };
    cr_assert_eq(clg_set_allocator(&mine), CLG_OK);
    clg_arena a = { 0 };
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *p = clg_arena_alloc(&a, size);
        cr_assert(p && (uintptr_t)p % 16 == 0);
        for (size_t i = 0; i < size; i++) cr_assert_eq(p[i], 0);
        memset(p, 0xff, size);
    }
    unsigned char *big = clg_arena_alloc(&a, 10 << 20);
    cr_assert(big && big[(10 << 20) - 1] == 0);
    cr_expect_str_eq(clg_arena_printf(&a, "%d %s", 42, "x"), "42 x");
    cr_expect_str_eq(clg_arena_strdup(&a, "name"), "name");
    cr_expect_eq(*(char *)clg_arena_copy(&a, NULL, 8), 0);
    cr_expect_null(clg_arena_alloc(&a, SIZE_MAX));
    cr_expect_null(clg_arena_array(&a, SIZE_MAX / 2, 4));
    cr_expect_eq(clg_error_status(), CLG_ERR_NOMEM);
    cr_expect_lt(calls, 40, "few blocks, not one per object: %d", calls);
    clg_arena_free(&a);
    cr_expect_eq(live_blocks, 0);
    fail_after = 0;
    cr_expect_null(clg_arena_alloc(&a, 1));
    cr_expect_eq(clg_error_status(), CLG_ERR_NOMEM);
    fail_after = -1;
    cr_expect_not_null(clg_arena_alloc(&a, 1), "usable again");
    clg_arena_free(&a);
}

/* --- text --- */

Test(base, strings_grow_and_stay_a_valid_prefix_without_memory) {
    int calls = 0;
    const clg_allocator mine = { counting, &calls };
    cr_assert_eq(clg_set_allocator(&mine), CLG_OK);
    clg_str s = { 0 };
    cr_expect_str_eq(clg_str_text(&s), "");
    for (int i = 0; i < 500; i++) clg_str_printf(&s, "%d,", i % 10);
    cr_expect_eq(s.size, 1000);
    clg_str_add_bytes(&s, "a\0b", 3);
    cr_expect_eq(s.size, 1003);
    cr_expect_eq(memcmp(s.text + 1000, "a\0b", 4), 0);
    fail_after = 0;
    clg_str_printf(&s, "%05000d", 1);
    cr_expect(s.failed && s.size == 1003);
    fail_after = -1;
    clg_str_add(&s, "x");
    cr_expect_eq(s.size, 1003, "nothing is added behind a gap");
    clg_str_free(&s);
    cr_expect_eq(live_blocks, 0);
}

Test(base, text_matches) {
    static const struct { const char *pattern, *text; bool fits; } globs[] = {
        { NULL, "x", 1 },           { "", "", 1 },              { "", "x", 0 },          { "*", "", 1 },
        { "conv*", "conv1.w", 1 },  { "conv*", "fc.conv", 0 },  { "*.bias", "a.bias", 1 }, { "*.bias", "a.biased", 0 },
        { "c?nv", "conv", 1 },      { "c?nv", "cnv", 0 },       { "*a*b*", "xxaxxbxx", 1 }, { "*a*b*", "xxbxxaxx", 0 },
        { "a*b*c", "abbbcbc", 1 },  { "**", "anything", 1 },    { "?", "", 0 },
        { "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0 },
    };
    for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++)
        cr_expect_eq(clg_str_glob(globs[i].pattern, globs[i].text), globs[i].fits, "glob %zu", i);
    cr_expect(clg_str_contains_nocase("Portable Computing Language", "COMPUT"));
    cr_expect(clg_str_contains_nocase("x", ""));
    cr_expect(clg_str_contains_nocase("ababac", "abac"));
    cr_expect_not(clg_str_contains_nocase("pocl", "pocl2"));
}

/* --- errors and log --- */

static void *other_thread(void *found) {
    *(bool *)found = clg_error_status() == CLG_OK && clg_error()[0] == 0;
    clg_fail(CLG_ERR_SHAPE, "%02000d", 0); /* long: freed when the thread ends */
    return NULL;
}

Test(base, error_text_is_per_thread_and_of_any_length) {
    cr_expect_eq(clg_error_status(), CLG_OK);
    cr_expect_str_eq(clg_error(), "");
    cr_expect_eq(clg_fail(CLG_ERR_IO, "%s: %d", "file", 5), CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), "file: 5");
    cr_expect_eq(clg_fail_context(CLG_ERR_FORMAT, "net: "), CLG_ERR_FORMAT);
    cr_expect_str_eq(clg_error(), "net: file: 5");
    pthread_t t;
    bool clean = false;
    cr_assert_eq(pthread_create(&t, NULL, other_thread, &clean), 0);
    pthread_join(t, NULL);
    cr_expect(clean);
    cr_expect_eq(clg_error_status(), CLG_ERR_FORMAT);
    char *log = malloc(100001);
    memset(log, 'l', 100000);
    log[100000] = 0;
    clg_fail(CLG_ERR_BUILD, "%s", log);
    cr_expect_eq(strlen(clg_error()), 100000);
    clg_fail(CLG_ERR_BUILD, "again: %s", clg_error()); /* the old message as an argument of the new */
    cr_expect_eq(strlen(clg_error()), 100007);
    clg_fail(CLG_ERR_INVALID, "short");
    cr_expect_str_eq(clg_error(), "short");
    clg_fail(CLG_ERR_INVALID, "<%s>", clg_error());
    cr_expect_str_eq(clg_error(), "<short>");
    free(log);
    cr_expect_str_eq(clg_status_name(CLG_ERR_SHAPE), "CLG_ERR_SHAPE");
    cr_expect_str_eq(clg_status_name((clg_status)-99), "CLG_ERR_?");
    clg_fail_nomem("plan");
    cr_expect_str_eq(clg_error(), "out of host memory: plan");
}

static char logged[4096];
static int n_logged;

static void keep_log(void *user, enum clg_log_level level, const char *msg) {
    n_logged++;
    snprintf(logged, sizeof logged, "%d:%s", (int)level, msg);
    cr_expect_eq(user, logged);
}

Test(base, log_goes_to_the_callback_up_to_its_level) {
    clg_set_log(keep_log, logged, CLG_LOG_INFO);
    clg_log_msg(CLG_LOG_DEBUG, "quiet");
    cr_expect_eq(n_logged, 0);
    clg_log_msg(CLG_LOG_WARN, "%s %d", "loud", 1);
    cr_expect_str_eq(logged, "2:loud 1");
    clg_log_msg(CLG_LOG_INFO, "%02000d", 0);
    cr_expect_eq(strlen(logged), 2002);
    clg_set_log(keep_log, logged, CLG_LOG_DEBUG);
    clg_fail(CLG_ERR_IO, "lost");
    cr_expect_str_eq(logged, "4:CLG_ERR_IO: lost", "%s", logged);
    clg_set_log(keep_log, logged, CLG_LOG_NONE);
    n_logged = 0;
    clg_log_msg(CLG_LOG_ERROR, "off");
    cr_expect_eq(n_logged, 0);
}

Test(base, log_level_comes_from_the_environment) {
    setenv("CLGRAD_LOG", "Info", 1);
    clg_set_log(NULL, NULL, CLG_LOG_NONE);
    cr_expect(clg_log_on(CLG_LOG_INFO) && !clg_log_on(CLG_LOG_DEBUG));
    setenv("CLGRAD_LOG", "nonsense", 1);
    clg_set_log(NULL, NULL, CLG_LOG_NONE);
    cr_expect(clg_log_on(CLG_LOG_WARN) && !clg_log_on(CLG_LOG_INFO));
}

/* --- files --- */

static char dir[SCRATCH];

static void make_dir(void) {
    make_scratch(dir);
    cr_assert_eq(chdir(dir), 0);
}

static void remove_dir(void) {
    cr_assert_eq(chdir("/"), 0);
    remove_scratch(dir);
}

TestSuite(file, .init = make_dir, .fini = remove_dir);

static int files_in(const char *path) {
    DIR *d = opendir(path);
    int n = -2; /* . and .. */
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void expect_content(const char *path, const char *text) {
    void *data;
    size_t size;
    cr_assert_eq(clg_file_read(path, 1 << 20, &data, &size), CLG_OK, "%s", clg_error());
    cr_expect_eq(size, strlen(text));
    cr_expect_str_eq(data, text);
    clg_free(data);
}

static clg_status write_text(const char *path, const char *text) {
    const clg_file_part parts[] = { { text, strlen(text) / 2 }, { NULL, 0 },
                                    { text + strlen(text) / 2, strlen(text) - strlen(text) / 2 } };
    return clg_file_write(path, parts, 3, true);
}

Test(file, is_written_whole_and_read_back) {
    cr_assert_eq(write_text("a", "hello"), CLG_OK, "%s", clg_error());
    expect_content("a", "hello");
    cr_assert_eq(write_text("a", "second text"), CLG_OK);
    expect_content("a", "second text");
    cr_assert_eq(write_text("empty", ""), CLG_OK);
    expect_content("empty", "");
    cr_expect_eq(files_in("."), 2, "no temporary file is left");
}

Test(file, permissions_are_those_of_the_umask_or_of_the_old_file) {
    struct stat st;
    umask(022);
    cr_assert_eq(write_text("a", "x"), CLG_OK);
    stat("a", &st);
    cr_expect_eq(st.st_mode & 0777, 0644);
    chmod("a", 0600);
    cr_assert_eq(write_text("a", "y"), CLG_OK);
    stat("a", &st);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(symlink("a", "link"), 0);
    cr_assert_eq(write_text("link", "z"), CLG_OK);
    lstat("link", &st);
    cr_expect(S_ISLNK(st.st_mode), "a link stays a link");
    expect_content("a", "z");
}

Test(file, failures_name_path_and_reason) {
    void *data = NULL;
    size_t size;
    cr_expect_eq(clg_file_read("missing", 10, &data, &size), CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), "missing: cannot open: No such file or directory");
    cr_expect_eq(clg_file_read(".", 10, &data, &size), CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), ".: cannot read: Is a directory");
    cr_assert_eq(write_text("a", "12345678901"), CLG_OK);
    cr_expect_eq(clg_file_read("a", 10, &data, &size), CLG_ERR_FORMAT);
    cr_expect(strstr(clg_error(), "a: larger than"), "%s", clg_error());
    cr_expect_eq(clg_file_read("/dev/zero", 5000, &data, &size), CLG_ERR_FORMAT, "endless");
    cr_expect_eq(clg_file_read("/dev/null", 10, &data, &size), CLG_OK);
    cr_expect_eq(size, 0);
    clg_free(data);
    cr_expect_eq(write_text(".", "x"), CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), ".: cannot write: Is a directory");
    cr_expect_eq(write_text("no/such/dir", "x"), CLG_ERR_IO);
    cr_expect(strstr(clg_error(), "no/such/dir: cannot create") && strstr(clg_error(), "No such file"), "%s",
              clg_error());
    cr_expect_eq(write_text("/dev/full", "x"), CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), "/dev/full: cannot write: not a regular file");
    cr_expect_eq(files_in("."), 1);
}

/* A full disk in the small: no file may grow beyond 4096 bytes. */
Test(file, a_failed_write_leaves_the_old_file_and_no_other) {
    cr_assert_eq(write_text("a", "precious"), CLG_OK);
    char *large = calloc(1, 10000);
    memset(large, 'x', 9999);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, old.rlim_max });
    const clg_status status = write_text("a", large);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_expect_eq(status, CLG_ERR_IO);
    cr_expect_str_eq(clg_error(), "a: cannot write: File too large");
    expect_content("a", "precious");
    cr_expect_eq(files_in("."), 1);
    free(large);
}

Test(file, directories_are_made_with_their_parents) {
    cr_expect_eq(clg_dir_make("x/y//z"), CLG_OK, "%s", clg_error());
    cr_expect_eq(clg_dir_make("x/y/z"), CLG_OK, "again");
    struct stat st;
    cr_expect(stat("x/y/z", &st) == 0 && (st.st_mode & 0777) == 0700);
    cr_assert_eq(write_text("x/file", "x"), CLG_OK);
    cr_expect_eq(clg_dir_make("x/file/z"), CLG_ERR_IO);
    cr_expect(strstr(clg_error(), "x/file: cannot create the directory"), "%s", clg_error());
    cr_expect_eq(clg_dir_make(""), CLG_ERR_IO);
}

Test(file, cache_directory_follows_the_environment) {
    char path[64];
    setenv("HOME", "/home/u", 1);
    unsetenv("CLGRAD_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    cr_expect(clg_cache_dir(NULL, path, sizeof path));
    cr_expect_str_eq(path, "/home/u/.cache/clgrad");
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    cr_expect(clg_cache_dir(NULL, path, sizeof path));
    cr_expect_str_eq(path, "/xdg/clgrad");
    setenv("CLGRAD_CACHE_DIR", "/own", 1);
    cr_expect(clg_cache_dir(NULL, path, sizeof path));
    cr_expect_str_eq(path, "/own");
    cr_expect(clg_cache_dir("given", path, sizeof path));
    cr_expect_str_eq(path, "given");
    cr_expect_not(clg_cache_dir("", path, sizeof path));
    cr_expect_not(clg_cache_dir("given", path, 5), "too long");
    setenv("CLGRAD_CACHE_DIR", "", 1);
    cr_expect_not(clg_cache_dir(NULL, path, sizeof path), "switched off");
    unsetenv("CLGRAD_CACHE_DIR"), unsetenv("XDG_CACHE_HOME"), unsetenv("HOME");
    cr_expect_not(clg_cache_dir(NULL, path, sizeof path));
}

static const char *const no_numbers[] = {
    "", "+", "-", ".", "e5", "1e", "1e+", "1,5", "1.2.3", " 1", "1 ", "0x10", "nan", "inf", "--1", "1e5.0", "1_000",
};

static void check_numbers(const char *locale) {
    static const struct { const char *text; double value; } cases[] = {
        { "0", 0 }, { "-0.0", -0.0 }, { "5.1", 5.1 }, { "+.5", 0.5 }, { "5.", 5 }, { "1e3", 1000 },
        { "-2.5E-3", -0.0025 }, { "0.1", 0.1 }, { "1.7976931348623157e308", DBL_MAX }, { "1e309", INFINITY },
        { "1e-400", 0 }, { "4.9406564584124654e-324", 4.9406564584124654e-324 },
        /* half way between two doubles, and a hair above: a sum of digits times powers of ten gets one of them wrong */
        { "9007199254740993", 9007199254740992 }, { "9007199254740993.00000000000000000000001", 9007199254740994 },
        { "2.2250738585072011e-308", 0x0.fffffffffffffp-1022 },
    };
    double v;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect(clg_read_number(cases[i].text, strlen(cases[i].text), &v), "%s in %s", cases[i].text, locale);
        cr_expect(v == cases[i].value && signbit(v) == signbit(cases[i].value), "%s in %s is %.17g", cases[i].text,
                  locale, v);
    }
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++) {
        v = 7;
        cr_expect_not(clg_read_number(no_numbers[i], strlen(no_numbers[i]), &v), "%s in %s", no_numbers[i], locale);
        cr_expect_eq(v, 7);
    }
    cr_expect(clg_read_number("12.5,7", 4, &v) && v == 12.5, "a field among others, in %s", locale);
    static const struct { double value; const char *text; } written[] = {
        { 0.5, "0.5" }, { 0.1, "0.1" }, { -1e-5, "-1e-05" }, { 1.0 / 3, "0.3333333333333333" }, { 3, "3" },
        { 0.1 + 0.2, "0.30000000000000004" }, { DBL_MAX, "1.7976931348623157e+308" },
    };
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        char text[CLG_NUMBER_ROOM];
        cr_expect_str_eq(clg_write_number(text, written[i].value), written[i].text, "%s in %s", text, locale);
    }
}

Test(number, is_the_nearest_double_in_every_locale) {
    char folder[SCRATCH];
    check_numbers("C");
    make_scratch(folder);
    if (set_german(folder)) {
        cr_expect_eq(strtod("0.5", NULL), 0, "strtod() follows the locale, else this shows nothing");
        check_numbers("de_DE.UTF-8");
        cr_expect_str_eq(setlocale(LC_ALL, NULL), "de_DE.UTF-8", "the program's locale is its own");
    }
    remove_scratch(folder);
}

Test(number, integers_end_at_their_limits) {
    static const struct { const char *text; bool ok; int64_t value; } cases[] = {
        { "0", true, 0 }, { "-12", true, -12 }, { "+7", true, 7 }, { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN }, { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 }, { "99999999999999999999", false, 0 }, { "", false, 0 }, { "-", false, 0 },
        { "1.0", false, 0 }, { "1 ", false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t v = 5;
        const bool ok = clg_read_integer(cases[i].text, strlen(cases[i].text), INT64_MIN, INT64_MAX, &v);
        cr_expect_eq(ok, cases[i].ok, "%s", cases[i].text);
        cr_expect_eq(v, cases[i].ok ? cases[i].value : 5, "%s", cases[i].text);
    }
    int64_t v = 5;
    cr_expect_not(clg_read_integer("11", 2, 0, 10, &v));
    cr_expect_not(clg_read_integer("-1", 2, 0, 10, &v));
    cr_expect_eq(v, 5);
}

Test(base, version_starts_with_the_numbers_of_the_header) {
    char want[32];
    snprintf(want, sizeof want, "%d.%d.%d (", CLG_VERSION_MAJOR, CLG_API_VERSION, CLG_VERSION_FIX);
    cr_expect_eq(strncmp(clg_version(), want, strlen(want)), 0, "%s", clg_version());
}
