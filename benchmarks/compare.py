#!/usr/bin/env python3
"""Training steps of clgrad and of PyTorch (CPU) by turns, in one go, on the same cores; writes times and ratios.

usage: compare.py --torch-python PYTHON [--bench build/benchmarks/clgrad-bench-train] [--rounds 5] [--model NAME]
                  [--batch 64] [--momentum 0.9] [--out benchmarks/results/FILE.json]

Each round is a process of either side. A peer's time for a network is the best of its rounds (and, for PyTorch, of
its memory formats): what is left of the noise of a shared machine falls on both alike. PyTorch gets the malloc
settings that keep its memory between steps, and its threads wait actively in one process of a round and passively in
the next; clgrad gets a device by $CLGRAD_DEVICE. The load of the machine before and after stands in the result: with
other work on the cores PyTorch's spinning threads suffer more than we do, and the ratio means nothing."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run(command, env=None):
    done = subprocess.run(command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--bench", default=str(HERE.parent / "build/benchmarks/clgrad-bench-train"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="all")
    parser.add_argument("--batch", default="64")
    parser.add_argument("--momentum", default="0.9")
    parser.add_argument("--seconds", default="1")
    parser.add_argument("--threads", default=str(os.cpu_count()))
    parser.add_argument("--out")
    args = parser.parse_args()
    common = ["--model", args.model, "--batch", args.batch, "--momentum", args.momentum, "--seconds", args.seconds]
    tuned = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
    passive = {**tuned, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    rows = []
    load_before = os.getloadavg()[0]
    for i in range(args.rounds):
        print(f"round {i + 1} of {args.rounds}", file=sys.stderr)
        rows += run([args.bench, "--json", "-"] + common)
        for env in (tuned, passive):
            torch = [args.torch_python, str(HERE / "peers/torch_step.py"), "--threads", args.threads]
            rows += run(torch + common, env)
    results = []
    for model in dict.fromkeys(row["model"] for row in rows):
        times = {side: [r["ms"] for r in rows if r["model"] == model and r["peer"].startswith(side)]
                 for side in ("clgrad", "torch")}
        ours, theirs = min(times["clgrad"]), min(times["torch"])
        results.append({"model": model, "batch": int(args.batch), "clgrad_ms": round(ours, 4),
                        "torch_ms": round(theirs, 4), "ratio": round(ours / theirs, 4),
                        "clgrad_all": times["clgrad"], "torch_all": times["torch"]})
        print(f"{model:20} clgrad {ours:8.3f} ms   torch {theirs:8.3f} ms   ratio {ours / theirs:.2f}")
    peer, us = next(r for r in rows if r["peer"].startswith("torch")), next(r for r in rows if r["peer"] == "clgrad")
    report = {"date": datetime.date.today().isoformat(), "cpu": cpu_name(), "machine": platform.machine(),
              "cores": os.cpu_count(), "load_before": round(load_before, 2),
              "load_after": round(os.getloadavg()[0], 2), "threads": int(args.threads), "rounds": args.rounds,
              "momentum": float(args.momentum), "clgrad": us["version"], "device": us["device"],
              "driver": us["driver"], "peer": peer["peer"], "results": results}
    if args.out:
        pathlib.Path(args.out).write_text(json.dumps(report, indent=2) + "\n")


main()
