#!/usr/bin/env python3
"""What scripts/offline.py makes of the compilers' answers: occupancy, judgement, table and kept results; without a
compiler."""
import os, subprocess, sys, tempfile, unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts")
sys.path.insert(0, SCRIPTS)
sys.dont_write_bytecode = True
import offline, offline_compilers as compilers


def kernel(registers=32, local=0, **more):
    return dict({"kernel": "k", "registers": registers, "local": local, "scratch": 0, "spills": 0}, **more)


class Rules(unittest.TestCase):
    def test_waves(self):
        for target, registers, local, group, want in (
                ("gfx900", 24, 0, 64, 10), ("gfx900", 65, 0, 64, 3), ("gfx90a", 65, 0, 64, 7),
                ("gfx1030", 65, 0, 64, 12), ("gfx1100", 97, 0, 64, 12), ("gfx900", 24, 16384, 256, 4),
                ("gfx1030", 24, 16384, 256, 16), ("gfx1030", 24, 17408, 256, 12), ("gfx900", 200, 0, 512, 0),
                ("sm_80", 33, 0, 0, 48), ("sm_75", 33, 0, 0, 32), ("sm_80", 32, 0, 32, 32), ("sm_75", 32, 0, 32, 16),
                ("sm_80", 32, 40960, 256, 32), ("sm_75", 32, 32768, 256, 16), ("sm_80", 255, 0, 256, 8),
                ("sm_80", 255, 0, 512, 0)):
            case = (target, registers, local, group)
            self.assertEqual(compilers.waves(target, kernel(registers, local), group), want, case)
        self.assertIsNone(compilers.waves("pvc", kernel(), 64))
        self.assertIsNone(compilers.waves("sm_80", {"kernel": "k"}, 64))

    def test_judgement(self):
        allowed = [("f", "k", "amd", 16, ""), ("f", "k", "*", 64, "-DCLG_F64")]
        for target, options, k, words in (
                ("gfx900", [], kernel(scratch=16, waves=1), ()),
                ("gfx900", [], kernel(spills=17, waves=1), ("spills 17", "allowed 16")),
                ("gfx900", ["-DCLG_F64"], kernel(scratch=64, waves=1), ()),
                ("pvc", [], kernel(scratch=1, waves=None), ("allowed 0",)),
                ("gfx1100", [], kernel(scratch=99, calls=True, waves=1), ()),
                ("gfx1100", [], kernel(local=65537, calls=True, waves=0), ("65537 bytes of local memory",)),
                ("sm_80", [], kernel(local=49153, waves=1), ("49152",)),
                ("dg2", [], kernel(local=65537, waves=None), ("65536",)),
                ("sm_80", [], kernel(255, waves=0), ("255 registers",)),
                ("sm_80", [], {"kernel": "k", "waves": None}, ())):
            r = {"program": "f-01", "options": options, "target": target, "kernels": [k]}
            wrong = offline.judge(r, allowed)
            self.assertEqual(len(wrong), bool(words), (target, k, wrong))
            for w in words:
                self.assertIn(w, wrong[0])
        failed = {"program": "f-01", "target": "skl", "failed": "why"}
        self.assertIn("does not compile: why", offline.judge(failed, [])[0])

    def test_table(self):
        self.assertEqual(offline.cell([{"kernel": "k", "waves": None}]), "-")
        two = [kernel(waves=3, scratch=9), kernel(40, 1536, waves=2)]
        self.assertEqual(offline.cell(two), "40, 1.5 K, 2 w, **9 B**")
        self.assertEqual(offline.cell([kernel(simd=16, waves=None), kernel(simd=32, waves=None)]), "SIMD16-32")

    def test_kept(self):
        class Compilers:
            clang = "clang"
            def version(self, kind):
                return kind
            def run(self, command, **more):  # a preprocessor that removes comments
                with open(command[-1]) as f:
                    return "".join(line for line in f if not line.startswith("//"))
        with tempfile.TemporaryDirectory() as folder:
            path, names = os.path.join(folder, "f.cl"), []
            for text in ("// -cl-std=CL1.2 -DA\nx\n", "// -cl-std=CL1.2 -DA\n// new\nx\n", "// -cl-std=CL1.2 -DA\ny\n",
                         "// -cl-std=CL1.2 -DB\ny\n"):
                with open(path, "w") as f:
                    f.write(text)
                names.append(compilers.Cache(folder, Compilers()).file(path, "skl"))
            self.assertEqual([names.index(n) for n in names], [0, 0, 2, 3])
            cache = compilers.Cache(folder, Compilers())
            self.assertNotIn(cache.file(path, "pvc"), names)
            self.assertIsNone(cache.get(names[0]))
            cache.put(names[0], [kernel()])
            self.assertEqual(cache.get(names[0]), [kernel()])
            with open(names[0], "w") as f:
                f.write("[{")
            self.assertIsNone(cache.get(names[0]))

    def test_unknown_target(self):
        command = [sys.executable, os.path.join(SCRIPTS, "offline.py"), "--programs", "none", "--targets", "gfx1"]
        r = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(r.returncode, 1)
        self.assertIn("there is no target gfx1; known are gfx900,", r.stderr)


unittest.main()
