#!/usr/bin/env python3
"""Pictures and tables of docs/performance.md from the JSON of compare.py.

usage: report.py RESULTS.json [--docs docs]

Writes docs/performance/*.svg, and in docs/performance.md whatever stands between <!-- NAME --> and <!-- end -->."""
import argparse
import json
import pathlib
import re

from compare import mark
from svg import Log, Page

COLORS = {"aim reached": "#2a7f3f", "reached": "#6fae5a", "MISSED": "#c8501e", "WRONG": "#000", "not measured": "#999"}
KINDS = {"convolution": "#1f5fa8", "product": "#7b4fa3", "pooling": "#c8a01e", "normalisation": "#2a9d8f",
         "elementwise, fused": "#d0632a", "reduction, loss": "#9c3d54", "other": "#888"}
FAMILIES = {"sgemm": "#7b4fa3", "conv fwd": "#1f5fa8", "conv data": "#4fa3d0", "conv filter": "#2a9d8f",
            "memory-bound": "#d0632a"}


def number(x, digits=3):
    return "–" if x is None else f"{x:.{digits}g}" if abs(x) < 1000 else f"{x:.0f}"


def judged(results):
    return [r for r in results if r["must"] is not None]


# --- pictures ---

def ratios(results, path):
    rows = judged(results)
    page = Page(1000, 70 + 17 * len(rows), "Ratio to the best peer (higher is better; | must, ¦ aim)")
    axis = Log(0.25, 64, 330, 960)
    for tick in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64):
        page.line(axis.at(tick), 58, axis.at(tick), 62 + 17 * len(rows), "a" if tick == 1 else "g")
        page.text(axis.at(tick), 52, tick, "m")
    for i, r in enumerate(rows):
        y = 64 + 17 * i
        page.text(322, y + 11, r["row"], "e s")
        if r["ratio"]:
            left, right = sorted((axis.at(1), axis.at(r["ratio"])))
            page.box(left, y + 1, right - left, 13, COLORS[mark(r)], f"{r['row']}: {r['ratio']:.2f}, {r.get('peer')}")
            page.text(axis.at(max(r["ratio"], 1)) + 4, y + 12, number(r["ratio"]), "s")
        page.line(axis.at(r["must"]), y, axis.at(r["must"]), y + 15, stroke_width=2)
        if r["aim"]:
            page.line(axis.at(r["aim"]), y, axis.at(r["aim"]), y + 15, stroke_dasharray="3 2")
    page.legend(620, 26, {name: COLORS[name] for name in ("aim reached", "reached", "MISSED")})
    page.write(path)


def roofline(report, path):
    roofs, peak = report["roofs"], report["roofs"].get("fma")
    if not peak:
        return
    page = Page(1000, 600, "Roofline: arithmetic speed by flops a byte")
    x, y = Log(0.05, 500, 70, 960), Log(1, 1000, 540, 60)
    for tick in (0.1, 1, 10, 100):
        page.line(x.at(tick), 60, x.at(tick), 540, "g")
        page.text(x.at(tick), 558, tick, "m")
    for tick in (1, 10, 100, 1000):
        page.line(70, y.at(tick), 960, y.at(tick), "g")
        page.text(64, y.at(tick) + 4, tick, "e")
    page.text(515, 582, "flops a byte of operands and result, each moved once", "m")
    page.text(14, 48, "GF/s")
    copies = {name: rate for name, rate in roofs.items() if name.startswith("copy")}
    for i, (name, rate) in enumerate(sorted(copies.items(), key=lambda item: item[1])):
        size, left = int(name.split()[1]), 0.055 * 2.2 ** (i % 3)
        knee, low = peak / rate, 1 / rate
        page.line(x.at(max(low, 0.05)), y.at(max(low, 0.05) * rate), x.at(knee), y.at(peak), stroke="#999")
        page.text(x.at(left), y.at(left * rate) - 3, f"{size / 2**20:.3g} MiB: {rate:.0f} GB/s", "s", fill="#666")
    page.line(x.at(peak / max(copies.values())), y.at(peak), 960, y.at(peak), stroke_width=2)
    page.text(955, y.at(peak) - 6, f"fused multiply-adds: {peak:.0f} GF/s", "e")
    for r in report["results"]:
        if r["group"] in FAMILIES and r.get("bytes") and r.get("flops") and r.get("gflops"):
            page.point(x.at(r["flops"] / r["bytes"]), y.at(r["gflops"]), FAMILIES[r["group"]],
                       f"{r['row']}: {r['gflops']:.0f} GF/s, {r['gbytes']:.0f} GB/s")
    page.legend(480, 26, FAMILIES)
    page.write(path)


