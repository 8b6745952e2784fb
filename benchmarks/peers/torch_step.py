#!/usr/bin/env python3
"""Times the networks of benchmarks/train.c in PyTorch on the CPU; prints one JSON object a network and memory format.

usage: torch_step.py [--model NAME] [--batch N] [--momentum X] [--seconds S] [--threads N]

Start it with MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 in the environment, as compare.py does: otherwise
glibc gives large tensors back to the system after every step, and what is measured is page faults."""
import argparse
import json
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

REPEATS = 7


def lenet(act, pool):
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2),
                         nn.Flatten(), nn.Linear(400, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 10))


MODELS = {
    "lenet-relu-max": lambda: lenet(nn.ReLU, nn.MaxPool2d),
    "lenet-relu-avg": lambda: lenet(nn.ReLU, nn.AvgPool2d),
    "lenet-sigmoid-avg": lambda: lenet(nn.Sigmoid, nn.AvgPool2d),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 256),
                                 nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10)),
    "softmax": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
}


def measure(step, seconds):
    for _ in range(5):
        step()
    begin = time.perf_counter()
    step()
    runs = max(1, int(seconds / REPEATS / max(time.perf_counter() - begin, 1e-7)))
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        for _ in range(runs):
            step()
        times.append((time.perf_counter() - begin) / runs * 1e3)
    return statistics.median(times), min(times), (max(times) - min(times)) / statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="all")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--momentum", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name, make in MODELS.items():
        if args.model not in ("all", name):
            continue
        for layout in ("nchw", "nhwc"):
            if layout == "nhwc" and not name.startswith("lenet"):
                continue
            torch.manual_seed(0)
            memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
            net = make().to(memory_format=memory).train()
            x = torch.rand(args.batch, 1, 28, 28).to(memory_format=memory)
            t = torch.randint(0, 10, (args.batch,))
            optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=args.momentum)

            def step():
                optimizer.zero_grad()
                F.cross_entropy(net(x), t).backward()
                optimizer.step()

            ms, best, spread = measure(step, args.seconds)
            print(json.dumps({"peer": "torch " + torch.__version__, "model": name, "batch": args.batch,
                              "layout": layout, "ms": ms, "ms_best": best, "spread": spread}), flush=True)


main()
