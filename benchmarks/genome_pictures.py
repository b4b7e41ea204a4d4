"""Measure how long the pictures of a scan of ten million variants take.

    OMP_NUM_THREADS=1 python benchmarks/genome_pictures.py [--variants 10000000]

Counts the processor's time and the clock's, from columns in memory to SVG bytes. The
Manhattan and the quantile plot are meant to take less than 3 seconds each.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

from spinecast.report.figures import draw_manhattan, draw_quantiles, thin_quantiles, thin_scan
from spinecast.report.parts import Figure
from spinecast.seeds import generator

TARGET = 3.0
Result = TypeVar("Result")


def simulated_scan(variants: int) -> pd.DataFrame:
    """Draw a null scan of 22 chromosomes with one strong peak, as a scan's Parquet is read."""
    dice = generator(1, "benchmark", "genome pictures")
    chromosome = np.sort(dice.integers(1, 23, variants)).astype(str)
    y = -np.log10(dice.uniform(size=variants))
    y[variants // 2 : variants // 2 + 400] = dice.uniform(5, 60, 400)
    return pd.DataFrame(
        {
            "chromosome": pd.Categorical(chromosome),
            "base_pair_location": np.arange(variants) % 450_000 * 500,
            "neg_log_10_p_value": y,
        }
    )


def timed(name: str, work: Callable[[], Result]) -> tuple[Result, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{name:28s} {cpu:6.2f} s of processor, {wall:6.2f} s by the clock")
    return result, cpu


def manhattan(scan: pd.DataFrame) -> Figure:
    columns = (scan["chromosome"], scan["base_pair_location"], scan["neg_log_10_p_value"])
    return draw_manhattan(thin_scan(*columns), title="benchmark", simulated=True)


def quantiles(scan: pd.DataFrame) -> Figure:
    points = thin_quantiles(scan["neg_log_10_p_value"])
    return draw_quantiles(points, title="benchmark", simulated=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", type=int, default=10_000_000)
    scan = simulated_scan(parser.parse_args().variants)
    timed("first drawing (imports)", lambda: manhattan(scan.iloc[:1000]))
    spent = [timed(f"{work.__name__}, {len(scan):,}", lambda work=work: work(scan))[1]
             for work in (manhattan, quantiles)]  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"slowest / target {max(spent) / TARGET:.2f}; peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
