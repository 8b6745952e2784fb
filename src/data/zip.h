/* ZIP archives in memory, as far as NumPy writes them: stored or deflated entries, also with 64-bit sizes.
 * Format: PKWARE, APPNOTE.TXT 6.3 (.ZIP File Format Specification). */
#ifndef CLG_DATA_ZIP_H_
#define CLG_DATA_ZIP_H_

#include <clgrad/base.h>

typedef struct clg_zip_entry {
    const char *name;       /* not zero-terminated */
    size_t      name_size;
    unsigned    flags, method;
    uint32_t    crc;
    uint64_t    packed, size, at; /* bytes in the archive and of the contents; where its local header is */
} clg_zip_entry;

typedef struct clg_zip {
    const char    *name;    /* for messages; borrowed, as is data */
    const uint8_t *data;
    size_t         size;
    clg_zip_entry *entry;
    int            n;
} clg_zip;

/** Reads the list of entries. *out is untouched on failure. Errors: CLG_ERR_FORMAT, CLG_ERR_NOMEM. */
clg_status clg_zip_open(const char *name, const void *data, size_t size, clg_zip *out);
void       clg_zip_close(clg_zip *z);

/** Number of the entry of that name; -1: there is none. */
int clg_zip_find(const clg_zip *z, const char *entry);

/** Contents of an entry, freed by clg_free(). Errors: CLG_ERR_FORMAT (damaged: the CRC is checked; encrypted; another
 *  method), CLG_ERR_NOMEM. */
clg_status clg_zip_read(const clg_zip *z, int i, uint8_t **data, size_t *size);

#endif /* CLG_DATA_ZIP_H_ */
