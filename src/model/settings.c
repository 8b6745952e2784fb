/* The lines of a model's text that build nothing: their words, for the parser and for manuals. */
#include "model/model.h"

static const char *const inits[] = {"he", "xavier", "normal", "uniform", "zero"};
static const char *const losses[] = {"cross_entropy", "logistic", "mse", "hinge", "perceptron"};

enum { N_INITS = sizeof inits / sizeof *inits, N_LOSSES = sizeof losses / sizeof *losses };

const char *clg_init_word(int i) {
    return i >= 0 && i < N_INITS ? inits[i] : NULL;
}

const char *clg_loss_word(int i) {
    return i >= 0 && i < N_LOSSES ? losses[i] : NULL;
}

const char *clg_model_loss_name(enum clg_model_loss l) {
    const char *const word = clg_loss_word((int)l);
    return word ? word : "?";
}

static const clg_model_arg name_arg[] = {{"NAME", CLG_MODEL_CHOICE, true, 0, 0, 0, "one word"}};
static const clg_model_arg input_args[] = {
    {"SIZE", CLG_MODEL_WHOLE, true, 1, 1e6, 0, "of the first axis: channels, or the numbers of a row"},
    {"SIZE2", CLG_MODEL_WHOLE, false, 1, 1e6, 0, "and so on, up to 5 axes"}};
static const clg_model_arg init_arg[] = {
    {"KIND", CLG_MODEL_CHOICE, true, 0, 0, 0,
     "he (usual): normal with variance 2 / inputs, for relu and its kin; xavier: uniform with variance 2 / (inputs + "
     "outputs), for sigmoid and tanh; normal: N(0, 0.01^2); uniform: within 1 / sqrt(inputs); zero: for models without "
     "hidden layers"}};
static const clg_model_arg loss_arg[] = {
    {"KIND", CLG_MODEL_CHOICE, true, 0, 0, 0,
     "cross_entropy (usual for classes): -log softmax(f)[class]; logistic: log(1 + exp(-y f)), hinge: max(0, 1 - y f) "
     "and perceptron: max(0, -y f), for one output and two classes y = -1, 1; mse (usual for real targets): "
     "(f - t)^2"}};

static const clg_model_word setting[] = {
    {"model", "what the model is called", NULL, true, 1, name_arg},
    {"input", "the shape of one item; if it is left out, that of the data", NULL, true, 2, input_args},
    {"init", "how weights start; biases start at 0", NULL, true, 1, init_arg},
    {"loss", "what training lowers; if it is left out, the usual one for the data", NULL, true, 1, loss_arg},
};

const clg_model_word *clg_setting_at(int i) {
    return i >= 0 && i < (int)(sizeof setting / sizeof *setting) ? &setting[i] : NULL;
}
