"""The table of targets: every measurement once, with our command, the peers' commands, what must be reached and what is
aimed at. compare.py measures it, report.py draws it.

A row's ratio is the peer's time over ours (for memory: megabytes over megabytes; for starts: seconds allowed over
seconds taken; for bandwidth: ours over the device's): higher is better for us. The peers of a row are alternatives: the
fastest one counts. must None: shown, not judged."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    group: str    # of rows of one kind, measured together
    name: str
    ours: tuple   # (program, item): "bench", words of a case; "train"/"infer", "NETWORK:BATCH"; "latency", what
    peers: tuple  # of (peer, item)
    must: float = None
    aim: float = None
    kind: str = "time" # or: bandwidth, memory, limit, scaling, cores


def gemm_words(m, k, n, how):
    a = f"{k},{m}" if how[0] == "T" else f"{m},{k}"
    b = f"{n},{k}" if how[1] == "T" else f"{k},{n}"
    return f"op=matmul f32[{a}] f32[{b}] {how}"


def gemm(peers, group, sizes, must, aim, hows=("NN", "NT", "TN"), suffix=""):
    for m, k, n in sizes:
        for how in hows:
            yield Row(group, f"sgemm {m}x{k}x{n} {how}{suffix}", ("bench", gemm_words(m, k, n, how)),
                      tuple((peer, f"gemm {m}x{k}x{n}:{how}") for peer in peers), must, aim)


PASSES = {"fwd": "conv", "data": "conv_bwd_data", "filter": "conv_bwd_filter"}

# name: (N, channels in, out, filter, size, stride, padding, groups)
CONVS = {
    "64-64 k3 @56": (16, 64, 64, 3, 56, 1, 1, 1),
    "128-128 k3 @28": (16, 128, 128, 3, 28, 1, 1, 1),
    "256-256 k3 @14": (16, 256, 256, 3, 14, 1, 1, 1),
    "512-512 k3 @7": (16, 512, 512, 3, 7, 1, 1, 1),
    "64-256 k1 @56": (16, 64, 256, 1, 56, 1, 0, 1),
    "3-64 k7 s2 @224": (16, 3, 64, 7, 224, 2, 3, 1),
    "3-64 k3 @224": (16, 3, 64, 3, 224, 1, 1, 1),
    "256-512 k1 s2 @56": (16, 256, 512, 1, 56, 2, 0, 1),
    "128 k3 depthwise @28": (16, 128, 128, 3, 28, 1, 1, 128),
    "LeNet 1-6 k5 @28": (64, 1, 6, 5, 28, 1, 2, 1),
    "LeNet 6-16 k5 @14": (64, 6, 16, 5, 14, 1, 0, 1),
}


def conv(name, way, must, aim, peers=("torch",), group=None, suffix=""):
    n, i, o, k, h, stride, pad, groups = CONVS[name]
    side = (h + 2 * pad - k) // stride + 1
    words = f"op={PASSES[way]} f32[{n},{i},{h},{h}] f32[{o},{i // groups},{k},{k}]"
    if way != "fwd":
        words += f" f32[{n},{o},{side},{side}]"
    item = f"conv {n},{i},{o},{k},{h},{stride},{pad},{groups}:{way}"
    return Row(group or "conv " + way, f"conv {name} {way}{suffix}", ("bench", words),
               tuple((peer, item) for peer in peers), must, aim)


def convs():
    square = ["64-64 k3 @56", "128-128 k3 @28", "256-256 k3 @14", "512-512 k3 @7"]
    for name, must, aim in zip(square, (1.5, 1.5, 0.9, 0.9), (2, 2, 1.5, 1.5)):
        yield conv(name, "fwd", must, aim)
    for name, must in zip(square, (1.3, 1.3, 0.9, 0.9)):
        yield conv(name, "data", must, 1.8)
    for name in square:
        yield conv(name, "filter", 0.85, 1.2)
    for way in PASSES:
        yield conv("64-256 k1 @56", way, 0.95, 1.2)
    for name in ("3-64 k7 s2 @224", "3-64 k3 @224"):
        for way in PASSES:
            yield conv(name, way, *((2, 4) if way == "data" else (0.95, 1.2)))
    for name in ("256-512 k1 s2 @56", "128 k3 depthwise @28"):
        for way in PASSES:
            yield conv(name, way, 0.9, 1.3)
    for way in PASSES:
        yield conv("LeNet 1-6 k5 @28", way, 1.2, 3)
    for way in PASSES:
        yield conv("LeNet 6-16 k5 @14", way, 0.9, 1.3)


PLANE = "f32[16,64,56,56]"


def memory_bound():
    for op, peak in (("relu", "copy"), ("add", "add")):
        words = f"op={op} " + " ".join([PLANE] * (2 if op == "add" else 1))
        yield Row("memory-bound", op, ("bench", words), (("peak", peak),), 0.8, 0.95, "bandwidth")
        yield Row("memory-bound", op + " beside PyTorch", ("bench", words), (("torch", op),))
    for op in ("sigmoid", "tanh"):
        yield Row("memory-bound", op, ("bench", f"op={op} {PLANE}"), (("torch", op),), 1.2, 3)
    yield Row("memory-bound", "dropout", ("bench", f"op=dropout {PLANE} p50"), (("torch", "dropout"),), 10, 40)
    for k in (2, 3):
        yield Row("memory-bound", f"max-pool {k}x{k} s2", ("bench", f"op=max_pool {PLANE} k{k}"),
                  (("torch", f"maxpool{k}"),), 1.5, 2.5)
    yield Row("memory-bound", "softmax+CE 4096x1000", ("bench", "op=cross_entropy f32[4096,1000]"),
              (("torch", "cross-entropy"),), 1.2, 2)


def networks():
    for net in ("mlp", "lenet-relu-max", "lenet-relu-avg", "lenet-sigmoid-avg"):
        for batch in (64, 256):
            item = f"{net}:{batch}"
            yield Row("train small", f"train {net} batch {batch}", ("train", item), (("torch", "train " + item),),
                      1.8 if net == "mlp" else 1.5, 3)
    for item in ("cifar:64", "resnet18:8"):
        yield Row("train large", "train " + item.replace(":", " batch "), ("train", item),
                  (("torch", "train " + item),), 1.0, 1.5)
    for item in ("resnet18:1", "resnet18:8", "mobilenetv2:1", "mobilenetv2:8"):
        yield Row("infer large", "infer " + item.replace(":", " batch "), ("infer", item),
                  (("torch", "infer " + item), ("torch-compile", "infer " + item), ("onnxruntime", "infer " + item)),
                  0.9, 1.3)
    for net in ("lenet-relu-avg", "lenet-relu-max", "mlp"):
        for batch in (1, 64):
            item = f"{net}:{batch}"
            yield Row("infer small", f"infer {net} batch {batch}", ("infer", item),
                      (("torch", "infer " + item), ("onnxruntime", "infer " + item)),
                      0.5 if batch == 1 else 1.0, 1.0 if batch == 1 else 1.5)


def against_tinygrad():
    yield from gemm(("tinygrad",), "tinygrad", [(256,) * 3, (512,) * 3, (1024,) * 3], 4, 8, ("NN",), " beside tinygrad")
    for name in ("64-64 k3 @56", "128-128 k3 @28", "256-256 k3 @14", "512-512 k3 @7", "64-256 k1 @56",
                 "LeNet 6-16 k5 @14"):
        yield conv(name, "fwd", 4, 8, ("tinygrad",), "tinygrad", " beside tinygrad")
    for way in ("data", "filter"):
        yield conv("64-64 k3 @56", way, 4, 8, ("tinygrad",), "tinygrad", " beside tinygrad")


TRAINED = ("mlp:64", "mlp:256", "lenet-relu-max:64", "lenet-relu-max:256", "cifar:64", "resnet18:8")


def memory():
    for item in TRAINED:
        yield Row("peak memory", "memory " + item.replace(":", " batch "), ("train", item),
                  (("torch", "memory " + item),), 1.0, 1 / 0.7, "memory")


# name: runs of clgrad-bench-train, whose work grows
SCALED = {
    "batch, mlp": [("mlp", n, 0, 0) for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)],
    "batch, lenet": [("lenet-relu-max", n, 0, 0) for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)],
    "batch, cifar": [("cifar", n, 0, 0) for n in (1, 4, 16, 64, 256)],
    "width": [("plain4", 16, n, 32) for n in (8, 16, 32, 64, 128)],
    "depth": [(f"plain{n}", 16, 32, 32) for n in (2, 4, 8, 16)],
    "image size": [("plain4", 16, 32, n) for n in (8, 16, 32, 64, 128)],
}
CORES = {"resnet18 batch 8": ("train", "resnet18:8"), "cifar batch 64": ("train", "cifar:64"),
         "lenet batch 256": ("train", "lenet-relu-max:256"), "mlp batch 256": ("train", "mlp:256"),
         "sgemm 1024": ("bench", gemm_words(1024, 1024, 1024, "NN")),
         "conv 64-64 k3": conv("64-64 k3 @56", "fwd", None, None).ours}


# Plans whose steps are drawn, and cases on which all implementations are compared.
TRACES = {"LeNet training, batch 64": ("train", "lenet-relu-max:64"),
          "LeNet inference, batch 1": ("infer", "lenet-relu-max:1"),
          "ResNet-18 inference, batch 1": ("infer", "resnet18:1"),
          "ResNet-18 training, batch 8": ("train", "resnet18:8")}
IMPLS = [*(f"op={op} {words}" for op in PASSES.values()
           for words in ("128 k3 @28 n1", "64-128 k3 s2 @56 n1", "LeNet 2", "144 k3 depthwise", "24-144 k1")),
         *(f"op=matmul f32[512,512] f32[512,512] {how}" for how in ("NN", "NT", "TN")),
         "op=max_pool k2", "op=max_pool_bwd k2", "op=avg_pool k2", "op=cross_entropy f32[4096,1000]", "op=batch_norm",
         "op=sum f32[1024,4096]", "op=softmax f32[4096,1000]", "op=dropout f32[16,64,56,56]"]


def scaling():
    for name in SCALED:
        yield Row("scaling", "scaling with " + name, ("scaling", name), (), 0.9, 1.0, "scaling")
    for name, ours in CORES.items():
        yield Row("cores", "2 cores against 1: " + name, ours, (), 1.7, 2.0, "cores")


def starts():
    for what, seconds in (("cold start", 10), ("warm start", 0.3)):
        yield Row("start", f"{what} of LeNet training within {seconds} s", ("latency", what), (("limit", seconds),),
                  1.0, None, "limit")


def table():
    gemms = ("openblas", "torch")
    return [*gemm(("openblas",), "sgemm", [(n,) * 3 for n in (256, 512, 1024, 2048)], 1.0, 1.1),
            *gemm(gemms, "sgemm", [(64, 784, 256)], 1.0, 1.3),
            *gemm(("torch",), "sgemm", [(64, 256, 10), (64, 120, 400), (256, 1024, 1024)], 0.9, 1.2),
            *convs(), *memory_bound(), *networks(), *against_tinygrad(),
            *gemm(("clblast",), "sgemm", [(512,) * 3, (1024,) * 3], None, None, ("NN",), " beside CLBlast"),
            *memory(), *scaling(), *starts()]
