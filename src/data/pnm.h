/* Portable anymaps: PGM and PPM, plain and raw. Format: netpbm.sourceforge.net/doc/pgm.html and ppm.html. */
#ifndef CLG_DATA_PNM_H_
#define CLG_DATA_PNM_H_

#include <clgrad/image.h>

bool clg_is_pnm(const uint8_t *b, size_t size);
clg_status clg_pnm_parse(const char *name, const uint8_t *b, size_t size, clg_image *out);
clg_status clg_pnm_write(const char *path, const clg_image *image); /* 1 or 3 channels */

/** Memory for a picture of believable size; name is for messages. */
clg_status clg_image_alloc(const char *name, uint64_t width, uint64_t height, int channels, clg_image *out);

#endif /* CLG_DATA_PNM_H_ */
