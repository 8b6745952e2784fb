#!/usr/bin/env python3
"""Draws some steps of a trace of training (`--trace`): a row for each queue and thread, a colour for each batch.

usage: timeline.py TRACE.json PICTURE.svg [--first 3] [--steps 3] [--title TEXT]

Prints of each batch how much of its upload lies under the compute of batches before it. On each device, the k-th upload
of an input belongs to batch k, and so does the k-th of as many equal groups of steps as there are uploads."""
import argparse
import collections
import json
import pathlib
import sys

from svg import Page

COLORS = ["#1f5fa8", "#d0632a", "#2a7f3f", "#7b4fa3", "#c8a01e", "#2a9d8f"]
LEFT, RIGHT, ROW, TOP = 190, 985, 34, 52

Span = collections.namedtuple("Span", "row name start end")


def read(path):
    """The names of rows (pid, tid), and the spans of the devices and of the host."""
    events = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["traceEvents"]
    process = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    rows = {(e["pid"], e["tid"]): (process[e["pid"]], e["args"]["name"]) for e in events if e["name"] == "thread_name"}
    return rows, [Span((e["pid"], e["tid"]), e["name"], e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X"]


def is_step(span):
    return span.row[0] > 0 and "." in span.name.split()[0]


def batches(spans):
    """Span -> batch, for uploads and steps; and the spans that make up each batch's compute, by batch."""
    number, compute = {}, collections.defaultdict(list)
    for pid in sorted({s.row[0] for s in spans if s.row[0] > 0}):
        mine = sorted((s for s in spans if s.row[0] == pid), key=lambda s: s.start)
        uploads = collections.defaultdict(list)
        for s in mine:
            if s.name.startswith("upload "):
                uploads[s.name].append(s)
        n = max((len(u) for u in uploads.values()), default=0)
        steps = [s for s in mine if is_step(s)]
        if n == 0 or len(steps) % n:
            sys.exit(f"{len(steps)} steps and {n} uploads on device {pid}: no trace of training with a batch a step")
        for group in uploads.values():
            number.update((s, k) for k, s in enumerate(group))
        for i, s in enumerate(steps):
            number[s] = i // (len(steps) // n)
            compute[number[s]].append(s)
    return number, compute


def hidden(upload, steps):
    """The share of an upload during which a step runs."""
    inside = [(max(s.start, upload.start), min(s.end, upload.end)) for s in steps]
    return sum(max(end - start, 0) for start, end in inside) / max(upload.end - upload.start, 1e-9)


def tell(number, compute):
    lines = []
    for s, k in sorted(number.items(), key=lambda item: item[0].start):
        if s.name == "upload x" and k > 0:
            before = [step for i in range(k) for step in compute[i]]
            lines.append(f"batch {k}: uploaded in {s.end - s.start:.0f} us, {hidden(s, before):.0%} of them under the "
                         f"compute of batches before")
    return lines


def draw(rows, spans, number, compute, args):
    shown = range(args.first, args.first + args.steps)
    whole = [s for k in shown for s in compute[k]]
    if not whole:
        sys.exit(f"no steps {args.first} to {shown[-1]} in the trace")
    low, high = min(s.start for s in whole), max(s.end for s in whole)
    scale = (RIGHT - LEFT) / (high - low)
    used = [row for row in sorted(rows) if any(s.row == row and s.end > low and s.start < high for s in spans)]
    page = Page(1000, TOP + ROW * len(used) + 60, args.title)
    for i, row in enumerate(used):
        y = TOP + ROW * i
        page.text(16, y + 12, rows[row][0][:28], "s", fill="#888")
        page.text(16, y + 24, rows[row][1])
        page.line(LEFT, y + ROW - 4, RIGHT, y + ROW - 4, "g")
        for s in (s for s in spans if s.row == row and s.end > low and s.start < high):
            if row[0] == 0 and not s.name.startswith("clg_"):
                continue
            start, end = LEFT + (max(s.start, low) - low) * scale, LEFT + (min(s.end, high) - low) * scale
            color = COLORS[number[s] % len(COLORS)] if s in number else "#999"
            page.box(start, y + 2, end - start - (0.4 if end - start > 2 else 0), ROW - 8, color,
                     f"{s.name}: {s.end - s.start:.1f} us")
            if end - start > 6.5 * len(s.name):
                page.text(start + 4, y + 18, s.name, "s", fill="#fff")
    bottom = TOP + ROW * len(used) + 14
    page.text(LEFT, bottom, "0")
    page.text(RIGHT, bottom, f"{high - low:.0f} us", "e")
    page.legend(LEFT, bottom + 28, {f"batch {k}": COLORS[k % len(COLORS)] for k in (*shown, shown[-1] + 1)} |
                {"calls of the host, downloads": "#999"})
    page.write(pathlib.Path(args.picture))


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("trace")
    parser.add_argument("picture")
    parser.add_argument("--first", type=int, default=3, help="the first batch that is shown, of the trace (default 3)")
    parser.add_argument("--steps", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--title", default="What each queue does")
    args = parser.parse_args(words)
    rows, spans = read(args.trace)
    number, compute = batches(spans)
    draw(rows, spans, number, compute, args)
    print("\n".join(tell(number, compute)))


if __name__ == "__main__":
    main()
