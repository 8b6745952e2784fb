/* What the subcommands of the clgrad program share: exit codes, options with --help, JSON lines, progress.
 * The program is written on the public headers only; so everything here starts from <clgrad/clgrad.h>. */
#ifndef CLG_TOOL_TOOL_H_
#define CLG_TOOL_TOOL_H_

#include <clgrad/clgrad.h>
#include <jansson.h>
#include <stdio.h>

/* --- exit codes: one table makes the enum and the text of every --help --- */
#define CLG_EXIT_MAP(X)                                                                        \
    X(OK,          0, "success")                                                               \
    X(FAILED,      1, "something failed; the message says what")                               \
    X(USAGE,       2, "the command line is wrong")                                             \
    X(DEVICE,      3, "no such device, or the device failed")                                  \
    X(FILE,        4, "a file is missing, unwritable, damaged, or does not fit")               \
    X(DIVERGED,    5, "the training loss is not finite; the last checkpoint is kept")        \
    X(INTERRUPTED, 130, "stopped by Ctrl-C, SIGTERM or --stop-after; the checkpoint is saved")

enum clg_exit {
#define X(name, value, text) CLG_EXIT_##name = value,
    CLG_EXIT_MAP(X)
#undef X
};

/** Exit code for a failed library call: DEVICE, FILE (I/O and format errors), else FAILED. */
int clg_tool_exit(clg_status s);

/** Prints "clgrad: <clg_error()>" to stderr and returns the exit code of clg_error_status(). */
int clg_tool_fail(void);

/** The same for a call whose arguments stood on the command line: CLG_ERR_INVALID is CLG_EXIT_USAGE then. */
int clg_tool_fail_usage(void);

/** Prints "clgrad: <text>" to stderr; returns code. */
int clg_tool_error(int code, const char *fmt, ...) CLG_FMT(2, 3);

/* --- options --- */
enum clg_opt_kind {
    CLG_OPT_END,    /* ends the list */
    CLG_OPT_TITLE,  /* only help: a heading for the options that follow */
    CLG_OPT_FLAG,   /* bool *value: --name sets it */
    CLG_OPT_INT,    /* int64_t *value; min .. max */
    CLG_OPT_SEED,   /* uint64_t *value: any 64-bit number, also 0x... */
    CLG_OPT_REAL,   /* double *value; min .. max */
    CLG_OPT_TEXT,   /* const char **value: points into argv */
    CLG_OPT_CHOICE, /* const char **value: one of "a|b|c" in arg */
    CLG_OPT_LIST    /* const char **value: room for max + 1 texts, NULL behind the last; may be given again */
};

/** One option. The value's initial content is the default; help shows it, but not 0 of an INT, a REAL that is NaN or
 *  a NULL text, which mean that the command itself finds one. */
typedef struct clg_opt {
    enum clg_opt_kind kind;
    const char *name;     /* without the dashes: "epochs" is given as --epochs N or --epochs=N */
    const char *arg;      /* what help calls the value: "N", "FILE"; for CHOICE the choices */
    void       *value;
    const char *help;     /* may have several lines; they are indented below each other */
    double      min, max; /* INT, REAL: inclusive; both 0: no limits */
    bool       *given;    /* set to true if the option was given; may be NULL */
} clg_opt;

/** A command line: what --help prints and what is accepted. */
typedef struct clg_usage {
    const char    *synopsis; /* "clgrad train [OPTIONS]" */
    const char    *intro;    /* paragraphs that teach, lines <= 80 */
    const clg_opt *options;  /* END-terminated; --help is added */
    const char    *outro;    /* examples; NULL: none */
    const char   **operand;  /* NULL-terminated room of max_operands + 1, filled in order; NULL: none are taken */
    int            max_operands;
    bool           trains;   /* help also lists the exit codes of a training run, 5 and 130 */
} clg_usage;

/** Reads argv[1..]. Returns -1 to go on, else the exit code to return at once (0 after --help, 2 after a mistake,
 *  which has been explained on stderr). */
int clg_opt_parse(const clg_usage *u, int argc, char **argv);

/** Sets one option from a text. Returns -1, or the exit code after explaining; command stands before the message. */
int clg_opt_set(const clg_opt *o, const char *command, const char *text);

/** A file that will be written at the end should not turn out to be impossible only then: looks whether its folder can
 *  be written to. path NULL: no file. Returns 0 or an exit code after explaining. */
