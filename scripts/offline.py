#!/usr/bin/env python3
"""Compiles the programs of the library for GPUs that are not here: registers, local memory, scratch and spills of each.

  offline.py --programs build/tests/programs --tools build-offline [--targets gfx1030,sm_80] [--each N]
             [--files conv_gpu,gemm_gpu] [--cache FOLDER [--kept]] [--json FILE] [--table FILE] [--jobs N]

The programs are what the library builds for a kind of device (tests/offline/programs.c); scripts/offline_compilers.py
compiles them. Of each file of kernels all are taken, or --each, evenly spread. With --cache only what has changed is
compiled, and a run that was interrupted goes on; --kept reports on what there is, and compiles nothing. Exits with 1 if
a program does not compile, wants more local memory or registers than a work-group can have, or spills or uses scratch
beyond what scripts/offline.bounds allows; with 77 if a compiler is missing and --skip is given.

These compilers are not those of the vendors' drivers, so that numbers may differ there.
"""
import argparse, concurrent.futures, glob, json, os, re, subprocess, sys, tempfile, time

from offline_compilers import LOCAL_LIMIT, TARGETS, Cache, Missing, Tools, compiled, group_of, options_of, waves


def has_double(path):
    """Of f64 tensors: for devices that have the type. Generated kernels tell by their operands."""
    with open(path, encoding="utf-8") as f:
        return "-DCLG_F64" in options_of(path) or "_T(double, " in f.read()


