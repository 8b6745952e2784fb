"""Tests of the table of targets and of how its results are judged; they measure nothing."""
import pathlib
import shutil
import sys
import tempfile
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare # noqa: E402
import report # noqa: E402
from table import Row, table # noqa: E402


def empty(rows):
    t = compare.Table(types.SimpleNamespace(build="build", python="/p/bin/python", seconds=1, threads=2, rows=None,
                                            rounds=1))
    t.rows = rows
    return t


class Rows(unittest.TestCase):
    def test_names_are_unique(self):
        names = [row.name for row in table()]
        self.assertEqual(len(names), len(set(names)))

    def test_every_must_is_below_its_aim(self):
        for row in table():
            if row.must and row.aim:
                self.assertLessEqual(row.must, row.aim, row.name)


class Judgement(unittest.TestCase):
    row = Row("g", "r", ("bench", "op=relu f32[2]"), (("torch", "relu"), ("onnxruntime", "relu")), 1.0, 2.0)

    def test_the_fastest_peer_counts(self):
        t = empty([self.row])
        t.us["bench", "op=relu f32[2]"] = [3.0, 2.0]
        t.them["relu"] = {("torch", "a", "torch: a"): [9.0, 5.0], ("onnxruntime", "1", "ort"): [3.0, 4.0]}
        result = t.result(self.row)
        self.assertEqual((result["peer"], result["ratio"]), ("ort", 1.5))
        self.assertEqual(compare.mark(result), "reached")
        self.assertEqual(compare.mark({**result, "ratio": 0.99}), "MISSED")
        self.assertEqual(compare.mark({**result, "accuracy": {"bound": 1.5}}), "WRONG")

    def test_a_row_without_a_side_is_not_measured(self):
        t = empty([self.row])
        self.assertEqual(compare.mark(t.result(self.row)), "not measured")

    def test_a_configuration_far_behind_is_left_out(self):
        t = empty([self.row])
        t.them["relu"] = {("torch", "a", "torch: nchw"): [9.0], ("torch", "b", "torch: nchw"): [1.0]}
        self.assertTrue(t.is_far("torch", "a", "relu"))
        self.assertFalse(t.is_far("torch", "b", "relu"))

    def test_scaling_is_judged_where_launches_do_not_dominate(self):
        row = Row("g", "r", ("scaling", "width"), (), 0.9, 1.0, "scaling")
        t = empty([row])
        t.us["latency", "replay"] = [0.01]
        point = {"launches": 10, "batch": 1}
        t.points["r"] = [{**point, "ms": 0.1, "flops": 1}, {**point, "ms": 1, "flops": 100},
                         {**point, "ms": 2, "flops": 240}, {**point, "ms": 4, "flops": 456}]
        self.assertAlmostEqual(t.scaling(row), 0.95)

    def test_words_find_their_case(self):
        fits = compare.Ours.fits
        row = {"op": "matmul", "case": "f32[64,784] f32[256,784] NT"}
        self.assertTrue(fits("op=matmul f32[64,784] f32[256,784] NT", row))
        self.assertFalse(fits("op=matmul f32[64,784] f32[256,784] NN", row))
        self.assertFalse(fits("op=conv f32[64,784]", row))


class Tuning(unittest.TestCase):
    def test_sizes_and_networks_of_the_rows_are_tuned(self):
        t = empty([Row("g", "r", ("bench", "op=relu f32[2]"), (), 1.0), Row("g", "s", ("infer", "mlp:64"), (), 1.0),
                   Row("g", "t", ("infer", "mlp:64"), (), 1.0)])
        t.args.tune = 50
        seen = []

        def run(command, env=None, timeout=0):
            seen.append((pathlib.Path(command[0]).name, env))
            return [{"key": "k"}, {"measured": 3, "kept": 1, "unfinished": 2, "wrong": 0}]

        original = compare.run
        compare.run = run
        try:
            t.ours.networks = lambda program, items, env, seconds: seen.append((program, items, env, seconds))
            self.assertEqual(t.tune(), {"seconds": 50, "measured": 3, "kept": 1, "unfinished": 2, "wrong": 0})
            t.args.tune = 0
            self.assertIsNone(t.tune())
        finally:
            compare.run = original
        self.assertEqual(seen, [("clgrad", None), ("infer", ["mlp:64"], {"CLGRAD_TUNE": "auto:5"}, "0.01")])


class Page(unittest.TestCase):
    accuracy = {"max_ulp": 2, "mean_ulp": 0.5, "max_ulp_rms": 1, "mean_ulp_rms": 0.1, "bound": 0.2, "chosen": "conv.x"}
    results = {
        "date": "2026-01-01", "cpu": "c", "cores": 2, "machine": "m", "rounds": 1, "seconds": 1, "threads": 2,
        "others": {"before": 0, "during": 0, "after": 0}, "clgrad": {}, "peers": {"torch": "torch 2"},
        "roofs": {"fma": 500, "copy 65536": 100, "read 65536": 90, "add 65536": 80},
        "results": [
            {"row": "conv & co", "group": "conv fwd", "kind": "time", "must": 1, "aim": 2, "ratio": 1.5, "ours": 2,
             "theirs": 3, "peer": "torch", "flops": 1e9, "bytes": 1e7, "gflops": 500, "gbytes": 5,
             "accuracy": accuracy},
            {"row": "wide", "group": "scaling", "kind": "scaling", "must": 0.9, "aim": 1, "ratio": None,
             "points": [{"ms": 1, "flops": 1e6}, {"ms": 2, "flops": 2e6}]}],
        "traces": {"Net": {"ms": 1, "steps": [{"impl": "conv.x", "us": 10, "flops": 1e6, "bytes": 1e4, "ops": "conv",
                                               "outputs": "y"}]}},
        "impls": [{"op": "conv", "case": "f32[1]", "impl": "conv.x", "chosen": "conv.x", "ms": 1, "gflops": 2,
                   "accuracy": accuracy}]}

    def test_tables_and_pictures_are_written(self):
        source = pathlib.Path(__file__).resolve().parent.parent / "docs/performance.md"
        with tempfile.TemporaryDirectory() as folder:
            docs = pathlib.Path(folder)
            shutil.copy(source, docs)
            report.write(self.results, docs)
            text = (docs / "performance.md").read_text(encoding="utf-8")
            self.assertIn("| conv & co | 2 ms | 3 ms | 1.5 | 1 | 2 | reached |", text)
            self.assertIn("1 not measured, 1 reached", text)
            pictures = sorted(path.name for path in (docs / "performance").iterdir())
            self.assertEqual(pictures, ["ratios.svg", "roofline.svg", "trace-net.svg"])
            self.assertIn("conv &amp; co", (docs / "performance/ratios.svg").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
