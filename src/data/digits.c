/* Looks up the files of src/data/digits that the build embedded (src/tool/embed.c). */
#include "data/digits.h"
#include <string.h>

struct clg_embedded {
    const char          *name;
    const unsigned char *data;
    size_t               size;
};
extern const struct clg_embedded clg_digits_files[];

const void *clg_digits_file(const char *name, size_t *size) {
    for (const struct clg_embedded *f = clg_digits_files; f->name; f++)
        if (strcmp(f->name, name) == 0) {
            *size = f->size;
            return f->data;
        }
    *size = 0;
    return NULL;
}
