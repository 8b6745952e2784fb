/* `clgrad models`: the zoo, the text of a model, and the words such texts are made of, for people and as
 * docs/models.md. All of it comes from the library's table of words. */
#include "tool/network.h"
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Lists the models that are known by name. With a NAME or a FILE: prints the text\n"
    "that describes the model, one layer a line. Such a text in a file is a model of\n"
    "your own: copy, change, and give the file to --model. With --input or --classes\n"
    "the text is completed for such data, and the shape behind each layer is shown.";

static const char outro[] =
    "Examples\n"
    "  clgrad models lenet > mine.txt && clgrad train --model mine.txt\n"
    "  clgrad models mlp --hidden 64,32 --activation tanh\n"
    "  clgrad models resnet18 --input 3,32,32 --classes 10\n"
    "  clgrad models --words                   what a file may say\n"
    "  clgrad models --markdown > docs/models.md";

/* --- the words --- */

/* What a value may be: "1 to 1000", and what it is if left out; nothing for words. */
static void print_range(FILE *to, const clg_model_arg *a) {
    if (a->kind == CLG_MODEL_CHOICE) return;
    if (a->kind == CLG_MODEL_SWITCH) fprintf(to, "yes or no");
    else fprintf(to, "%.12g to %.12g", a->low, a->high);
    if (a->kind == CLG_MODEL_OUTPUTS) fprintf(to, ", or outputs");
    if (a->required) return;
    if (a->kind == CLG_MODEL_SWITCH) fprintf(to, "; usual %s", a->usual != 0 ? "yes" : "no");
    else if (a->usual >= a->low) fprintf(to, "; usual %.12g", a->usual);
}

static void print_form(FILE *to, const clg_model_word *w) {
    char form[256];
    clg_model_form(w, form, sizeof form);
    fputs(form, to);
}

/* Text in lines that fit a terminal, each behind `indent` blanks. */
static void print_wrapped(FILE *to, const char *text, int indent) {
    const int width = 80 - indent;
    while (*text) {
        int n = (int)strlen(text);
        if (n > width)
            for (n = width; n > 0 && text[n] != ' ';) n--;
        fprintf(to, "%*s%.*s\n", indent, "", n, text);
        for (text += n; *text == ' ';) text++;
    }
}

static void print_word(FILE *to, const clg_model_word *w) {
    print_form(to, w);
    fputc('\n', to);
    print_wrapped(to, w->what, 4);
    for (int i = 0; i < w->n_args; i++) {
        fprintf(to, "    %s", w->arg[i].name);
        if (w->arg[i].kind != CLG_MODEL_CHOICE) fputc(' ', to);
        print_range(to, &w->arg[i]);
        fputc('\n', to);
        print_wrapped(to, w->arg[i].what, 8);
    }
    if (w->names) fprintf(to, "    weights are named %s1, %s2, ... in order, unless name= says otherwise\n", w->names,
                          w->names);
    fputc('\n', to);
}

/* --- docs/models.md --- */

static const char page[] =
    "# Models as texts\n"
    "\n"
    "<!-- Generated from the table of words; do not edit. To make it again:\n"
    "     clgrad models --markdown > docs/models.md -->\n"
    "\n"
    "A model is a text, one layer a line, from the input to the output; `#` starts a comment.\n"
    "`clgrad train --model FILE` trains it, `clgrad models FILE --input 1,28,28` checks it and shows the shape behind\n"
    "each layer, `clg_model_read()` reads it in a program (`include/clgrad/model.h`). For handwritten digits this is\n"
    "enough:\n"
    "\n"
    "```\n"
    "conv 8 kernel=3 pad=1    # 8 channels, [1 28 28] -> [8 28 28]\n"
    "relu\n"
    "max_pool 2               # -> [8 14 14]\n"
    "flatten                  # -> [1568]\n"
    "linear outputs           # as many as the data has classes\n"
    "```\n"
    "\n"
    "What a text leaves open is taken from the data: the shape of an item (`input`), the number of outputs (`linear\n"
    "outputs`), the loss. A layer that does not fit what it gets is reported with its line and column. Layers with\n"
    "weights are named by kind and number (`conv1`, `conv2`, `fc1`, ...), and their tensors in the saved file are\n"
    "`conv1.weight`, `conv1.bias` and so on; `name=` gives a layer another name.\n";

/* With a capital, unless it begins with a formula, and a point. */
static void print_sentence(FILE *to, const char *text) {
    const bool word = text[0] >= 'a' && text[0] <= 'z' && text[1] >= 'a' && text[1] <= 'z';
    fprintf(to, "%c%s.", word ? text[0] - 'a' + 'A' : text[0], text + 1);
}

static void print_markdown_word(FILE *to, const clg_model_word *w) {
    fprintf(to, "\n### %s\n\n`", w->word);
    print_form(to, w);
    fprintf(to, "`\n\n");
    print_sentence(to, w->what);
    if (w->names) fprintf(to, " Named `%s1`, `%s2`, ...", w->names, w->names);
    fputc('\n', to);
    for (int i = 0; i < w->n_args; i++) {
        fprintf(to, "%s- `%s`: %s", i ? "" : "\n", w->arg[i].name, w->arg[i].what);
        if (w->arg[i].kind != CLG_MODEL_CHOICE) {
            fprintf(to, " (");
            print_range(to, &w->arg[i]);
            fprintf(to, ")");
        }
        fputc('\n', to);
    }
}

