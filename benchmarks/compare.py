#!/usr/bin/env python3
"""The table of targets (table.py), measured: clgrad and its peers by turns, in one go, on the same cores.

usage: compare.py [--python PYTHON] [--build build] [--rounds 3] [--rows GLOB,...] [--tune SECONDS] [--quick]
                  [--no-check] [--out FILE]

A round is, group by group, a process of ours and one of each peer in each of its configurations: PyTorch in both memory
formats, with threads that wait actively and passively, with malloc kept from returning memory; ONNX Runtime with and
without spinning; OpenBLAS of each library that is there. A side's time of a row is the best of its rounds' medians, and
a peer's that of its best configuration; a configuration that was far behind in the first round is not run again. Before
that, each case of ours is compared with the reference in double; a wrong result fails its row.

Exit codes: 0 every must is reached; 1 one is missed; 2 wrong usage; 3 something failed; 4 other work was on the machine
(more than 3 % of its time), so the ratios mean little: a spinning peer suffers more from it than we do."""
import argparse
import datetime
import fnmatch
import glob
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time

from table import IMPLS, SCALED, TRACES, table

HERE = pathlib.Path(__file__).resolve().parent
BUSY = 0.03 # share of the cores' time that others may take
FAR = 1.3   # a configuration this many times slower than the best is not repeated
APART = 1.6 # cores are apart where a word takes this many times longer from one to the other than it did once
PATIENCE = 30 # seconds to wait, before each side of a group, for cores that are apart to come together again

MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
PASSIVE = {**MALLOC, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}


def cpu_times():
    """Jiffies of all cores since the start: busy, stolen by the hypervisor, all."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    busy = user + nice + system + irq + softirq
    return busy, steal, busy + idle + iowait + steal


class Watch:
    """What others take of the machine while we measure: busy time that is neither ours nor our children's."""

    def __init__(self):
        self.begin, self.own = cpu_times(), self.own_seconds()
        self.load = os.getloadavg()[0]

    @staticmethod
    def own_seconds():
        uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(use.ru_utime + use.ru_stime for use in uses)

    def foreign(self):
        busy, steal, whole = (now - then for now, then in zip(cpu_times(), self.begin))
        own = (self.own_seconds() - self.own) * os.sysconf("SC_CLK_TCK")
        return max(0, busy - own + steal) / max(1, whole)


def idle_now():
    """Share of the cores' time that others use in half a second in which we do nothing."""
    watch = Watch()
    time.sleep(0.5)
    return watch.foreign()


class Failed(Exception):
    pass


def run(command, env=None, timeout=900):
    """The JSON lines that a command prints."""
    environment = {**os.environ, **(env or {})}
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        if name not in (env or {}):
            environment.pop(name, None)
    done = subprocess.run([str(part) for part in command], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(part) for part in command[:6])} ...: {done.stderr.strip()[-300:]}", rows)
    return rows


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


