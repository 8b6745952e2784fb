/* programs PROFILE FOLDER: writes every program that the library builds for a kind of device into a folder, without the
 * device (driver.h): the case table, each case as the library chooses and by each implementation that is made for the
 * class of device, in f32, f16 and f64; and training steps and inference of the models of the zoo, for kernels with
 * tails. Nothing is run. */
#define _POSIX_C_SOURCE 200809L
#include "check/check.h"
#include "offline/driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Implementations are named after the class that they are made for, where they are made for one. */
static bool made_for(const char *impl, bool gpu) {
    const bool for_gpu = strstr(impl, "gpu") != NULL;
    return gpu ? for_gpu : !for_gpu && !strstr(impl, "clblast");
}

/* Not every case is meant for every type, and not every implementation takes every case. */
static bool compile_case(const clg_case *c, clg_device *dev, const clg_case_form *form, const char *impl) {
    clg_case_run run;
    const clg_status s = clg_case_open(c, dev, form, clg_plan_params(.impl = impl), &run);
    clg_case_close(&run);
    if (s != CLG_ERR_BUILD && s != CLG_ERR_DEVICE && form->real != CLG_F32) return true;
    if (s == CLG_OK || s == CLG_ERR_UNSUP) return true;
    fprintf(stderr, "%s %s: %s\n", c->op, impl ? impl : "", clg_error());
    return false;
}

static bool each_impl(int op, const clg_case *c, clg_device *dev, const clg_case_form *form, bool gpu) {
    bool ok = compile_case(c, dev, form, NULL);
    const char *impl;
    for (int k = 0; (impl = clg_op_impl(op, k)) != NULL; k++)
        if (made_for(impl, gpu)) ok = compile_case(c, dev, form, impl) && ok;
    return ok;
}

static bool each_case(clg_device *dev, bool gpu) {
    static const clg_case_form forms[] = {{CLG_F32, CLG_I32, CLG_VIEW_PLAIN}, {CLG_F64, CLG_I32, CLG_VIEW_PLAIN},
                                          {CLG_F16, CLG_I64, CLG_VIEW_PLAIN}};
    bool ok = true;
    for (int op = 0; op < clg_op_count(); op++) {
        clg_op_info info;
        const clg_case *c;
        if (clg_op_get_info(op, &info) < 0) return false;
        for (int i = 0; (c = clg_case_at(info.name, i)) != NULL; i++)
            for (int f = 0; f < (i == 0 ? 3 : 1); f++) ok = each_impl(op, c, dev, &forms[f], gpu) && ok;
    }
    return ok;
}

/* A training step, or inference, of a model of the zoo. */
static bool compile_model(clg_device *dev, const char *name, const clg_shape item, bool training) {
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    clg_model *open = clg_model_zoo(name, NULL), *m = open ? clg_model_for(open, item, 10, 0) : NULL;
    clg_plan *plan = NULL;
    if (g && m) {
        clg_shape all = {item.ndim + 1, {16}};
        memcpy(all.dim + 1, item.dim, (size_t)item.ndim * sizeof *item.dim);
        clg_tensor *y = clg_model_build(m, clg_input(g, "x", CLG_F32, all));
        clg_tensor *loss = clg_model_loss_of(m, y, clg_model_target(m, g, "target", 16));
        clg_tensor *what = training ? clg_optimizer("adam", loss, NULL) : y;
        plan = clg_compile(g, CLG_LIST(what), clg_plan_params(.inference = !training));
    }
    const bool ok = plan != NULL;
    if (!ok) fprintf(stderr, "%s: %s\n", name, clg_error());
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&open);
    return ok;
}

static bool each_model(clg_device *dev) {
    static const struct { const char *name; clg_shape item; } models[] = {
        {"mlp", {3, {1, 28, 28}}}, {"lenet", {3, {1, 28, 28}}}, {"lenet-course", {3, {1, 28, 28}}},
        {"cifar", {3, {3, 32, 32}}}, {"resnet18", {3, {3, 32, 32}}},
        {"resnet18-imagenet", {3, {3, 224, 224}}},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        for (int training = 0; training < 2; training++)
            ok = compile_model(dev, models[i].name, models[i].item, training) && ok;
    return ok;
}

int main(int argc, char **argv) {
    if (argc != 3 || !driver_show(argv[1], argv[2])) {
        fprintf(stderr, "usage: programs PROFILE FOLDER\nprofiles:");
        for (int i = 0; driver_profile(i); i++) fprintf(stderr, " %s", driver_profile(i));
        fprintf(stderr, "\n");
        return 2;
    }
    setenv("CLGRAD_SUBGROUPS", strncmp(argv[1], "amd", 3) == 0 ? "CL2.0" : "CL1.2", 1); /* nothing runs, so no trial */
    clg_device *dev = clg_device_open("0", clg_device_params(.cache_dir = "", .active_wait_us = -1));
    if (!dev) {
        fprintf(stderr, "%s\n", clg_error());
        return 1;
    }
    const bool gpu = strcmp(argv[1], "cpu") != 0, cases = each_case(dev, gpu), models = each_model(dev);
    clg_device_destroy(&dev);
    printf("%s: %d programs\n", argv[1], driver_programs());
    return cases && models && driver_programs() > 0 ? 0 : 1;
}
