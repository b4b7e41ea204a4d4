"""Products in panels: a column's bits are its own."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.genetics import panels
from spinecast.genetics.panels import WIDTH, multiply, to_panels


@pytest.fixture(autouse=True)
def unknown_shapes(monkeypatch):
    monkeypatch.setattr(panels, "_alike", {})


@pytest.mark.parametrize("variants", [1, 17, 256])
def test_a_column_has_the_bits_it_has_alone_the_first_time_and_after(variants):
    rng = np.random.default_rng(variants)
    tile = rng.normal(size=(variants, 700)).astype(np.float32)
    columns = rng.normal(size=(700, 75))
    cut = to_panels(columns, np.float32)
    assert cut.shape == (3, 700, WIDTH)
    first, again = multiply(tile, cut), multiply(tile, cut)
    np.testing.assert_allclose(first[:, :75], tile @ columns, atol=1e-3)
    assert not first[:, 75:].any()
    for place in (0, 31, 32, 74):
        alone = multiply(tile, to_panels(columns[:, [place]], np.float32))[:, 0]
        assert np.array_equal(first[:, place], alone)
        assert np.array_equal(again[:, place], alone)


def test_where_one_product_rounds_otherwise_panels_are_kept(monkeypatch):
    rng = np.random.default_rng(2)
    tile = rng.normal(size=(64, 300)).astype(np.float32)
    cut = to_panels(rng.normal(size=(300, 50)), np.float32)
    right, exact = multiply(tile, cut), np.matmul

    def rounds_otherwise(left, other, **options):
        product = exact(left, other, **options)
        if other.shape[1] > WIDTH:
            product *= np.float32(1 + 1e-6)
        return product

    panels._alike.clear()
    monkeypatch.setattr(np, "matmul", rounds_otherwise)
    for _ in range(2):
        assert np.array_equal(multiply(tile, cut), right)
    assert list(panels._alike.values()) == [False]