class Ours:
    """Our programs; results by (program, item)."""

    def __init__(self, args):
        self.folder, self.seconds = pathlib.Path(args.build) / "benchmarks", str(args.seconds)
        self.roofs, self.version = {}, {}

    def program(self, name):
        return self.folder / ("clgrad-bench" + ("" if name == "bench" else "-" + name))

    @staticmethod
    def fits(words, row):
        first, *rest = words.split()
        return first == "op=" + row["op"] and all(word in row["case"] for word in rest)

    def bench(self, items, *options, env=None):
        found = run([self.program("bench"), "--json", "-", "--case", ";".join(items), *options], env)
        out = {}
        for item in items:
            out[item] = next((row for row in found if self.fits(item, row)), None)
        return out

    def networks(self, program, items, env=None, seconds=None):
        out = {}
        for model in dict.fromkeys(item.split(":")[0] for item in items):
            batches = [item.split(":")[1] for item in items if item.split(":")[0] == model]
            for row in run([self.program(program), "--json", "-", "--model", model, "--batch", ",".join(batches),
                            "--seconds", seconds or self.seconds], env):
                out[f"{model}:{row['batch']}"] = row
                self.version = {key: row[key] for key in ("version", "device", "driver")}
        return out

    def measure(self, program, items, env=None):
        if program == "bench":
            return self.bench(items, "--seconds", self.seconds, env=env)
        return self.networks(program, items, env)

    def cores_apart(self):
        """Nanoseconds that a word takes from one core to the other; None: no answer."""
        found = run([self.program("peak"), "--pass", "--json", "-"])
        return found[0]["ns"] if found else None

    def measure_roofs(self):
        for row in run([self.program("peak"), "--json", "-"]):
            if row["what"] == "pass":
                continue
            key = row["what"] if row["what"] == "fma" else f"{row['what']} {int(row['bytes'])}"
            self.roofs[key] = row["gflops"] or row["gbytes"]

    def tune(self, networks, seconds):
        """`clgrad tune` at the sizes of the benchmark, then at those of (program, model:batch), a tenth as long each."""
        whole = run([self.folder.parent / "src/tool/clgrad", "tune", "--budget", f"{seconds}s", "--json", "-"],
                    timeout=2 * seconds + 600)[-1]
        for program, item in networks:
            self.networks(program, [item], {"CLGRAD_TUNE": f"auto:{max(1, seconds // 10)}"}, "0.01")
        return {"seconds": seconds, **{key: whole[key] for key in ("measured", "kept", "unfinished", "wrong")}}


class Peers:
    """The others: items are measured in one process a configuration, which gives (item, configuration, result)."""

    def __init__(self, args):
        self.python, self.seconds = args.python, str(args.seconds)
        self.build, self.threads, self.versions = pathlib.Path(args.build), str(args.threads), {}

    def configs(self, peer):
        if peer == "torch":
            return [("active", MALLOC), ("passive", PASSIVE)]
        if peer == "torch-compile":
            return [("active", MALLOC)]
        if peer == "onnxruntime":
            return [("1", {}), ("0", {})]
        if peer == "openblas":
            system = glob.glob("/usr/lib/*/openblas-*/libopenblas.so.0") + glob.glob("/usr/lib*/libopenblas.so.0")
            packages = pathlib.Path(self.python).parent.parent / "lib*/python*/site-packages"
            numpy = glob.glob(str(packages / "numpy.libs/*openblas*"))
            return [(library, {"OPENBLAS_NUM_THREADS": self.threads}) for library in system[:1] + numpy]
        return [("", {"DEV": "CL"} if peer == "tinygrad" else {})]

    def command(self, peer, config, items):
        script = [self.python, HERE / "peers" / (peer.split("-")[0] + "_peer.py"), "--seconds", self.seconds]
        threads = ["--threads", self.threads]
        if peer == "torch":
            return script + threads + items
        if peer == "torch-compile":
            return script + threads + ["--compile", *items]
        if peer == "onnxruntime":
            script[1] = HERE / "peers/ort_peer.py"
            return script + threads + ["--spin", config, "--folder", self.build / "peers-onnx", *items]
        if peer == "openblas":
            products = [item.split()[1] for item in items]
            return [self.build / "benchmarks/clgrad-peer-openblas", config, self.seconds, *products]
        return script + items

    def clblast(self, items, ours):
        """Our own launch of CLBlast with its default parameters."""
        for item in items:
            m, k, n = map(int, item.split()[1].split(":")[0].split("x"))
            words = f"op=matmul f32[{m},{k}] f32[{k},{n}] NN"
            rows = run([ours.program("bench"), "--json", "-", "--case", words, "--impl", "matmul.clblast", "--seconds",
                        self.seconds])
            for row in rows:
                if row["impl"] == "matmul.clblast":
                    yield item, "default parameters", row

    def measure(self, peer, config, env, items, ours):
        if peer == "clblast":
            yield from self.clblast(items, ours)
            return
        for row in run(self.command(peer, config, items), env):
            self.versions[peer.split("-")[0]] = row.get("version", pathlib.Path(config).name)
            name = row["config"] + (f", {config}" if peer.startswith("torch") else f" of {pathlib.Path(config).name}"
                                    if peer == "openblas" else "")
            yield row["item"], name, row


