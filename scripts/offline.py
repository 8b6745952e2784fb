#!/usr/bin/env python3
"""Compiles the programs of the library for GPUs that are not here: registers, local memory, scratch and spills of each.

  offline.py --programs build/tests/programs --tools build-offline [--targets gfx1030,sm_80] [--each 40]
             [--json FILE] [--table FILE] [--jobs N]

The programs are what the library builds for a kind of device (tests/offline/programs.c). AMD: clang with ROCm's
device library, or libclc where that does not know the target. NVIDIA: clang to PTX, then ptxas if it is installed.
Intel: ocloc. "spirv" only checks that valid SPIR-V can be made of a program. Of each file of kernels at most --each
programs are taken, evenly spread (0: all). Exits with 1 if a program does not compile, wants more local memory than the
device has, or spills or uses scratch beyond what scripts/offline.bounds allows; with 77 if a compiler is missing and
--skip is given.

These compilers are not those of the vendors' drivers, so that numbers may differ there.
"""
import argparse, concurrent.futures, glob, json, os, re, shutil, subprocess, sys, tempfile, time

LOCAL_LIMIT = {"amd": 65536, "nvidia": 49152, "intel": 65536}
TARGETS = {  # name: kind, profile of tests/offline/driver.c, whether it has double
    "gfx900": ("amd", "amd64", True), "gfx90a": ("amd", "amd64", True), "gfx1030": ("amd", "amd", True),
    "gfx1100": ("amd", "amd", True), "sm_75": ("nvidia", "nvidia", True), "sm_80": ("nvidia", "nvidia", True),
    "skl": ("intel", "intel", True), "tgllp": ("intel", "intel", False), "dg2": ("intel", "intel", False),
    "pvc": ("intel", "intel", True), "spirv": ("spirv", "intel", True),
}
# The native functions of PTX crash clang with libclc's bitcode: a fault of this route, not of NVIDIA's driver.
NO_NATIVE = ["-Dnative_%s=%s" % (f, f) for f in ("exp", "exp2", "log", "log2", "sin", "cos", "tan")]


class Missing(Exception):
    pass


class Tools:
    """Compilers, installed or unpacked under `root`."""

    def __init__(self, root):
        self.root = os.path.abspath(root) if root else "/"
        self.env = dict(os.environ)
        lib = os.path.join(self.root, "usr/lib/x86_64-linux-gnu")
        if self.root != "/":
            self.env["LD_LIBRARY_PATH"] = lib
        self.device_lib = self.find("ROCm's device library", "usr/lib/x86_64-linux-gnu/amdgcn/bitcode")
        self.clc = self.find("libclc", "usr/lib/clc")
        self.clang = shutil.which("clang-15")
        self.spirv = [self.find(t, "usr/bin/" + t) for t in ("llvm-spirv-15", "spirv-val")]
        self.ocloc = self.find("ocloc", "usr/bin/ocloc")
        self.ptxas = shutil.which("ptxas") or next(iter(glob.glob("/usr/local/cuda/bin/ptxas")), None)

    def find(self, what, path):
        for root in (self.root, "/"):
            if os.path.exists(os.path.join(root, path)):
                return os.path.join(root, path)
        return None

    def need(self, kind):
        want = {"amd": (self.clang, self.device_lib, self.clc), "nvidia": (self.clang, self.clc),
                "intel": (self.ocloc,), "spirv": (self.clang, *self.spirv)}[kind]
        names = {"amd": "clang-15, rocm-device-libs, libclc-15", "nvidia": "clang-15, libclc-15",
                 "intel": "intel-opencl-icd", "spirv": "clang-15, llvm-spirv-15, spirv-tools"}[kind]
        if not all(want):
            raise Missing("for %s these Debian packages are needed: %s" % (kind, names))

    def run(self, command, unpacked=False, **env):
        use = dict(self.env if unpacked else os.environ, **env)
        r = subprocess.run(command, capture_output=True, text=True, env=use, timeout=300)
        if r.returncode:
            raise RuntimeError("%s: exit %d\n%s" % (command[0], r.returncode, (r.stdout + r.stderr)[-2000:]))
        return r.stdout + r.stderr


def options_of(path):
    with open(path) as f:
        return [o for o in f.readline()[3:].split() if o != "-cl-kernel-arg-info"]


def opencl(tools, path, triple):
    return [tools.clang, "-x", "cl", *options_of(path), "-target", triple, "-Xclang", "-finclude-default-header"]


