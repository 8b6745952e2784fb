/* What `clgrad doctor` and its report share. */
#ifndef CLG_TOOL_DOCTOR_H_
#define CLG_TOOL_DOCTOR_H_

#include "check/check.h"
#include "tool/tool.h"

/** What the command line asked for. */
typedef struct clg_doctor_selection {
    const char *device, *op, *impl; /* NULL: not given */
    int64_t     number;             /* of a case; -1: all */
    uint64_t    seed;
} clg_doctor_selection;

typedef struct clg_doctor_report clg_doctor_report;

/** Excludes the implementation that a failure blames, or tells how that is done. */
void clg_doctor_remember(clg_device *dev, const clg_check_failure *f, bool remember, FILE *table);
void clg_doctor_print_excluded(clg_device *dev, FILE *to);
json_t *clg_doctor_excluded_json(clg_device *dev); /* a new array; NULL: no memory */

/** Allows all of them again. Returns an exit code. */
int clg_doctor_forget(clg_device *dev, FILE *to);

/** path NULL: the report is kept but written nowhere; "-" is stdout. Returns an exit code. */
int  clg_doctor_report_open(const char *path, clg_device *dev, const clg_doctor_selection *s,
                            clg_doctor_report **out);
void clg_doctor_report_close(clg_doctor_report **r);
void clg_doctor_report_op(clg_doctor_report *r, const clg_check_result *c);
void clg_doctor_report_failure(clg_doctor_report *r, const clg_check_failure *f, const char *command);
void clg_doctor_report_verdict(clg_doctor_report *r, bool finished, bool pass, const char *text);

/** Writes the whole report; stdout only gets the last. Returns an exit code. */
int  clg_doctor_report_write(const clg_doctor_report *r, bool last);

#endif /* CLG_TOOL_DOCTOR_H_ */
