/* MNIST and sets in its form: two IDX files a part, pictures and their labels; in a folder, or inside the library. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/digits.h"
#include "data/idx.h"
#include "data/items.h"
#include "data/kinds.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SPEC_CLASSES = 10 }; /* of the data sets that have a name here */

/* Joins pictures and labels; takes over the data of both, also when it fails. max_classes 0: no limit. */
static clg_dataset *join(clg_idx images, clg_idx labels, const char *image_name, const char *label_name,
                         int max_classes, enum clg_part part) {
    clg_items it = {.n = images.dim[0], .shape = CLG_SHAPE(1, images.dim[1], images.dim[2]), .u8 = images.data};
    clg_dataset *d = NULL;
    if (labels.dim[0] != it.n) {
        clg_fail(CLG_ERR_FORMAT, "%s has %lld pictures, but %s has %lld labels: they do not belong together",
                 image_name, (long long)it.n, label_name, (long long)labels.dim[0]);
        goto end;
    }
    it.label = clg_calloc((size_t)it.n, sizeof *it.label);
    if (!it.label) {
        clg_fail_nomem("data set");
        goto end;
    }
    for (int64_t i = 0; i < it.n; i++) {
        it.label[i] = labels.data[i];
        if (max_classes > 0 && it.label[i] >= max_classes) {
            clg_fail(CLG_ERR_FORMAT, "%s: label %lld is %d; labels of this data set are 0 to %d", label_name,
                     (long long)i, (int)it.label[i], max_classes - 1);
            goto end;
        }
    }
    d = clg_dataset_from_items(&it, part);
end:
    clg_items_free(&it);
    clg_free(labels.data);
    return d;
}

static clg_dataset *open_files(const char *image_path, const char *label_path, int max_classes,
                               enum clg_part part) {
    clg_idx images = {0}, labels = {0};
    if (clg_idx_read(image_path, 3, &images) < 0) return NULL;
    if (clg_idx_read(label_path, 1, &labels) < 0) {
        clg_free(images.data);
        return NULL;
    }
    return join(images, labels, image_path, label_path, max_classes, part);
}

clg_dataset *clg_dataset_open_idx(const char *images, const char *labels) {
    if (!images || !labels) {
        clg_fail(CLG_ERR_INVALID, "dataset_open_idx: %s is NULL", images ? "labels" : "images");
        return NULL;
    }
    return open_files(images, labels, 0, CLG_TRAIN);
}

static const char *const part_names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                             {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};

clg_dataset *clg_open_digits(const clg_spec *s, enum clg_part part) {
    clg_idx idx[2] = {{0}, {0}};
    char name[2][48];
    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        snprintf(name[i], sizeof name[i], "%s.gz", part_names[part == CLG_TEST][i]);
        const void *data = clg_digits_file(name[i], &size);
        if (clg_idx_parse(name[i], data, size, i == 0 ? 3 : 1, &idx[i]) < 0) {
            clg_free(idx[0].data);
            return NULL;
        }
    }
    return join(idx[0], idx[1], name[0], name[1], SPEC_CLASSES, part);
}

/* "dir/name.gz" or "dir/name", whichever is there. */
static clg_status find_file(const char *dir, const char *name, char *path, size_t size) {
    static const char *const ends[] = {".gz", ""};
    struct stat st;
    for (int i = 0; i < 2; i++) {
        const int n = snprintf(path, size, "%s/%s%s", dir, name, ends[i]);
        if (n < 0 || (size_t)n >= size)
            return clg_fail(CLG_ERR_INVALID, "mnist:%s: the path is too long", dir);
        if (stat(path, &st) == 0) return CLG_OK;
    }
    if (stat(dir, &st) != 0) return clg_fail(CLG_ERR_IO, "mnist:%s: there is no such folder", dir);
    return clg_fail(CLG_ERR_IO, "mnist:%s: no %s.gz or %s there; the folder needs the four IDX files of MNIST", dir,
                    name, name);
}

clg_dataset *clg_open_mnist(const clg_spec *s, enum clg_part part) {
    char path[2][4096];
    for (int i = 0; i < 2; i++)
        if (find_file(s->path, part_names[part == CLG_TEST][i], path[i], sizeof path[i]) < 0) return NULL;
    return open_files(path[0], path[1], SPEC_CLASSES, part);
}