static int print_markdown(FILE *to) {
    const clg_model_word *w;
    fputs(page, to);
    for (int setting = 1; setting >= 0; setting--) {
        fprintf(to, setting ? "\n## Settings\n\nThese lines build nothing and may stand anywhere.\n" : "\n## Layers\n");
        for (int i = 0; (w = clg_model_word_at(i)) != NULL; i++)
            if (w->setting == setting) print_markdown_word(to, w);
    }
    fprintf(to, "\n## The zoo\n\nThe models that are known by name are such texts too. Options of `clgrad train` (and\n"
            "`clg_zoo_params`) change activation, pooling, hidden sizes, dropout, width and initial weights.\n");
    for (int i = 0; clg_model_zoo_name(i); i++) {
        clg_model *m = clg_model_zoo(clg_model_zoo_name(i), NULL);
        if (!m) return clg_tool_fail();
        fprintf(to, "\n### %s\n\n", clg_model_zoo_name(i));
        print_sentence(to, clg_model_zoo_summary(i));
        fprintf(to, "\n\n```\n%s```\n", clg_model_text(m));
        clg_model_destroy(&m);
    }
    return CLG_EXIT_OK;
}

/* --- lists and texts --- */

static void print_zoo(void) {
    for (int i = 0; clg_model_zoo_name(i); i++)
        printf("%-18s %s\n", clg_model_zoo_name(i), clg_model_zoo_summary(i));
    printf("\nThe text of one: clgrad models NAME; the words of such texts: clgrad models --words\n");
}

static void print_words(void) {
    const clg_model_word *w;
    printf("A model is a text, one layer a line; # starts a comment. What is in [] may be left\n"
           "out; what is in capitals is replaced by a value: conv 6 kernel=5\n\n");
    for (int i = 0; (w = clg_model_word_at(i)) != NULL; i++) print_word(stdout, w);
}

/* The lines of a complete model, with the shape of an item behind each layer as a comment. */
static void print_shapes(const clg_model *m) {
    const char *text = clg_model_text(m);
    int width = 0, layer = 0;
    for (int i = 0; i < clg_model_layers(m); i++) {
        const int n = (int)strlen(clg_model_layer(m, i));
        if (n > width) width = n;
    }
    printf("# %lld weights\n", (long long)clg_model_weights(m));
    for (; *text; text += strcspn(text, "\n") + 1) {
        const int n = (int)strcspn(text, "\n");
        const char *line = clg_model_layer(m, layer), *name = clg_model_layer_name(m, layer);
        if (!line || (int)strlen(line) != n || strncmp(line, text, (size_t)n) != 0) {
            printf("%.*s\n", n, text);
            continue;
        }
        const clg_shape s = clg_model_layer_shape(m, layer++);
        printf("%-*s  # [", width, line);
        for (int i = 0; i < s.ndim; i++) printf("%s%lld", i ? " " : "", (long long)s.dim[i]);
        printf("]%s%s\n", name ? " " : "", name ? name : "");
    }
}

static int print_model(const clg_network_options *o, const char *command) {
    clg_model *m = NULL;
    int code = clg_network_open(o, command, &m);
    if (code == CLG_EXIT_OK && (o->input || o->classes)) code = clg_network_complete(o, command, &m);
    if (code == CLG_EXIT_OK) {
        if (clg_model_weights(m) > 0) print_shapes(m);
        else fputs(clg_model_text(m), stdout);
    }
    clg_model_destroy(&m);
    return code;
}

int clg_cmd_models(int argc, char **argv) {
    clg_network_options o = CLG_NETWORK_NONE;
    bool words = false, markdown = false;
    const char *name[2] = {NULL, NULL};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        {CLG_OPT_FLAG, "words", NULL, &words, "every word of a model's text, with its values"},
        {CLG_OPT_FLAG, "markdown", NULL, &markdown, "print the page docs/models.md"},
        {CLG_OPT_TITLE, .help = "The model"},
        CLG_NETWORK_OPTIONS(o),
        CLG_NETWORK_DATA(o),
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad models [NAME|FILE] [OPTIONS]", intro, options, outro, name, 1};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    o.model = name[0];
    if (!o.model && (clg_network_given(&o) || o.input || o.classes))
        return clg_tool_error(CLG_EXIT_USAGE, "models: options that describe a model want its name too, as in clgrad "
                              "models lenet");
    code = CLG_EXIT_OK;
    if (markdown) code = print_markdown(stdout);
    else if (words) print_words();
    else if (o.model) code = print_model(&o, argv[0]);
    else print_zoo();
    if (code == CLG_EXIT_OK && fflush(stdout) != 0) return clg_tool_error(CLG_EXIT_FILE, "models: cannot write");
    return code;
}
