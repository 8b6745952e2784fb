/* What the report of a plan of several devices shares with that of its parts. */
#ifndef CLG_PLAN_PARTS_REPORT_H_
#define CLG_PLAN_PARTS_REPORT_H_

#include "base/str.h"
#include "plan/plan.h"

#include <jansson.h>

/* --- report.c: a plan, or a part --- */
void    clg_plan_text(const clg_plan *p, clg_str *out);
json_t *clg_plan_json(const clg_plan *p); /* NULL: no memory */
void    clg_plan_dot(const clg_plan *p, clg_str *out); /* nodes and edges; in a part, its number is in all names */
int     clg_plan_writer(const clg_plan *p, int step, int value); /* the last step before `step` that writes; -1: none */

/* --- parts_report.c --- */
void clg_parts_text(const clg_plan *p, clg_str *out);
bool clg_parts_json(const clg_plan *p, json_t *to); /* adds "parts" and "copies"; false: no memory */
void clg_parts_dot(const clg_plan *p, clg_str *out);

/** What the reference computes because a device cannot: a line each; nothing in parts. */
void clg_fallbacks_text(const clg_plan *p, clg_str *out);
bool clg_fallbacks_json(const clg_plan *p, json_t *to);

/** Adds "failed" and "excluded", the implementations that are not taken, with reasons; in the plan, not its parts. */
bool clg_avoided_json(const clg_plan *p, json_t *to);

#endif /* CLG_PLAN_PARTS_REPORT_H_ */
