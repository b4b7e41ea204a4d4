"""LD score regression on the reference implementation's own simulated files.

    python validation/ld_score_regression.py LDSC/test/simulate_test

LDSC is a checkout of github.com/bulik/ldsc (GPL-3; none of it is kept here). The
numbers in ld_score_regression.json are what its own code gives for files 0 to 19
under Python 3, one annotation, 200 blocks; this script computes ours and exits
with 1 where one differs in the third significant digit.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from spinecast.genetics.ld_score import GeneticCorrelation, genetic_correlation

HERE = Path(__file__).parent
LARGEST_DIFFERENCE = 5e-4  # relative: three significant digits


def load(folder: Path, name: str) -> pd.DataFrame:
    columns = {"ldscore/oneld_onefile.l2.ldscore": "ld", "ldscore/w.l2.ldscore": "weight"}
    table = pd.read_csv(folder / "sumstats" / name, sep="\t")
    for file, column in columns.items():
        scores = pd.read_csv(folder / file, sep="\t")
        table = table.merge(scores[["SNP", "LD"]].rename(columns={"LD": column}), on="SNP")
    return table


def numbers(fit: GeneticCorrelation) -> dict[str, float]:
    estimates = {
        "h2": fit.first.h2,
        "intercept": fit.first.intercept,
        "covariance": fit.covariance,
        "covariance_intercept": fit.intercept,
        "rg": fit.rg,
    }
    values = {name: estimate.estimate for name, estimate in estimates.items()}
    errors = {f"{name}_error": estimate.standard_error for name, estimate in estimates.items()}
    return values | errors | {"ratio": fit.first.ratio.estimate}


def main(folder: Path) -> int:
    frozen = json.loads((HERE / "ld_score_regression.json").read_text(encoding="utf-8"))
    m = float((folder / "ldscore" / "oneld_onefile.l2.M_5_50").read_text(encoding="utf-8"))
    worst: dict[str, float] = {}
    for case in frozen:
        one, two = (load(folder, str(number)) for number in (case["file"], case["file"] + 1))
        fit = genetic_correlation(
            (one["Z"], one["N"]), (two["Z"], two["N"]), one["ld"],
            m=m, weight_ld_scores=one["weight"], two_step=case["two_step"],
        )  # fmt: skip
        for name, value in numbers(fit).items():
            difference = abs(value - case[name]) / abs(case[name])
            worst[name] = max(worst.get(name, 0.0), difference)
    for name, difference in worst.items():
        print(f"{name:28s} largest relative difference {difference:.1e} in {len(frozen)} fits")
    return int(max(worst.values()) > LARGEST_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
