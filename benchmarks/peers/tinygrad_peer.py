#!/usr/bin/env python3
"""Times tinygrad on OpenCL (DEV=CL), the same implementation that clgrad runs on; prints one JSON object an item.

usage: tinygrad_peer.py [--seconds S] ITEM...       items as in torch_peer.py: gemm ..., conv ..."""
import argparse
import importlib.metadata
import json
import os

import numpy as np

from timing import measure

os.environ.setdefault("DEV", "CL")
from tinygrad import Device, Tensor, TinyJit # noqa: E402 (reads DEV)


def rand(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32)).realize()


def gemm(what):
    sizes, how = what.split(":")
    m, k, n = map(int, sizes.split("x"))
    a = rand(k, m).T if how[0] == "T" else rand(m, k)
    b = rand(n, k).T if how[1] == "T" else rand(k, n)
    return lambda: (a @ b).realize()


def conv(what):
    sizes, way = what.split(":")
    n, i, o, k, h, stride, pad, groups = map(int, sizes.split(","))
    x, w = rand(n, i, h, h), rand(o, i // groups, k, k)

    def forward():
        return x.conv2d(w, padding=pad, stride=stride, groups=groups)

    if way == "fwd":
        return lambda: forward().realize()
    x.requires_grad = w.requires_grad = True
    side = (h + 2 * pad - k) // stride + 1
    gy, of = rand(n, o, side, side), x if way == "data" else w
    return lambda: (forward() * gy).sum().gradient(of)[0].realize()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("items", nargs="+")
    args = parser.parse_args()
    for item in args.items:
        kind, _, what = item.partition(" ")
        call = TinyJit({"gemm": gemm, "conv": conv}[kind](what))
        call() # twice: recorded in the second call
        call()
        ms, best, spread = measure(call, args.seconds, Device[Device.DEFAULT].synchronize)
        print(json.dumps({"item": item, "config": os.environ["DEV"], "ms": ms, "ms_best": best, "spread": spread,
                          "version": "tinygrad " + importlib.metadata.version("tinygrad")}), flush=True)


main()
