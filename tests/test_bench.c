/* `clgrad bench`: one file with the results of all parts; a part that fails or is stopped is in it, with the reason. */
#include "support/program.h"

#include <jansson.h>

static json_t *part(json_t *file, size_t i) { return json_array_get(json_object_get(file, "parts"), i); }
static const char *text(json_t *from, const char *key) { return json_string_value(json_object_get(from, key)); }

Test(bench, one_file, .init = set_up, .fini = tear_down) {
    cr_assert_eq(finish(start("", "bench --part device,latency --budget 1s --device ref --out b.json")), 0);
    json_t *file = json_load_file("b.json", 0, NULL);
    cr_assert_not_null(file);
    cr_expect_not_null(strstr(text(file, "clgrad"), "0."));
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(part(file, 1), "command"), 2)), "ref");
    cr_expect_gt(json_integer_value(json_object_get(json_object_get(file, "host"), "cores")), 0);
    cr_expect_eq(json_array_size(json_object_get(file, "parts")), 2);
    cr_expect_str_eq(text(part(file, 0), "part"), "device");
    cr_expect(json_is_true(json_object_get(part(file, 0), "ok")));
    cr_expect_geq(json_array_size(json_object_get(part(file, 0), "results")), 1, "the reference is always there");
    cr_expect_str_eq(text(part(file, 1), "part"), "latency");
    const json_t *row = json_array_get(json_object_get(part(file, 1), "results"), 0);
    cr_expect(json_number_value(json_object_get(row, "seconds")) >= json_number_value(json_object_get(row, "best")));
    cr_expect(json_is_real(json_object_get(row, "spread")), "what is measured tells how far it can be believed");
    json_decref(file);
}

/* A part is measured anew, and the others stay, if they are of the same device. */
Test(bench, parts_are_added, .init = set_up, .fini = tear_down) {
    expect_run(0, "bench --part device --device ref --out b.json");
    expect_run(0, "bench --part device,peak --budget 1s --device ref --out b.json --add");
    expect_run(0, "bench --part device --device ref --out b.json --add");
    json_t *file = json_load_file("b.json", 0, NULL);
    cr_assert_eq(json_array_size(json_object_get(file, "parts")), 2);
    cr_expect_str_eq(text(part(file, 0), "part"), "peak");
    json_decref(file);
    expect_run(4, "bench --part device --out b.json --add");
    file = json_load_file("b.json", 0, NULL);
    json_object_set_new(file, "parts", json_integer(3));
    cr_assert_eq(json_dump_file(file, "torn.json", 0), 0);
    json_decref(file);
    expect_run(4, "bench --part device --device ref --out torn.json --add");
    cr_expect(file_has("err", "no file of clgrad bench"));
    expect_run(4, "bench --part device --out b.json --add");
    cr_expect(file_has("err", "give another --out"));
    expect_run(4, "bench --part device --out out --add");
    cr_expect(file_has("err", "no file of clgrad bench"));
}

/* The programs are looked for in $PATH last; here they are a script that says something and fails. */
Test(bench, a_part_that_fails_is_told, .init = set_up, .fini = tear_down) {
    FILE *f = fopen("clgrad-bench-peak", "w");
    cr_assert(f && fputs("#!/bin/sh\necho '{\"row\": 1}'\necho broken >&2\nexit 1\n", f) >= 0 && fclose(f) == 0);
    cr_assert_eq(system("chmod +x clgrad-bench-peak && cp \"$CLGRAD_TOOL\" clgrad"), 0);
    cr_assert_eq(finish(start("CLGRAD_TOOL=$PWD/clgrad;", "bench --part peak,device --device ref --out b.json")), 0);
    json_t *file = json_load_file("b.json", 0, NULL);
    cr_assert_not_null(file);
    cr_expect_eq(json_array_size(json_object_get(file, "parts")), 2);
    cr_expect_str_eq(text(part(file, 1), "part"), "peak");
    cr_expect(json_is_false(json_object_get(part(file, 1), "ok")));
    cr_expect_str_eq(text(part(file, 1), "message"), "broken");
    cr_expect_eq(json_array_size(json_object_get(part(file, 1), "results")), 1, "what it had measured is kept");
    json_decref(file);
}

Test(bench, wrong_command_lines, .init = set_up, .fini = tear_down) {
    static const char *const wrong[][2] = {{"bench", "nothing to measure"}, {"bench --all --budget soon", "is no time"},
                                           {"bench --part nothing", "give --all, or --part"}};
    for (size_t i = 0; i < 3; i++) {
        expect_run(2, "%s", wrong[i][0]);
        cr_expect(file_has("err", wrong[i][1]), "clgrad %s", wrong[i][0]);
    }
    cr_expect_eq(finish(start("", "bench --all --device nosuch --out b.json")), 3);
    cr_expect_neq(access("b.json", F_OK), 0);
}
