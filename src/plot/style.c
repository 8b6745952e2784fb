/* Colours. Series and classes: Okabe & Ito, "Color universal design" (2008), without its yellow, which is not seen on
 * white; on dark screens the same hues, lighter. Cells of the confusion matrix: from the background to blue (right) or
 * orange (wrong) in steps; each cell's text is black or white by contrast (WCAG 2.1, 1.4.3), white
 * where both are readable, because it looks clearer on a colour. */
#include "plot/draw.h"

#include <math.h>

typedef struct scheme {
    uint32_t background, text, muted, grid, color[CLG_N_COLORS], right, wrong;
} scheme;

static const scheme light = {
    0xffffff, 0x222222, 0x555555, 0xe2e2e2, { 0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x555555 },
    0x0072b2, 0xd55e00 };
static const scheme dark = {
    0x15181c, 0xe6e6e6, 0xa8adb4, 0x2e343b, { 0x4fa8e0, 0xf0803c, 0x2fc59b, 0xe29cc3, 0xf2bb45, 0xa5dbf8, 0xb4b8bd },
    0x4fa8e0, 0xf0803c };

static int channel(uint32_t rgb, int which) {
    return (int)(rgb >> (16 - 8 * which) & 0xff);
}

static uint32_t mix(uint32_t a, uint32_t b, double share) {
    uint32_t rgb = 0;
    for (int i = 0; i < 3; i++)
        rgb = rgb << 8 | (uint32_t)lround(channel(a, i) + (channel(b, i) - channel(a, i)) * share);
    return rgb;
}

/* Relative luminance of WCAG 2.1. */
static double luminance(uint32_t rgb) {
    static const double weight[] = { 0.2126, 0.7152, 0.0722 };
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        const double c = channel(rgb, i) / 255.0;
        sum += weight[i] * (c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static uint32_t text_on(uint32_t rgb) {
    const double white = 1.05 / (luminance(rgb) + 0.05), black = (luminance(rgb) + 0.05) / 0.05;
    return white > 0.8 * black ? 0xffffff : 0x000000;
}

static uint32_t level_color(const scheme *c, bool right, int level) {
    return mix(c->background, right ? c->right : c->wrong, level == 0 ? 0 : 0.1 + 0.9 * level / (CLG_N_LEVELS - 1));
}

uint32_t clg_color(int which) {
    return light.color[which % CLG_N_COLORS];
}

uint32_t clg_level_color(bool right, int level) {
    return level_color(&light, right, level);
}

static void put_scheme(clg_str *s, const scheme *c) {
    clg_str_printf(s, ".clg .b{fill:#%06x}.clg text{fill:#%06x}.clg .q{fill:#%06x}.clg .g{stroke:#%06x}"
                   ".clg .a{stroke:#%06x}.clg .o{stroke:#%06x}.clg .m{stroke:#%06x}.clg .fn{fill:#%06x}", c->background,
                   c->text, c->muted, c->grid, c->muted, c->muted, c->background, c->muted);
    for (int i = 0; i < CLG_N_COLORS; i++)
        clg_str_printf(s, ".clg .s%d{stroke:#%06x}.clg .f%d{fill:#%06x}", i, c->color[i], i, c->color[i]);
    for (int i = 0; i < CLG_N_LEVELS; i++) {
        const uint32_t r = level_color(c, true, i), w = level_color(c, false, i);
        clg_str_printf(s, ".clg .r%d{fill:#%06x}.clg .w%d{fill:#%06x}.clg .rt%d{fill:#%06x}.clg .wt%d{fill:#%06x}", i,
                       r, i, w, i, text_on(r), i, text_on(w));
    }
}

void clg_put_style(clg_str *s) {
    clg_str_printf(s, ".clg text{font-family:sans-serif;font-size:%dpx}.clg .title{font-size:%dpx;font-weight:bold}"
                   ".clg .h{font-weight:bold}.clg .e{text-anchor:end}.clg .c{text-anchor:middle}"
                   ".clg .a{fill:none;stroke-width:1}.clg .o{fill:none;stroke-width:.5}"
                   ".clg .l{fill:none;stroke-width:2;stroke-linejoin:round}"
                   ".clg .d{stroke-dasharray:7 4}.clg .m{stroke-width:.7}.clg .p{image-rendering:pixelated}",
                   CLG_TEXT_SIZE, CLG_TITLE_SIZE);
    put_scheme(s, &light);
    clg_str_add(s, "@media (prefers-color-scheme:dark){");
    put_scheme(s, &dark);
    clg_str_add(s, "}");
}
