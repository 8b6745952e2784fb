/* Numbers and texts as XML takes them: numbers do not depend on the locale, texts become valid UTF-8 without the
 * characters that XML 1.0 (section 2.2) forbids. */
#include "plot/draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *clg_fixed(char out[CLG_FIXED_SIZE], double v, int digits) {
    static const double power[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
                                    1e15 };
    if (!(fabs(v) <= 1e15)) v = 0;
    while (digits > 0 && fabs(v) * power[digits] > 9e17) digits--;
    const long long units = llround(fabs(v) * power[digits]), one = (long long)power[digits];
    int n = snprintf(out, CLG_FIXED_SIZE, "%s%lld", v < 0 && units ? "-" : "", units / one);
    if (digits > 0) {
        n += snprintf(out + n, (size_t)(CLG_FIXED_SIZE - n), ".%0*lld", digits, units % one);
        while (out[n - 1] == '0') n--;
        if (out[n - 1] == '.') n--;
        out[n] = 0;
    }
    return out;
}

/* Bytes of the character at s, and its code; 1 and U+FFFD for what is no UTF-8 or no character of a text (RFC 3629). */
static int decode(const unsigned char *s, uint32_t *code) {
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const int n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint32_t c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    *code = 0xfffd;
    if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4) return 1;
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 1;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 1;
    const bool forbidden = (c >= 0x7f && c < 0xa0) || (c & 0xfffe) == 0xfffe;
    const bool blank = c == '\t' || c == '\n' || c == '\r';
    *code = blank ? ' ' : c < 32 || forbidden ? 0xfffd : c;
    return n;
}

static void put_character(clg_str *s, const unsigned char *at, int n, uint32_t code) {
    if (code == 0xfffd) clg_str_add(s, "\xef\xbf\xbd");
    else if (code == '&') clg_str_add(s, "&amp;");
    else if (code == '<') clg_str_add(s, "&lt;");
    else if (code == '>') clg_str_add(s, "&gt;");
    else if (code == '"') clg_str_add(s, "&quot;");
    else if (code == ' ') clg_str_add(s, " ");
    else clg_str_add_bytes(s, at, (size_t)n);
}

/* In units of the type size, for the wider of the common sans-serif types. */
static double character_width(uint32_t c) {
    if (c >= 0x1100) return c >= 0x2000 && c < 0x2e80 ? 0.9 : 1.05;
    if (c == 'm' || c == 'w' || c == 'M' || c == 'W' || c == '@' || c == '%') return 0.98;
    if (c == ' ' || c == 'i' || c == 'j' || c == 'l' || c == 'I' || (c >= '!' && c <= '/' && c != '+')) return 0.4;
    return c >= 'A' && c <= 'Z' ? 0.72 : 0.63;
}

void clg_put_escaped(clg_str *s, const char *text) {
    clg_put_shortened(s, text, INFINITY, 0);
}

double clg_text_width(const char *text, int size) {
    double width = 0;
    uint32_t code;
    for (const unsigned char *p = (const unsigned char *)text; *p; width += character_width(code) * size)
        p += decode(p, &code);
    return width;
}

void clg_put_shortened(clg_str *s, const char *text, double px, int size) {
    const bool cut = px < INFINITY && clg_text_width(text, size) > px;
    uint32_t code;
    double width = cut ? 0.9 * size : 0;
    int n;
    for (const unsigned char *p = (const unsigned char *)text; *p; p += n) {
        n = decode(p, &code);
        width += character_width(code) * size;
        if (cut && width > px) break;
        put_character(s, p, n, code);
    }
    if (cut) clg_str_add(s, "\xe2\x80\xa6");
}
