/* Data sets from arrays of NumPy, from CIFAR-10 and from folders of pictures: good files, some of NumPy's own making,
 * and one message for each mistake. */
#include "support/files.h"
#include <clgrad/clgrad.h>
#include <math.h>
#include <unistd.h>
#include <zlib.h>

static double row[4096];

static double number(const clg_dataset *d, int64_t i, int k) {
    double t[16];
    cr_assert_eq(clg_dataset_row(d, i, row, t), CLG_OK, "%s", clg_error());
    return k < 0 ? t[-1 - k] : row[k];
}

static bool has_shape(const clg_dataset *d, clg_shape want) {
    const clg_shape s = clg_dataset_shape(d);
    bool same = s.ndim == want.ndim;
    for (int k = 0; same && k < s.ndim; k++) same = s.dim[k] == want.dim[k];
    return same;
}

static clg_dataset *must_open(clg_dataset *d) {
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

static void expect_error(clg_dataset *d, const char *want, const char *what) {
    cr_expect_null(d, "%s: was opened", what);
    cr_expect_not_null(strstr(clg_error(), want), "%s: no \"%s\" in: %s", what, want, clg_error());
    clg_dataset_destroy(&d);
}

/* --- files of NumPy's own making; the formulas stand in tests/data/numpy/README.md --- */

static clg_dataset *open_spec(const char *fmt, const char *a, const char *b, enum clg_part part) {
    char path[2][600], spec[1300];
    snprintf(path[0], sizeof path[0], "%s", in_data(a));
    snprintf(path[1], sizeof path[1], "%s", in_data(b));
    snprintf(spec, sizeof spec, fmt, path[0], path[1]);
    return clg_dataset_open(spec, part);
}

Test(arrays, files_of_numpy_are_read) {
    clg_dataset *train = must_open(open_spec("npz:%s", "numpy/parts.npz", "", CLG_TRAIN));
    clg_dataset *test = must_open(open_spec("npz:%s", "numpy/parts.npz", "", CLG_TEST));
    cr_expect(has_shape(train, CLG_SHAPE(1, 4, 5)) && clg_dataset_size(train) == 4 && clg_dataset_size(test) == 2);
    cr_expect(clg_dataset_classes(test) == 3 && strcmp(clg_dataset_class_name(test, 2), "7") == 0);
    cr_expect(number(train, 0, -1) == 1 && number(test, 0, -1) == 2 && number(test, 1, -1) == 1);
    for (int k = 0; k < 20; k++) cr_expect_float_eq(number(test, 1, k), (5 * 20 + k) * 7 % 256 / 255.0, 1e-7);
    cr_expect_eq(clg_dataset_part(test), CLG_TEST);
    clg_dataset_destroy(&train), clg_dataset_destroy(&test);
    clg_dataset *whole = must_open(open_spec("npz:%s,test=0,task=regression", "numpy/whole.npz", "", CLG_TRAIN));
    for (int i = 0; i < 6; i++) cr_expect(number(whole, i, 0) == i / 4.0 && number(whole, i, 1) == i / 4.0 + 0.125);
    cr_expect(clg_dataset_targets(whole) == 1 && number(whole, 4, -1) == 3.5);
    clg_dataset_destroy(&whole);
    clg_dataset *colour = must_open(open_spec("npy:%s,%s,test=0", "numpy/colour.npy", "numpy/one_hot.npy", CLG_TRAIN));
    cr_expect(has_shape(colour, CLG_SHAPE(3, 5, 4)) && clg_dataset_classes(colour) == 3);
    cr_expect_eq(number(colour, 4, -1), 2);
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 20; k++) cr_expect_eq(number(colour, 1, c * 20 + k), (60 + k * 3 + c) / 16.0);
    clg_dataset_destroy(&colour);
    colour = must_open(open_spec("npy:%s,y=%s,layout=plain", "numpy/colour.npy", "numpy/one_hot.npy", CLG_TEST));
    cr_expect(has_shape(colour, CLG_SHAPE(5, 4, 3)) && clg_dataset_size(colour) == 1);
    clg_dataset_destroy(&colour);
}

/* --- files of our own --- */