def kind_of(step):
    """What a step is, by its implementation, or by the ops that were fused."""
    name = step["impl"]
    for part, kind in (("conv", "convolution"), ("matmul", "product"), ("pool", "pooling"), ("norm", "normalisation"),
                       ("moment", "normalisation"), ("statistic", "normalisation"), ("softmax", "reduction, loss"),
                       ("cross_entropy", "reduction, loss"), ("reduce", "reduction, loss"), ("sum", "reduction, loss"),
                       ("elementwise", "elementwise, fused"), ("fused", "elementwise, fused")):
        if part in name:
            return kind
    return "other"


def trace(name, plan, path):
    steps = [step for step in plan["steps"] if step.get("us")]
    whole = sum(step["us"] for step in steps)
    if not whole:
        return
    page = Page(1000, 190,
                f"{name}: {len(steps)} launches, {whole * 1e-3:.3g} ms in kernels, {plan['ms']:.3g} ms a run")
    scale, at, sums = 960 / whole, 20, {}
    for i, step in enumerate(steps):
        width, kind = step["us"] * scale, kind_of(step)
        sums[kind] = sums.get(kind, 0) + step["us"]
        speed = f", {step['flops'] / step['us'] * 1e-3:.0f} GF/s" if step["flops"] else ""
        tip = f"{i}: {step['impl']}: {step['us']:.1f} us{speed}; {step['ops']} -> {step['outputs']}"
        page.box(at, 50, width - (0.5 if width > 2 else 0), 70, KINDS[kind], tip if width > 1 else "")
        if width > 26:
            page.text(at + 3, 64, i, "s", fill="#fff")
        at += width
    page.text(20, 134, "0", "s")
    page.text(980, 134, f"{whole:.0f} us", "e s")
    x = 20
    for kind, us in sorted(sums.items(), key=lambda item: -item[1]):
        label = f"{kind} {us / whole:.0%}"
        page.box(x, 151, 10, 10, KINDS[kind])
        page.text(x + 14, 160, label)
        x += 30 + 6.6 * len(label)
    page.write(path)


# --- tables ---

def targets(report):
    lines = ["| row | ours | peer | ratio | must | aim | | fastest configuration of the peer | our implementation |",
             "|---|---|---|---|---|---|---|---|---|"]
    for r in report["results"]:
        unit = {"memory": " MB", "scaling": "", "cores": " ms"}.get(r["kind"], " ms")
        sides = [number(r.get(side)) + (unit if r.get(side) is not None else "") for side in ("ours", "theirs")]
        verdict = {"MISSED": "**missed**", "WRONG": "**wrong**"}.get(mark(r), mark(r))
        lines.append(f"| {r['row']} | {sides[0]} | {sides[1]} | {number(r['ratio'])} | {number(r['must'])} | "
                     f"{number(r['aim'])} | {verdict} | {r.get('peer') or ''} | {r.get('chosen') or ''} |")
    return lines


def machine(report):
    others = report["others"]
    lines = ["| | |", "|---|---|", f"| date | {report['date']} |",
             f"| machine | {report['cpu']}, {report['cores']} cores, {report['machine']} |",
             f"| device | {report['clgrad'].get('device')}, driver {report['clgrad'].get('driver')} |",
             f"| clgrad | {report['clgrad'].get('version')} |",
             f"| peers | {', '.join(sorted(set(report['peers'].values())))} |",
             f"| rounds | {report['rounds']} of {report['seconds']} s a measurement, {report['threads']} threads |",
             f"| other work on the cores | {others['before']:.1%} before, {others['during']:.1%} during, "
             f"{others['after']:.1%} after |"]
    return lines


def roofs(report):
    lines = ["| working set | read | copy | add |", "|---|---|---|---|"]
    sizes = sorted({int(name.split()[1]) for name in report["roofs"] if " " in name})
    for size in sizes:
        rates = [report["roofs"].get(f"{kind} {size}") for kind in ("read", "copy", "add")]
        lines.append(f"| {size / 2**20:.4g} MiB | " + " | ".join(number(rate) + " GB/s" for rate in rates) + " |")
    return [f"Fused multiply-adds from registers: {number(report['roofs'].get('fma'))} GF/s.", "", *lines]


ULP_HEAD = "max ULP | mean ULP | max, of rms | mean, of rms | share of bound |"


