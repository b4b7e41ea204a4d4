"""LD score regression written again from the papers: plain loops, no shared code.

Nat Genet 2015;47:291-295 and 1236-1241 with their online methods: weights by
heteroskedasticity and overcounting, two rounds of reweighting, two-step with a
cut at chi-square 30, block jackknife by leaving rows out and fitting again.
"""

from __future__ import annotations

import itertools

import numpy as np


def fit(x, y, w):
    root = np.sqrt(w)[:, None]
    return np.linalg.lstsq(x * root, y * root[:, 0], rcond=None)[0]


def reweighted(x, y, first, update):
    w = first
    for _ in range(2):
        w = update(fit(x, y, w))
    return w


def deleted(x, y, w, parts):
    rows = np.arange(len(y))
    return np.array([fit(x[k], y[k], w[k]) for k in (np.delete(rows, part) for part in parts)])


def parts_of(n, blocks):
    edges = [int(np.floor(k * n / blocks)) for k in range(blocks + 1)]
    return [np.arange(a, b) for a, b in itertools.pairwise(edges)]


def chi_square_weights(ld, w_ld, n, m, h2, a):
    h2 = min(max(h2, 0), 1)
    return 1 / (2 * (a + h2 * n * np.maximum(ld, 1) / m) ** 2 * np.maximum(w_ld, 1))


def spread(whole, without):
    b = len(without)
    return np.sqrt(np.sum((without - without.mean(axis=0)) ** 2, axis=0) * (b - 1) / b)


def two_step(y, ld, w_ld, n, m, weights, null, small, blocks):
    """Return total, intercept, and both without each block. Sample sizes are all equal."""
    x = n * ld / m  # the slope is the total itself
    start_total = (y.mean() - null) / x.mean()
    start = weights(start_total, null)
    rows = np.flatnonzero(small)
    free = np.column_stack([x, np.ones_like(x)])[rows]
    w = reweighted(free, y[rows], start[rows], lambda c: weights(c[0], c[1])[rows])
    intercept = fit(free, y[rows], w)[1]
    parts = parts_of(len(rows), blocks)
    intercepts = deleted(free, y[rows], w, parts)[:, 1]
    line = x[:, None]
    w = reweighted(line, y - intercept, start, lambda c: weights(c[0], intercept))
    total = fit(line, y - intercept, w)[0]
    cuts = [0, *(rows[part[0]] for part in parts[1:]), len(y)]
    spans = [np.arange(a, b) for a, b in itertools.pairwise(cuts)]
    totals = deleted(line, y - intercept, w, spans)[:, 0]
    pull = np.sum(start * x) / np.sum(start * x**2)
    return total, intercept, totals - pull * (intercepts - intercept), intercepts


def h2(z, n, ld, w_ld, m, blocks, cut=30.0):
    y = z**2
    return two_step(
        y,
        ld,
        w_ld,
        n,
        m,
        lambda t, a: chi_square_weights(ld, w_ld, n, m, t, a),
        1.0,
        y < cut,
        blocks,
    )


def rg(z1, z2, n1, n2, ld, w_ld, m, blocks, cut=30.0):
    one, two = h2(z1, n1, ld, w_ld, m, blocks, cut), h2(z2, n2, ld, w_ld, m, blocks, cut)
    scores = np.maximum(ld, 1)

    def weights(total, a):
        first = min(max(one[0], 0), 1) * n1 * scores / m + one[1]
        second = min(max(two[0], 0), 1) * n2 * scores / m + two[1]
        both = min(max(total, -1), 1) * np.sqrt(n1 * n2) * scores / m + a
        return 1 / ((first * second + both**2) * np.maximum(w_ld, 1))

    small = (z1**2 < cut) & (z2**2 < cut)
    n = np.sqrt(n1 * n2)
    covariance = two_step(z1 * z2, ld, w_ld, n, m, weights, 0.0, small, blocks)
    ratio = covariance[0] / np.sqrt(one[0] * two[0])
    return ratio, covariance[2] / np.sqrt(one[2] * two[2]), covariance
