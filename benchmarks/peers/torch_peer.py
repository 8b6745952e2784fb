#!/usr/bin/env python3
"""Times PyTorch on the CPU; prints one JSON object an item and memory format: item, config, ms.

usage: torch_peer.py [--seconds S] [--threads N] [--layouts nchw,nhwc] [--compile] ITEM...

  gemm MxKxN:HOW                 HOW is NN, NT or TN
  conv N,I,O,K,H,STRIDE,PAD,GROUPS:PASS   PASS is fwd, data or filter
  relu|add|sigmoid|tanh|dropout|maxpool2|maxpool3    of 16x64x56x56
  cross-entropy                  of 4096x1000: softmax, loss and gradient as a forward pass with its backward
  train NETWORK:BATCH, infer NETWORK:BATCH
  memory NETWORK:BATCH           growth of the resident memory by training steps, in MB; one item a process

Start it with MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 in the environment, as compare.py does: otherwise
glibc gives large tensors back to the system after every call, and what is measured is page faults."""
import argparse
import json

import torch
import torch.nn.functional as F

from timing import measure


def gemm(what, _layout):
    sizes, how = what.split(":")
    m, k, n = map(int, sizes.split("x"))
    a = torch.randn(k, m).t() if how[0] == "T" else torch.randn(m, k)
    b = torch.randn(n, k).t() if how[1] == "T" else torch.randn(k, n)
    out = torch.empty(m, n)
    return lambda: torch.mm(a, b, out=out)


def conv(what, layout):
    sizes, way = what.split(":")
    n, i, o, k, h, stride, pad, groups = map(int, sizes.split(","))
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    x = torch.randn(n, i, h, h).to(memory_format=memory)
    w = torch.randn(o, i // groups, k, k).to(memory_format=memory)
    if way == "fwd":
        return lambda: F.conv2d(x, w, None, stride, pad, 1, groups)
    gy = torch.randn_like(F.conv2d(x, w, None, stride, pad, 1, groups))
    mask = [way == "data", way == "filter", False]
    return lambda: torch.ops.aten.convolution_backward(gy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0],
                                                       groups, mask)


def memory_bound(name, layout):
    x = torch.randn(16, 64, 56, 56)
    if layout == "nhwc":
        x = x.to(memory_format=torch.channels_last)
    out, other = torch.empty_like(x), torch.randn_like(x)
    return {
        "relu": lambda: torch.relu(x), # has no out=
        "add": lambda: torch.add(x, other, out=out),
        "sigmoid": lambda: torch.sigmoid(x, out=out),
        "tanh": lambda: torch.tanh(x, out=out),
        "dropout": lambda: F.dropout(x, 0.5, True),
        "maxpool2": lambda: F.max_pool2d(x, 2, 2, return_indices=True),
        "maxpool3": lambda: F.max_pool2d(x, 3, 2, 1, return_indices=True),
    }[name]


def cross_entropy(_what, _layout):
    x, labels = torch.randn(4096, 1000), torch.randint(0, 1000, (4096,))
    return lambda: F.cross_entropy(x, labels)


def train(what, layout, compiled):
    from nets import train_step
    name, batch = what.split(":")
    return train_step(name, int(batch), layout, compiled=compiled)


def infer(what, layout, compiled):
    from nets import NETS, make
    name, batch = what.split(":")
    net, memory = make(name, layout)
    net.eval()
    x = torch.rand(int(batch), *NETS[name][1]).to(memory_format=memory)
    if compiled:
        from torch._inductor import config
        config.freezing = True
        net = torch.compile(net)
    return lambda: net(x)


def status_megabytes(line):
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(text.split()[1]) * 1024e-6 for text in file if text.startswith(line))


def memory(what, layout):
    from nets import train_step
    name, batch = what.split(":")
    train_step("softmax", 2, "nchw")() # what the first use of anything takes is not the step's
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5") # the peak begins anew
    before = status_megabytes("VmRSS:")
    step = train_step(name, int(batch), layout)
    for _ in range(5):
        step()
    return status_megabytes("VmHWM:") - before


def prepare(kind, what, layout, compiled):
    if kind == "train":
        return train(what, layout, compiled)
    with torch.no_grad():
        if kind == "infer":
            return infer(what, layout, compiled)
        return {"gemm": gemm, "conv": conv, "cross-entropy": cross_entropy}.get(kind,
            lambda _w, _l: memory_bound(kind, layout))(what, layout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layouts", default="nchw,nhwc")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("items", nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for item in args.items:
        kind, _, what = item.partition(" ")
        flat = kind in ("gemm", "cross-entropy", "relu", "add", "sigmoid", "tanh", "dropout") or "mlp" in what
        for layout in ["nchw"] if flat else args.layouts.split(","):
            row = {"item": item, "config": layout + ("+compile" if args.compile else "")}
            if kind == "memory":
                row["mb"] = memory(what, layout)
            else:
                try:
                    call = prepare(kind, what, layout, args.compile)
                    with torch.inference_mode(kind == "infer"), torch.set_grad_enabled(kind == "train"):
                        row["ms"], row["ms_best"], row["spread"] = measure(call, args.seconds)
                except RuntimeError as error: # a compiler that is missing, for --compile
                    row["failed"] = str(error)[:200]
            row["version"] = "torch " + torch.__version__
            print(json.dumps(row), flush=True)


main()
