/* CIFAR-10 reader. A file is a row of records: one byte for the class, then 32 x 32 bytes of red, of green and of blue,
 * so that the pictures are [3, 32, 32] as they stand. Format: cs.toronto.edu/~kriz/cifar.html (binary version). */
#include "data/cifar.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "data/kinds.h"
#include <clgrad/sources.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, RECORD = 1 + PIXELS, CLASSES = 10, MAX_PATH = 4096 };
static const size_t max_file = (size_t)1 << 30;

clg_status clg_cifar_add(const char *name, const uint8_t *data, size_t size, clg_items *items) {
    const size_t n = size / RECORD, before = (size_t)items->n;
    if (n == 0 || size % RECORD != 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: %zu bytes are not a whole number of pictures of %d bytes; is it the "
                        "binary version, and whole?", name, size, RECORD);
    for (size_t i = 0; i < n; i++)
        if (data[i * RECORD] >= CLASSES)
            return clg_fail(CLG_ERR_FORMAT, "%s: picture %zu is of class %d; classes are 0 to 9", name, i,
                            data[i * RECORD]);
    uint8_t *u8 = clg_resize(items->u8, (before + n) * PIXELS);
    if (u8) items->u8 = u8;
    int32_t *label = clg_resize(items->label, (before + n) * sizeof *label);
    if (label) items->label = label;
    if (!u8 || !label) return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %zu pictures", name, n);
    for (size_t i = 0; i < n; i++) {
        label[before + i] = data[i * RECORD];
        memcpy(u8 + (before + i) * PIXELS, data + i * RECORD + 1, PIXELS);
    }
    items->n += (int64_t)n;
    return CLG_OK;
}

/* "dir/name" into path, of MAX_PATH bytes. */
static clg_status path_of(const char *dir, const char *name, char *path) {
    const int n = snprintf(path, MAX_PATH, "%s/%s", dir, name);
    return n >= 0 && n < MAX_PATH ? CLG_OK : clg_fail(CLG_ERR_INVALID, "%s: the path is too long", dir);
}

static clg_status add_file(const char *dir, const char *name, clg_items *items) {
    char path[MAX_PATH];
    void *data = NULL;
    size_t size = 0;
    CLG_TRY(path_of(dir, name, path));
    CLG_TRY(clg_file_read(path, max_file, &data, &size));
    const clg_status status = clg_cifar_add(path, data, size, items);
    clg_free(data);
    return status;
}

static clg_status name_classes(const char *const name[CLASSES], clg_items *items) {
    items->class_name = clg_calloc(CLASSES + 1, sizeof *items->class_name);
    for (int c = 0; items->class_name && c < CLASSES; c++) {
        items->class_name[c] = clg_copy_text(name[c]);
        if (!items->class_name[c]) return clg_fail_nomem("names of classes");
    }
    return items->class_name ? CLG_OK : clg_fail_nomem("names of classes");
}

/* Ten lines, each a name; blank ones are passed over. */
static clg_status names_of_text(const char *path, char *text, clg_items *items) {
    const char *name[CLASSES];
    int n = 0;
    for (char *line = text + strspn(text, "\r\n"); *line; line += strspn(line, "\r\n")) {
        if (n == CLASSES) return clg_fail(CLG_ERR_FORMAT, "%s: more than 10 names of classes", path);
        name[n++] = line;
        line += strcspn(line, "\r\n");
        if (*line) *line++ = 0;
    }
    if (n < CLASSES) return clg_fail(CLG_ERR_FORMAT, "%s: %d names of classes; there are 10 classes", path, n);
    return name_classes(name, items);
}

static clg_status read_names(const char *dir, clg_items *items) {
    static const char *const known[CLASSES] = { "airplane", "automobile", "bird", "cat", "deer",
                                                "dog", "frog", "horse", "ship", "truck" };
    char path[MAX_PATH];
    void *text = NULL;
    size_t size = 0;
    struct stat st;
    CLG_TRY(path_of(dir, "batches.meta.txt", path));
    if (stat(path, &st) != 0) return name_classes(known, items);
    CLG_TRY(clg_file_read(path, 65536, &text, &size));
    const clg_status status = names_of_text(path, text, items);
    clg_free(text);
    return status;
}

static clg_status read_part(const char *dir, enum clg_part part, clg_items *items) {
    static const char *const train[] = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                         "data_batch_5.bin" };
    items->shape = CLG_SHAPE(3, SIDE, SIDE);
    items->classes = CLASSES;
    if (part == CLG_TEST) CLG_TRY(add_file(dir, "test_batch.bin", items));
    for (int i = 0; part == CLG_TRAIN && i < 5; i++) CLG_TRY(add_file(dir, train[i], items));
    return read_names(dir, items);
}

clg_dataset *clg_dataset_open_cifar10(const char *dir, enum clg_part part) {
    char inside[MAX_PATH];
    struct stat st;
    clg_items items = { 0 };
    if (!dir || (part != CLG_TRAIN && part != CLG_TEST)) {
        clg_fail(CLG_ERR_INVALID, "dataset_open_cifar10: %s", dir ? "there are a training and a test part" :
                 "dir is NULL");
        return NULL;
    }
    if (path_of(dir, "cifar-10-batches-bin", inside) < 0) return NULL;
    if (read_part(stat(inside, &st) == 0 ? inside : dir, part, &items) == CLG_OK)
        return clg_dataset_from_items(&items, part);
    clg_items_free(&items);
    return NULL;
}

clg_dataset *clg_open_cifar10(const clg_spec *s, enum clg_part part) {
    return clg_dataset_open_cifar10(s->path, part);
}
