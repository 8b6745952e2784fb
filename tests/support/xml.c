/* Reads XML in one loop with a stack of the names of open elements: see xml.h. */
#include "support/xml.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char message[160];

static const char *wrong(const char *what, const char *at) {
    snprintf(message, sizeof message, "%s at \"%.60s\"", what, at);
    return message;
}

static size_t name_length(const char *p) {
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || (n > 0 && (p[n] == '-' || p[n] == '_'))) n++;
    return isalpha((unsigned char)*p) && n < XML_NAME ? n : 0;
}

/* Bytes of the character of UTF-8 at p that XML 1.0 allows; 0 for others. */
static int character(const unsigned char *p) {
    static const struct { unsigned char lead, mask; uint32_t least; } form[] = {
        {0x00, 0x80, 0x20}, {0xc0, 0xe0, 0x80}, {0xe0, 0xf0, 0x800}, {0xf0, 0xf8, 0x10000}};
    if (*p == '\n') return 1;
    for (int n = 0; n < 4; n++) {
        if ((*p & form[n].mask) != form[n].lead) continue;
        uint32_t c = *p & (unsigned char)~form[n].mask;
        for (int i = 1; i <= n; i++) {
            if ((p[i] & 0xc0) != 0x80) return 0;
            c = c << 6 | (p[i] & 0x3fu);
        }
        const bool surrogate = c >= 0xd800 && c < 0xe000, none = c == 0xfffe || c == 0xffff || c > 0x10ffff;
        return c < form[n].least || surrogate || none ? 0 : n + 1;
    }
    return 0;
}

/* Reads text up to one of the bytes in `end`; NULL if a character or an entity in it is not allowed. */
static const char *text_until(const char *p, const char *end) {
    static const char *const entity[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    while (*p && !strchr(end, *p)) {
        int n = *p == '<' ? 0 : character((const unsigned char *)p);
        if (*p == '&') {
            n = 0;
            for (int i = 0; i < 5; i++)
                if (strncmp(p, entity[i], strlen(entity[i])) == 0) n = (int)strlen(entity[i]);
        }
        if (n == 0) return NULL;
        p += n;
    }
    return p;
}

/* Reads the attributes up to '>' or '/'. */
static const char *attributes(const char *p, xml_element *e) {
    while (isspace((unsigned char)*p)) {
        while (isspace((unsigned char)*p)) p++;
        const size_t n = name_length(p);
        if (n == 0) break;
        if (p[n] != '=' || p[n + 1] != '"' || e->n == XML_ATTRIBUTES) return NULL;
        xml_attribute *a = &e->attribute[e->n++];
        snprintf(a->name, sizeof a->name, "%.*s", (int)n, p);
        for (int i = 0; i < e->n - 1; i++)
            if (strcmp(e->attribute[i].name, a->name) == 0) return NULL;
        a->value = p + n + 2;
        p = text_until(a->value, "\"");
        if (!p || !*p) return NULL;
        a->size = (size_t)(p - a->value);
        p++;
    }
    return *p == '>' || (*p == '/' && p[1] == '>') ? p : NULL;
}

const char *xml_read(const char *text, void (*fn)(void *user, const xml_element *e), void *user) {
    static const char doctype[] = "<!DOCTYPE html>\n";
    char open[XML_DEPTH][XML_NAME];
    int depth = 0;
    const char *p = strncmp(text, doctype, sizeof doctype - 1) == 0 ? text + sizeof doctype - 1 : text;
    do {
        const char *from = p;
        if (*p++ != '<') return wrong("no element", from);
        if (*p == '/') {
            const size_t n = name_length(++p);
            if (depth == 0 || strlen(open[depth - 1]) != n || strncmp(open[depth - 1], p, n) != 0 || p[n] != '>')
                return wrong("an end that fits no beginning", from);
            depth--;
            p += n + 1;
        } else {
            xml_element e = {.depth = depth};
            const size_t n = name_length(p);
            snprintf(e.name, sizeof e.name, "%.*s", (int)n, p);
            if (n == 0 || depth == XML_DEPTH || !(p = attributes(p + n, &e))) return wrong("a damaged element", from);
            if (fn) fn(user, &e);
            if (*p == '>') strcpy(open[depth++], e.name);
            p += *p == '>' ? 1 : 2;
        }
        if (depth == 0) break;
        from = p;
        p = text_until(p, "<");
        if (!p) return wrong("a character that must not stand in text", from);
    } while (*p);
    if (depth > 0) return wrong("the text ends within an element", open[depth - 1]);
    return strspn(p, "\n") == strlen(p) ? NULL : wrong("more than one root", p);
}

static const xml_attribute *find(const xml_element *e, const char *name) {
    for (int i = 0; i < e->n; i++)
        if (strcmp(e->attribute[i].name, name) == 0) return &e->attribute[i];
    return NULL;
}

double xml_number(const xml_element *e, const char *name, double otherwise) {
    const xml_attribute *a = find(e, name);
    if (!a) return otherwise;
    if (strspn(a->value, "-0123456789.") != a->size || a->size == 0) return NAN;
    return strtod(a->value, NULL);
}

bool xml_is(const xml_element *e, const char *name, const char *value) {
    const xml_attribute *a = find(e, name);
    const size_t n = strlen(value);
    if (!a) return false;
    if (strcmp(name, "class") != 0) return a->size == n && strncmp(a->value, value, n) == 0;
    for (size_t i = 0; i + n <= a->size; i++)
        if (strncmp(a->value + i, value, n) == 0 && (i == 0 || a->value[i - 1] == ' ') &&
            (i + n == a->size || a->value[i + n] == ' ')) return true;
    return false;
}