/* An NPY file of version 1 or 2: this dictionary, and n bytes of data. */
static const char *write_npy(const char *name, int version, const char *dictionary, const void *data, size_t n) {
    char file[4096];
    const size_t size = strlen(dictionary), start = version == 1 ? 10 : 12;
    memcpy(file, "\x93NUMPY", 6);
    memset(file + 6, 0, 6);
    file[6] = (char)version;
    file[8] = (char)size;
    memcpy(file + start, dictionary, size);
    memcpy(file + start + size, data, n);
    return write_file(name, file, start + size + n);
}

static const char labels_dictionary[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";

static clg_dataset *open_x(const char *x) {
    char path[600];
    snprintf(path, sizeof path, "%s", x);
    return clg_dataset_open_npy(path, write_npy("y.npy", 1, labels_dictionary, "\0\1", 2), NULL);
}

Test(arrays, every_type_and_order_of_bytes, .init = make_folder, .fini = remove_folder) {
    static const struct { const char *descr, *bytes; size_t n; double want[2]; } cases[] = {
        { "<f4", "\0\0\x80\x3f\0\0\x20\xc1", 8, { 1, -10 } },
        { ">f4", "\x3f\x80\0\0\xc1\x20\0\0", 8, { 1, -10 } },
        { "<f8", "\0\0\0\0\0\0\xf8\x3f\x9a\x99\x99\x99\x99\x99\xb9\x3f", 16, { 1.5, 0.1 } },
        { ">f8", "\x3f\xf8\0\0\0\0\0\0\x3f\xb9\x99\x99\x99\x99\x99\x9a", 16, { 1.5, 0.1 } },
        { "|u1", "\x05\xff", 2, { 5, 255 } },
        { "|i1", "\x05\xff", 2, { 5, -1 } },
        { "|b1", "\0\1", 2, { 0, 1 } },
        { "<u2", "\1\0\xff\xff", 4, { 1, 65535 } },
        { "<i2", "\1\0\xfe\xff", 4, { 1, -2 } },
        { ">i2", "\x80\0\xff\xfe", 4, { -32768, -2 } },
        { "<i4", "\0\0\0\x80\4\3\2\1", 8, { -2147483648.0, 0x01020304 } },
        { ">u4", "\x80\0\0\0\1\2\3\4", 8, { 2147483648.0, 0x01020304 } },
        { "<i8", "\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff", 16, { -0x1p63, -1 } },
        { ">u8", "\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7", 16, { 0x1p63, 7 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char dictionary[100];
        snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': (2, 1), }   \n",
                 cases[i].descr);
        for (int version = 1; version <= 2; version++) {
            clg_dataset *d = open_x(write_npy("x.npy", version, dictionary, cases[i].bytes, cases[i].n));
            cr_assert_not_null(d, "%s: %s", cases[i].descr, clg_error());
            for (int k = 0; k < 2; k++)
                cr_expect_eq(number(d, k, 0), cases[i].want[k], "%s: %g", cases[i].descr, number(d, k, 0));
            clg_dataset_destroy(&d);
        }
    }
    static const char fortran[] = "{\"shape\":(2,2,3),\"descr\":\"|i1\",\"fortran_order\":True}";
    clg_dataset *d = must_open(open_x(write_npy("f.npy", 1, fortran, "\0\1\2\3\4\5\6\7\x8\x9\xa\xb", 12)));
    cr_expect(has_shape(d, CLG_SHAPE(1, 2, 3)));
    for (int h = 0; h < 2; h++)
        for (int w = 0; w < 3; w++) cr_expect_eq(number(d, 1, 3 * h + w), 1 + 2 * h + 4 * w);
    clg_dataset_destroy(&d);
}

/* Rows are one-hot only with exactly one 1; axes of 3 at both sides do not say where the channels are. */
Test(arrays, what_is_no_class_and_no_channel, .init = make_folder, .fini = remove_folder) {
    static const char rows[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
    static const char images[] = "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 3, 2, 3), }\n";
    static const struct { const char *y; int classes, targets; } cases[] = {
        { "\1\0\0\0\0\1", 3, 0 }, { "\1\0\0\0\0\0", 0, 3 }, { "\1\0\1\0\0\1", 0, 3 }, { "\2\0\0\0\0\1", 0, 3 },
    };
    static const char x[36] = { 0, 1, 2 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clg_dataset *d = must_open(clg_dataset_open_npy(write_npy("x.npy", 1, images, x, 36),
                                                        write_npy("y.npy", 1, rows, cases[i].y, 6), NULL));
        cr_expect(has_shape(d, CLG_SHAPE(3, 2, 3)) && number(d, 0, 1) == 1, "case %zu", i);
        cr_expect_eq(clg_dataset_classes(d), cases[i].classes, "case %zu", i);
        cr_expect_eq(clg_dataset_targets(d), cases[i].targets, "case %zu", i);
        clg_dataset_destroy(&d);
    }
    expect_error(clg_dataset_open_npy(in_folder("x.npy"), in_folder("y.npy"),
                                      clg_array_params(.task = CLG_TASK_CLASSES)),
                 "rows of 3 numbers are classes only if", "classes");
    clg_dataset *d = must_open(clg_dataset_open_npy(in_folder("x.npy"), in_folder("y.npy"),
                               clg_array_params(.layout = CLG_LAYOUT_CHANNELS_LAST)));
    cr_expect(has_shape(d, CLG_SHAPE(3, 3, 2)));
    clg_dataset_destroy(&d);
    expect_error(clg_dataset_open_npy(in_folder("y.npy"), in_folder("y.npy"),
                                      clg_array_params(.layout = CLG_LAYOUT_CHANNELS_LAST)),
                 "an array of 2 axes", "axes");
}

#define BYTES(shape) "{'descr': '|u1', 'fortran_order': False, 'shape': " shape ", }\n"

Test(arrays, damaged_files_have_one_message_each, .init = make_folder, .fini = remove_folder) {
    static const struct { const char *dictionary; size_t n; const char *want; } cases[] = {
        { BYTES("(2, 2)"), 3, "truncated" },
        { BYTES("(2, 2)"), 5, "there are 5 bytes behind the header, which promises 4" },
        { BYTES("(2, 0)"), 0, "size of axis 1 is 0" },
        { BYTES("(4611686018427387904, 8)"), 4, "truncated" },
        { BYTES("(9999999999999999999,)"), 4, "a size is needed" },
        { BYTES("(-2,)"), 4, "a size is needed" },
        { BYTES("(2 2)"), 4, "a comma is needed" },
        { BYTES("(2, 2"), 4, "a size is needed" },
        { BYTES("(1,1,1,1,1,1,1,1,1)"), 1, "more than 8 axes" },
        { BYTES("(1,1,1,1,1,1,1,2)"), 2, "an array of 8 axes" },
        { BYTES("()"), 1, "an array of 0 axes" },
        { "{'descr': '|u1', 'shape': (2,)}", 2, "descr, fortran_order and shape are needed" },
        { "{'descr': '|u1', 'descr': '|u1', 'shape': (2,)}", 2, "are needed at" },
        { "{'descr': '|u1', 'order': False, 'shape': (2,)}", 2, "are needed at" },
        { "{'descr': '|u1', 'fortran_order': 0, 'shape': (2,)}", 2, "True or False is needed" },
        { "{'descr': '<f2', 'fortran_order': False, 'shape': (2,)}", 4, "elements are of type \"<f2\"" },
        { "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", 4, "objects of Python are not" },
        { "{'descr': '<U9', 'fortran_order': False, 'shape': (2,)}", 4, "number the texts first" },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, "records of several values" },
        { "{'descr': '|u1", 4, "a text is needed" },
        { "import os", 4, "a dictionary is needed" },
        { BYTES("(2,)") "x", 2, "something behind the dictionary" },
        { BYTES("(3,)"), 3, "2 targets for 3 items" },
    };
    static const char zeros[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_error(open_x(write_npy("x.npy", 1, cases[i].dictionary, zeros, cases[i].n)), cases[i].want,
                     cases[i].dictionary);
    expect_error(open_x(write_text("x.npy", "\x93NUMPY\1")), "not an NPY file", "short");
    expect_error(open_x(write_text("x.npy", "\x89PNG\r\n\x1a\n and more")), "not an NPY file", "a picture");
    expect_error(open_x(write_npy("x.npy", 9, BYTES("(2,)"), zeros, 2)), "version 9", "version");
    expect_error(open_x(write_file("x.npy", "\x93NUMPY\1\0\xff\x7f{}", 12)), "header is cut off", "header");
    expect_error(open_x(write_npy("x.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
                                  "\0\0\xc0\x7f\0\0\0\0", 8)), "numbers must be finite", "nan");
    expect_error(clg_dataset_open_npy("x", NULL, NULL), "y is NULL", "NULL");
    expect_error(open_x(in_folder("none.npy")), "none.npy: cannot open", "no file");
}

/* --- archives --- */

enum { ROOM = 4096 };

typedef struct archive {
    unsigned char bytes[ROOM];
    size_t        size, list_size;
    unsigned char list[ROOM];
    int           n;
} archive;

static void put(unsigned char *b, size_t *at, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) b[(*at)++] = (unsigned char)(v >> (8 * i));
}

/* wide: sizes stand in a 64-bit extra field of the list, as for large arrays. */
static void add_entry(archive *a, const char *name, const void *data, size_t size, bool deflated, bool wide) {
    unsigned char packed[ROOM];
    z_stream z = { 0 };
    z.next_in = (Bytef *)(uintptr_t)data, z.avail_in = (uInt)size, z.next_out = packed, z.avail_out = ROOM;
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    const size_t bytes = deflated ? z.total_out : size, at = a->size;
    deflateEnd(&z);
    const uint32_t crc = (uint32_t)crc32(0, data, (uInt)size);
    put(a->bytes, &a->size, 0x04034b50, 4), put(a->bytes, &a->size, 20, 4);
    put(a->bytes, &a->size, deflated ? 8 : 0, 2), put(a->bytes, &a->size, 0, 4), put(a->bytes, &a->size, crc, 4);
    put(a->bytes, &a->size, bytes, 4);
    put(a->bytes, &a->size, size, 4), put(a->bytes, &a->size, strlen(name), 4);
    memcpy(a->bytes + a->size, name, strlen(name));
    a->size += strlen(name);
    memcpy(a->bytes + a->size, deflated ? packed : data, bytes);
    a->size += bytes;
    size_t *to = &a->list_size;
    put(a->list, to, 0x02014b50, 4), put(a->list, to, 20, 2), put(a->list, to, 20, 4);
    put(a->list, to, deflated ? 8 : 0, 2), put(a->list, to, 0, 4), put(a->list, to, crc, 4);
    put(a->list, to, wide ? UINT32_MAX : bytes, 4), put(a->list, to, wide ? UINT32_MAX : size, 4);
    put(a->list, to, strlen(name), 2), put(a->list, to, wide ? 20 : 0, 2), put(a->list, to, 0, 2);
    put(a->list, to, 0, 8), put(a->list, to, at, 4);
    memcpy(a->list + *to, name, strlen(name));
    *to += strlen(name);
    if (wide) put(a->list, to, 1, 2), put(a->list, to, 16, 2), put(a->list, to, size, 8), put(a->list, to, bytes, 8);
    a->n++;
}

static void end_archive(archive *a) {
    const size_t at = a->size;
    memcpy(a->bytes + a->size, a->list, a->list_size);
    a->size += a->list_size;
    put(a->bytes, &a->size, 0x06054b50, 4), put(a->bytes, &a->size, 0, 4), put(a->bytes, &a->size, (uint64_t)a->n, 2);
    put(a->bytes, &a->size, (uint64_t)a->n, 2), put(a->bytes, &a->size, a->list_size, 4);
    put(a->bytes, &a->size, at, 4), put(a->bytes, &a->size, 0, 2);
}

/* Bytes [n, 2] or [n] as an NPY file. */
static size_t npy_of(unsigned char *to, const char *shape, const char *data, size_t n) {
    const size_t size = (size_t)snprintf((char *)to + 10, 200, "{'descr': '|u1', 'fortran_order': False, "
                                         "'shape': (%s), }\n", shape);
    memcpy(to, "\x93NUMPY\1\0", 8);
    to[8] = (unsigned char)size, to[9] = 0;
    memcpy(to + 10 + size, data, n);
    return 10 + size + n;
}

static void add_array(archive *a, const char *name, const char *shape, const char *data, size_t n, int form) {
    unsigned char npy[400];
    add_entry(a, name, npy, npy_of(npy, shape, data, n), form & 1, form & 2);
}

static archive good_archive(int form) {
    archive a = { .size = 0 };
    add_array(&a, "x.npy", "3, 2", "\1\2\3\4\5\6", 6, form);
    add_array(&a, "y.npy", "3,", "\0\1\0", 3, form);
    end_archive(&a);
    return a;
}

static clg_dataset *open_archive(const archive *a, enum clg_part part, const clg_array_params *p) {
    return clg_dataset_open_npz(write_file("a.npz", a->bytes, a->size), part, p);
}

Test(archives, stored_and_deflated_with_narrow_and_wide_sizes, .init = make_folder, .fini = remove_folder) {
    for (int form = 0; form < 4; form++) {
        const archive a = good_archive(form);
        clg_dataset *d = must_open(open_archive(&a, CLG_TRAIN, NULL));
        cr_expect(clg_dataset_size(d) == 3 && number(d, 2, 1) == 6 && number(d, 1, -1) == 1, "form %d", form);
        clg_dataset_destroy(&d);
    }
    archive a = { .size = 0 };
    add_array(&a, "train_images.npy", "2, 2, 2", "\0\1\2\3\4\5\6\377", 8, 1);
    add_array(&a, "train_labels.npy", "2, 1", "\0\1", 2, 0);
    add_array(&a, "test_images.npy", "1, 2, 2", "\4\5\6\7", 4, 0);
    add_array(&a, "test_labels.npy", "1, 1", "\2", 1, 0);
    end_archive(&a);
    clg_dataset *d = must_open(open_archive(&a, CLG_TRAIN, NULL));
    cr_expect(has_shape(d, CLG_SHAPE(1, 2, 2)) && number(d, 1, 3) == 1);
    clg_dataset_destroy(&d);
    expect_error(open_archive(&a, CLG_TEST, NULL), "number 1 is 2, a class that the training part does not have",
                 "test");
    expect_error(open_archive(&a, CLG_TRAIN, clg_array_params(.x = "images", .y = "z")),
                 "no array of targets for the part train has that name; say which (y=NAME): train_images.npy, ", "y");
}

Test(archives, damaged_ones_have_one_message_each, .init = make_folder, .fini = remove_folder) {
    static const struct { const char *name; int from_end; int at; int value; const char *want; } cases[] = {
        { "no end record", 1, 22, 'x', "not a ZIP archive" },
        { "too many entries", 1, 22 - 10, 99, "more entries than it has room for" },
        { "more entries than there are", 1, 22 - 10, 3, "list of entries is cut off" },
        { "no entries", 1, 22 - 10, 0, "the archive is empty" },
        { "a list that is elsewhere", 1, 22 - 16, 1, "list of entries is cut off" },
        { "no local header", 0, 0, 'x', "not where its list says" },
        { "a name longer than the file", 0, 27, 0xff, "an entry is cut off" },
        { "another byte", 0, 95, 0x55, "wrong checksum" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        archive a = good_archive(0);
        a.bytes[cases[i].from_end ? a.size - (size_t)cases[i].at : (size_t)cases[i].at] = (unsigned char)cases[i].value;
        expect_error(open_archive(&a, CLG_TRAIN, NULL), cases[i].want, cases[i].name);
    }
    static const struct { const char *name; int form; int at, value; const char *want; } listed[] = { /* in the list */
        { "encrypted", 0, 8, 1, "encrypted" },
        { "another method", 0, 10, 12, "packed by method 12" },
        { "a size of 16 MB", 1, 27, 1, "promises more than it can hold" },
        { "a stored size that differs", 0, 24, 1, "promises more than it can hold" },
        { "shorter than promised", 1, 24, 250, "shorter than promised" },
        { "longer than promised", 1, 24, 9, "cannot be unpacked" },
        { "a wide size that is not there", 3, 46 + 5 + 2, 8, "a 64-bit size is missing" },
        { "an extra field that is too long", 3, 46 + 5 + 2, 99, "an extra field is too long" },
    };
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
        archive a = good_archive(listed[i].form);
        a.bytes[a.size - 22 - a.list_size + (size_t)listed[i].at] = (unsigned char)listed[i].value;
        expect_error(open_archive(&a, CLG_TRAIN, NULL), listed[i].want, listed[i].name);
    }
    archive a = good_archive(0);
    expect_error(open_archive(&a, CLG_TEST, NULL), "has no parts of its own", "test");
    expect_error(open_archive(&a, CLG_VALIDATION, NULL), "a training and a test part", "validation");
    expect_error(clg_dataset_open_npz(NULL, CLG_TRAIN, NULL), "path is NULL", "NULL");
    expect_error(open_archive(&a, CLG_TRAIN, clg_array_params(.x = "z")),
                 "has that name; say which (x=NAME): x.npy, y.npy", "x");
    a.size -= 30;
    expect_error(open_archive(&a, CLG_TRAIN, NULL), "its end is cut off", "cut");
}

/* --- CIFAR-10 --- */

static void write_batch(const char *name, int n, int first_class) {
    static unsigned char b[4 * 3073];
    for (int i = 0; i < n; i++) {
        b[i * 3073] = (unsigned char)((first_class + i) % 10);
        for (int k = 0; k < 3072; k++) b[i * 3073 + 1 + k] = (unsigned char)(first_class * 16 + k / 1024 + i);
    }
    write_file(name, b, (size_t)n * 3073);
}

Test(cifar10, batches_follow_each_other, .init = make_folder, .fini = remove_folder) {
    char name[64];
    make_subfolder("cifar-10-batches-bin");
    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "cifar-10-batches-bin/data_batch_%d.bin", i);
        write_batch(name, i == 2 ? 4 : 2, i);
    }
    write_batch("cifar-10-batches-bin/test_batch.bin", 3, 9);
    clg_dataset *train = must_open(clg_dataset_open_cifar10(folder, CLG_TRAIN));
    cr_expect(has_shape(train, CLG_SHAPE(3, 32, 32)) && clg_dataset_size(train) == 12);
    cr_expect_str_eq(clg_dataset_class_name(train, 9), "truck");
    cr_expect(number(train, 5, -1) == 5 && number(train, 11, -1) == 6);
    cr_expect_float_eq(number(train, 5, 2048), (2 * 16 + 2 + 3) / 255.0, 1e-7);
    clg_dataset_destroy(&train);
    write_text("cifar-10-batches-bin/batches.meta.txt", "a\r\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    char spec[300];
    snprintf(spec, sizeof spec, "cifar10:%s", folder);
    clg_dataset *test = must_open(clg_dataset_open(spec, CLG_TEST));
    cr_expect(clg_dataset_size(test) == 3 && clg_dataset_classes(test) == 10 && number(test, 1, -1) == 0);
    cr_expect_str_eq(clg_dataset_class_name(test, 9), "j");
    clg_dataset_destroy(&test);
    write_text("cifar-10-batches-bin/batches.meta.txt", "a\nb\n");
    expect_error(clg_dataset_open(spec, CLG_TEST), "2 names of classes; there are 10", "names");
    remove(in_folder("cifar-10-batches-bin/data_batch_4.bin"));
    expect_error(clg_dataset_open(spec, CLG_TRAIN), "data_batch_4.bin: cannot open", "missing");
}

Test(cifar10, damaged_batches_are_refused, .init = make_folder, .fini = remove_folder) {
    write_batch("test_batch.bin", 2, 9);
    clg_dataset *d = must_open(clg_dataset_open_cifar10(folder, CLG_TEST));
    clg_dataset_destroy(&d);
    cr_assert_eq(truncate(in_folder("test_batch.bin"), 3073 + 3072), 0);
    expect_error(clg_dataset_open_cifar10(folder, CLG_TEST), "6145 bytes are not a whole number of pictures", "cut");
    cr_assert_eq(truncate(in_folder("test_batch.bin"), 0), 0);
    expect_error(clg_dataset_open_cifar10(folder, CLG_TEST), "0 bytes are not", "empty");
    write_batch("test_batch.bin", 1, 9);
    FILE *f = fopen(in_folder("test_batch.bin"), "r+b");
    cr_assert(f && fputc(10, f) == 10 && fclose(f) == 0);
    expect_error(clg_dataset_open_cifar10(folder, CLG_TEST), "picture 0 is of class 10; classes are 0 to 9", "class");
    expect_error(clg_dataset_open_cifar10(NULL, CLG_TEST), "dir is NULL", "NULL");
}

/* --- folders --- */

/* Every pixel of channel c is `value` + c. */
static void write_image(const char *name, int width, int height, int channels, int value) {
    uint8_t pixels[256];
    for (int i = 0; i < width * height * channels; i++) pixels[i] = (uint8_t)(value + i % channels);
    const clg_image image = { width, height, channels, pixels };
    cr_assert_eq(clg_image_write(in_folder(name), &image), CLG_OK, "%s", clg_error());
}

static clg_dataset *open_here(const char *options, enum clg_part part) {
    char spec[400];
    snprintf(spec, sizeof spec, "folder:%s%s", folder, options);
    return clg_dataset_open(spec, part);
}

Test(folders, classes_and_pictures_are_sorted, .init = make_folder, .fini = remove_folder) {
    make_subfolder("dog"), make_subfolder("cat"), make_subfolder(".git");
    write_image("dog/2.png", 3, 2, 1, 20), write_image("dog/1.pgm", 3, 2, 1, 10), write_image("cat/9.PNG", 3, 2, 2, 90);
    write_text("dog/notes.txt", "no picture"), write_text("README", "no class");
    clg_dataset *d = must_open(clg_dataset_open_folder(folder));
    cr_expect(has_shape(d, CLG_SHAPE(1, 2, 3)) && clg_dataset_size(d) == 3 && clg_dataset_classes(d) == 2);
    cr_expect_str_eq(clg_dataset_class_name(d, 0), "cat");
    /* the second channel of a PNG, here 91, is how much of the first is seen over white */
    cr_expect_float_eq(number(d, 0, 5), (90 * 91 + 255 * (255 - 91)) / 255 / 255.0, 1e-7);
    cr_expect_float_eq(number(d, 1, 0), 10 / 255.0, 1e-7);
    cr_expect(number(d, 1, -1) == 1 && number(d, 2, -1) == 1);
    clg_dataset_destroy(&d);
}

Test(folders, colour_pictures_in_parts_of_their_own, .init = make_folder, .fini = remove_folder) {
    make_subfolder("train"), make_subfolder("train/a"), make_subfolder("train/b");
    make_subfolder("test"), make_subfolder("test/b");
    write_image("train/a/x.png", 2, 2, 3, 50), write_image("train/b/x.ppm", 2, 2, 3, 60);
    write_image("test/b/x.png", 2, 2, 4, 70);
    clg_dataset *train = must_open(open_here("", CLG_TRAIN)), *test = must_open(open_here("", CLG_TEST));
    cr_expect(has_shape(test, CLG_SHAPE(3, 2, 2)) && clg_dataset_size(train) == 2 && clg_dataset_size(test) == 1);
    cr_expect(number(test, 0, -1) == 1 && clg_dataset_classes(test) == 2 && clg_dataset_part(test) == CLG_TEST);
    for (int k = 0; k < 12; k++) cr_expect_float_eq(number(train, 0, k), (50 + k / 4) / 255.0, 1e-7);
    clg_dataset_destroy(&train), clg_dataset_destroy(&test);
    expect_error(open_here(",test=0.5", CLG_TRAIN), "has parts of its own", "test");
    make_subfolder("test/c");
    expect_error(open_here("", CLG_TEST), "test/c: a class that ", "class");
}

Test(folders, mistakes_have_one_message_each, .init = make_folder, .fini = remove_folder) {
    expect_error(clg_dataset_open_folder(in_folder("none")), "cannot open the folder", "no folder");
    expect_error(clg_dataset_open_folder(NULL), "dir is NULL", "NULL");
    expect_error(open_here("", CLG_TRAIN), "0 folders there; each class needs a folder", "empty");
    make_subfolder("a"), write_image("a/1.png", 4, 4, 1, 1);
    expect_error(open_here("", CLG_TRAIN), "1 folder there", "one class");
    make_subfolder("b");
    expect_error(open_here("", CLG_TRAIN), "a class without pictures", "no pictures");
    write_image("b/1.png", 4, 5, 1, 1);
    expect_error(open_here("", CLG_TRAIN), "b/1.png: 4 x 5 pixels in grey, but the first picture, ", "size");
    cr_expect_not_null(strstr(clg_error(), "a/1.png, has 4 x 4 in grey"), "%s", clg_error());
    write_image("b/1.png", 4, 4, 3, 1);
    expect_error(open_here("", CLG_TRAIN), "b/1.png: 4 x 4 pixels in colour", "colour");
    write_text("b/1.png", "no picture");
    expect_error(open_here("", CLG_TRAIN), "b/1.png: neither PNG nor", "damaged");
}
