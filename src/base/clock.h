/* Time as it passes, whatever the calendar says. */
#ifndef CLG_BASE_CLOCK_H_
#define CLG_BASE_CLOCK_H_

/** Seconds of the monotonic clock. */
double clg_now(void);

#endif /* CLG_BASE_CLOCK_H_ */
