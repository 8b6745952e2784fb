/* Profiles of the virtual device: devices as their vendors' documents and drivers describe them to OpenCL. Two are none
 * that exists: "tiny" has the least of everything that this library asks for, "odd" limits that no real device has
 * together. Numbers that no document tells are plausible ones. */
#define _POSIX_C_SOURCE 200809L
#include "virtual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KB 1024ull
#define MB (1024 * KB)
#define GB (1024 * MB)
#define GPU CL_DEVICE_TYPE_GPU

const virtual_spec virtual_profiles[] = {
    { "amd-vega", "gfx900:xnack-", "Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing",
      "3513.0 (HSA1.1,LC)", 20, GPU, 56, 1590, 256, { 1024, 1024, 1024 }, 64 * KB, 8 * GB, 0, 128, true, true, false,
      64, VIRTUAL_WAVE_AMD, 16384 },
    { "amd-rdna2", "gfx1030", "Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing",
      "3513.0 (HSA1.1,LC)", 20, GPU, 36, 2475, 256, { 1024, 1024, 1024 }, 64 * KB, 16 * GB, 0, 128, true, true, false,
      32, VIRTUAL_WAVE_AMD, 16384 },
    { "nvidia-turing", "Tesla T4", "NVIDIA Corporation", "NVIDIA CUDA", "535.104.05", 30, GPU, 40, 1590, 1024,
      { 1024, 1024, 64 }, 48 * KB, 15 * GB, 0, 512, true, false, false, 32, VIRTUAL_WAVE_NV, 32768 },
    { "intel-uhd", "Intel(R) UHD Graphics 620", "Intel(R) Corporation", "Intel(R) OpenCL HD Graphics", "23.43.27642",
      30, GPU, 24, 1150, 256, { 256, 256, 256 }, 64 * KB, 6 * GB, 4 * GB, 128, true, true, true, 32,
      VIRTUAL_WAVE_MULTIPLE, 16384 },
    { "intel-arc", "Intel(R) Arc(TM) A770 Graphics", "Intel(R) Corporation", "Intel(R) OpenCL Graphics",
      "24.13.29138", 30, GPU, 512, 2400, 1024, { 1024, 1024, 1024 }, 64 * KB, 16 * GB, 4 * GB, 128, false, true, false,
      16, VIRTUAL_WAVE_MULTIPLE, 16384 },
    { "arm-mali", "Mali-G77", "ARM", "ARM Platform", "3.0 v1.r38p1", 30, GPU, 9, 850, 384, { 384, 384, 384 }, 32 * KB,
      4 * GB, 0, 128, false, true, true, 16, VIRTUAL_WAVE_MULTIPLE, 65536 },
    { "qualcomm-adreno", "QUALCOMM Adreno(TM)", "QUALCOMM", "QUALCOMM Snapdragon(TM)",
      "OpenCL 3.0 QUALCOMM build: commit unknown Compiler E031.42", 30, GPU, 3, 750, 1024, { 1024, 1024, 1024 },
      32 * KB, 3 * GB, 1 * GB, 128, false, true, true, 64, VIRTUAL_WAVE_UNKNOWN, 16384 },
    { "old", "Old GPU", "Some Vendor", "Some OpenCL", "1.0", 12, GPU, 2, 400, 64, { 64, 64, 64 }, 16 * KB, 512 * MB, 0,
      1024, false, false, false, 8, VIRTUAL_WAVE_UNKNOWN, 4096 },
    { "tiny", "Tiny", "Some Vendor", "Some OpenCL", "1.0", 12, GPU, 1, 100, 64, { 64, 8, 8 }, 16 * KB, 256 * MB, 0,
      1024, false, false, true, 8, VIRTUAL_WAVE_UNKNOWN, 0 },
    { "odd", "Odd", "Some Vendor", "Some OpenCL", "7", 12, GPU, 7, 500, 1024, { 128, 32, 16 }, 24 * KB, 1 * GB, 0, 256,
      true, false, false, 24, VIRTUAL_WAVE_UNKNOWN, 2048 },
    { .profile = "" },
};

/* "key=value" that is a number. */
static bool set_number(virtual_spec *s, const char *key, const char *value) {
    char *end = NULL;
    const unsigned long long n = strtoull(value, &end, 10);
    if (end == value || *end) return false;
    if (strcmp(key, "max_group") == 0) s->max_group = n;
    else if (strcmp(key, "item") == 0) s->item[0] = s->item[1] = s->item[2] = n;
    else if (strcmp(key, "local") == 0) s->local = n;
    else if (strcmp(key, "memory") == 0) s->memory = n;
    else if (strcmp(key, "max_alloc") == 0) s->max_alloc = n;
    else if (strcmp(key, "align") == 0) s->align = (cl_uint)n;
    else if (strcmp(key, "units") == 0) s->units = (cl_uint)n;
    else if (strcmp(key, "wave") == 0) s->wave = (int)n;
    else if (strcmp(key, "image") == 0) s->image = n;
    else if (strcmp(key, "vector") == 0) s->vector = (cl_uint)n;
    else return false;
    return true;
}

static bool set_text(virtual_spec *s, const char *key, const char *value) {
    char *to = strcmp(key, "name") == 0 ? s->name : strcmp(key, "vendor") == 0 ? s->vendor
        : strcmp(key, "platform") == 0 ? s->platform : strcmp(key, "driver") == 0 ? s->driver : NULL;
    if (to) snprintf(to, sizeof s->name, "%s", value);
    return to != NULL;
}

static bool set_flag(virtual_spec *s, const char *word) {
    const struct { const char *word; bool *flag; bool value; } flags[] = {
        { "fp64", &s->fp64, true }, { "no-fp64", &s->fp64, false }, { "fp16", &s->fp16, true },
        { "no-fp16", &s->fp16, false }, { "subgroups", &s->subgroups, true }, { "unified", &s->unified, true },
        { "discrete", &s->unified, false },
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strcmp(flags[i].word, word) != 0) continue;
        *flags[i].flag = flags[i].value;
        return true;
    }
    if (strcmp(word, "cpu") == 0) s->type = CL_DEVICE_TYPE_CPU;
    else if (strcmp(word, "gpu") == 0) s->type = CL_DEVICE_TYPE_GPU;
    else if (strcmp(word, "cl12") == 0) s->version = 12;
    else if (strcmp(word, "cl30") == 0) s->version = 30;
    else return false;
    return true;
}

static bool set_profile(virtual_spec *s, const char *name) {
    for (const virtual_spec *p = virtual_profiles; *p->profile; p++) {
        if (strcmp(p->profile, name) != 0) continue;
        *s = *p;
        return true;
    }
    return false;
}

bool virtual_parse(const char *text, virtual_spec *spec) {
    char copy[512], *rest = NULL;
    bool first = true;
    snprintf(copy, sizeof copy, "%s", text);
    *spec = virtual_profiles[0];
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest), first = false) {
        word += strspn(word, " ");
        for (char *end = word + strlen(word); end > word && end[-1] == ' ';) *--end = 0;
        if ((first && set_profile(spec, word)) || set_flag(spec, word)) continue;
        char *value = strchr(word, '=');
        if (value) *value++ = 0;
        if (value && (set_number(spec, word, value) || set_text(spec, word, value))) continue;
        fprintf(stderr, "virtual device: CLGRAD_VIRTUAL: I do not know \"%s\"\n", word);
        return false;
    }
    if (spec->max_alloc == 0) spec->max_alloc = spec->memory / 4;
    return true;
}
