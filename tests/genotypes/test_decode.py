"""2-bit codes: every call comes back, sums are exact, unused bits count for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import GeneticsError
from spinecast.genotypes.decode import (
    centre_dosages,
    count_calls,
    decode_calls,
    decode_centred,
    decode_dosages,
    decode_missing,
    select_samples,
    to_packed,
)


def random_calls(n: int, v: int = 6) -> np.ndarray:
    return np.random.default_rng(n).integers(-1, 3, (v, n)).astype(np.int8)


def test_the_codes_are_those_of_plink() -> None:
    packed = to_packed(np.array([[2, -1, 1, 0, 0]], dtype=np.int8))
    assert packed.tolist() == [[0b11_10_01_00, 0b11]]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 63, 64, 129])
def test_calls_come_back_whatever_the_number_of_samples(n: int) -> None:
    calls = random_calls(n)
    packed = to_packed(calls)
    np.testing.assert_array_equal(decode_calls(packed, n), calls)
    np.testing.assert_array_equal(decode_missing(packed, n), calls < 0)
    expected = np.where(calls < 0, np.nan, calls)
    np.testing.assert_array_equal(decode_dosages(packed, n), expected)
    counted = [[int((row == call).sum()) for call in (2, 1, 0, -1)] for row in calls]
    assert count_calls(packed, n).tolist() == counted


def test_bits_beyond_the_last_sample_count_for_nothing() -> None:
    packed = to_packed(random_calls(5))
    spoilt = packed.copy()
    spoilt[:, 1] |= 0b10_01_11_00
    np.testing.assert_array_equal(count_calls(spoilt, 5), count_calls(packed, 5))
    np.testing.assert_array_equal(decode_centred(spoilt, 5).tile, decode_centred(packed, 5).tile)


def test_some_samples_are_those_samples_in_the_order_asked() -> None:
    calls = random_calls(31)
    for places in ([0], [30], [4, 5, 6, 7], [29, 3, 17, 3, 8], list(range(31))):
        chosen = select_samples(to_packed(calls), np.array(places))
        np.testing.assert_array_equal(chosen, to_packed(calls[:, places]))


def test_a_tile_is_centred_over_those_with_a_call_and_missing_is_zero() -> None:
    calls = random_calls(101)
    centred = decode_centred(to_packed(calls), 101)
    copies = np.where(calls < 0, np.nan, calls.astype(float))
    mean = np.nanmean(copies, axis=1)
    np.testing.assert_allclose(centred.mean, mean, rtol=1e-15)
    np.testing.assert_array_equal(centred.missing, (calls < 0).sum(axis=1))
    deviations = np.nan_to_num(copies - mean[:, None])
    np.testing.assert_allclose(centred.sum_squares, (deviations**2).sum(axis=1), rtol=1e-13)
    # rounded once, from float64: the nearest float32 there is
    np.testing.assert_array_equal(centred.tile, deviations.astype(np.float32))
    assert centred.tile.flags.c_contiguous


def test_hard_calls_given_as_dosages_give_the_same_tile() -> None:
    calls = random_calls(77)
    dosages = np.where(calls < 0, np.nan, calls).astype(np.float32)
    one, other = decode_centred(to_packed(calls), 77), centre_dosages(dosages)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-14)
    np.testing.assert_allclose(one.sum_squares, other.sum_squares, rtol=1e-12)
    np.testing.assert_allclose(one.tile, other.tile, atol=1e-7)
    np.testing.assert_array_equal(one.missing, other.missing)


def test_a_variant_nobody_has_a_call_of_has_no_mean_and_one_that_does_not_vary_no_squares() -> None:
    calls = np.array([[-1, -1, -1], [1, 1, -1]], dtype=np.int8)
    for centred in (
        decode_centred(to_packed(calls), 3),
        centre_dosages(np.where(calls < 0, np.nan, calls).astype(np.float32)),
    ):
        assert np.isnan(centred.mean[0])
        assert centred.mean[1] == 1.0
        assert centred.sum_squares.tolist() == [0.0, 0.0]
        assert not centred.tile.any()


def test_counts_do_not_run_over_in_a_million_samples() -> None:
    n = (1 << 20) + 3
    calls = np.full((1, n), 2, dtype=np.int8)
    calls[0, -1] = 1
    assert count_calls(to_packed(calls), n).tolist() == [[n - 1, 1, 0, 0]]


def test_floats_that_are_whole_are_calls_and_others_are_refused() -> None:
    calls = random_calls(9)
    whole = np.where(calls < 0, np.nan, calls)
    np.testing.assert_array_equal(to_packed(whole), to_packed(calls))
    with pytest.raises(GeneticsError, match=r"SC-515.*fractions"):
        to_packed(np.array([[0.5, 1.0]]))
    for wrong in ([[3, 1]], [[131, 1]], [[259, 0]]):
        with pytest.raises(GeneticsError, match=r"SC-515.*1 numbers above 2"):
            to_packed(np.array(wrong))


def test_codes_of_another_number_of_samples_are_refused() -> None:
    with pytest.raises(GeneticsError, match=r"SC-504.*3 bytes a variant for 9 samples"):
        count_calls(to_packed(random_calls(4)), 9)
