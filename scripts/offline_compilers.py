"""The compilers of scripts/offline.py: each turns a program into the registers, local memory, scratch and spills of its
kernels. AMD: clang with ROCm's device library, or libclc where that does not know the target. NVIDIA: clang to PTX,
then ptxas if it is installed. Intel: ocloc. "spirv" only checks that valid SPIR-V can be made.

What they said is kept in a folder (Cache), under a hash of the preprocessed program, its options, the target, the
compilers' versions and the way they are called, so that a run can be interrupted, and only what has changed is compiled
again.
"""
import glob, hashlib, inspect, json, os, re, shutil, subprocess, tempfile, threading

LOCAL_LIMIT = {"amd": 65536, "nvidia": 49152, "intel": 65536}
TARGETS = {  # name: kind, profile of tests/offline/driver.c, whether it has double
    "gfx900": ("amd", "amd64", True), "gfx90a": ("amd", "amd64", True), "gfx1030": ("amd", "amd", True),
    "gfx1100": ("amd", "amd", True), "sm_75": ("nvidia", "nvidia", True), "sm_80": ("nvidia", "nvidia", True),
    "skl": ("intel", "intel", True), "tgllp": ("intel", "intel", False), "dg2": ("intel", "intel", False),
    "pvc": ("intel", "intel16", True), "spirv": ("spirv", "intel", True),
}
TRIPLES = {"amd": "amdgcn-amd-amdhsa", "nvidia": "nvptx64-unknown-nvidiacl", "spirv": "spir64-unknown-unknown"}
# The native functions of PTX crash clang with libclc's bitcode: a fault of this route, not of NVIDIA's driver.
NO_NATIVE = ["-Dnative_%s=%s" % (f, f) for f in ("exp", "exp2", "log", "log2", "sin", "cos", "tan")]


class Missing(Exception):
    pass


class Tools:
    """Compilers, installed or unpacked under `root`."""

    def __init__(self, root):
        self.root = os.path.abspath(root) if root else "/"
        self.env = dict(os.environ)
        self.device_lib = self.find("usr/lib/*/amdgcn/bitcode")
        self.clc = self.find("usr/lib/clc")
        self.clang = shutil.which("clang-15")
        self.spirv = [self.find("usr/bin/" + t) for t in ("llvm-spirv-15", "spirv-val")]
        self.ocloc, self.igc = self.find("usr/bin/ocloc"), self.find("usr/lib/*/libigc.so.1")
        self.ptxas = shutil.which("ptxas") or next(iter(glob.glob("/usr/local/cuda/bin/ptxas")), None)
        if self.root != "/":
            self.env["LD_LIBRARY_PATH"] = ":".join(glob.glob(os.path.join(self.root, "usr/lib/*-linux-gnu")))
        self.versions, self.locks, self.lock = {}, {}, threading.Lock()

    def lock_of(self, path):
        with self.lock:
            return self.locks.setdefault(path, threading.Lock())

    def find(self, pattern):
        return next((p for root in (self.root, "/") for p in glob.glob(os.path.join(root, pattern))), None)

    def need(self, kind):
        want = {"amd": (self.clang, self.device_lib, self.clc), "nvidia": (self.clang, self.clc),
                "intel": (self.clang, self.ocloc, self.igc), "spirv": (self.clang, *self.spirv)}[kind]
        names = {"amd": "clang-15, rocm-device-libs, libclc-15", "nvidia": "clang-15, libclc-15",
                 "intel": "clang-15, intel-opencl-icd", "spirv": "clang-15, llvm-spirv-15, spirv-tools"}[kind]
        if not all(want):
            raise Missing("for %s these Debian packages are needed: %s" % (kind, names))

    def run(self, command, unpacked=False):
        r = subprocess.run(command, capture_output=True, text=True, env=self.env if unpacked else None, timeout=300)
        if r.returncode:
            raise RuntimeError("%s: exit %d\n%s" % (command[0], r.returncode, (r.stdout + r.stderr)[-2000:]))
        return r.stdout + r.stderr

    def version(self, kind):
        """What identifies the compilers of a kind of target: what they say, else the file that a name leads to."""
        if kind not in self.versions:
            files = {"amd": glob.glob((self.device_lib or "") + "/*.bc") + [(self.clc or "") + "/amdgcn--amdhsa.bc"],
                     "nvidia": [(self.clc or "") + "/nvptx64--nvidiacl.bc"], "intel": [self.ocloc, self.igc],
                     "spirv": self.spirv}[kind]
            told = [self.run([self.clang, "--version"])]
            if kind == "nvidia" and self.ptxas:
                told.append(self.run([self.ptxas, "--version"]))
            for path in sorted(map(os.path.realpath, files)):
                told.append("%s %d" % (os.path.basename(path), os.path.getsize(path)))
            self.versions[kind] = "\n".join(told)
        return self.versions[kind]


