/* Pictures in files: PNG and PGM. */
#ifndef CLGRAD_IMAGE_H_
#define CLGRAD_IMAGE_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS



CLG_END_DECLS

#endif /* CLGRAD_IMAGE_H_ */
