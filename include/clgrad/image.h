/* Pictures in files: PNG, and the portable anymaps PGM (grey) and PPM (colour). */
#ifndef CLGRAD_IMAGE_H_
#define CLGRAD_IMAGE_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS

/** Rows from the top, pixels of a row side by side, channels of a pixel side by side: [height, width, channels].
 *  Channels: 1 grey, 2 grey and alpha, 3 red green blue, 4 with alpha. */
typedef struct clg_image {
    int      width, height, channels;
    uint8_t *pixels;
} clg_image;

/**
 * Reads a picture of 8 bits a channel; the contents, not the name, tell the format: PNG (palettes are looked up, 16
 * bits are rounded to 8, interlaced or not) and P2, P3, P5, P6 (other maxima than 255 are scaled).
 * clg_image_free() frees it. On failure *out is not touched.
 *
 * Errors: CLG_ERR_IO if path cannot be read; CLG_ERR_FORMAT if it is damaged or something else.
 */
CLG_API CLG_CHECK clg_status clg_image_read(const char *path, clg_image *out);

/** The same from memory; name is for messages. */
CLG_API CLG_CHECK clg_status clg_image_parse(const char *name, const void *data, size_t size, clg_image *out);

/**
 * Writes a picture; the end of the name tells the format: .png, .pgm (1 channel) or .ppm (3 channels). A file that is
 * there is replaced only when the new one is complete.
 *
 * Errors: CLG_ERR_INVALID for other names, sizes or channels; CLG_ERR_IO if it cannot be written.
 */
CLG_API CLG_CHECK clg_status clg_image_write(const char *path, const clg_image *image);

/**
 * The planes of a picture, as networks see it: planes has room for channels * height * width numbers from 0 to 255.
 * channels 1: grey, of colours the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B; channels 3: red, green, blue, the
 * same thrice where the picture is grey. What is transparent shows white.
 *
 * Errors: CLG_ERR_INVALID for other channels or no picture.
 */
CLG_API CLG_CHECK clg_status clg_image_planes(const clg_image *image, int channels, uint8_t *planes);

CLG_API void clg_image_free(clg_image *image); /* an empty or freed one is fine */

CLG_END_DECLS

#endif /* CLGRAD_IMAGE_H_ */
