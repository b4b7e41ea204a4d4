"""Blocks of variants: all of them once, in order, centred over the samples asked for."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import GeneticsError
from spinecast.genotypes import GenotypeBlocks, open_genotypes, write_pgen


@pytest.fixture(params=["hard", "soft"])
def genotypes(request, panel, bed, tmp_path):
    if request.param == "hard":
        return open_genotypes(bed)
    tables = {"samples": panel.samples, "variants": panel.variants}
    return open_genotypes(write_pgen(tmp_path / "soft", **tables, calls=[panel.copies]))


def test_blocks_are_all_variants_once_and_in_order(panel, genotypes) -> None:
    blocks = GenotypeBlocks(genotypes, size=10)
    assert len(blocks) == 3
    assert [len(block.variants) for block in blocks] == [10, 10, 7]
    assert np.concatenate([block.variants for block in blocks]).tolist() == list(range(27))


def test_a_tile_is_of_the_samples_and_variants_asked_for(panel, genotypes) -> None:
    samples = np.array([1, 2, 5, 8, 13, 21, 34])
    variants = np.array([25, 3, 4, 5, 7, 0])
    seen = []
    for block in GenotypeBlocks(genotypes, samples, variants, size=4, with_mask=True):
        copies = panel.copies[block.variants][:, samples].astype(float)
        called = ~np.isnan(copies)
        known = called.sum(axis=1)
        mean = np.where(known > 0, np.nansum(copies, axis=1) / np.maximum(known, 1), np.nan)
        np.testing.assert_allclose(block.mean, mean)
        deviations = np.nan_to_num(copies - mean[:, None])
        np.testing.assert_allclose(block.tile, deviations, atol=1e-6)
        np.testing.assert_allclose(block.sum_squares, (deviations**2).sum(axis=1), atol=1e-12)
        np.testing.assert_array_equal(block.missing, len(samples) - known)
        np.testing.assert_array_equal(block.missing_mask, ~called)
        assert block.tile.dtype == np.float32
        assert block.tile.flags.c_contiguous
        seen += block.variants.tolist()
    assert seen == variants.tolist()


def test_reading_ahead_on_threads_changes_nothing(genotypes) -> None:
    one = list(GenotypeBlocks(genotypes, size=4))
    four = list(GenotypeBlocks(genotypes, size=4, threads=4))
    for a, b in zip(one, four, strict=True):
        np.testing.assert_array_equal(a.variants, b.variants)
        np.testing.assert_array_equal(a.tile, b.tile)
        assert a.missing_mask is None


def test_a_part_is_one_block_of_the_whole(genotypes) -> None:
    blocks = GenotypeBlocks(genotypes, np.array([3, 4, 9]), size=8)
    part = blocks.part(2)
    assert len(part) == 1
    np.testing.assert_array_equal(part.block(0).tile, blocks.block(2).tile)
    np.testing.assert_array_equal(part.block(0).variants, np.arange(16, 24))


def test_no_variants_are_no_blocks(genotypes) -> None:
    none = GenotypeBlocks(genotypes, variants=np.array([], dtype=np.int64))
    assert (len(none), list(none)) == (0, [])


def test_samples_out_of_order_and_places_out_of_range_are_refused(genotypes) -> None:
    for samples in ([3, 1], [2, 2], [0, 53]):
        with pytest.raises(GeneticsError, match="SC-511"):
            GenotypeBlocks(genotypes, np.array(samples))
    with pytest.raises(GeneticsError, match="SC-511"):
        GenotypeBlocks(genotypes, variants=np.array([27]))
    with pytest.raises(GeneticsError, match=r"SC-511.*a block from 0 to 2"):
        GenotypeBlocks(genotypes, size=10).block(3)
