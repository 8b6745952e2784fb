/* Tables in text: from the bytes of a CSV file to fields, and from fields to the items of a data set. */
#ifndef CLG_DATA_CSV_H_
#define CLG_DATA_CSV_H_

#include "data/items.h"
#include <clgrad/sources.h>

/** The fields of a file, row by row. */
typedef struct clg_table {
    const char  *name;   /* of the file; borrowed */
    char        *text;   /* all fields, each with a 0 behind it; those of the header line first if there is one */
    const char **column; /* names, cols of them; they point into text or into made */
    char        *made;   /* names that the file does not give */
    const char  *first;  /* the first field of the first row, in text */
    int         *line;   /* of the file, where a row begins; from 1 */
    int          cols, rows;
} clg_table;

/** Cuts a file into fields. *out is untouched on failure.
 *  Errors: CLG_ERR_FORMAT with the line for what is no CSV (ragged rows, quotes, bytes of 0); no rows; bad names. */
clg_status clg_table_parse(const char *name, const char *data, size_t size, const clg_csv_params *p, clg_table *out);
void       clg_table_free(clg_table *t);

/** Numbers and classes of a table. fit: rows that CLG_MISSING_MEAN takes its means from, those of the training part;
 *  NULL: all. Errors: CLG_ERR_FORMAT, CLG_ERR_INVALID (columns that are not there). */
clg_status clg_table_items(const clg_table *t, const clg_csv_params *p, const bool *fit, clg_items *out);

/** True if name is one of a list "a,b,c"; list NULL: none. */
bool clg_csv_listed(const char *list, const char *name);

#endif /* CLG_DATA_CSV_H_ */
