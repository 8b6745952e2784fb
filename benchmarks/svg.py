"""SVG by hand: a page with text, lines, rectangles and points, and axes with linear or logarithmic scales."""
import html
import math

STYLE = ("text{font:12px sans-serif;fill:#333}.t{font-size:16px;font-weight:bold}.h{font-weight:bold}"
         ".e{text-anchor:end}.m{text-anchor:middle}.s{font-size:10px}.g{stroke:#ddd}.a{stroke:#333;fill:none}")


def styled(more):
    """Properties that go before those of the class."""
    text = ";".join(f"{name.replace('_', '-')}:{value}" for name, value in more.items())
    return f' style="{text}"' if text else ""


class Page:
    def __init__(self, width, height, title):
        self.width, self.height, self.parts = width, height, []
        self.text(16, 26, title, "t")

    def text(self, x, y, text, kind="", **more):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{styled(more)}>{html.escape(str(text))}</text>')

    def line(self, x1, y1, x2, y2, kind="a", **more):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'class="{kind}"{styled(more)}/>')

    def box(self, x, y, width, height, color, tip=""):
        tip = f"<title>{html.escape(tip)}</title>" if tip else ""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.3):.1f}" height="{height:.1f}" '
                          f'fill="{color}">{tip}</rect>')

    def point(self, x, y, color, tip):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}" fill-opacity="0.8">'
                          f'<title>{html.escape(tip)}</title></circle>')

    def legend(self, x, y, colors):
        for name, color in colors.items():
            self.box(x, y - 9, 10, 10, color)
            self.text(x + 14, y, name)
            x += 30 + 6.6 * len(name)

    def write(self, path):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                f'viewBox="0 0 {self.width} {self.height}">\n<style>{STYLE}</style>\n'
                '<rect width="100%" height="100%" fill="#fff"/>\n')
        path.write_text(head + "\n".join(self.parts) + "\n</svg>\n", encoding="utf-8")


class Log:
    """A logarithmic axis from low to high over pixels first to last."""

    def __init__(self, low, high, first, last):
        self.low, self.high, self.first, self.last = low, high, first, last

    def at(self, value):
        share = math.log(min(max(value, self.low), self.high) / self.low) / math.log(self.high / self.low)
        return self.first + share * (self.last - self.first)
