#!/usr/bin/env python3
"""Times ONNX Runtime on the CPU with the networks of nets.py, which PyTorch exports; prints one JSON object an item.

usage: ort_peer.py --folder FOLDER [--seconds S] [--threads N] [--spin 0|1] infer NETWORK:BATCH ...

The models are exported to FOLDER once. Then PyTorch is not loaded: its threads would stand beside those measured."""
import argparse
import json
import os
import subprocess
import sys

EXPORT = """
import sys, torch
sys.path.insert(0, {here!r})
from nets import NETS, make
net, _ = make({name!r}, "nchw")
torch.onnx.export(net.eval(), (torch.randn({batch}, *NETS[{name!r}][1]),), {path!r}, dynamo=False, opset_version=13,
                  input_names=["x"], output_names=["y"])
"""


def export(folder, name, batch):
    path = os.path.join(folder, f"{name}-{batch}.onnx")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        here = os.path.dirname(os.path.abspath(__file__))
        code = EXPORT.format(here=here, name=name, batch=batch, path=path + ".new")
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, stdout=subprocess.DEVNULL)
        os.rename(path + ".new", path)
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--spin", default="1")
    parser.add_argument("items", nargs="+")
    args = parser.parse_args()
    nets = [(item, *item.partition(" ")[2].split(":")) for item in args.items]
    paths = [export(args.folder, name, int(batch)) for _, name, batch in nets]
    import numpy as np
    import onnxruntime as ort
    from timing import measure
    for (item, name, batch), path in zip(nets, paths):
        options = ort.SessionOptions()
        options.intra_op_num_threads = args.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", args.spin)
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shape = session.get_inputs()[0].shape
        x = np.random.default_rng(0).random(shape, dtype=np.float32)
        ms, best, spread = measure(lambda: session.run(None, {"x": x}), args.seconds)
        print(json.dumps({"item": item, "config": "spin" if args.spin == "1" else "no spin", "ms": ms, "ms_best": best,
                          "spread": spread, "version": "onnxruntime " + ort.__version__}), flush=True)


main()
