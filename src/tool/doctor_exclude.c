/* What the doctor remembers: implementations that were wrong are excluded on the device (clg_impl_exclude()), and not
 * chosen by any program that uses the same cache directory. */
#include "tool/doctor.h"

#include <string.h>

/* Whether a check blames an implementation. One that is wrong because the device is lost is not to blame. */
static bool is_to_blame(clg_device *dev, const clg_check_failure *f) {
    return f->impl && f->wrong && clg_device_finish(dev) == CLG_OK;
}

void clg_doctor_remember(clg_device *dev, const clg_check_failure *f, bool remember, FILE *table) {
    const char *name;
    if (!is_to_blame(dev, f)) return;
    for (int i = 0; (name = clg_impl_excluded(dev, i, NULL)) != NULL; i++)
        if (strcmp(name, f->impl) == 0) return;
    if (!remember) {
        fprintf(table, "    to use another implementation from now on: clgrad doctor --remember\n");
        return;
    }
    char why[360];
    snprintf(why, sizeof why, "clgrad doctor, op %s, case %d: %s", f->op, f->number, f->text);
    if (clg_impl_exclude(dev, f->impl, why) == CLG_OK) fprintf(table, "    %s is not chosen here any more\n", f->impl);
    else fprintf(table, "    %s cannot be excluded: %s\n", f->impl, clg_error());
}

void clg_doctor_print_excluded(clg_device *dev, FILE *to) {
    const char *name, *why = "";
    for (int i = 0; (name = clg_impl_excluded(dev, i, &why)) != NULL; i++)
        fprintf(to, "%s%s: %s\n", i == 0 ? "excluded  " : "          ", name, why);
}

json_t *clg_doctor_excluded_json(clg_device *dev) {
    const char *name, *why = "";
    json_t *list = json_array();
    for (int i = 0; (name = clg_impl_excluded(dev, i, &why)) != NULL; i++)
        json_array_append_new(list, json_pack("{s:s,s:s}", "impl", name, "why", why));
    return list;
}

int clg_doctor_forget(clg_device *dev, FILE *to) {
    int n = 0;
    const char *name;
    for (; (name = clg_impl_excluded(dev, n, NULL)) != NULL; n++) fprintf(to, "allowed again: %s\n", name);
    if (clg_impl_allow(dev, NULL) < 0) return clg_tool_fail();
    if (n == 0) fprintf(to, "nothing is excluded on this device\n");
    return CLG_EXIT_OK;
}