def field(text, name):
    m = re.search(r"\.%s:\s*(\S+)" % name, text)
    return m[1] if m else None


def amd(tools, path, target, folder):
    out = os.path.join(folder, "k.s")
    rocm = os.path.exists(os.path.join(tools.device_lib, "oclc_isa_version_%s.bc" % target[3:]))
    library = ["--rocm-device-lib-path=" + tools.device_lib] if rocm else [
        "-nogpulib", "-Xclang", "-mlink-builtin-bitcode", "-Xclang", os.path.join(tools.clc, "amdgcn--amdhsa.bc")]
    tools.run(opencl(tools, path, "amdgcn-amd-amdhsa") + ["-mcpu=" + target, *library, "-O3", "-S", path, "-o", out])
    with open(out) as f:
        text = f.read()
    kernels = []
    for part in re.split(r"(?m)^  - (?=\.a)", text[text.rfind("amdhsa.kernels:"):])[1:]:
        name = re.search(r"(?m)^    \.name:\s*(\w+)", part) # those of arguments are deeper
        get = lambda key: int(field(part, key) or 0)
        kernels.append({"kernel": name[1], "registers": get("vgpr_count"), "scalar_registers": get("sgpr_count"),
                        "local": get("group_segment_fixed_size"), "scratch": get("private_segment_fixed_size"),
                        "spills": get("vgpr_spill_count") + get("sgpr_spill_count"),
                        # libclc leaves some functions of libm calls, whose registers nobody knows
                        "calls": "@rel32" in text and not rocm})
    return kernels


def nvidia(tools, path, target, folder):
    ptx = os.path.join(folder, "k.ptx")
    tools.run(opencl(tools, path, "nvptx64-unknown-nvidiacl") + NO_NATIVE + [
        "-Xclang", "-target-cpu", "-Xclang", target, "-Xclang", "-mlink-builtin-bitcode", "-Xclang",
        os.path.join(tools.clc, "nvptx64--nvidiacl.bc"), "-O3", "-S", path, "-o", ptx])
    if not tools.ptxas:
        with open(ptx) as f:
            return [{"kernel": k} for k in re.findall(r"\.entry (\w+)", f.read())]
    log = tools.run([tools.ptxas, "-v", "-arch=" + target, ptx, "-o", os.path.join(folder, "k.cubin")])
    kernels = []
    for part in log.split("Compiling entry function '")[1:]:
        get = lambda pattern: int((re.search(pattern, part) or [0, 0])[1])
        kernels.append({"kernel": part.split("'")[0], "registers": get(r"Used (\d+) registers"),
                        "local": get(r"(\d+) bytes smem"), "scratch": get(r"(\d+) bytes stack frame"),
                        "spills": get(r"(\d+) bytes spill stores")})
    return kernels


def intel(tools, path, target, folder):
    dump = os.path.join(folder, "dump")
    tools.run([tools.ocloc, "compile", "-file", path, "-device", target, "-options", " ".join(options_of(path)),
               "-out_dir", os.path.join(folder, "out")], unpacked=True, IGC_ShaderDumpEnable="1",
              IGC_DumpToCustomDir=dump)
    kernels = {}
    for name in sorted(glob.glob(dump + "/*.asm")):  # a kernel is compiled again where it spilled: the last one counts
        with open(name) as f:
            text = f.read()
        get = lambda pattern: int((re.search(pattern, text) or [0, 0])[1])
        kernel = re.search(r"(?m)^//\.kernel (\w+)", text)
        if kernel:
            kernels[kernel[1]] = {"kernel": kernel[1], "simd": int((re.search(r"_simd(\d+)_", name) or [0, 0])[1]),
                                  "spills": get(r"(?m)^//\.spill size (\d+)"), "registers": get(r"numGRF=(\d+)"),
                                  "scratch": get(r"(?m)^//\.private memory size (\d+)")}
    return list(kernels.values())


def spirv(tools, path, target, folder):
    bitcode, module = os.path.join(folder, "k.bc"), os.path.join(folder, "k.spv")
    # Without passes, which leave instructions that the translator does not know; inline functions are then external.
    tools.run(opencl(tools, path, "spir64-unknown-unknown") + [
        "-Dinline=static __inline__", "-O1", "-Xclang", "-disable-llvm-passes", "-c", "-emit-llvm", path, "-o", bitcode])
    tools.run([tools.spirv[0], bitcode, "-o", module], unpacked=True)
    tools.run([tools.spirv[1], module], unpacked=True)
    return []


