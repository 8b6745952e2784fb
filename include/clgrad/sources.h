/* Where data sets come from: tables in text, arrays of NumPy, CIFAR-10, folders of pictures, and sets that are made by
 * a formula. clg_dataset_open() (data.h) opens all of them by a spec, a line of text. */
#ifndef CLGRAD_SOURCES_H_
#define CLGRAD_SOURCES_H_

#include <clgrad/data.h>

CLG_BEGIN_DECLS

/* --- specs --- */

/** A kind of spec, for help texts. */
typedef struct clg_dataset_kind {
    const char *name;    /* "csv" */
    const char *usage;   /* "csv:FILE[,target=NAME]..." */
    const char *help;    /* what it is, and its options; lines of at most 78 characters */
} clg_dataset_kind;

/** The kinds that clg_dataset_open() knows, from 0; NULL past the last. Static storage. */
CLG_API const clg_dataset_kind *clg_dataset_kind_at(int i);

/* --- tables --- */

/** What the targets of a data set are. */
enum clg_task {
    CLG_TASK_AUTO,      /* by the rule of the reader */
    CLG_TASK_CLASSES,
    CLG_TASK_REGRESSION /* real numbers */
};

/** What is done about missing values: fields that are empty, or NA, N/A, null, nan (in any case) or ?. */
enum clg_csv_missing {
    CLG_MISSING_ERROR, /* refuse the file; the message says where they are */
    CLG_MISSING_DROP,  /* leave out the rows that have one */
    CLG_MISSING_MEAN   /* fill in the mean of the column's numbers, or its most frequent text (of equally frequent ones
                          the first in order); not for targets. A spec takes both from the training part */
};

/** NULL or zero: the default. Lists of columns are names with commas between. */
typedef struct clg_csv_params {
    const char *target;           /* the column of the target; default: the last one */
    enum clg_task task;           /* default: classes if the target is text, or whole numbers with at most 20 different
                                     values; else real numbers */
    enum clg_csv_missing missing;
    const char *ignore;           /* columns that are left out: row numbers, names */
    const char *text;             /* columns of numbers that stand for texts: postal codes */
    char separator;               /* default: the first of comma, semicolon and tab that the first line has */
    bool ordinal;                 /* texts become their number in sorted order; default: one-hot */
    bool no_header;               /* the first line has values; columns are named c1, c2, ... */
} clg_csv_params;

#define clg_csv_params(...) (&(const clg_csv_params){__VA_ARGS__})

/**
 * Opens a table: a line of names, then a line an item; fields may stand in quotes ("a ""b"", c"); lines end in LF,
 * CRLF or CR; blank lines, spaces around fields and a byte order mark are passed over. Items are [features], rows in
 * file order; numbers are the nearest doubles, with a point in every locale.
 *
 * A column is text if at most half of its values are numbers, or if the params say so; in a column of numbers anything
 * else is an error. A text column with K different values becomes K features "NAME=VALUE" of 0 and 1, in byte order of
 * the values, or one feature NAME of 0 .. K-1 (params.ordinal). K is at most 100, with params.ordinal 1000.
 *
 * Classes, at most 1000, are numbered by size (whole numbers) or in byte order (texts); clg_dataset_class_name() gives
 * what stands in the file.
 *
 * Errors: CLG_ERR_IO; CLG_ERR_INVALID for columns that are not there (lists those that are); CLG_ERR_FORMAT with the
 * line, and the column where there is one: ragged rows, quotes that do not close, text among numbers, missing values,
 * nothing in the file, a header only, a target that is the same in all rows.
 */
CLG_API clg_dataset *clg_dataset_open_csv(const char *path, const clg_csv_params *p);

/* --- arrays of NumPy --- */

/** Which axes of an array behind the first, which counts items, are what. */
enum clg_array_layout {
    CLG_LAYOUT_AUTO,         /* [n, H, W] is n pictures of one channel. [n, H, W, C] has its channels last if C is 1, 3
                                or 4 and H is not; items are [C, H, W] always */
    CLG_LAYOUT_PLAIN,        /* items have the axes of the array, whatever they are */
    CLG_LAYOUT_CHANNELS_LAST /* [n, H, W, C] */
};

typedef struct clg_array_params {
    enum clg_task   task;   /* default: classes if targets are whole numbers with at most 100 (integer types) or 20
                               (floating point) different values, or rows of one 1 and else 0 */
    enum clg_array_layout layout;
    const char     *x, *y;  /* NPZ: names of the arrays; default: x, X, data, images, features; y, Y, target, targets,
                               labels, label */
} clg_array_params;

#define clg_array_params(...) (&(const clg_array_params){__VA_ARGS__})

