"""Standard errors from leaving out blocks of neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics.block_jackknife import (
    Estimate,
    block_edges,
    jackknife_least_squares,
    jackknife_mean,
)


def test_blocks_cover_every_row_once_and_none_is_empty():
    edges = block_edges(1003, 200)
    assert edges[0] == 0
    assert edges[-1] == 1003
    assert edges.size == 201
    assert set(np.diff(edges)) == {5, 6}


def test_fewer_rows_than_blocks_make_one_block_a_row():
    assert block_edges(7, 200).tolist() == list(range(8))


def test_deleting_a_block_equals_fitting_the_other_rows():
    rng = np.random.default_rng(3)
    x, y = np.column_stack([rng.normal(size=60), np.ones(60)]), rng.normal(size=60)
    edges = block_edges(60, 7)
    fitted = jackknife_least_squares(x, y, edges=edges)
    for block in range(7):
        rows = np.delete(np.arange(60), np.arange(edges[block], edges[block + 1]))
        alone = np.linalg.lstsq(x[rows], y[rows], rcond=None)[0]
        np.testing.assert_allclose(fitted.deleted[block], alone, rtol=1e-12)


def test_single_row_blocks_give_the_textbook_error_of_a_mean():
    values = np.random.default_rng(4).normal(size=50)
    mean = jackknife_mean(values, blocks=50)
    assert mean.estimate == pytest.approx(values.mean(), rel=1e-12)
    assert mean.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(50), rel=1e-9)


def test_correlated_neighbours_widen_the_error():
    steps = np.random.default_rng(5).normal(size=4000)
    linked = np.convolve(steps, np.ones(40) / 40, mode="same")
    blocks = jackknife_mean(linked, blocks=40).standard_error
    rows = jackknife_mean(linked, blocks=4000).standard_error
    assert blocks > 3 * rows


def test_columns_that_do_not_vary_are_refused():
    with pytest.raises(SpinecastError) as caught:
        jackknife_least_squares(np.ones((20, 2)), np.arange(20.0), edges=block_edges(20, 4))
    assert caught.value.code == "SC-556"


def test_an_estimate_has_normal_limits_and_p_value():
    estimate = Estimate(3.0, 1.0)
    assert estimate.ci == pytest.approx((1.040036, 4.959964), abs=1e-6)
    assert estimate.p_value(null=1.0) == pytest.approx(0.0455003, abs=1e-6)
    assert np.isnan(Estimate(1.0, float("nan")).p_value())
