/* Folders of pictures, one for each class. Names are sorted by their bytes, so that the same folder gives the same data
 * set on every machine. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "data/items.h"
#include "data/kinds.h"
#include <clgrad/image.h>
#include <clgrad/sources.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* --- lists of names --- */

typedef struct list {
    char **name;
    int    n, cap;
} list;

static void list_free(list *l) {
    for (int i = 0; i < l->n; i++) clg_free(l->name[i]);
    clg_free(l->name);
    *l = (list){ 0 };
}

/* "a/b"; NULL: no memory. */
static char *join(const char *a, const char *b) {
    clg_str path = { 0 };
    clg_str_printf(&path, "%s/%s", a, b);
    if (!path.failed) return path.text;
    clg_str_free(&path);
    clg_fail_nomem("path");
    return NULL;
}

/* What is wanted of a folder: *yes says if this name is. Fails without memory. */
typedef clg_status wanted(const char *dir, const char *name, bool *yes);

static clg_status is_folder(const char *dir, const char *name, bool *yes) {
    struct stat st;
    char *path = join(dir, name);
    if (!path) return CLG_ERR_NOMEM;
    *yes = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    clg_free(path);
    return CLG_OK;
}

static clg_status is_picture(const char *dir, const char *name, bool *yes) {
    static const char *const ends[] = { ".png", ".pgm", ".ppm" };
    const char *dot = strrchr(name, '.');
    bool folder = true;
    for (int i = 0; dot && i < 3; i++)
        if (strcasecmp(dot, ends[i]) == 0) CLG_TRY(is_folder(dir, name, &folder));
    *yes = !folder;
    return CLG_OK;
}

static clg_status add_name(list *l, const char *name) {
    char *copy = clg_copy_text(name);
    if (!copy || l->n == INT_MAX || !clg_grow(&l->name, &l->cap, l->n + 1, sizeof *l->name)) {
        clg_free(copy);
        return clg_fail_nomem("names in a folder");
    }
    l->name[l->n++] = copy;
    return CLG_OK;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is wanted in a folder, sorted; hidden names are not. To be freed also on failure. */
static clg_status list_folder(const char *dir, wanted *what, list *l) {
    DIR *d = opendir(dir);
    if (!d) return clg_fail(CLG_ERR_IO, "%s: cannot open the folder: %s", dir, strerror(errno));
    clg_status status = CLG_OK;
    struct dirent *e;
    errno = 0;
    while (status == CLG_OK && (e = readdir(d)) != NULL) {
        bool yes = false;
        if (e->d_name[0] != '.') status = what(dir, e->d_name, &yes);
        if (status == CLG_OK && yes) status = add_name(l, e->d_name);
        errno = 0;
    }
    if (status == CLG_OK && errno)
        status = clg_fail(CLG_ERR_IO, "%s: cannot read the folder: %s", dir, strerror(errno));
    closedir(d);
    if (l->n > 0) qsort(l->name, (size_t)l->n, sizeof *l->name, by_bytes);
    return status;
}

/* --- pictures --- */

typedef struct reader {
    clg_items items;
    int64_t   room;        /* items that fit into the arrays */
    char     *first;       /* path of the first picture */
} reader;

static int channels_of(const clg_image *image) {
    return image->channels < 3 ? 1 : 3;
}

static const char *colour_of(int64_t channels) {
    return channels == 1 ? "grey" : "colour";
}

static clg_status check_size(reader *r, const char *path, const clg_image *image) {
    clg_shape *s = &r->items.shape;
    if (r->items.n == 0) {
        *s = CLG_SHAPE(channels_of(image), image->height, image->width);
        r->first = clg_copy_text(path);
        return r->first ? CLG_OK : clg_fail_nomem("path");
    }
    if (s->dim[0] == channels_of(image) && s->dim[1] == image->height && s->dim[2] == image->width) return CLG_OK;
    return clg_fail(CLG_ERR_FORMAT, "%s: %d x %d pixels in %s, but the first picture, %s, has %lld x %lld in %s; all "
                    "must be alike", path, image->width, image->height, colour_of(channels_of(image)), r->first,
                    (long long)s->dim[2], (long long)s->dim[1], colour_of(s->dim[0]));
}

/* Room for one more; doubles. */
static clg_status make_room(reader *r, size_t bytes) {
    clg_items *it = &r->items;
    if (it->n < r->room) return CLG_OK;
    const int64_t room = r->room ? 2 * r->room : 64;
    if ((size_t)room > SIZE_MAX / bytes) return clg_fail_nomem("pictures");
    uint8_t *u8 = clg_resize(it->u8, (size_t)room * bytes);
    if (u8) it->u8 = u8;
    int32_t *label = clg_resize(it->label, (size_t)room * sizeof *label);
    if (label) it->label = label;
    if (!u8 || !label) return clg_fail(CLG_ERR_NOMEM, "no host memory for %lld pictures", (long long)room);
    r->room = room;
    return CLG_OK;
}

static clg_status add_image(reader *r, const char *path, const clg_image *image, int label) {
    CLG_TRY(check_size(r, path, image));
    const size_t plane = (size_t)image->width * (size_t)image->height, channels = (size_t)channels_of(image);
    CLG_TRY(make_room(r, plane * channels));
    CLG_TRY(clg_image_planes(image, (int)channels, r->items.u8 + (size_t)r->items.n * plane * channels));
    r->items.label[r->items.n++] = label;
    return CLG_OK;
}

static clg_status read_picture(reader *r, const char *dir, const char *name, int label) {
    clg_image image = { 0 };
    char *path = join(dir, name);
    if (!path) return CLG_ERR_NOMEM;
    clg_status status = clg_image_read(path, &image);
    if (status == CLG_OK) status = add_image(r, path, &image, label);
    clg_image_free(&image);
    clg_free(path);
    return status;
}

/* All pictures of dir/name. */
static clg_status read_class(reader *r, const char *dir, const char *name, int label) {
    list pictures = { 0 };
    char *path = join(dir, name);
    clg_status status = path ? list_folder(path, is_picture, &pictures) : CLG_ERR_NOMEM;
    if (status == CLG_OK && pictures.n == 0)
        status = clg_fail(CLG_ERR_FORMAT, "%s: a class without pictures: no .png, .pgm or .ppm there", path);
    for (int i = 0; i < pictures.n && status == CLG_OK; i++) status = read_picture(r, path, pictures.name[i], label);
    list_free(&pictures);
    clg_free(path);
    return status;
}

/* --- classes --- */

static int find(const list *l, const char *name) {
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->name[i], name) == 0) return i;
    return -1;
}

