/* `clgrad train --trace`: the steps of the window, of one device and of several. */
#include "support/opencl.h"
#include "support/program.h"

#include <clgrad/clgrad.h>
#include <jansson.h>

/* How often a text stands in a file. */
static int count(const char *name, const char *what) {
    int n = 0;
    char *text = slurp(name, NULL);
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) n++;
    free(text);
    return n;
}

/* The steps of the window and no others; the run is the same; what is stopped early writes what there is. */
Test(traced, steps_of_training, .init = set_up, .fini = tear_down) {
    setenv("CLGRAD_SHARED", "off", 1); /* so that uploads are commands */
    expect_run(0, "train --model softmax --epochs 1 --save a");
    expect_run(0, "train --model softmax --epochs 1 --save b --trace t.json --trace-steps 3..6");
    cr_expect(same_files("a", "b"), "a trace changes nothing");
    json_t *t = json_load_file("t.json", 0, NULL);
    cr_assert_not_null(t);
    json_decref(t);
    cr_expect(count("t.json", "\"step ") == 4 && count("t.json", "\"step 3\"") == 1 && count("t.json", "\"step 6\"") == 1);
    cr_expect(count("t.json", "\"upload x\"") == 4 && count("t.json", "\"clg_run\"") == 4 && file_has("t.json", "matmul"));
    expect_run(130, "train --model softmax --epochs 1 --trace u.json --trace-steps 1..1000 --stop-after 4");
    cr_expect(count("u.json", "\"step ") >= 4 && file_has("u.json", "\"step 1\"") && file_has("u.json", "]}"));
    expect_run(0, "train --model softmax --epochs 1 --trace v.json --trace-steps 101..102");
    cr_expect(file_has("err", "the run had 100 steps, and the window begins with step 101"));
    cr_expect(access("v.json", F_OK) != 0);
    expect_run(4, "train --model softmax --epochs 1 --trace /nowhere/t.json");
}

/* Spans of a process whose name begins so. */
static int spans(json_t *trace, int pid, const char *name) {
    size_t i;
    json_t *e;
    int n = 0;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, e)
        n += json_integer_value(json_object_get(e, "pid")) == pid
            && strcmp(json_string_value(json_object_get(e, "ph")), "X") == 0
            && strncmp(json_string_value(json_object_get(e, "name")), name, strlen(name)) == 0;
    return n;
}

/* A group of rows for each device, and one for the host, in one file: two devices, two steps, in each of which a device
 * has a run for its gradients and one for the step itself. */
Test(traced, several_devices, .init = set_up, .fini = tear_down) {
    char half[2][64];
    const char *why = why_no_halves(opencl_device());
    if (why) cr_skip_test("%s", why);
    setenv("CLGRAD_SHARED", "off", 1);
    for (int i = 0; i < 2; i++) half_of_device(i, half[i], sizeof half[i]);
    cr_expect_eq(run("train --device '%s,%s' --split 40,24 --model softmax --batch 64 --stop-after 5 --trace t.json "
                     "--trace-steps 3..4", half[0], half[1]), 130);
    json_t *t = json_load_file("t.json", 0, NULL);
    cr_assert_not_null(t);
    for (int pid = 1; pid <= 2; pid++) {
        cr_expect_eq(spans(t, pid, "upload x"), 2, "device %d", pid);
        cr_expect_geq(spans(t, pid, "matmul"), 4, "device %d", pid);
        cr_expect_eq(spans(t, pid, "download loss"), 2, "device %d", pid);
    }
    cr_expect_eq(spans(t, 0, "clg_run"), 8);
    cr_expect_eq(spans(t, 0, "step "), 2);
    cr_expect_eq(spans(t, 3, ""), 0);
    json_decref(t);
    cr_expect(file_has("t.json", "(part 1 of 2)") && file_has("t.json", "(part 2 of 2)"));
}
