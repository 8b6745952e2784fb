"""Timing of a repeated call, as benchmarks/timing.c does it: warm up, then the median of several repeats."""
import statistics
import time

REPEATS, FEW = 7, 3


def measure(call, seconds, wait=lambda: None):
    """Median and best time of a call in ms, and (slowest - fastest) / median of the repeats. wait() ends a repeat."""

    def repeat(runs):
        begin = time.perf_counter()
        for _ in range(runs):
            call()
        wait()
        return max((time.perf_counter() - begin) / runs, 1e-7)

    repeat(2)
    one = repeat(1)
    if one < seconds / 20:
        one = repeat(5)
    repeats = FEW if one > seconds / FEW else REPEATS
    runs = max(1, int(seconds / repeats / one))
    times = [repeat(runs) * 1e3 for _ in range(repeats)]
    median = statistics.median(times)
    return median, min(times), (max(times) - min(times)) / median
