"""Outcome statistics beside lifelines, statsmodels and scikit-survival, in one run.

Every work runs in a process of its own on one core: CPU seconds (median where it is quick) and
the memory it needed above the data. Ten covariates, 30 % events, rounded times so that ties
occur. Peers that would need more than PEER_SECONDS at the next size are left out there.

Bounds: a sort of the durations (the least any of this can do) stands as its own line.
Targets at n = 1,000,000 (CPU seconds): Cox 1.2, concordance with its error 1.0, AUROC at five
times with errors 2.0, DeLong of two scores 0.7; memory 1 GiB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

SIZES = (1_000, 10_000, 100_000, 1_000_000)
PEER_SECONDS = 60.0
TIMES = np.array([1.0, 2.0, 4.0, 6.0, 8.0])
TARGETS = {"cox": 1.2, "concordance": 1.0, "auroc(t)": 2.0, "delong": 0.7}
MEMORY_MIB = 1024


@dataclass(frozen=True)
class Data:
    """One simulated cohort."""

    duration: np.ndarray
    event: np.ndarray
    x: np.ndarray
    risk: np.ndarray
    other: np.ndarray


def simulate(n: int) -> Data:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 10))
    risk = x @ np.linspace(-0.3, 0.3, 10) + 0.5 * rng.normal(size=n)
    event = rng.exponential(20 * np.exp(-risk))
    death, end = rng.exponential(60, n), rng.uniform(0.5, 12, n)
    duration = np.ceil(np.minimum.reduce([event, death, end]) * 365.25) / 365.25
    least = np.minimum.reduce([event, death, end])
    code = np.where(least == event, 1, np.where(least == death, 2, 0))
    return Data(duration, code, x, risk, 0.7 * risk + rng.normal(size=n))


def ours() -> dict[str, Callable[[Data], object]]:
    from spinecast import outcomes as o

    def auroc(d: Data) -> object:
        return o.time_dependent_auc(
            d.duration, d.event, d.duration, event=d.event, risk=d.risk, times=TIMES
        )

    def brier(d: Data) -> object:
        free = np.exp(-np.outer(np.exp(d.risk), TIMES) / 20)
        return o.brier_score(
            d.duration, d.event, d.duration, event=d.event, survival=free, times=TIMES
        )

    return {
        "sort": lambda d: np.argsort(d.duration),
        "kaplan-meier": lambda d: o.kaplan_meier(d.duration, d.event == 1),
        "log-rank": lambda d: o.log_rank(d.duration, d.event, d.x[:, 0] > 0),
        "cox": lambda d: o.cox(d.duration, d.event, d.x),
        "concordance": lambda d: o.harrell_concordance(d.duration, d.event, d.risk),
        "compare c": lambda d: o.compare_concordance(d.duration, d.event, d.risk, risk_b=d.other),
        "uno's c": lambda d: o.uno_concordance(
            d.duration, d.event, d.duration, event=d.event, risk=d.risk, tau=8.0
        ),
        "auroc(t)": auroc,
        "brier": brier,
        "delong": lambda d: o.delong(d.event == 1, d.risk, d.other),
        "cut-point": lambda d: o.cutpoint_log_rank(d.duration, d.event, d.risk, method="lau94"),
        "incidence": lambda d: o.cumulative_incidence(d.duration, d.event),
        "gray": lambda d: o.gray_test(d.duration, d.event, d.x[:, 0] > 0),
        "fine-gray": lambda d: o.fine_gray(d.duration, d.event, d.x),
    }


def _lifelines_cox(d: Data) -> object:
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(d.x, columns=[f"x{i}" for i in range(10)])
    frame = frame.assign(t=d.duration, e=(d.event == 1) * 1)
    return CoxPHFitter().fit(frame, "t", "e")


def _statsmodels_cox(d: Data) -> object:
    from statsmodels.duration.hazard_regression import PHReg

    return PHReg(d.duration, d.x, status=(d.event == 1) * 1, ties="efron").fit()


def _structured(d: Data) -> np.ndarray:
    from sksurv.util import Surv

    return Surv.from_arrays(d.event == 1, d.duration)


def _sksurv_cox(d: Data) -> object:
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    return CoxPHSurvivalAnalysis(ties="efron").fit(d.x, _structured(d))


def _lifelines_c(d: Data) -> object:
    from lifelines.utils import concordance_index

    return concordance_index(d.duration, -d.risk, d.event == 1)


def _sksurv_c(d: Data) -> object:
    from sksurv.metrics import concordance_index_censored

    return concordance_index_censored(d.event == 1, d.duration, d.risk)


def _sksurv_auroc(d: Data) -> object:
    from sksurv.metrics import cumulative_dynamic_auc

    y = _structured(d)
    return cumulative_dynamic_auc(y, y, d.risk, TIMES)


def _sksurv_brier(d: Data) -> object:
    from sksurv.metrics import brier_score

    y = _structured(d)
    return brier_score(y, y, np.exp(-np.outer(np.exp(d.risk), TIMES) / 20), TIMES)


def _sksurv_uno(d: Data) -> object:
    from sksurv.metrics import concordance_index_ipcw

    y = _structured(d)
    return concordance_index_ipcw(y, y, d.risk, tau=8.0)


def _lifelines_km(d: Data) -> object:
    from lifelines import KaplanMeierFitter

    return KaplanMeierFitter().fit(d.duration, d.event == 1)


def _lifelines_log_rank(d: Data) -> object:
    from lifelines.statistics import multivariate_logrank_test

    return multivariate_logrank_test(d.duration, d.x[:, 0] > 0, d.event == 1)


def _lifelines_incidence(d: Data) -> object:
    from lifelines import AalenJohansenFitter

    return AalenJohansenFitter(seed=1).fit(d.duration, d.event, event_of_interest=1)


def _sklearn_auroc(d: Data) -> object:
    from sklearn.metrics import roc_auc_score

    return [roc_auc_score(d.event == 1, s) for s in (d.risk, d.other)]


PEERS: dict[str, dict[str, Callable[[Data], object]]] = {
    "kaplan-meier": {"lifelines": _lifelines_km},
    "log-rank": {"lifelines": _lifelines_log_rank},
    "cox": {"lifelines": _lifelines_cox, "statsmodels": _statsmodels_cox,
            "scikit-survival": _sksurv_cox},
    "concordance": {"lifelines (no error)": _lifelines_c,
                    "scikit-survival (no error)": _sksurv_c},
    "uno's c": {"scikit-survival (no error)": _sksurv_uno},
    "auroc(t)": {"scikit-survival (no error)": _sksurv_auroc},
    "brier": {"scikit-survival (no error)": _sksurv_brier},
    "delong": {"scikit-learn (no error)": _sklearn_auroc},
    "incidence": {"lifelines": _lifelines_incidence},
}  # fmt: skip


def _measure(name: str, who: str, n: int, results: multiprocessing.Queue) -> None:
    """Run one work in this process; put CPU seconds and MiB above the data into the queue."""
    warnings.simplefilter("ignore")
    work = ours()[name] if who == "spinecast" else PEERS[name][who]
    work(simulate(200))  # compile and import before the clock starts
    data = simulate(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken: list[float] = []
    while not taken or (sum(taken) < 2 and len(taken) < 7):
        started = time.process_time()
        work(data)
        taken.append(time.process_time() - started)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    results.put((statistics.median(taken), used / 1024))


def measured(name: str, who: str, n: int) -> tuple[float, float] | None:
    """Return CPU seconds and MiB, None where the work failed."""
    # one core: read where the new process loads numpy
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue = context.Queue()
    process = context.Process(target=_measure, args=(name, who, n, results))
    process.start()
    process.join()
    return results.get() if process.exitcode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    sizes = [n for n in SIZES if n <= parser.parse_args().largest]
    slow: dict[tuple[str, str], float] = {}
    print(f"{'statistic':13s} {'n':>9s} {'CPU s':>8s} {'MiB':>6s}   peers: CPU s (times ours)")
    for name in ours():
        for n in sizes:
            own = measured(name, "spinecast", n)
            if own is None:
                print(f"{name:13s} {n:9,d}   failed")
                continue
            beside = []
            for who in PEERS.get(name, {}):
                # squares at worst: a peer that took long is not asked again
                if slow.get((name, who), 0.0) * 10 > PEER_SECONDS:
                    beside.append(f"{who} left out")
                    continue
                peer = measured(name, who, n)
                slow[name, who] = peer[0] if peer else PEER_SECONDS
                beside.append(
                    f"{who} {peer[0]:.3f} ({peer[0] / own[0]:.1f})" if peer else f"{who} failed"
                )
            verdict = ""
            if n == SIZES[-1] and name in TARGETS:
                met = own[0] <= TARGETS[name] and own[1] <= MEMORY_MIB
                verdict = f"  target {TARGETS[name]:g} s: {'met' if met else 'MISSED'}"
            print(
                f"{name:13s} {n:9,d} {own[0]:8.3f} {own[1]:6.0f}   {'; '.join(beside)}{verdict}",
                flush=True,
            )


if __name__ == "__main__":
    main()