int clg_tool_check_output(const char *option, const char *path);

/** The value of an option as text that clg_opt_set() takes back; "" if it was not given: NULL, NaN, 0, no flag. It
 *  stands in text, which has room for numbers, or is the option's own. */
enum { CLG_OPT_TEXT_SIZE = 40 };
const char *clg_opt_text(const clg_opt *o, char text[CLG_OPT_TEXT_SIZE]);

/** True if the option text is one of the choices "a|b|c". */
bool clg_opt_is_choice(const char *choices, const char *text);

/** True if name is in the list "a,b,c", or the list is "all". */
bool clg_opt_lists(const char *list, const char *name);

/** Seconds of "90", "90s", "10m", "2h"; 0: it is no such time, or not between a microsecond and a year. */
double clg_opt_seconds(const char *text);

/** Writes a file under another name, which takes the path's place when it is whole. Returns 0 or an exit code after
 *  explaining; command stands before the message. */
int clg_tool_replace(const char *command, const char *path, const char *text, size_t size);

/* --- JSON lines --- */
typedef struct clg_jsonl clg_jsonl;

/** Opens FILE for JSON lines, "-" is stdout. path NULL gives *out = NULL, which the other calls accept.
 *  Returns 0, or an exit code after explaining on stderr. */
int clg_jsonl_open(const char *path, clg_jsonl **out);
int clg_jsonl_append(const char *path, clg_jsonl **out); /* keeps the lines that are there */

/** Writes one object as a line and flushes it; takes the reference. Keys keep their order. Returns 0 or an exit code
 *  (no memory, disk full) after explaining on stderr. j NULL: only drops the object. */
int  clg_jsonl_write(clg_jsonl *j, json_t *line);
void clg_jsonl_close(clg_jsonl **j);

/** A JSON number; null where it is NaN or infinite, which JSON has not. For json_pack's "o". */
json_t *clg_json_real(double x);

/** Where tables for people go: stdout, or stderr if the JSON lines occupy stdout. */
FILE *clg_jsonl_table(const char *json_path);

/* --- progress: a bar on stderr with rate and remaining time; silent unless stderr is a terminal --- */
typedef struct clg_progress {
    bool    on;
    char    label[40];
    const char *unit;
    int64_t total, first; /* first: count that was done before begin, for the rate */
    double  began, drawn; /* seconds of clg_tool_now() */
} clg_progress;

void clg_progress_begin(clg_progress *p, const char *label, const char *unit, int64_t done, int64_t total);
void clg_progress_update(clg_progress *p, int64_t done); /* draws at most ten times a second */
void clg_progress_end(clg_progress *p);                  /* removes the bar */
void clg_progress_note(const char *text);                /* in the bar's place, until a bar or NULL replaces it */

/** Monotonic seconds; and seconds since main() began. */
double clg_tool_now(void);
double clg_tool_uptime(void);
void   clg_tool_start(void); /* main() calls it first */

/* --- subcommands --- */
typedef struct clg_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name; returns an exit code */
} clg_command;

int clg_cmd_bench(int argc, char **argv); /* bench_cmd.c */
int clg_cmd_data(int argc, char **argv); /* data_cmd.c */
int clg_cmd_devices(int argc, char **argv);
int clg_cmd_doctor(int argc, char **argv); /* doctor.c */
int clg_cmd_train(int argc, char **argv);
int clg_cmd_eval(int argc, char **argv);
int clg_cmd_show(int argc, char **argv); /* show_cmd.c */
int clg_cmd_models(int argc, char **argv); /* models.c */
int clg_cmd_ops(int argc, char **argv);
int clg_cmd_perceptron(int argc, char **argv); /* perceptron_cmd.c */
int clg_cmd_plan(int argc, char **argv);
int clg_cmd_predict(int argc, char **argv); /* predict_cmd.c */
int clg_cmd_select(int argc, char **argv); /* select_cmd.c */
int clg_cmd_curve(int argc, char **argv);  /* curve_cmd.c */
int clg_cmd_separable(int argc, char **argv); /* separable_cmd.c */
int clg_cmd_tune(int argc, char **argv); /* tune_cmd.c */
int clg_cmd_filter(int argc, char **argv);

#endif /* CLG_TOOL_TOOL_H_ */
