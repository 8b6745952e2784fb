/* Tables of two columns in reports: what, and how much. */
#ifndef CLG_TOOL_FACTS_H_
#define CLG_TOOL_FACTS_H_

#include "tool/tool.h"

enum { CLG_FACTS_ROWS = 40, CLG_FACTS_TEXT = 400 };

/** A table that grows row by row; what is beyond its size is left out. Large: not for the stack. */
typedef struct clg_facts {
    char text[CLG_FACTS_ROWS][2][CLG_FACTS_TEXT];
    int  n;
} clg_facts;

void clg_facts_add(clg_facts *f, const char *what, const char *fmt, ...) CLG_FMT(3, 4);

/** Writes the table and empties it. caption NULL: none. */
void clg_facts_put(clg_facts *f, clg_report *r, const char *caption);

/** The device and what it was used for so far: its name, driver, memory, programs; the library. */
void clg_facts_add_device(clg_facts *f, clg_device *dev);

/** How long the program has been running, and the date. */
void clg_facts_add_time(clg_facts *f);

#endif /* CLG_TOOL_FACTS_H_ */
