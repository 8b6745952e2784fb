/* A strict reader of the XML that the library writes: well-formed or refused; elements with their attributes one after
 * the other. Knows no namespaces, no doctype but <!DOCTYPE html>, and of entities the five of XML. */
#ifndef TESTS_SUPPORT_XML_H_
#define TESTS_SUPPORT_XML_H_

#include <stdbool.h>
#include <stddef.h>

enum { XML_NAME = 40, XML_ATTRIBUTES = 16, XML_DEPTH = 32 };

typedef struct xml_attribute {
    char        name[XML_NAME];
    const char *value; /* not decoded */
    size_t      size;
} xml_attribute;

typedef struct xml_element {
    char          name[XML_NAME];
    xml_attribute attribute[XML_ATTRIBUTES];
    int           n, depth; /* depth: 0 is the root */
} xml_element;

/** Calls fn for each element, parents before children. NULL if the text is well-formed, else what is wrong, with a few
 *  characters of where; valid until the next call. */
const char *xml_read(const char *text, void (*fn)(void *user, const xml_element *e), void *user);

/** The value of an attribute as a number, or otherwise if there is none; NaN if it is no plain decimal number. */
double xml_number(const xml_element *e, const char *name, double otherwise);

/** True if the attribute is there and has this value; in a class also as one of its words. */
bool xml_is(const xml_element *e, const char *name, const char *value);

#endif /* TESTS_SUPPORT_XML_H_ */
