/* Messages for developers and users; silent below the level. */
#ifndef CLG_BASE_LOG_H_
#define CLG_BASE_LOG_H_

#include <clgrad/base.h>

bool clg_log_on(enum clg_log_level level);
void clg_log_msg(enum clg_log_level level, const char *fmt, ...) CLG_FMT(2, 3);

#endif /* CLG_BASE_LOG_H_ */
