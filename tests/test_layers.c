/* The layer rule of docs/design.md: a file includes headers of its own layer or a lower one, only src/cl sees OpenCL,
 * and what stands above the public API uses nothing else. Reads the #include lines of the tree in $CLGRAD_SOURCE. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Folder of src, and the folders whose headers it may include, with <clgrad/...> always allowed. */
static const struct { const char *folder, *may[7]; } rule[] = {
    {"base",  {"base"}},
    {"cl",    {"base", "cl"}},
    {"graph", {"base", "cl", "graph"}},
    {"ops",   {"base", "graph", "ops", "cl/device.h", "plan/emit.h"}},
    {"plan",  {"base", "cl", "graph", "ops", "plan"}},
    {"nn",    {"base", "nn"}},
    {"optim", {"base", "optim"}},
    {"data",  {"base", "data"}},
    {"plot",  {"base", "plot"}},
    {"fit",   {"base", "fit"}},
    {"model", {"base", "model"}},
    {"check", {"check"}},
    {"tool",  {"check", "tool"}},
};
enum { N_RULES = sizeof rule / sizeof rule[0] };

static bool allowed(int r, const char *header) {
    for (int i = 0; i < 7 && rule[r].may[i]; i++) {
        const size_t n = strlen(rule[r].may[i]);
        if (strncmp(header, rule[r].may[i], n) == 0 && (header[n] == '/' || header[n] == 0)) return true;
    }
    return false;
}

/* True for the headers of OpenCL and CLBlast. */
static bool is_opencl(const char *header) {
    return strncmp(header, "CL/", 3) == 0 || strncmp(header, "clblast", 7) == 0;
}

/* The header of an include line; false for other lines. Quoted: *own. */
static bool include_of(const char *line, char *header, bool *own) {
    while (*line == ' ') line++;
    if (*line++ != '#') return false;
    while (*line == ' ') line++;
    if (strncmp(line, "include", 7) != 0) return false;
    const char *from = strpbrk(line, "\"<");
    const size_t n = from ? strcspn(from + 1, "\">") : 0;
    if (!from || n >= 200) return false;
    memcpy(header, from + 1, n);
    header[n] = 0;
    *own = *from == '"';
    return true;
}

static int check_file(int r, const char *path, int *lines) {
    char line[1024], header[200];
    int breaches = 0;
    bool own;
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    while (fgets(line, sizeof line, f)) {
        if (!include_of(line, header, &own)) continue;
        (*lines)++;
        const bool opencl = is_opencl(header) && strcmp(rule[r].folder, "cl") != 0;
        const bool blast = strncmp(header, "clblast", 7) == 0 && !strstr(path, "clblast");
        if ((own && strchr(header, '/') && !allowed(r, header)) || opencl || blast) {
            cr_log_error("%s includes %s, which is not below it", path, header);
            breaches++;
        }
    }
    fclose(f);
    return breaches;
}

static int check_folder(int r, const char *root, int *files, int *lines) {
    char folder[512], path[1024];
    int breaches = 0;
    snprintf(folder, sizeof folder, "%s/src/%s", root, rule[r].folder);
    DIR *d = opendir(folder);
    cr_assert_not_null(d, "%s", folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || (strcmp(dot, ".c") != 0 && strcmp(dot, ".h") != 0)) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        breaches += check_file(r, path, lines);
        (*files)++;
    }
    closedir(d);
    return breaches;
}

Test(layers, no_file_includes_a_higher_layer) {
    const char *root = getenv("CLGRAD_SOURCE");
    cr_assert_not_null(root, "set CLGRAD_SOURCE to the source tree, as meson does");
    for (int r = 0; r < N_RULES; r++) {
        int files = 0, lines = 0;
        cr_expect_eq(check_folder(r, root, &files, &lines), 0, "src/%s", rule[r].folder);
        cr_expect(files > 0 && lines > 0, "src/%s: nothing was read", rule[r].folder);
    }
}

Test(layers, every_folder_has_a_rule) {
    char path[512];
    snprintf(path, sizeof path, "%s/src", getenv("CLGRAD_SOURCE"));
    DIR *d = opendir(path);
    cr_assert_not_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        bool known = strchr(e->d_name, '.') != NULL;
        for (int r = 0; r < N_RULES; r++) known = known || strcmp(rule[r].folder, e->d_name) == 0;
        cr_expect(known, "src/%s has no layer: add it to this table and to docs/design.md", e->d_name);
    }
    closedir(d);
}

Test(layers, a_breach_is_seen) {
    char header[200];
    bool own;
    cr_expect(include_of("#include \"plan/plan.h\"\n", header, &own) && own && !allowed(0, header));
    cr_expect(include_of("# include <CL/cl.h>\n", header, &own) && !own && is_opencl(header));
    cr_expect(allowed(3, "plan/emit.h") && !allowed(3, "plan/plan.h") && !allowed(3, "cl/launch.h"));
    cr_expect(!include_of("/* no include */\n", header, &own));
}