KINDS = {"amd": amd, "nvidia": nvidia, "intel": intel, "spirv": spirv}


def waves(kind, target, k, group):
    """Waves that share a scheduler, by registers and local memory. AMD: a SIMD of gfx9 has 512 registers of 64 lanes in
    steps of 4 (gfx90a: 8), at most 10 (8) waves; of gfx10 and 11 1024 of 32 lanes in steps of 8 (16), at most 16; the
    local memory is shared by 4 (gfx10, 11: 2 x 2) SIMDs. NVIDIA: 64 Ki registers in steps of 8 a thread, at most 32
    (sm_75) or 64 warps on 4 schedulers."""
    if "registers" not in k or kind not in ("amd", "nvidia"):
        return None
    up = lambda n, step: max(step, -(-n // step) * step)
    if kind == "nvidia":
        most, shared = (32, 65536) if target == "sm_75" else (64, 167936)
        by = 65536 // (up(k["registers"], 8) * 32)
        per_group = -(-group // 32)
        by_local = shared // (k["local"] + 1024) * per_group if k.get("local") else most
        return min(most, by, by_local)
    wide = target.startswith("gfx9")
    file, step, most = (512, 8, 8) if target == "gfx90a" else (256, 4, 10) if wide else (1024, 16, 16)
    lanes = 64 if wide else 32
    by = file // up(k["registers"], step)
    per_group = -(-group // lanes)
    by_local = 65536 // k["local"] * per_group // 4 if k.get("local") else most
    return max(0, min(most, by, by_local))


def group_of(path):
    sizes = [int(o.split("=")[1]) for o in options_of(path) if re.match(r"-DWG[XYZ]=", o)]
    product = 1
    for s in sizes:
        product *= s
    return product


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
    """{(file, kernel, target): bytes} of scratch and spills that are accepted."""
    allowed = {}
    with open(path) as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                allowed[tuple(words[:3])] = int(words[3])
    return allowed


def one(tools, path, target):
    kind = TARGETS[target][0]
    with tempfile.TemporaryDirectory() as folder:
        try:
            kernels = KINDS[kind](tools, path, target, folder)
        except (RuntimeError, subprocess.TimeoutExpired, OSError, KeyError, TypeError) as e:
            return {"program": os.path.basename(path), "target": target, "failed": str(e)[-2000:]}
    for k in kernels:
        k["waves"] = waves(kind, target, k, group_of(path))
    return {"program": os.path.basename(path), "options": " ".join(options_of(path)[1:]), "target": target,
            "kernels": kernels}


def judge(r, allowed):
    """What is wrong with a result."""
    if "failed" in r:
        return ["%s for %s does not compile: %s" % (r["program"], r["target"], r["failed"])]
    wrong = []
    file, limit = r["program"].rsplit("-", 1)[0], LOCAL_LIMIT.get(TARGETS[r["target"]][0], 0)
    for k in r["kernels"]:
        if k.get("calls"):
            continue
        most = max((allowed.get((f, n, t), 0) for f in (file,) for n in (k["kernel"], "*")
                    for t in (r["target"], TARGETS[r["target"]][0], "*")))
        where = "%s: %s for %s (%s)" % (r["program"], k["kernel"], r["target"], r["options"])
        if max(k.get("scratch", 0), k.get("spills", 0)) > most:
            wrong.append("%s: scratch %d, spills %d; allowed %d" % (where, k.get("scratch", 0), k.get("spills", 0),
                                                                    most))
        if k.get("local", 0) > limit:
            wrong.append("%s: %d bytes of local memory, the device has %d" % (where, k["local"], limit))
    return wrong


def table(results):
    """A row a kernel, with the worst of its programs on each target."""
    kernels, targets = {}, []
    for r in results:
        if "failed" in r or r["target"].startswith("spirv"):
            continue
        if r["target"] not in targets:
            targets.append(r["target"])
        for k in r["kernels"]:
            file = r["program"].rsplit("-", 1)[0]
            name = file if file == "generated" else "%s.%s" % (file, k["kernel"])
            kernels.setdefault(name, {}).setdefault(r["target"], []).append(k)
    lines = ["| kernel | " + " | ".join(targets) + " |", "|---" * (len(targets) + 1) + "|"]
    for name in sorted(kernels):
        cells = []
        for t in targets:
            ks = kernels[name].get(t, [])
            worst = lambda key: max((k.get(key) or 0 for k in ks), default=0)
            waves_of = [k["waves"] for k in ks if k.get("waves") is not None]
            lost = max(worst("scratch"), worst("spills"))
            cell = "%d" % worst("registers") if ks else "-"
            if worst("local"):
                cell += ", %.1f K" % (worst("local") / 1024)
            if waves_of:
                cell += ", %d w" % min(waves_of)
            if lost:
                cell += ", **%d B**" % lost
            cells.append(cell)
        lines.append("| %s | %s |" % (name, " | ".join(cells)))
    return "\n".join(lines)


def summary(results, wrong, programs):
    lines = ["| target | programs | kernels | with scratch or spills | did not compile |", "|---|---|---|---|---|"]
    for t in TARGETS:
        mine = [r for r in results if r["target"] == t]
        if not mine:
            continue
        kernels = [k for r in mine for k in r.get("kernels", [])]
        lost = sum(max(k.get("scratch", 0), k.get("spills", 0)) > 0 and not k.get("calls") for k in kernels)
        lines.append("| %s | %d of %d | %s | %s | %d |" % (
            t, len(mine), programs[TARGETS[t][1]], len(kernels) or "-", lost if kernels else "-",
            sum("failed" in r for r in mine)))
    return "\n".join(lines)


def fill(path, parts):
    """Replaces what stands between <!-- NAME --> and <!-- end --> in a file."""
    with open(path) as f:
        text = f.read()
    for name, part in parts.items():
        text = re.sub(r"(?s)(<!-- %s -->\n).*?(<!-- end -->)" % name, lambda m: m[1] + part + "\n" + m[2], text)
    with open(path + ".new", "w") as f:
        f.write(text)
    os.replace(path + ".new", path)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--programs", required=True, help="the program that writes the sources")
    a.add_argument("--tools", default="", help="folder into which the compilers' packages were unpacked")
    a.add_argument("--targets", default=",".join(TARGETS))
    a.add_argument("--each", type=int, default=40)
    a.add_argument("--files", default="", help="only programs whose name begins with one of these, with commas between")
    a.add_argument("--jobs", type=int, default=os.cpu_count())
    a.add_argument("--json")
    a.add_argument("--table", help="a Markdown file with the marks that fill() looks for")
    a.add_argument("--skip", action="store_true", help="exit with 77 if a compiler is missing")
    a = a.parse_args()
    tools, targets = Tools(a.tools), [t for t in a.targets.split(",") if t]
    unknown = [t for t in targets if t not in TARGETS]
    if unknown:
        sys.exit("offline.py: there is no target %s; known are %s" % (unknown[0], ", ".join(TARGETS)))
    try:
        for t in targets:
            tools.need(TARGETS[t][0])
    except Missing as e:
        print("offline.py: %s" % e, file=sys.stderr)
        sys.exit(77 if a.skip else 1)
    begin, results, programs = time.time(), [], {}
    with tempfile.TemporaryDirectory() as folder:
        work = []
        for profile in sorted({TARGETS[t][1] for t in targets}):
            os.mkdir(os.path.join(folder, profile))
            subprocess.run([a.programs, profile, os.path.join(folder, profile)], check=True, stdout=sys.stderr)
            paths = glob.glob(os.path.join(folder, profile, "*.cl"))
            programs[profile] = len(paths)
            for t in targets:
                if TARGETS[t][1] == profile:
                    work += [(p, t) for p in sample(paths, a.each, tuple(filter(None, a.files.split(","))))
                             if TARGETS[t][2] or "-DCLG_F64" not in options_of(p)]
        with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
            for i, r in enumerate(pool.map(lambda w: one(tools, *w), work), 1):
                results.append(r)
                if sys.stderr.isatty() or i % 200 == 0 or i == len(work):
                    print("\r%d of %d compiled" % (i, len(work)), end="" if sys.stderr.isatty() else "\n",
                          file=sys.stderr, flush=True)
    allowed = bounds(os.path.join(here, "offline.bounds"))
    wrong = [w for r in results for w in judge(r, allowed)]
    if a.json:
        with open(a.json + ".new", "w") as f:
            f.write('{"programs": %s, "seconds": %.1f, "results": [\n%s\n]}\n' % (
                json.dumps(programs), time.time() - begin, ",\n".join(json.dumps(r) for r in results)))
        os.replace(a.json + ".new", a.json)
    if a.table:
        fill(a.table, {"summary": summary(results, wrong, programs), "kernels": table(results)})
    print(summary(results, wrong, programs))
    for w in wrong:
        print("offline.py: " + w)
    sys.exit(1 if wrong else 0)


main()