def sample(paths, each, files):
    """At most `each` programs of a file of kernels, evenly spread."""
    by_file = {}
    for p in sorted(paths):
        name = os.path.basename(p).rsplit("-", 1)[0]
        if not files or name.startswith(files):
            by_file.setdefault(name, []).append(p)
    taken = []
    for group in by_file.values():
        n = len(group) if each == 0 else min(each, len(group))
        taken += [group[i * len(group) // n] for i in range(n)]
    return taken


def bounds(path):
    """The scratch and spills that are accepted: [(file, kernel, target, bytes, option of the program or "")]."""
    allowed = []
    with open(path) as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                allowed.append((*words[:3], int(words[3]), words[4] if len(words) > 4 else ""))
    return allowed


def one(tools, cache, path, target, only_kept):
    """The result of a program; None: it is not kept."""
    r = {"program": os.path.basename(path)[:-3], "options": options_of(path)[1:], "target": target, "kept": False}
    try:
        r["kernels"], r["kept"] = compiled(tools, cache, path, target, only_kept)
        if r["kernels"] is None:
            return None
    except (RuntimeError, subprocess.TimeoutExpired, OSError, LookupError, TypeError, ValueError) as e:
        return dict(r, failed=str(e)[-2000:])
    for k in r["kernels"]:
        k["waves"] = waves(target, k, group_of(path))
    return r


def file_of(r):
    return r["program"].rsplit("-", 1)[0]


def lost(k):
    return 0 if k.get("calls") else max(k.get("scratch", 0), k.get("spills", 0))


def judge(r, allowed):
    """What is wrong with a result."""
    if "failed" in r:
        return ["%s for %s does not compile: %s" % (r["program"], r["target"], r["failed"])]
    kind, wrong = TARGETS[r["target"]][0], []
    for k in r["kernels"]:
        most = max((a[3] for a in allowed if a[0] == file_of(r) and a[1] in (k["kernel"], "*") and
                    a[2] in (r["target"], kind, "*") and (not a[4] or a[4] in r["options"])), default=0)
        where = "%s: %s for %s (%s)" % (r["program"], k["kernel"], r["target"], " ".join(r["options"]))
        if lost(k) > most:
            wrong.append("%s: scratch %d, spills %d; allowed %d" % (where, k["scratch"], k["spills"], most))
        if k.get("local", 0) > LOCAL_LIMIT[kind]:
            wrong.append("%s: %d bytes of local memory, the device has %d" % (where, k["local"], LOCAL_LIMIT[kind]))
        elif k["waves"] == 0:
            wrong.append("%s: %d registers are too many for one work-group" % (where, k["registers"]))
    return wrong


def cell(ks):
    """The worst of the programs of a kernel on a target."""
    known = [k for k in ks if "registers" in k]
    if not known:
        return "-"
    worst = lambda key: max(k.get(key) or 0 for k in known)
    simd, parts = [k["simd"] for k in known if "simd" in k], []
    if simd:
        parts.append("SIMD%d" % min(simd) if min(simd) == max(simd) else "SIMD%d-%d" % (min(simd), max(simd)))
    else:
        parts.append("%d" % worst("registers"))
    if worst("local"):
        parts.append("%.1f K" % (worst("local") / 1024))
    waves_of = [k["waves"] for k in known if k["waves"] is not None]
    if waves_of:
        parts.append("%d w" % min(waves_of))
    if max(map(lost, known)):
        parts.append("**%d B**" % max(map(lost, known)))
    return ", ".join(parts)


def table(results):
    """A row a kernel, with the worst of its programs on each target."""
    rows, targets = {}, [t for t in TARGETS if t != "spirv" and any(r["target"] == t for r in results)]
    for r in results:
        for k in r.get("kernels", ()):
            name = file_of(r) if file_of(r) == "generated" else "%s.%s" % (file_of(r), k["kernel"])
            rows.setdefault(name, {}).setdefault(r["target"], []).append(k)
    lines = ["| kernel | " + " | ".join(targets) + " |", "|---" * (len(targets) + 1) + "|"]
    lines += ["| %s | %s |" % (name, " | ".join(cell(rows[name].get(t, ())) for t in targets)) for name in sorted(rows)]
    return "\n".join(lines)


def summary(results, programs):
    lines = ["| target | programs | kernels | with scratch or spills | did not compile |", "|---|---|---|---|---|"]
    for t in TARGETS:
        mine = [r for r in results if r["target"] == t]
        if mine:
            kernels = [k for r in mine for k in r.get("kernels", ())]
            lines.append("| %s | %d of %d | %s | %s | %d |" % (
                t, len(mine), programs[t], len(kernels) or "-", sum(lost(k) > 0 for k in kernels) if kernels else "-",
                sum("failed" in r for r in mine)))
    return "\n".join(lines)


FIELDS = ("registers", "local", "scratch", "spills", "waves", "simd")


def write_json(path, results, programs):
    """A line a program: of each kernel and target the FIELDS, null where one is not known; or what failed."""
    by_program = {}
    for r in results:
        p = by_program.setdefault(r["program"], {"options": " ".join(r["options"])})
        if "failed" in r:
            p.setdefault("failed", {})[r["target"]] = r["failed"]
        elif not r["kernels"]:
            p.setdefault("valid", []).append(r["target"])
        for k in r.get("kernels", ()):
            p.setdefault("kernels", {}).setdefault(k["kernel"], {})[r["target"]] = [k.get(f) for f in FIELDS]
    with open(path + ".new", "w") as f:
        lines = ",\n".join("%s: %s" % (json.dumps(n), json.dumps(p, separators=(",", ":")))
                           for n, p in sorted(by_program.items()))
        f.write('{"programs": %s, "fields": %s, "results": {\n%s\n}}\n' % (
            json.dumps(programs), json.dumps(FIELDS), lines))
    os.replace(path + ".new", path)


def fill(path, parts):
    """Replaces what stands between <!-- NAME --> and <!-- end --> in a file."""
    with open(path) as f:
        text = f.read()
    for name, part in parts.items():
        text = re.sub(r"(?s)(<!-- %s -->\n).*?(<!-- end -->)" % name, lambda m: m[1] + part + "\n" + m[2], text)
    with open(path + ".new", "w") as f:
        f.write(text)
    os.replace(path + ".new", path)


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--programs", required=True, help="the program that writes the sources")
    a.add_argument("--tools", default="", help="folder into which the compilers' packages were unpacked")
    a.add_argument("--targets", default=",".join(TARGETS))
    a.add_argument("--each", type=int, default=0, help="programs of a file of kernels; 0: all, the default")
    a.add_argument("--files", default="", help="only programs whose name begins with one of these, with commas between")
    a.add_argument("--cache", default="", help="folder that keeps what compilers said")
    a.add_argument("--kept", action="store_true", help="report on what is kept, and compile nothing")
    a.add_argument("--jobs", type=int, default=os.cpu_count())
    a.add_argument("--json")
    a.add_argument("--table", help="a Markdown file with the marks that fill() looks for")
    a.add_argument("--skip", action="store_true", help="exit with 77 if a compiler is missing")
    a = a.parse_args()
    a.targets = [t for t in a.targets.split(",") if t]
    for t in a.targets:
        if t not in TARGETS:
            sys.exit("offline.py: there is no target %s; known are %s" % (t, ", ".join(TARGETS)))
    return a


def write_programs(exe, folder, a):
    """({target: number of programs that there are}, [(program, target)] of those to compile)."""
    programs, work, writers = {}, [], {}
    for profile in sorted({TARGETS[t][1] for t in a.targets}):
        os.mkdir(os.path.join(folder, profile))
        writers[profile] = subprocess.Popen([exe, profile, os.path.join(folder, profile)], stdout=sys.stderr)
    exits = {profile: writer.wait() for profile, writer in writers.items()}
    for profile, code in exits.items():
        if code:
            sys.exit("offline.py: %s %s: exit %d" % (exe, profile, code))
        paths = glob.glob(os.path.join(folder, profile, "*.cl"))
        for t in a.targets:
            if TARGETS[t][1] == profile:
                can = [p for p in paths if TARGETS[t][2] or not has_double(p)]
                programs[t] = len(can)
                work += [(p, t) for p in sample(can, a.each, tuple(filter(None, a.files.split(","))))]
    return programs, work


def compile_all(tools, a, work):
    results, cache = [], Cache(a.cache, tools)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        try:
            for i, r in enumerate(pool.map(lambda w: one(tools, cache, *w, a.kept), work), 1):
                results += [r] if r else []
                line = sys.stderr.isatty() and i < len(work)
                if line or i % 500 == 0 or i == len(work):
                    print("\r%d of %d compiled" % (i, len(work)), end="" if line else "\n", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            sys.exit("\noffline.py: interrupted; what is compiled is kept%s" % (
                " in " + a.cache if a.cache else " nowhere: give --cache"))
    return results


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    a = arguments()
    tools = Tools(a.tools)
    try:
        for t in a.targets:
            tools.need(TARGETS[t][0])
    except Missing as e:
        print("offline.py: %s" % e, file=sys.stderr)
        sys.exit(77 if a.skip else 1)
    begin = time.time()
    with tempfile.TemporaryDirectory() as folder:
        programs, work = write_programs(a.programs, folder, a)
        results = compile_all(tools, a, work)
    allowed = bounds(os.path.join(here, "offline.bounds"))
    wrong = [w for r in results for w in judge(r, allowed)]
    if a.json:
        write_json(a.json, results, programs)
    if a.table:
        fill(a.table, {"summary": summary(results, programs), "kernels": table(results)})
    print(summary(results, programs))
    print("offline.py: %d compiled, %d known from before, %.0f s" % (
        sum(not r["kept"] for r in results), sum(r["kept"] for r in results), time.time() - begin))
    for w in wrong:
        print("offline.py: " + w)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