def ulps(a):
    return [number(a[key]) for key in ("max_ulp", "mean_ulp", "max_ulp_rms", "mean_ulp_rms", "bound")]


def accuracy(report):
    lines = ["| op | case | implementation | ms | GF/s | " + ULP_HEAD, "|---" * 10 + "|"]
    for r in report.get("impls", []):
        a, name = r["accuracy"], r["impl"]
        if name == "default":
            name = "*default*" + (f": {r['chosen']}" if r["chosen"] else "")
        cells = [r["op"], r["case"].replace("f32", ""), name, number(r["ms"]), number(r["gflops"]), *ulps(a)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def timed_accuracy(report):
    lines = ["| row | implementation | GF/s | GB/s | " + ULP_HEAD, "|---" * 9 + "|"]
    for r in report["results"]:
        a = r.get("accuracy")
        if a and "beside" not in r["row"] and r["kind"] in ("time", "bandwidth"):
            cells = [r["row"], a.get("chosen") or "generated", number(r.get("gflops")), number(r.get("gbytes"))]
            cells += ulps(a)
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def scaling(report):
    lines = ["| row | work grows by | rate at the largest, GF/s | lowest rate in units of the best before |",
             "|---|---|---|---|"]
    for r in report["results"]:
        points = r.get("points")
        if points:
            lines.append(f"| {r['row']} | {points[-1]['flops'] / points[0]['flops']:.0f} | "
                         f"{points[-1]['flops'] / points[-1]['ms'] * 1e-6:.0f} | {number(r['ratio'])} |")
    lines += ["", "| row | " + " | ".join(f"{i + 1}" for i in range(11)) + " |", "|---" * 12 + "|"]
    for r in report["results"]:
        points = r.get("points") or []
        if points:
            cells = [f"{p['ms']:.3g} ms, {p['flops'] / p['ms'] * 1e-6:.0f}" for p in points] + [""] * (11 - len(points))
            lines.append(f"| {r['row']} (ms, GF/s) | " + " | ".join(cells) + " |")
    return lines


def summary(report):
    counts = {}
    for r in judged(report["results"]):
        counts[mark(r)] = counts.get(mark(r), 0) + 1
    missed = [f"{r['row']} ({number(r['ratio'])} of {number(r['must'])})" for r in report["results"]
              if mark(r) in ("MISSED", "WRONG")]
    parts = ", ".join(f"{n} {name.lower()}" for name, n in sorted(counts.items()))
    return [f"{sum(counts.values())} rows: {parts}.", *(["", "Missed: " + "; ".join(missed) + "."] if missed else [])]


def hot_steps(report):
    lines = ["| plan | step | implementation | us | share | GF/s | GB/s | what |", "|---|---|---|---|---|---|---|---|"]
    for name, plan in report["traces"].items():
        whole = sum(step.get("us", 0) for step in plan["steps"])
        order = sorted(enumerate(plan["steps"]), key=lambda pair: -pair[1].get("us", 0))
        for i, step in order[:6]:
            us = step.get("us")
            if us:
                lines.append(f"| {name} | {i} | {step['impl']} | {us:.1f} | {us / whole:.0%} | "
                             f"{step['flops'] / us * 1e-3:.0f} | {step['bytes'] / us * 1e-3:.0f} | {step['outputs']} |")
    return lines


SECTIONS = {"summary": summary, "machine": machine, "targets": targets, "roofs": roofs, "accuracy": accuracy,
            "timed accuracy": timed_accuracy, "scaling": scaling, "hot steps": hot_steps}


def fill(text, report):
    for name, section in SECTIONS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
        if not pattern.search(text):
            raise SystemExit(f"report: docs/performance.md has no <!-- {name} -->")
        text = pattern.sub(lambda found: found[1] + "\n".join(section(report)) + "\n" + found[2], text)
    return text


def file_of(name):
    return "trace-" + re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".svg"


def write(report, docs):
    pictures, page = docs / "performance", docs / "performance.md"
    pictures.mkdir(exist_ok=True)
    ratios(report["results"], pictures / "ratios.svg")
    roofline(report, pictures / "roofline.svg")
    for name, plan in report["traces"].items():
        trace(name, plan, pictures / file_of(name))
    page.write_text(fill(page.read_text(encoding="utf-8"), report), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--docs", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent / "docs")
    args = parser.parse_args()
    write(json.loads(args.results.read_text(encoding="utf-8")), args.docs)


if __name__ == "__main__":
    main()