class Table:
    """Results of the rows: times of either side, by round."""

    def __init__(self, args):
        self.args, self.ours, self.peers = args, Ours(args), Peers(args)
        self.rows = [row for row in table() if self.asked(row.name) or self.asked(row.group)]
        self.us, self.them, self.notes, self.accuracy, self.failures = {}, {}, {}, {}, []
        self.info, self.points, self.traces, self.impls = {}, {}, {}, []
        self.apart, self.waited = [], 0.0

    def attempt(self, what, function):
        try:
            return function()
        except (Failed, subprocess.TimeoutExpired, OSError) as error:
            text = error.args[0] if error.args else str(error)
            self.failures.append(f"{what}: {text}")
            print(f"compare: {what}: {text}", file=sys.stderr)
            return None

    def timed(self):
        return [row for row in self.rows if row.kind in ("time", "bandwidth")]

    def tune(self):
        """What is timed is what the library takes by itself after `clgrad tune`."""
        networks = list(dict.fromkeys(row.ours for row in self.timed() if row.ours[0] in ("train", "infer")))
        return self.attempt("tune", lambda: self.ours.tune(networks, self.args.tune)) if self.args.tune else None

    def check(self):
        """Our outcomes beside the reference's, on the cases that are timed."""
        items = list(dict.fromkeys(row.ours[1] for row in self.timed() if row.ours[0] == "bench"))
        for item in items:
            found = self.attempt("check " + item, lambda: self.ours.bench([item], "--check", "--seconds", "0.01"))
            if found and found[item]:
                self.accuracy[item] = {**found[item]["accuracy"], "chosen": found[item]["chosen"]}

    def await_near(self):
        """A host may run the two processors on cores that share a cache, or not, and change that at any moment. What
        exchanges data takes up to half as long again where they do not: so both sides are measured where they do."""
        end = time.monotonic() + PATIENCE
        while True:
            begin = time.monotonic()
            ns = self.attempt("pass", self.ours.cores_apart)
            if ns is None:
                return
            self.apart.append(round(ns, 1))
            if ns <= APART * min(self.apart) or time.monotonic() > end:
                return
            time.sleep(1)
            self.waited += time.monotonic() - begin

    def measure_ours(self, group):
        rows = [row for row in self.timed() if row.group == group]
        for program in dict.fromkeys(row.ours[0] for row in rows):
            items = list(dict.fromkeys(row.ours[1] for row in rows if row.ours[0] == program))
            found = self.attempt(f"ours, {group}", lambda: self.ours.measure(program, items)) or {}
            for item, result in found.items():
                if result:
                    self.us.setdefault((program, item), []).append(result["ms"])
                    self.info[program, item] = result

    def is_far(self, peer, config, item):
        """All results of this process' kind of run were far behind the item's best."""
        of_item = self.them.get(item, {})
        best = min((min(times) for times in of_item.values()), default=None)
        own = [min(times) for (p, c, _), times in of_item.items() if (p, c) == (peer, config)]
        return best is not None and (not own or min(own) > FAR * best)

    def measure_peers(self, group, first):
        rows = [row for row in self.timed() if row.group == group]
        for peer in dict.fromkeys(p for row in rows for p, _ in row.peers if p != "peak"):
            items = list(dict.fromkeys(item for row in rows for p, item in row.peers if p == peer))
            for config, env in self.peers.configs(peer):
                wanted = [item for item in items if first or not self.is_far(peer, config, item)]
                if not wanted:
                    continue
                found = self.attempt(f"{peer} {config}, {group}",
                                     lambda: list(self.peers.measure(peer, config, env, wanted, self.ours)))
                for item, name, result in found or []:
                    if "ms" in result:
                        times = self.them.setdefault(item, {}).setdefault((peer, config, f"{peer}: {name}"), [])
                        times.append(result["ms"])

    def measure_memory(self):
        for row in (row for row in self.rows if row.kind == "memory"):
            model, batch = row.ours[1].split(":")
            command = [self.ours.program("train"), "--json", "-", "--model", model, "--batch", batch, "--memory",
                       "--seconds", "0.05"]
            own = self.attempt(row.name, lambda: (run(command), run(command))[1]) # the second one compiles nothing
            if own:
                self.us[row.name] = [own[0]["rss_mb"] - own[0]["rss_before_mb"]]
                self.info[row.name] = own[0]
            script = [self.peers.python, HERE / "peers/torch_peer.py", "--threads", self.peers.threads]
            for name, env in (("malloc as it is", {}), ("malloc keeps memory", MALLOC)):
                for layout in ["nchw"] if "mlp" in model else ["nchw", "nhwc"]:
                    found = self.attempt(row.name, lambda: run([*script, "--layouts", layout, row.peers[0][1]], env))
                    if found:
                        self.them.setdefault(row.peers[0][1], {})["torch", name, f"torch: {layout}, {name}"] = [
                            found[0]["mb"]]

    def measure_starts(self):
        rows = [row for row in self.rows if row.kind == "limit"]
        options = [] if any(row.ours[1].endswith("start") for row in rows) else ["--no-starts"]
        if not rows and not any(row.kind == "scaling" for row in self.rows):
            return
        command = [self.ours.program("latency"), "--networks", "none", "--json", "-", *options]
        found = self.attempt("latency", lambda: run(command)) or []
        for result in found:
            self.us["latency", result["what"]] = [result["seconds"] * 1e3]

    def measure_scaling(self):
        for row in (row for row in self.rows if row.kind == "scaling"):
            points = []
            self.await_near()
            for model, batch, width, size in SCALED[row.ours[1]]:
                options = [*(["--width", width] if width else []), *(["--size", size] if size else [])]
                found = self.attempt(row.name, lambda: run([self.ours.program("train"), "--json", "-", "--model", model,
                                                            "--batch", batch, "--seconds", "0.15", *options]))
                if found:
                    points.append({key: found[0][key] for key in ("batch", "width", "size", "ms", "ms_best", "flops",
                                                                  "launches")} | {"model": model})
            self.points[row.name] = points

    def measure_cores(self):
        for row in (row for row in self.rows if row.kind == "cores"):
            one = {"POCL_MAX_PTHREAD_COUNT": "1"}
            for _ in range(self.args.rounds):
                self.await_near()
                for times, env in ((self.us.setdefault(row.name, []), {}), (
                        self.them.setdefault(row.name, {}).setdefault(("one core", "", "one core"), []), one)):
                    found = self.attempt(row.name, lambda: self.ours.measure(row.ours[0], [row.ours[1]], env))
                    if found and found.get(row.ours[1]):
                        times.append(found[row.ours[1]]["ms"])

    def measure(self):
        if any(row.kind == "bandwidth" for row in self.rows):
            self.attempt("peak", self.ours.measure_roofs)
        groups = list(dict.fromkeys(row.group for row in self.timed()))
        for i in range(self.args.rounds):
            for group in groups:
                print(f"compare: round {i + 1} of {self.args.rounds}: {group}", file=sys.stderr)
                self.await_near()
                self.measure_ours(group)
                self.await_near()
                self.measure_peers(group, i == 0)
        self.measure_starts()
        self.measure_memory()
        self.measure_cores()
        self.measure_scaling()
        self.measure_traces()
        self.measure_impls()

    def asked(self, name):
        return any(fnmatch.fnmatch(name, pattern) for pattern in (self.args.rows or "*").split(","))

    def measure_traces(self):
        """The steps of some plans with their times: what the pictures of docs/performance.md are made of."""
        for name, (program, item) in TRACES.items() if self.asked("traces") else ():
            model, batch = item.split(":")
            with tempfile.NamedTemporaryFile(suffix=".json") as file:
                command = [self.ours.program(program), "--json", "-", "--model", model, "--batch", batch,
                           "--seconds", "0.2"]
                whole = self.attempt("trace " + name, lambda: run(command))
                if whole and self.attempt("trace " + name, lambda: run([*command, "--report", file.name])):
                    steps = json.load(file)["steps"]
                    self.traces[name] = {"ms": whole[0]["ms"], "steps": steps}

    def measure_impls(self):
        """Speed and accuracy of every implementation, on cases that the reference computes quickly."""
        for item in IMPLS if self.asked("impls") else ():
            command = [self.ours.program("bench"), "--json", "-", "--case", item, "--impl", "all", "--check",
                       "--seconds", "0.02"]
            self.impls += self.attempt("implementations of " + item, lambda: run(command)) or []

    # --- results ---

    def scaling(self, row):
        """Lowest rate of work, in units of the best rate at any smaller size, where launches do not dominate."""
        launch = min(self.us.get(("latency", "replay"), [0.005]))
        best = worst = None
        for point in self.points.get(row.name, []):
            if point["launches"] * launch > 0.2 * point["ms"]:
                continue
            rate = point["flops"] / point["ms"]
            worst = min(worst or 1, rate / best) if best else worst
            best = max(best or 0, rate)
        return worst

    def result(self, row):
        out = {"row": row.name, "group": row.group, "kind": row.kind, "must": row.must,
               "aim": row.aim and round(row.aim, 3), "ratio": None}
        key = row.ours if row.kind in ("time", "bandwidth", "limit") else row.name
        info = self.info.get(key, {})
        out.update({name: info[name] for name in ("chosen", "gflops", "gbytes", "flops", "bytes", "launches", "plan_mb",
                                                  "arena_mb", "without_reuse_mb") if name in info})
        if row.kind == "scaling":
            out.update(ratio=self.scaling(row), points=self.points.get(row.name, []))
            return out
        ours = min(self.us.get(key, []), default=None)
        theirs, all_theirs = {}, {}
        for peer, item in row.peers or (("one core", row.name),):
            if peer == "limit":
                theirs["limit"] = item * 1e3
            elif peer == "peak":
                roof = max((rate for name, rate in self.ours.roofs.items() if name.split()[0] == item
                            and int(name.split()[1]) == int(info.get("bytes", 0))), default=None)
                theirs["peak"] = roof and info["bytes"] / roof * 1e-6
            else:
                for (p, _, name), times in self.them.get(item, {}).items():
                    if p == peer:
                        theirs[name], all_theirs[name] = min(times), times
        theirs = {name: time for name, time in theirs.items() if time}
        best = min(theirs, key=theirs.get, default=None)
        out.update(ours=ours, ours_all=self.us.get(key, []), peer=best, theirs=theirs.get(best), theirs_all=all_theirs)
        out["ratio"] = theirs[best] / ours if ours and best else None
        if row.ours[1] in self.accuracy:
            out["accuracy"] = self.accuracy[row.ours[1]]
        return out

    def results(self):
        return [self.result(row) for row in self.rows]


