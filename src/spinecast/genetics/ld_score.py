"""LD score regression: heritability, confounding and genetic correlation from summary statistics.

Under polygenicity a variant's expected chi-square grows with its LD score, the
sum of squared correlations with its neighbours, because it tags more causal
variants; stratification and relatedness raise all variants alike. The slope is
heritability, the intercept is confounding.

References
----------
Bulik-Sullivan BK et al. Nat Genet 2015;47:291-295 (heritability, intercept).
Bulik-Sullivan B et al. Nat Genet 2015;47:1236-1241 (genetic correlation).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from spinecast.errors import error
from spinecast.genetics.associations import MEDIAN_CHI_SQUARE
from spinecast.genetics.block_jackknife import Estimate, FloatArray, Jackknifed
from spinecast.genetics.ld_score_regression import (
    Design,
    ProductWeights,
    Regression,
    chi_square_weights,
)


@dataclass(frozen=True)
class Heritability:
    """Heritability of one trait from its summary statistics.

    Attributes
    ----------
    h2
        Share of variance explained by all variants counted in ``m``, observed scale.
    intercept
        Expected chi-square of a variant that tags nothing; 1 without confounding.
        Its standard error is NaN where it was fixed.
    ratio
        (intercept - 1) / (mean chi-square - 1): share of the inflation that is
        not polygenicity; NaN where the mean chi-square is at most 1.
    mean_chi_square, lambda_gc
        Of the variants used.
    n_variants, n_samples
        Variants used; largest sample size among them.
    deleted
        h2 without each block, shape (blocks,).
    """

    h2: Estimate
    intercept: Estimate
    ratio: Estimate
    mean_chi_square: float
    lambda_gc: float
    n_variants: int
    n_samples: int
    deleted: FloatArray

    def to_frame(self, analysis: str) -> pd.DataFrame:
        """Return rows of the estimates table under the name ``analysis``."""
        tested = (("h2", self.h2, 0.0), ("intercept", self.intercept, 1.0),
                  ("ratio", self.ratio, 0.0))  # fmt: skip
        rows = [_row(analysis, term, value, null=null) for term, value, null in tested]
        rows += [
            _row(analysis, "mean_chi_square", Estimate(self.mean_chi_square, np.nan)),
            _row(analysis, "lambda_gc", Estimate(self.lambda_gc, np.nan)),
        ]
        return pd.DataFrame(rows).assign(n=self.n_samples)


@dataclass(frozen=True)
class GeneticCorrelation:
    """Genetic correlation of two traits.

    Attributes
    ----------
    rg
        Correlation of the two traits' genetic effects; NaN where a heritability
        is not positive. It may exceed 1 in small samples: it is not cut, so that
        its standard error stays true.
    covariance
        Genetic covariance, observed scale.
    intercept
        Expected product of two z-scores of a variant that tags nothing: grows
        with sample overlap times phenotypic correlation.
    first, second
        Heritabilities of both traits on the same variants.
    """

    rg: Estimate
    covariance: Estimate
    intercept: Estimate
    first: Heritability
    second: Heritability

    def to_frame(self, analysis: str) -> pd.DataFrame:
        """Return rows of the estimates table under the name ``analysis``."""
        terms = (("rg", self.rg), ("genetic_covariance", self.covariance),
                 ("covariance_intercept", self.intercept))  # fmt: skip
        rows = [_row(analysis, term, value, null=0.0) for term, value in terms]
        return pd.DataFrame(rows).assign(n=min(self.first.n_samples, self.second.n_samples))


def heritability(
    z: Any,
    n: Any,
    ld_scores: Any,
    *,
    m: float,
    weight_ld_scores: Any = None,
    blocks: int = 200,
    two_step: float | None = 30.0,
    intercept: float | None = None,
    max_chi_square: float | None = None,
) -> Heritability:
    """Estimate heritability and confounding by LD score regression.

    Parameters
    ----------
    z, n
        z-score and sample size of each variant, shape (v,), in genome order.
    ld_scores
        LD score of each variant over the reference panel, shape (v,).
    m
        Number of variants the LD scores sum over (common ones, as ``.M_5_50`` says).
    weight_ld_scores
        LD scores over the variants of the regression, for counting each signal
        once; None takes ``ld_scores``.
    blocks
        Blocks of the jackknife.
    two_step
        The intercept is fitted on variants below this chi-square, then the slope
        on all; None fits both at once. Ignored where ``intercept`` is given.
    intercept
        Fixed intercept, e.g. 1 where there is certainly no confounding.
    max_chi_square
        Variants at or above it are left out.

    Raises
    ------
    GeneticsError
        SC-555 unusable columns, SC-556 too few variants or LD scores that do not vary.

    Notes
    -----
    Misleads where few large effects make up the trait, where the LD scores come
    from another ancestry, and below some 5,000 people: look at h2's z-score.
    """
    design = _design(z, n, ld_scores, m=m, weight_ld_scores=weight_ld_scores)
    if max_chi_square is not None:
        design = design.kept(design.chi_square < max_chi_square)
    return _heritability(design, blocks=blocks, two_step=two_step, intercept=intercept)


def genetic_correlation(
    first: tuple[Any, Any],
    second: tuple[Any, Any],
    ld_scores: Any,
    *,
    m: float,
    weight_ld_scores: Any = None,
    blocks: int = 200,
    two_step: float | None = 30.0,
    intercepts: tuple[float | None, float | None, float | None] = (None, None, None),
) -> GeneticCorrelation:
    """Estimate the genetic correlation of two traits; their samples may overlap.

    Parameters
    ----------
    first, second
        (z, n) of each trait for the same variants and the same effect alleles,
        shape (v,) each, in genome order.
    ld_scores, m, weight_ld_scores, blocks, two_step
        As in :func:`heritability`.
    intercepts
        Fixed intercepts of the first trait, the second and their covariance.

    Raises
    ------
    GeneticsError
        SC-555 and SC-556 as :func:`heritability`.
    """
    one = _design(*first, ld_scores, m=m, weight_ld_scores=weight_ld_scores)
    two = _design(*second, ld_scores, m=m, weight_ld_scores=weight_ld_scores)
    fit = partial(_heritability, blocks=blocks, two_step=two_step)
    h1, h2 = fit(one, intercept=intercepts[0]), fit(two, intercept=intercepts[1])
    weights = ProductWeights(
        (one, two),
        (h1.h2.estimate, h2.h2.estimate),
        (h1.intercept.estimate, h2.intercept.estimate),
    )
    regression = Regression(
        one.z * two.z, np.sqrt(one.n * two.n), one, weights, null=0.0, blocks=blocks
    )
    largest = np.maximum(one.chi_square, two.chi_square)
    fitted = _fitted(regression, largest, two_step=two_step, intercept=intercepts[2])
    return GeneticCorrelation(
        rg=_correlation(fitted, h1, h2),
        covariance=fitted.of(0),
        intercept=_intercept_of(fitted, intercepts[2]),
        first=h1,
        second=h2,
    )


def liability_scale(h2: Estimate, *, sample_share: float, population_share: float) -> Estimate:
    """Turn observed-scale heritability of a case-control trait into that of liability.

    Parameters
    ----------
    h2
        Observed scale, 0/1 trait.
    sample_share, population_share
        Share of cases among the samples and in the population, both inside (0, 1).

    References
    ----------
    Lee SH et al. Am J Hum Genet 2011;88:294-305.
    """
    for share in (sample_share, population_share):
        if not 0 < share < 1:
            raise error("SC-555", expected="a share of cases in (0, 1)", got=f"{share}")
    k, p = population_share, sample_share
    density = np.exp(-(special.ndtri(k) ** 2) / 2) / np.sqrt(2 * np.pi)
    factor = (k * (1 - k)) ** 2 / (p * (1 - p) * density**2)
    return Estimate(h2.estimate * factor, h2.standard_error * factor)


def _design(z: Any, n: Any, ld_scores: Any, *, m: float, weight_ld_scores: Any) -> Design:
    given = {
        "z": z, "n": n, "ld_scores": ld_scores,
        "weight_ld_scores": ld_scores if weight_ld_scores is None else weight_ld_scores,
    }  # fmt: skip
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in given.items()}
    size = columns["z"].size
    for name, column in columns.items():
        if column.shape != (size,) or not np.isfinite(column).all():
            got = f"shape {column.shape}, {np.isfinite(column).sum()} finite"
            raise error("SC-555", expected=f"{size} finite numbers", got=got, where=name)
    if not (columns["n"] > 0).all() or not m > 0:
        raise error("SC-555", expected="positive sample sizes and m", got=f"m = {m:g}", where="n")
    return Design(
        columns["z"], columns["n"], columns["ld_scores"], columns["weight_ld_scores"], float(m)
    )


def _heritability(
    design: Design, *, blocks: int, two_step: float | None, intercept: float | None
) -> Heritability:
    chi_square = design.chi_square
    regression = Regression(
        chi_square, design.n, design, partial(chi_square_weights, design), null=1.0, blocks=blocks
    )
    fitted = _fitted(regression, chi_square, two_step=two_step, intercept=intercept)
    mean = float(chi_square.mean())
    fitted_intercept = _intercept_of(fitted, intercept)
    excess = mean - 1 if mean > 1 else np.nan
    return Heritability(
        h2=fitted.of(0),
        intercept=fitted_intercept,
        ratio=Estimate(
            (fitted_intercept.estimate - 1) / excess, fitted_intercept.standard_error / excess
        ),
        mean_chi_square=mean,
        lambda_gc=float(np.median(chi_square) / MEDIAN_CHI_SQUARE),
        n_variants=chi_square.size,
        n_samples=round(float(design.n.max())),
        deleted=fitted.deleted[:, 0],
    )


def _fitted(
    regression: Regression,
    largest: FloatArray,
    *,
    two_step: float | None,
    intercept: float | None,
) -> Jackknifed:
    if intercept is not None:
        return regression.with_intercept(intercept)
    if two_step is None:
        return regression.at_once()
    return regression.in_two_steps(np.flatnonzero(largest < two_step))


def _intercept_of(fitted: Jackknifed, given: float | None) -> Estimate:
    return fitted.of(1) if given is None else Estimate(given, float("nan"))


def _correlation(fitted: Jackknifed, first: Heritability, second: Heritability) -> Estimate:
    """Return covariance over the root of both heritabilities; blocks are deleted from all three."""
    if first.h2.estimate <= 0 or second.h2.estimate <= 0:
        return Estimate(float("nan"), float("nan"))
    whole = fitted.estimate[0] / np.sqrt(first.h2.estimate * second.h2.estimate)
    product = first.deleted * second.deleted
    if fitted.deleted.shape[0] != product.size or not (product > 0).all():
        return Estimate(float(whole), float("nan"))
    return Jackknifed(np.array([whole]), fitted.deleted[:, :1] / np.sqrt(product)[:, None]).of(0)


def _row(analysis: str, term: str, value: Estimate, *, null: float | None = None) -> dict[str, Any]:
    low, high = value.ci
    p_value = float("nan") if null is None else value.p_value(null)
    return {"analysis": analysis, "term": term, "estimate": value.estimate,
            "ci_low": low, "ci_high": high, "p_value": p_value}  # fmt: skip