/**
 * NPY files of items, [n, ...], and of their targets, [n] or [n, targets]: versions 1 to 3 of the format, elements f4,
 * f8, i1 to i8, u1 to u8 and b1 in either order of bytes, C and Fortran order. Arrays of u1 with three axes or more are
 * pixels, scaled to [0, 1]; other numbers stay what they are. The part is CLG_TRAIN.
 * Errors: CLG_ERR_IO; CLG_ERR_FORMAT (damaged, other types, numbers that are not finite, x and y that do not fit).
 */
CLG_API clg_dataset *clg_dataset_open_npy(const char *x, const char *y, const clg_array_params *p);

/**
 * The arrays of an NPZ archive (numpy.savez, numpy.savez_compressed). With NAME_train and NAME_test, or train_NAME and
 * test_NAME, it has parts of its own, as the mnist.npz of Keras: part says which; the classes are those of the training
 * part. Else part must be CLG_TRAIN, and the data set has all items.
 * Errors: as clg_dataset_open_npy(); CLG_ERR_FORMAT also for a damaged archive, and for names that are not there (lists
 *         those that are); CLG_ERR_INVALID for a part that it does not have.
 */
CLG_API clg_dataset *clg_dataset_open_npz(const char *path, enum clg_part part, const clg_array_params *p);

/* --- pictures --- */

/**
 * CIFAR-10 in its binary form: data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt (names of the
 * classes; may be missing) in dir, or in the folder cifar-10-batches-bin there. Items are [3, 32, 32].
 * Errors: CLG_ERR_IO (names the file that is missing), CLG_ERR_FORMAT (not whole pictures, classes beyond 9).
 * Source: Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html
 */
CLG_API clg_dataset *clg_dataset_open_cifar10(const char *dir, enum clg_part part);

/**
 * Pictures by class: dir/CLASS/NAME.png, .pgm or .ppm. Classes and pictures are in byte order of their names, hidden
 * ones and other files are passed over. Items are [1, H, W] or [3, H, W], by clg_image_planes(): what is
 * transparent is white. The part is CLG_TRAIN.
 * Errors: CLG_ERR_IO; CLG_ERR_FORMAT (fewer than two classes, a class without pictures, a damaged picture, the first
 *         one that is of another size or colour than the first of all, with both).
 */
CLG_API clg_dataset *clg_dataset_open_folder(const char *dir);

/* --- sets made by a formula --- */

/** What clg_dataset_synthetic() draws. Zero or NULL: the default; w and b may be set for linear, poly and clouds. */
typedef struct clg_synthetic_params {
    int64_t  n;         /* items; default 200 */
    uint64_t seed;
    double   noise;     /* standard deviation of what is added; default none */
    double   margin;    /* clouds: distance from the plane that no point falls below; may be negative */
    double   flip;      /* classes: fraction of the items that get another one; default none */
    int64_t  features;  /* linear, clouds: numbers of an item, default 2. poly: x, x^2, ... x^features, default 1 */
    const double *w;    /* linear, clouds: [features]. poly: [n_w], w_k is the coefficient of x^k */
    int64_t  n_w;
    double   b;         /* linear: the intercept; clouds: the plane is <w,x> + b = 0 with |w| = 1 */
} clg_synthetic_params;

#define clg_synthetic_params(...) (&(const clg_synthetic_params){__VA_ARGS__})

/**
 * A set drawn by Philox from the seed: the same seed, the same bits. e is normal with deviation `noise`. Classes take
 * turns, item 0 has class 0, so their counts differ by one at most (before flip).
 *
 *   linear  y = <w,x> + b + e, x standard normal. Default w: 2, -3.4 for two features (and b 4.2 if b is 0 too), else
 *           drawn, standard normal. Source of the numbers: Zhang et al. 2023, Dive into Deep Learning, 3.3
 *   poly    y = sum of w_k x^k + e for x uniform in [-1, 1); features x^1 .. x^features. Default w: 0.5, -1, -1, 2.5
 *   xor     (0,0), (1,1) are class 0, (0,1), (1,0) class 1, e added to both numbers; the order of the points is
 *           (0,0), (0,1), (1,1), (1,0)
 *   moons   two half circles that interlock: (cos a, sin a) and (1 - cos a, 1/2 - sin a), a evenly from 0 to pi; e
 *           added to both numbers
 *   clouds  two separable classes of points: normal with deviation 1 (or `noise`) along the plane, and on the class's
 *           side of it at the distance margin + |normal|. So every point of the set has y (<w,x> + b) >= margin, where
 *           y is -1 and +1 for class 0 and 1, and |w| = 1, in double; rounding to float may take 1e-6 of it. Default w:
 *           a random direction. A negative margin makes the clouds overlap
 *
 * The part is CLG_TRAIN. Errors: CLG_ERR_INVALID (unknown kind, which lists the known ones; values out of range),
 * CLG_ERR_NOMEM.
 */
CLG_API clg_dataset *clg_dataset_synthetic(const char *kind, const clg_synthetic_params *p);

CLG_END_DECLS

#endif /* CLGRAD_SOURCES_H_ */