def mark(result):
    wrong = (result.get("accuracy") or {}).get("bound", 0)
    if wrong is None or wrong > 1:
        return "WRONG"
    if result["ratio"] is None:
        return "not measured"
    if result["must"] is None:
        return ""
    if result["ratio"] < result["must"]:
        return "MISSED"
    return "aim reached" if result["aim"] and result["ratio"] >= result["aim"] else "reached"


def number(x):
    return "-" if x is None else f"{x:.4g}"


def print_table(results):
    print(f"{'row':46} {'ours':>9} {'peer':>9}  {'ratio':>6} {'must':>5} {'aim':>5}")
    for r in results:
        unit = {"memory": "MB", "scaling": ""}.get(r["kind"], "ms")
        print(f"{r['row']:46} {number(r.get('ours')):>9} {number(r.get('theirs')):>9}{unit:2} {number(r['ratio']):>6} "
              f"{number(r['must']):>5} {number(r['aim']):>5}  {mark(r):12} {r.get('peer') or '':34} "
              f"{r.get('chosen', '')}".rstrip())


def default_python(root):
    for path in (os.environ.get("CLGRAD_PEERS"), root / "build-peers"):
        if path:
            path = pathlib.Path(path)
            return str(path / "bin/python" if path.is_dir() else path)
    return sys.executable


