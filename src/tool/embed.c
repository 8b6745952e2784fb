/* Build-time program: packs files into byte arrays of a generated C source.
 *
 *     embed OUT.c SYMBOL FILE...
 *
 * The source defines a table, ended by a row of NULLs; a user declares it as it stands there:
 *
 *     struct clg_embedded { const char *name; const unsigned char *data; size_t size; };
 *     extern const struct clg_embedded SYMBOL[];
 *
 * name is the file's last path component; behind the data stands a zero byte that size does not count, so that text
 * is a string. Numbers, not string literals: compilers limit the length of those. Runs on the build machine: plain
 * C, no library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *back = strrchr(path, '\\');
    if (back && (!slash || back > slash)) slash = back;
    return slash ? slash + 1 : path;
}

/* Writes the array of file i; returns its size, or -1. */
static long write_array(FILE *out, int i, const char *path) {
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        return -1;
    }
    fprintf(out, "/* %s */\nstatic const unsigned char file_%d[] = {", base_name(path), i);
    long size = 0;
    for (int c; (c = getc(in)) != EOF; size++) fprintf(out, "%s%d,", size % 32 == 0 ? "\n" : "", c);
    fprintf(out, "%s0\n};\n\n", size % 32 == 0 ? "\n" : "");
    const int bad = ferror(in);
    if (bad) perror(path);
    fclose(in);
    return bad ? -1 : size;
}

static int write_all(FILE *out, const char *symbol, int n, char **path, long *size) {
    fprintf(out, "/* Made by embed.c; do not edit. */\n#include <stddef.h>\n\n"
                 "struct clg_embedded { const char *name; const unsigned char *data; size_t size; };\n"
                 "extern const struct clg_embedded %s[];\n\n", symbol);
    for (int i = 0; i < n; i++) {
        size[i] = write_array(out, i, path[i]);
        if (size[i] < 0) return -1;
    }
    fprintf(out, "const struct clg_embedded %s[] = {\n", symbol);
    for (int i = 0; i < n; i++) fprintf(out, "    { \"%s\", file_%d, %ld },\n", base_name(path[i]), i, size[i]);
    fprintf(out, "    { NULL, NULL, 0 },\n};\n");
    return ferror(out) ? -1 : 0;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: embed OUT.c SYMBOL FILE...\n");
        return 2;
    }
    long *size = calloc((size_t)argc, sizeof *size);
    FILE *out = size ? fopen(argv[1], "w") : NULL;
    if (!out) {
        perror(argv[1]);
        free(size);
        return 1;
    }
    int bad = write_all(out, argv[2], argc - 3, argv + 3, size);
    if (fclose(out) != 0) bad = -1;
    if (bad) {
        fprintf(stderr, "embed: cannot write %s\n", argv[1]);
        remove(argv[1]);
    }
    free(size);
    return bad ? 1 : 0;
}
