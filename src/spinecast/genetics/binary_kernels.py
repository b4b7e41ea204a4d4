"""Compiled: saddle-point approximation and Firth regression of one variant."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.genetics.scan_kernels import factorise
from spinecast.genetics.tails import normal_log10_p, z_of_log10_p

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LN10 = math.log(10.0)
_STEPS = 60
# A solution so many standard deviations of tilt away means a score that cannot be reached.
_FARTHEST = 1e3
# In units of standard errors at the null, for Newton's steps of Firth's likelihood.
_LONGEST, _SETTLED = 5.0, 1e-7


@numba.njit(cache=True, nogil=True)
def residual_genotype(
    row: NDArray[np.float32], people: Integers, design: Floats, weights: Floats, out: Floats
) -> None:
    """Write g - X X'W g among the trait's people: orthogonal to covariates in the metric of W."""
    k = design.shape[1]
    inner = np.zeros(k)
    for i in range(people.size):
        value = row[people[i]] * weights[i]
        for a in range(k):
            inner[a] += design[i, a] * value
    for i in range(people.size):
        value = float(row[people[i]])
        for a in range(k):
            value -= design[i, a] * inner[a]
        out[i] = value


@numba.njit(cache=True, nogil=True)
def _cumulant(g: Floats, fitted: Floats, s: float) -> tuple[float, float, float]:
    """Cumulant function of sum g (y - mu) and its first two derivatives at ``s``."""
    value, first, second = 0.0, 0.0, 0.0
    for i in range(g.size):
        mu = fitted[i]
        x = g[i] * s
        # Larger exponents would overflow; their share is 1 to rounding.
        if x > 0:
            scale = math.exp(-x)
            total = (1.0 - mu) * scale + mu
            share = mu / total
            value += x + math.log(total) - x * mu
        else:
            scale = math.exp(x)
            total = 1.0 - mu + mu * scale
            share = mu * scale / total
            value += math.log(total) - x * mu
        first += g[i] * (share - mu)
        second += g[i] * g[i] * share * (1.0 - share)
    return value, first, second


@numba.njit(cache=True, nogil=True)
def _tail(g: Floats, fitted: Floats, score: float, variance: float) -> float:
    """Return -log10 of the one-sided tail beyond ``score`` (its sign says which); NaN if none.

    Barndorff-Nielsen's form of the saddle-point approximation.
    """
    sign = math.copysign(1.0, score)
    low, high = 0.0, math.inf
    reach = abs(score) / variance
    for _ in range(_STEPS):
        _, first, second = _cumulant(g, fitted, sign * reach)
        gap = sign * (first - score)
        if gap > 0:
            high = reach
        else:
            low = reach
        following = reach - gap / second if second > 0 else math.inf
        if not low < following < high or following > 4.0 * (low + reach):
            following = 0.5 * (low + high) if high < math.inf else 2.0 * reach
        if following * math.sqrt(variance) > _FARTHEST:
            return math.nan
        moved = abs(following - reach)
        reach = following
        if moved < 1e-9 * reach:
            break
    s = sign * reach
    value, _, second = _cumulant(g, fitted, s)
    inside = 2.0 * (s * score - value)
    if inside <= 0 or second <= 0:
        return math.nan
    w = math.copysign(math.sqrt(inside), score)
    deviate = w + math.log(s * math.sqrt(second) / w) / w
    if deviate * sign <= 0:
        return math.nan
    return normal_log10_p(deviate) + math.log(2.0) / _LN10


@numba.njit(cache=True, nogil=True)
def saddle_point(g: Floats, fitted: Floats, score: float, variance: float) -> float:
    """Return -log10 p of a score statistic, both tails summed; NaN where a tail has no solution.

    Parameters: genotype orthogonal to covariates and null probabilities (m,), score and its
    variance. Dey et al., Am J Hum Genet 2017;101:37.
    """
    near = _tail(g, fitted, score, variance)
    far = _tail(g, fitted, -score, variance)
    if math.isnan(near):
        return math.nan
    if math.isnan(far):
        # The other tail holds nothing: such a score cannot be reached on that side.
        return near
    least = min(near, far)
    return least - math.log1p(math.exp(-abs(near - far) * _LN10)) / _LN10


@numba.njit(cache=True, nogil=True)
def _likelihood(
    z: Floats,
    cases: Floats,
    offset: Floats,
    beta: Floats,
    fitted: Floats,
    factor: Floats,
) -> float:
    """Firth's log likelihood at ``beta``; probabilities and the information's Cholesky factor.

    NaN where the information is singular.
    """
    m, k = z.shape
    value = 0.0
    factor[:] = 0.0
    for i in range(m):
        eta = offset[i]
        for a in range(k):
            eta += z[i, a] * beta[a]
        # log(1 + exp(eta)) without overflow
        decay = math.exp(-abs(eta))
        p = 1.0 / (1.0 + decay) if eta > 0 else decay / (1.0 + decay)
        value += cases[i] * eta - max(eta, 0.0) - math.log1p(decay)
        fitted[i] = p
        for a in range(k):
            weight = p * (1.0 - p) * z[i, a]
            for b in range(a + 1):
                factor[a, b] += weight * z[i, b]
    if not factorise(factor, k):
        return math.nan
    for a in range(k):
        value += math.log(factor[a, a])
    return value


@numba.njit(cache=True, nogil=True)
def _firth_score(z: Floats, cases: Floats, fitted: Floats, factor: Floats) -> Floats:
    """Sum of z (y - p + h (1/2 - p)), h the leverages."""
    m, k = z.shape
    score = np.zeros(k)
    inner = np.empty(k)
    for i in range(m):
        leverage = 0.0
        for a in range(k):
            value = z[i, a]
            for b in range(a):
                value -= factor[a, b] * inner[b]
            inner[a] = value / factor[a, a]
            leverage += inner[a] * inner[a]
        p = fitted[i]
        residual = cases[i] - p + p * (1.0 - p) * leverage * (0.5 - p)
        for a in range(k):
            score[a] += z[i, a] * residual
    return score


@numba.njit(cache=True, nogil=True)
def _solved(factor: Floats, right: Floats, held: bool) -> Floats:
    """Solve (L L') x = right; with the last unknown held at 0 where asked for."""
    k = right.size - 1 if held else right.size
    x = np.zeros(right.size)
    for a in range(k):
        x[a] = right[a]
        for b in range(a):
            x[a] -= factor[a, b] * x[b]
        x[a] /= factor[a, a]
    for a in range(k - 1, -1, -1):
        for b in range(a + 1, k):
            x[a] -= factor[b, a] * x[b]
        x[a] /= factor[a, a]
    return x


@numba.njit(cache=True, nogil=True)
def firth_maximum(
    z: Floats, cases: Floats, offset: Floats, beta: Floats, held: bool
) -> tuple[float, float]:
    """Climb to the maximum of Firth's likelihood from ``beta``, which is overwritten.

    Parameters: columns (m, k), 0/1 (m,), log odds added (m,), start (k,), and whether the last
    coefficient stays as it is (its column still counts in the penalty). Returns the maximum and
    the standard error of the last coefficient; NaN where the climb does not end.
    """
    k = beta.size
    fitted = np.empty(cases.size)
    factor = np.empty((k, k))
    value = _likelihood(z, cases, offset, beta, fitted, factor)
    for _ in range(_STEPS):
        if math.isnan(value):
            break
        step = _solved(factor, _firth_score(z, cases, fitted, factor), held)
        longest = np.abs(step).max()
        if longest > _LONGEST:
            step *= _LONGEST / longest
        trial = math.nan
        for _ in range(30):
            trial = _likelihood(z, cases, offset, beta + step, fitted, factor)
            if trial >= value - 1e-9 * abs(value):
                break
            step *= 0.5
        beta += step
        value = trial
        if np.abs(step).max() < _SETTLED:
            return value, 1.0 / factor[k - 1, k - 1]
    return math.nan, math.nan


@numba.njit(cache=True, nogil=True)
def firth(
    g: Floats,
    variance: float,
    cases: Floats,
    design: Floats,
    start: Floats,
    offset: Floats,
) -> tuple[float, float, float]:
    """Return log odds ratio, standard error and -log10 p of one variant by Firth's likelihood.

    ``g`` (m,) is orthogonal to the covariates' columns ``design`` (m, k), ``variance`` its
    square in the null's metric, ``start`` (k,) the null fit. Covariates are fitted with the
    variant. The p value is that of the penalised likelihood ratio, the error that of the
    information. NaN where it does not converge. Firth, Biometrika 1993;80:27; Heinze and
    Schemper, Stat Med 2002;21:2409.
    """
    m, k = design.shape
    z = np.empty((m, k + 1))
    z[:, :k] = design
    z[:, k] = g / math.sqrt(variance)
    null = np.zeros(k + 1)
    null[:k] = start
    below, _ = firth_maximum(z, cases, offset, null, True)
    full = null.copy()
    top, error = firth_maximum(z, cases, offset, full, False)
    if math.isnan(below) or math.isnan(top):
        return math.nan, math.nan, math.nan
    scale = 1.0 / math.sqrt(variance)
    beta = float(full[k]) * scale
    return beta, error * scale, normal_log10_p(math.sqrt(max(0.0, 2.0 * (top - below))))


@numba.njit(cache=True, nogil=True)
def correct(
    tile: NDArray[np.float32],
    chosen: Integers,
    people: Integers,
    cases: Floats,
    fitted: Floats,
    design: Floats,
    start: Floats,
    offset: Floats,
    use_firth: bool,
    score: Floats,
    variance: Floats,
    found: Floats,
) -> None:
    """Write beta, error and -log10 p of the ``chosen`` variants into ``found`` (3, v).

    Where the saddle point does not exist (a score at its very bound, as when every carrier is
    a case) Firth's regression takes over; NaN where that fails too.
    """
    g = np.empty(people.size)
    weights = fitted * (1.0 - fitted)
    for v in chosen:
        residual_genotype(tile[v], people, design, weights, g)
        log10_p = math.nan
        if not use_firth:
            log10_p = saddle_point(g, fitted, score[v], variance[v])
        if log10_p > 0:
            found[0, v] = score[v] / variance[v]
            found[1, v] = abs(found[0, v]) / z_of_log10_p(log10_p)
            found[2, v] = log10_p
        else:
            found[0, v], found[1, v], found[2, v] = firth(
                g, variance[v], cases, design, start, offset
            )