def options():
    root = HERE.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=default_python(root), help="a Python with the peers ($CLGRAD_PEERS)")
    parser.add_argument("--build", default=str(root / "build"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.25, help="for each measurement")
    parser.add_argument("--rows", help="globs with commas: names or groups of rows")
    parser.add_argument("--tune", type=int, default=0, metavar="SECONDS", help="first tune for so long, and a "
                        "tenth of it for each network; kept in the cache directory (default: use what is there)")
    parser.add_argument("--quick", action="store_true", help="one round of 0.05 s, no check: only to try it")
    parser.add_argument("--no-check", action="store_true", help="do not compare with the reference")
    parser.add_argument("--list", action="store_true", help="print the rows and their groups, measure nothing")
    parser.add_argument("--merge", help="JSON of an earlier run: its rows stay where this run measures none")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", help="default: benchmarks/results/local-DATE.json")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds, args.no_check = 1, 0.05, True
    args.out = args.out or str(HERE / f"results/local-{datetime.date.today().isoformat()}.json")
    return args


def merge(report, path):
    """Puts into a report what an earlier one has and it lacks; the rows stay in the order of the table."""
    with open(path, encoding="utf-8") as file:
        old = json.load(file)
    rows = {r["row"]: r for r in old["results"] + report["results"]}
    report["results"] = [rows[row.name] for row in table() if row.name in rows]
    for name in ("peers", "roofs", "traces", "clgrad"):
        report[name] = {**old.get(name, {}), **report[name]}
    report["impls"] = report["impls"] or old.get("impls", [])
    report["tuned"] = report["tuned"] or old.get("tuned")
    report["quiet"] = report["quiet"] and old["quiet"]


def main():
    args = options()
    t = Table(args)
    if args.list or not (t.rows or t.asked("traces") or t.asked("impls")):
        print("\n".join(f"{row.group:14} {row.name}" for row in t.rows) or "compare: no row fits --rows")
        return 0 if t.rows else 2
    before, load = idle_now(), os.getloadavg()[0]
    tuned = t.tune()
    if not args.no_check:
        t.check()
    watch = Watch()
    t.measure()
    during, after = watch.foreign(), idle_now()
    quiet = max(before, during, after) <= BUSY
    report = {"date": datetime.date.today().isoformat(), "cpu": cpu_name(), "machine": platform.machine(),
              "cores": os.cpu_count(), "threads": args.threads, "rounds": args.rounds, "seconds": args.seconds,
              "load_before": round(load, 2), "load_after": round(os.getloadavg()[0], 2),
              "others": {"before": round(before, 4), "during": round(during, 4), "after": round(after, 4)},
              "cores_apart_ns": t.apart, "waited": round(t.waited), "quiet": quiet, "tuned": tuned,
              "clgrad": t.ours.version,
              "peers": t.peers.versions, "roofs": t.ours.roofs,
              "failures": t.failures, "results": t.results(), "traces": t.traces, "impls": t.impls}
    if args.merge:
        merge(report, args.merge)
    results = report["results"]
    print_table(results)
    missed = [r["row"] for r in results if mark(r) in ("MISSED", "WRONG")]
    absent = [r["row"] for r in results if mark(r) == "not measured"]
    pathlib.Path(args.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\n{len(results)} rows, {len(missed)} missed, {len(absent)} not measured; written to {args.out}")
    print(f"others took {before:.1%} of the cores before, {during:.1%} during, {after:.1%} after the run: "
          + ("quiet" if quiet else "NOT QUIET, the ratios mean little"))
    if t.apart:
        print(f"a word took {min(t.apart):.0f} to {max(t.apart):.0f} ns from core to core; {t.waited:.0f} s were waited "
              "for cores that were apart")
    if absent:
        print("not measured: " + "; ".join(absent))
    if not quiet:
        return 4
    return 3 if absent or t.failures else 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