def options_of(path):
    with open(path) as f:
        return [o for o in f.readline()[3:].split() if o != "-cl-kernel-arg-info"]


def opencl(tools, path, kind):
    return [tools.clang, "-x", "cl", *options_of(path), "-target", TRIPLES[kind], "-Xclang", "-finclude-default-header"]


def amd(tools, path, target, folder):
    out = os.path.join(folder, "k.s")
    rocm = os.path.exists(os.path.join(tools.device_lib, "oclc_isa_version_%s.bc" % target[3:]))
    library = ["--rocm-device-lib-path=" + tools.device_lib] if rocm else [
        "-nogpulib", "-Xclang", "-mlink-builtin-bitcode", "-Xclang", os.path.join(tools.clc, "amdgcn--amdhsa.bc")]
    tools.run(opencl(tools, path, "amd") + ["-mcpu=" + target, *library, "-O3", "-S", path, "-o", out])
    with open(out) as f:
        text = f.read()
    kernels = []
    for part in re.split(r"(?m)^  - (?=\.a)", text[text.rfind("amdhsa.kernels:"):])[1:]:
        name = re.search(r"(?m)^    \.name:\s*(\w+)", part)  # those of arguments are deeper
        get = lambda key: int((re.search(r"\.%s:\s*(\d+)" % key, part) or [0, 0])[1])
        kernels.append({"kernel": name[1], "registers": get("vgpr_count"), "scalar_registers": get("sgpr_count"),
                        "local": get("group_segment_fixed_size"), "scratch": get("private_segment_fixed_size"),
                        "spills": get("vgpr_spill_count") + get("sgpr_spill_count"),
                        # libclc leaves some functions of libm calls, whose registers and stack nobody knows
                        "calls": "@rel32" in text and not rocm})
    return kernels


