"""A trace with known times: what is said of uploads, and what is drawn."""
import contextlib
import io
import json
import pathlib
import tempfile
import unittest

import timeline


def name(what, pid, tid, text):
    return {"ph": "M", "name": what + "_name", "pid": pid, "tid": tid, "args": {"name": text}}


def span(tid, text, start, end, pid=1):
    return {"ph": "X", "pid": pid, "tid": tid, "name": text, "ts": start, "dur": end - start}


ROWS = [name("process", 0, 0, "host"), name("thread", 0, 1, "thread 1"), name("process", 1, 0, "dev & co"),
        name("thread", 1, 1, "compute"), name("thread", 1, 2, "upload")]
# Batch 1 comes in under batch 0, batch 2 half in the gap behind batch 1.
SPANS = [span(1, "clg_run", 0, 90, pid=0), span(2, "upload x", 0, 10), span(1, "conv.cpu y", 10, 30),
         span(1, "relu.cpu z", 30, 50), span(2, "upload x", 20, 30), span(1, "conv.cpu y", 50, 70),
         span(1, "relu.cpu z", 70, 90), span(2, "upload x", 80, 100), span(1, "conv.cpu y", 100, 120),
         span(1, "relu.cpu z", 120, 140)]


class Timeline(unittest.TestCase):
    def draw(self, spans, *options):
        with tempfile.TemporaryDirectory() as folder:
            trace, picture = pathlib.Path(folder) / "t.json", pathlib.Path(folder) / "p.svg"
            trace.write_text(json.dumps({"traceEvents": ROWS + spans}), encoding="utf-8")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                timeline.main([str(trace), str(picture), *options])
            return out.getvalue(), picture.read_text(encoding="utf-8")

    def test_uploads_are_told_and_drawn(self):
        text, picture = self.draw(SPANS, "--first", "0", "--steps", "3")
        self.assertEqual(text.splitlines(), [
            "batch 1: uploaded in 10 us, 100% of them under the compute of batches before",
            "batch 2: uploaded in 20 us, 50% of them under the compute of batches before"])
        self.assertIn("dev &amp; co", picture)
        for batch in range(3):  # an upload, two steps and the legend
            self.assertEqual(picture.count(f'fill="{timeline.COLORS[batch]}"'), 4 if batch else 3)

    def test_what_is_no_trace_of_training_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "5 steps and 3 uploads on device 1"):
            self.draw(SPANS[:-1])
        with self.assertRaisesRegex(SystemExit, "no steps 7 to 8"):
            self.draw(SPANS, "--first", "7", "--steps", "2")


if __name__ == "__main__":
    unittest.main()
