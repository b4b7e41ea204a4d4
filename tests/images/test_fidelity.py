"""PSNR and MS-SSIM against another library, a formula by hand, and what they must obey."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from spinecast.errors import ContentError, StatisticsError
from spinecast.images import ms_ssim, psnr
from spinecast.images.fidelity import scales, ssim

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _pair(
    shape: tuple[int, int, int], noise: float, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : shape[1], 0 : shape[2]]
    waves = 0.5 + 0.2 * np.sin(rows / 7.0) + 0.2 * np.cos(columns / 5.0)
    first = np.clip(waves + 0.1 * rng.random(shape), 0, 1)
    second = np.clip(first + noise * rng.standard_normal(shape), 0, 1)
    return first.astype(np.float32), second.astype(np.float32)


@pytest.mark.parametrize("shape", [(2, 256, 192), (1, 320, 256)])
@pytest.mark.parametrize("noise", [0.01, 0.1, 0.4])
def test_ms_ssim_agrees_with_another_library_where_its_padding_hardly_matters(
    shape: tuple[int, int, int], noise: float
) -> None:
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    first, second = _pair(shape, noise)
    count = scales(shape[1:])
    betas = tuple(np.array(WEIGHTS[:count]) / sum(WEIGHTS[:count]))
    theirs = [
        float(
            multiscale_structural_similarity_index_measure(
                torch.from_numpy(first[at][None, None]),
                torch.from_numpy(second[at][None, None]),
                data_range=1.0,
                betas=betas,
                gaussian_kernel=True,
                kernel_size=11,
                sigma=1.5,
                normalize="relu",
            )
        )
        for at in range(shape[0])
    ]
    np.testing.assert_allclose(ms_ssim(first, second), theirs, atol=7e-4)


def _by_the_book(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return MS-SSIM of one pair, written down from the paper with a two-dimensional window."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    count = scales(first.shape)
    weights = np.array(WEIGHTS[:count]) / sum(WEIGHTS[:count])
    product = 1.0
    for scale in range(count):
        mean = [convolve2d(one, window, "valid") for one in (first, second)]
        moment = [
            convolve2d(x * y, window, "valid") - convolve2d(x, window, "valid")
            * convolve2d(y, window, "valid")
            for x, y in ((first, first), (second, second), (first, second))
        ]  # fmt: skip
        term = (2 * moment[2] + 0.03**2) / (moment[0] + moment[1] + 0.03**2)
        if scale == count - 1:
            term *= (2 * mean[0] * mean[1] + 1e-4) / (mean[0] ** 2 + mean[1] ** 2 + 1e-4)
        product *= max(term.mean(), 0.0) ** weights[scale]
        rows, columns = (side // 2 * 2 for side in first.shape)
        first, second = (
            (x[:rows:2, :columns:2] + x[1:rows:2, :columns:2] + x[:rows:2, 1:columns:2]
             + x[1:rows:2, 1:columns:2]) / 4
            for x in (first, second)
        )  # fmt: skip
    return product


@pytest.mark.parametrize("shape", [(2, 192, 96), (2, 64, 32), (1, 177, 201), (1, 45, 23)])
@pytest.mark.parametrize("noise", [0.01, 0.1, 0.4])
def test_ms_ssim_is_the_published_formula_at_every_size(
    shape: tuple[int, int, int], noise: float
) -> None:
    first, second = (one.astype(np.float64) for one in _pair(shape, noise))
    expected = [_by_the_book(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(ms_ssim(first, second), expected, rtol=1e-8)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.4])
def test_psnr_agrees_with_two_other_libraries(noise: float) -> None:
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr

    first, second = _pair((3, 64, 32), noise)
    ours = psnr(first, second)
    for at in range(3):
        theirs = peak_signal_noise_ratio(first[at], second[at], data_range=1.0)
        assert ours[at] == pytest.approx(theirs, abs=1e-4)
        tensors = torch.from_numpy(first[at]), torch.from_numpy(second[at])
        assert ours[at] == pytest.approx(float(torch_psnr(*tensors, data_range=1.0)), abs=1e-3)


def test_psnr_by_hand() -> None:
    first = np.zeros((3, 20, 20))
    second = np.stack([np.full((20, 20), 0.1), np.full((20, 20), 1.0), np.zeros((20, 20))])
    np.testing.assert_allclose(psnr(first, second), [20.0, 0.0, np.inf])


def test_ms_ssim_of_flat_images_is_luminance_alone_by_hand() -> None:
    a, b = 0.3, 0.5
    first, second = np.full((1, 192, 96), a), np.full((1, 192, 96), b)
    luminance = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    weight = WEIGHTS[3] / sum(WEIGHTS[:4])
    assert ms_ssim(first, second)[0] == pytest.approx(luminance**weight, rel=1e-9)


def test_one_scale_is_ordinary_structural_similarity() -> None:
    first, second = _pair((2, 21, 16), 0.1)
    assert scales((21, 16)) == 1
    for at in range(2):
        _, full = structural_similarity(
            first[at].astype(float), second[at].astype(float), data_range=1.0, full=True,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False, truncate=3.5,
        )  # fmt: skip
        expected = max(full[5:-5, 5:-5].mean(), 0)
        assert ms_ssim(first, second)[at] == pytest.approx(expected, abs=1e-6)


def test_equal_images_score_one_and_infinity() -> None:
    first, _ = _pair((2, 64, 48), 0.1)
    np.testing.assert_allclose(ms_ssim(first, first), 1.0, atol=1e-9)
    assert np.isinf(psnr(first, first)).all()


def test_more_noise_scores_lower_and_order_does_not_matter() -> None:
    last = (np.inf, 1.1)
    for noise in (0.02, 0.1, 0.3):
        first, second = _pair((1, 192, 96), noise)
        now = psnr(first, second)[0], ms_ssim(first, second)[0]
        assert now[0] < last[0]
        assert now[1] < last[1]
        assert ms_ssim(second, first)[0] == pytest.approx(now[1], rel=1e-9)
        last = now


def test_opposed_structures_score_zero() -> None:
    first, _ = _pair((1, 64, 32), 0.0)
    assert ms_ssim(first, 1 - first)[0] == 0.0


def test_images_are_scored_one_by_one() -> None:
    first, second = _pair((4, 64, 32), 0.1)
    together = ms_ssim(first, second)
    apart = [ms_ssim(first[at : at + 1], second[at : at + 1])[0] for at in range(4)]
    np.testing.assert_allclose(together, apart, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "count"), [((11, 11), 1), ((21, 90), 1), ((22, 22), 2), ((64, 32), 2),
                         ((192, 96), 4), ((176, 176), 5), ((1024, 512), 5)]
)  # fmt: skip
def test_as_many_scales_as_fit_are_used(shape: tuple[int, int], count: int) -> None:
    assert scales(shape) == count


def test_what_has_no_score_is_refused() -> None:
    first, second = _pair((2, 64, 32), 0.1)
    with pytest.raises(StatisticsError, match="SC-606"):
        psnr(first, second[:1])
    with pytest.raises(StatisticsError, match="SC-606"):
        ms_ssim(first[0], second[0])
    broken = first.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(StatisticsError, match="SC-604"):
        ms_ssim(broken, second)
    with pytest.raises(ContentError, match="SC-206"):
        ms_ssim(first[:, :10], second[:, :10])


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.4])
def test_ssim_agrees_with_another_library_where_its_window_overlaps_fully(noise: float) -> None:
    first, second = (stack.astype(np.float64) for stack in _pair((2, 96, 80), noise))
    theirs = []
    for a, b in zip(first, second, strict=True):
        full = structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0,
            full=True,
        )[1]  # fmt: skip
        theirs.append(full[5:-5, 5:-5].mean())
    np.testing.assert_allclose(ssim(first, second), theirs, atol=1e-6)


def test_ssim_refuses_images_smaller_than_its_window() -> None:
    with pytest.raises(ContentError, match="SC-206"):
        ssim(np.zeros((1, 10, 30)), np.zeros((1, 10, 30)))
