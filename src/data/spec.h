/* The line of text that names a data set: KIND, KIND:PATH, KIND:PATH,KEY=VALUE,... or KIND:KEY=VALUE,... */
#ifndef CLG_DATA_SPEC_H_
#define CLG_DATA_SPEC_H_

#include <clgrad/base.h>

enum { CLG_SPEC_OPTIONS = 16 };

typedef struct clg_spec {
    const char *given;  /* the whole line, for messages; borrowed */
    char       *text;   /* the pieces, each with a 0 behind it */
    const char *path;   /* "": none */
    int         n;
    struct { const char *key, *value; } option[CLG_SPEC_OPTIONS];
} clg_spec;

/** Length of the kind in front of a spec. */
size_t clg_spec_kind(const char *given);

/**
 * Cuts a spec of a kind that needs a path, or takes none. keys: the options that it may have, "|" between.
 * A comma begins an option only if a word and = follow; every other comma belongs to the text before it, and so does a
 * comma that is written twice. *out is untouched on failure. Errors: CLG_ERR_INVALID, CLG_ERR_NOMEM.
 */
clg_status clg_spec_parse(const char *given, bool path, const char *keys, clg_spec *out);
void       clg_spec_free(clg_spec *s);

/** Options that are not given leave *out as it is. Errors: CLG_ERR_INVALID, with what is possible. */
clg_status clg_spec_real(const clg_spec *s, const char *key, double min, double max, double *out);
clg_status clg_spec_integer(const clg_spec *s, const char *key, int64_t min, int64_t max, int64_t *out);
/* *out: its number in "a|b|c" */
clg_status clg_spec_choice(const clg_spec *s, const char *key, const char *choices, int *out);
const char *clg_spec_text(const clg_spec *s, const char *key); /* NULL: not given */

/** Numbers with commas between; *out is freed by clg_free() and has *n of them. */
clg_status clg_spec_reals(const clg_spec *s, const char *key, double **out, int *n);

#endif /* CLG_DATA_SPEC_H_ */