/* Takes the names over as those of the classes. */
static clg_status name_classes(list *names, clg_items *it) {
    char **all = clg_calloc((size_t)names->n + 1, sizeof *all);
    if (!all) return clg_fail_nomem("names of classes");
    memcpy(all, names->name, (size_t)names->n * sizeof *all);
    it->class_name = all;
    it->classes = names->n;
    names->n = 0;
    return CLG_OK;
}

/* The classes are the folders in class_dir; the pictures are those in dir. */
static clg_status read_classes(const char *class_dir, const char *dir, reader *r) {
    list classes = { 0 }, here = { 0 };
    clg_status status;
    CLG_TRY_END(list_folder(class_dir, is_folder, &classes));
    CLG_TRY_END(list_folder(dir, is_folder, &here));
    if (classes.n < 2) {
        status = clg_fail(CLG_ERR_FORMAT, "%s: %d folder%s there; each class needs a folder with its pictures, and at "
                          "least two classes are needed", class_dir, classes.n, classes.n == 1 ? "" : "s");
        goto end;
    }
    for (int i = 0; i < here.n; i++) {
        const int label = find(&classes, here.name[i]);
        if (label < 0) {
            status = clg_fail(CLG_ERR_FORMAT, "%s/%s: a class that %s does not have", dir, here.name[i], class_dir);
            goto end;
        }
        CLG_TRY_END(read_class(r, dir, here.name[i], label));
    }
    status = name_classes(&classes, &r->items);
end:
    list_free(&classes);
    list_free(&here);
    return status;
}

static clg_dataset *open_classes(const char *class_dir, const char *dir, enum clg_part part) {
    reader r = { .room = 0 };
    clg_dataset *d = NULL;
    if (read_classes(class_dir, dir, &r) == CLG_OK) d = clg_dataset_from_items(&r.items, part);
    clg_items_free(&r.items);
    clg_free(r.first);
    return d;
}

clg_dataset *clg_dataset_open_folder(const char *dir) {
    if (dir) return open_classes(dir, dir, CLG_TRAIN);
    clg_fail(CLG_ERR_INVALID, "dataset_open_folder: dir is NULL");
    return NULL;
}

/* *yes: dir/name has folders in it: then it is a part, and no class. */
static clg_status is_part(const char *dir, const char *name, bool *yes) {
    list l = { 0 };
    char *path = join(dir, name);
    clg_status status = path ? is_folder(dir, name, yes) : CLG_ERR_NOMEM;
    if (status == CLG_OK && *yes) status = list_folder(path, is_folder, &l);
    *yes = l.n > 0;
    list_free(&l);
    clg_free(path);
    return status;
}

clg_dataset *clg_open_folder(const clg_spec *s, enum clg_part part) {
    bool own[2] = { false, false };
    if (is_part(s->path, "train", &own[0]) < 0 || is_part(s->path, "test", &own[1]) < 0) return NULL;
    if (!own[0] || !own[1]) return clg_take_part(clg_dataset_open_folder(s->path), s, part);
    if (clg_spec_text(s, "test") || clg_spec_text(s, "split")) {
        clg_fail(CLG_ERR_INVALID, "%s: the folder has parts of its own; test and split mean nothing here", s->given);
        return NULL;
    }
    char *train = join(s->path, "train"), *test = join(s->path, "test");
    clg_dataset *d = train && test ? open_classes(train, part == CLG_TRAIN ? train : test, part) : NULL;
    clg_free(train);
    clg_free(test);
    return d;
}
