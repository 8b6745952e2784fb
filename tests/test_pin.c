/* Plans of several devices as their callers see them: what clg_graph_pin() asks for, copies of targets that are
 * begun, and the report as JSON. Two devices "ref", so that nothing is compiled; numbers are for test_placement.c. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>

#include "support/plan.h"

typedef struct two {
    clg_device *home, *guest;
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *x, *w, *y, *z;
} two;

/* y = (x + w)^2 at home, z = y / 2 on the guest. */
static two open_two(void) {
    two t = { .home = open_device("ref"), .guest = open_device("ref") };
    t.store = clg_store_create(t.home, 1);
    t.g = clg_graph_create(t.home, t.store);
    cr_assert_not_null(t.g, "%s", clg_error());
    t.x = clg_input(t.g, "x", CLG_F32, CLG_SHAPE(3));
    t.w = clg_param(t.g, "w", CLG_F32, CLG_SHAPE(3), CLG_INIT_ONE);
    t.y = clg_square(clg_add(t.x, t.w));
    OK(clg_graph_pin(t.g, t.guest));
    t.z = clg_scale(t.y, 0.5);
    return t;
}

static void close_two(two *t) {
    clg_graph_destroy(&t->g);
    clg_store_destroy(&t->store);
    clg_device_destroy(&t->home);
    clg_device_destroy(&t->guest);
}

static void run_with(const two *t, clg_plan *p, float x) {
    const float in[] = { x, x, x };
    OK(clg_write(p, t->x, in, sizeof in));
    OK(clg_run(p));
}

Test(pin, where_things_are) {
    two t = open_two();
    cr_expect_eq(clg_graph_pin(NULL, t.home), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "clg_graph_pin"), "%s", clg_error());
    cr_expect_null(clg_graph_pinned(NULL));
    cr_expect_null(clg_tensor_device(NULL));
    cr_expect_null(clg_tensor_device(t.x), "an input is wherever it is read");
    cr_expect_eq(clg_tensor_device(t.y), t.home);
    cr_expect_eq(clg_tensor_device(t.z), t.guest);
    cr_expect_eq(clg_graph_pinned(t.g), t.guest);
    cr_expect_eq(clg_tensor_device(clg_param(t.g, "w", CLG_F32, CLG_SHAPE(3), CLG_INIT_ONE)), t.home, "it exists");
    OK(clg_graph_pin(t.g, NULL));
    cr_expect_eq(clg_graph_pinned(t.g), t.home);
    close_two(&t);
}

/* What is pinned later is no matter of a plan that exists. */
Test(pin, after_compiling) {
    two t = open_two();
    clg_plan_info info;
    float z[3];
    OK(clg_graph_pin(t.g, NULL));
    clg_tensor *same = clg_scale(t.y, 0.25);
    clg_plan *before = compile(t.g, CLG_LIST(same), NULL);
    OK(clg_graph_pin(t.g, t.guest));
    clg_tensor *other = clg_exp(same);
    clg_plan *after = compile(t.g, CLG_LIST(same, other), NULL);
    clg_plan_get_info(before, &info);
    cr_expect_eq(info.n_copies, 0);
    clg_plan_get_info(after, &info);
    cr_expect_eq(info.n_copies, 1);
    run_with(&t, before, 3);
    read_floats(before, same, z);
    cr_expect_eq(z[1], 4);
    clg_plan_destroy(&before);
    clg_plan_destroy(&after);
    close_two(&t);
}

Test(pin, copies_that_are_begun) {
    two t = open_two();
    float y[3], z[3];
    clg_plan *p = compile(t.g, CLG_LIST(t.y, t.z), NULL);
    cr_expect_eq(clg_read_end(p, t.z, z, sizeof z), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "clg_read_begin()"), "%s", clg_error());
    cr_expect_eq(clg_read_begin(p, t.w), CLG_ERR_INVALID);
    for (int i = 0; i < 2; i++) {
        run_with(&t, p, (float)(1 + i));
        OK(clg_read_begin(p, t.y));
        OK(clg_read_begin(p, t.z));
    }
    cr_expect_eq(clg_read_begin(p, t.z), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "under way"), "%s", clg_error());
    run_with(&t, p, 7); /* later runs do not change what was begun */
    cr_expect_eq(clg_read_end(p, t.z, z, 4), CLG_ERR_INVALID);
    for (int i = 0; i < 2; i++) {
        OK(clg_read_end(p, t.y, y, sizeof y));
        OK(clg_read_end(p, t.z, z, sizeof z));
        cr_expect_eq(y[2], (float)((2 + i) * (2 + i)));
        cr_expect_eq(z[0], y[0] / 2);
    }
    clg_plan_destroy(&p);
    close_two(&t);
}

Test(pin, report_as_json) {
    two t = open_two();
    char *text = NULL;
    size_t size = 0;
    json_error_t error;
    clg_plan *p = compile(t.g, CLG_LIST(t.y, t.z), NULL);
    FILE *f = open_memstream(&text, &size);
    OK(clg_plan_report(p, CLG_REPORT_JSON, f));
    fclose(f);
    json_t *j = json_loads(text, 0, &error);
    cr_assert_not_null(j, "%s: %s", error.text, text);
    json_t *parts = json_object_get(j, "parts"), *copies = json_object_get(j, "copies");
    cr_assert_eq(json_array_size(parts), 2, "%s", text);
    cr_assert_eq(json_array_size(copies), 1, "%s", text);
    cr_expect_eq(json_integer_value(json_object_get(j, "n_copies")), 1);
    cr_expect_eq(json_integer_value(json_object_get(j, "n_fallback")), 0);
    cr_expect_null(json_object_get(j, "steps"), "they are those of the parts");
    size_t steps = 0;
    for (size_t k = 0; k < 2; k++) {
        const json_t *part = json_array_get(parts, k);
        cr_expect_not_null(strstr(json_string_value(json_object_get(part, "device")), "reference"));
        steps += json_array_size(json_object_get(part, "steps"));
    }
    cr_expect_eq(steps, (size_t)json_integer_value(json_object_get(j, "n_steps")));
    const json_t *copy = json_array_get(copies, 0);
    cr_expect_eq(json_integer_value(json_object_get(copy, "from_part")), 0);
    cr_expect_eq(json_integer_value(json_object_get(copy, "to_part")), 1);
    cr_expect_eq(json_number_value(json_object_get(copy, "bytes")), 12);
    cr_expect_str_eq(json_string_value(json_object_get(copy, "way")), "through the host");
    json_decref(j);
    free(text);
    clg_plan_destroy(&p);
    close_two(&t);
}