def nvidia(tools, path, target, folder):
    ptx = os.path.join(folder, "k.ptx")
    tools.run(opencl(tools, path, "nvidia") + NO_NATIVE + [
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
    """From the text .ze_info in the binary. Memory there is that of a thread, in powers of two; here, as elsewhere, it
    is that of a work-item, of which a thread has `simd`. The compiler says how many registers it spilled."""
    shared = os.path.join(os.path.dirname(path), "spirv", os.path.basename(path)[:-3])
    with tools.lock_of(path):  # the front end takes more time than the rest; its SPIR-V is the same for all
        if not glob.glob(shared + "/*.spv"):
            ocloc(tools, path, path, "skl", folder)
            os.makedirs(shared, exist_ok=True)
            os.replace(glob.glob(folder + "/*.spv")[0], shared + "/k.spv")
    log = ocloc(tools, path, shared + "/k.spv", target, folder, "-spirv_input", "-output", "k")
    with open(glob.glob(folder + "/k_*.bin")[0], "rb") as f:
        data = f.read()
    info = data[data.index(b"version:"):].split(b"\0")[0].decode().split("kernels_misc_info:")[0]
    kernels = []
    for part in re.split(r"(?m)^  - name:\s*", info)[1:]:
        name = re.match(r"\w+", part)[0]
        get = lambda key: int((re.search(r"(?m)^      %s:\s*(\d+)" % key, part) or [0, 0])[1])
        spilled = re.search(r"kernel %s\s+compiled SIMD\d+ allocated \d+ regs and spilled around (\d+)" % name, log)
        memory = re.findall(r"- type:\s*scratch\s*\n\s*usage:\s*\w+\s*\n\s*size:\s*(\d+)", part)
        simd, register = get("simd_size") or 1, 64 if target == "pvc" else 32
        kernels.append({"kernel": name, "simd": simd, "registers": get("grf_count"), "local": get("slm_size"),
                        "scratch": -(-sum(map(int, memory)) // simd),
                        "spills": -(-int(spilled[1]) * register // simd) if spilled else 0})
    return kernels


def ocloc(tools, path, source, target, folder, *more):
    return tools.run([tools.ocloc, "compile", "-file", source, "-device", target, "-options",
                      " ".join(options_of(path)), "--format", "zebin", "-out_dir", folder, *more], unpacked=True)


def spirv(tools, path, target, folder):
    bitcode, module = os.path.join(folder, "k.bc"), os.path.join(folder, "k.spv")
    # Without passes, which leave instructions that the translator does not know.
    tools.run(opencl(tools, path, "spirv") + ["-O1", "-Xclang", "-disable-llvm-passes", "-c", "-emit-llvm", path,
                                              "-o", bitcode])
    tools.run([tools.spirv[0], bitcode, "-o", module], unpacked=True)
    tools.run([tools.spirv[1], module], unpacked=True)
    return []


KINDS = {"amd": amd, "nvidia": nvidia, "intel": intel, "spirv": spirv}


class Cache:
    """Kernels of compiled programs, a file each; folder "": none is kept. Failures are not kept."""

    def __init__(self, folder, tools):
        self.folder, self.tools, self.texts = folder, tools, {}

    def text(self, path):
        """Hash of the program as a compiler sees it, without comments; with them if it asks what compiler that is. The
        name of a program has a hash of all of it, so that what devices share is read once."""
        name = os.path.basename(path)
        if name not in self.texts:
            with open(path) as f:
                text = f.read()
            if not re.search(r"(?m)^\s*#\s*(el)?if.*\b(__|cl_)", text):
                text = self.tools.run([self.tools.clang, "-E", "-P", "-x", "cl", *options_of(path), "-target",
                                       TRIPLES["spirv"], path])
            self.texts[name] = hashlib.sha256(text.encode()).hexdigest()
        return self.texts[name]

    def file(self, path, target):
        kind = TARGETS[target][0]
        parts = [self.text(path), " ".join(options_of(path)), target, self.tools.version(kind),
                 inspect.getsource(KINDS[kind]), inspect.getsource(ocloc if kind == "intel" else opencl)]
        return os.path.join(self.folder, hashlib.sha256("\0".join(parts).encode()).hexdigest() + ".json")

    def get(self, file):
        try:
            with open(file) as f:
                return json.load(f)
        except (OSError, ValueError):
            return None

    def put(self, file, kernels):
        os.makedirs(self.folder, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as f:
            json.dump(kernels, f)
        os.replace(f.name, file)


def compiled(tools, cache, path, target, only_kept=False):
    """(the kernels of a program, whether they were in the cache); RuntimeError: it does not compile. None for kernels
    that are not in the cache, where only_kept."""
    file = cache.file(path, target) if cache.folder else None
    kernels = cache.get(file) if file else None
    if kernels is not None or only_kept:
        return kernels, True
    kind = TARGETS[target][0]
    with tempfile.TemporaryDirectory() as folder:
        kernels = KINDS[kind](tools, path, target, folder)
    if not kernels and kind != "spirv":
        raise RuntimeError("no kernel was found in what the compiler made")
    if file:
        cache.put(file, kernels)
    return kernels, False


def group_of(path):
    """Work-items of a group, where the options tell; else 0."""
    sizes = [int(o.split("=")[1]) for o in options_of(path) if re.match(r"-DWG[XYZ]=", o)]
    product = 1 if sizes else 0
    for s in sizes:
        product *= s
    return product


def waves(target, k, group):
    """Waves that a scheduler (AMD: a SIMD) or a multiprocessor (NVIDIA) holds at a time, in whole work-groups, by
    registers and local memory; 0: not one group. None: not known. The numbers are those of LLVM's AMDGPUBaseInfo.cpp
    and of table "Technical Specifications per Compute Capability" of the CUDA programming guide."""
    kind = TARGETS[target][0]
    if "registers" not in k or kind not in ("amd", "nvidia"):
        return None
    up = lambda n, step: max(step, -(-n // step) * step)
    if kind == "nvidia":  # a quarter of the registers belongs to each of 4 schedulers; blocks cost 1 KiB from 8.0 on
        lanes, schedulers, unit = 32, 4, 1
        most, groups, shared, each = (32, 16, 65536, 0) if target == "sm_75" else (64, 32, 167936, 1024)
        by = min(most, 4 * (16384 // (up(k["registers"], 8) * 32)))
    else:  # local memory is shared by 4 SIMDs on gfx9, by 2 from gfx10 on
        file, step, most, lanes, unit = {"gfx900": (256, 4, 10, 64, 4), "gfx90a": (512, 8, 8, 64, 4),
                                         "gfx1030": (1024, 16, 16, 32, 2), "gfx1100": (1536, 24, 16, 32, 2)}[target]
        groups, shared, each = 40, 65536, 0
        by = unit * min(most, file // up(k["registers"], step))
    if not group:
        return by // unit
    per_group = -(-group // lanes)
    local = k["local"] + each if k["local"] else 0
    whole = min(by // per_group, groups, shared // local if local else groups)
    return -(-whole * per_group // unit)
