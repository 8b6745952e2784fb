/* Opens tables: as a whole, or a part by a spec. Missing values are filled in with means of the training part: so it is
 * cut first, by the targets alone, and the table is read again with what is known then. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "data/csv.h"
#include "data/dataset.h"
#include "data/kinds.h"

static const size_t max_file = (size_t)1 << 32;

static clg_status read_table(const char *path, const clg_csv_params *p, clg_table *t) {
    void *data = NULL;
    size_t size = 0;
    CLG_TRY(clg_file_read(path, max_file, &data, &size));
    const clg_status status = clg_table_parse(path, data, size, p, t);
    clg_free(data);
    return status;
}

static clg_dataset *from_table(const clg_table *t, const clg_csv_params *p, const bool *fit) {
    clg_items items = { 0 };
    if (clg_table_items(t, p, fit, &items) < 0) return NULL;
    clg_dataset *d = clg_dataset_from_items(&items, CLG_TRAIN);
    if (!d) clg_fail_context(clg_error_status(), "%s: ", t->name);
    return d;
}

clg_dataset *clg_dataset_open_csv(const char *path, const clg_csv_params *p) {
    static const clg_csv_params none = { 0 };
    clg_table t;
    if (!path) {
        clg_fail(CLG_ERR_INVALID, "dataset_open_csv: path is NULL");
        return NULL;
    }
    if (read_table(path, p ? p : &none, &t) < 0) return NULL;
    clg_dataset *d = from_table(&t, p ? p : &none, NULL);
    clg_table_free(&t);
    return d;
}

/* --- by a spec --- */

static clg_status read_params(const clg_spec *s, clg_csv_params *p) {
    static const char separators[] = { ',', ';', '\t', '|' };
    int task = -1, missing = -1, separator = -1, ordinal = 0, header = 1;
    CLG_TRY(clg_spec_choice(s, "task", "classes|regression", &task));
    CLG_TRY(clg_spec_choice(s, "missing", "drop|mean", &missing));
    CLG_TRY(clg_spec_choice(s, "separator", "comma|semicolon|tab|bar", &separator));
    CLG_TRY(clg_spec_choice(s, "encode", "onehot|ordinal", &ordinal));
    CLG_TRY(clg_spec_choice(s, "header", "no|yes", &header));
    *p = (clg_csv_params){ .target = clg_spec_text(s, "target"), .ignore = clg_spec_text(s, "ignore"),
                           .text = clg_spec_text(s, "text"), .ordinal = ordinal == 1, .no_header = header == 0 };
    if (task >= 0) p->task = task == 0 ? CLG_TASK_CLASSES : CLG_TASK_REGRESSION;
    if (missing >= 0) p->missing = missing == 0 ? CLG_MISSING_DROP : CLG_MISSING_MEAN;
    if (separator >= 0) p->separator = separators[separator];
    return CLG_OK;
}

/* Marks the rows of the training part, if means of it are to be filled in. *fit NULL: no need. */
static clg_status find_fit_rows(const clg_table *t, const clg_csv_params *p, const clg_spec *s, bool **fit) {
    *fit = NULL;
    if (p->missing != CLG_MISSING_MEAN) return CLG_OK;
    clg_dataset *train = clg_take_part(from_table(t, p, NULL), s, CLG_TRAIN);
    if (!train) return clg_error_status();
    *fit = clg_calloc((size_t)t->rows, sizeof **fit);
    for (int64_t i = 0; *fit && i < train->n; i++) (*fit)[train->rows[i]] = true;
    clg_dataset_destroy(&train);
    return *fit ? CLG_OK : clg_fail_nomem("rows of a table");
}

clg_dataset *clg_open_csv(const clg_spec *s, enum clg_part part) {
    clg_csv_params p;
    clg_table t;
    bool *fit = NULL;
    if (read_params(s, &p) < 0 || read_table(s->path, &p, &t) < 0) return NULL;
    clg_dataset *d = NULL;
    if (find_fit_rows(&t, &p, s, &fit) == CLG_OK) d = clg_take_part(from_table(&t, &p, fit), s, part);
    clg_free(fit);
    clg_table_free(&t);
    return d;
}
