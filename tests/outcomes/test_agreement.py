from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import bland_altman, icc, lins_concordance, sign_agreement


def pair(seed, n=80, bias=0.3, noise=0.5):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    return truth + bias + noise * rng.normal(size=n), truth + noise * rng.normal(size=n)


def test_bias_and_limits_are_mean_and_spread_of_the_differences():
    a, b = pair(0)
    found = bland_altman(a, b)
    d = a - b
    assert found.bias.estimate == pytest.approx(d.mean())
    assert found.sd == pytest.approx(d.std(ddof=1))
    assert found.upper_limit.estimate == pytest.approx(d.mean() + 1.959964 * d.std(ddof=1))
    assert found.lower_limit.ci_low < found.lower_limit.estimate < found.lower_limit.ci_high
    assert found.to_frame()["term"].tolist() == [
        "bias", "sd", "lower_limit", "upper_limit", "proportional_bias",
    ]  # fmt: skip


def test_limits_of_agreement_have_the_error_they_show():
    limits = [bland_altman(*pair(seed)).upper_limit for seed in range(400)]
    spread = np.std([x.estimate for x in limits])
    assert np.mean([x.standard_error for x in limits]) == pytest.approx(spread, rel=0.1)


def test_a_difference_that_grows_with_size_is_found():
    rng = np.random.default_rng(1)
    truth = rng.uniform(1, 5, 100)
    found = bland_altman(1.3 * truth + 0.1 * rng.normal(size=100), truth)
    assert found.proportional_bias.p_value < 1e-10
    assert found.proportional_bias.estimate > 0


def test_repeated_pairs_of_one_person_do_not_shrink_the_error():
    rng = np.random.default_rng(2)
    shift = np.repeat(rng.normal(size=30), 10)
    a, b = shift + 0.1 * rng.normal(size=300), np.zeros(300)
    people = np.repeat(np.arange(30), 10)
    naive, honest = bland_altman(a, b), bland_altman(a, b, subject=people)
    assert honest.subjects == 30
    assert honest.bias.standard_error > 2.5 * naive.bias.standard_error
    assert honest.sd == pytest.approx(np.sqrt(shift[::10].var(ddof=1) + 0.01), rel=0.05)


def test_one_pair_per_person_is_no_repetition():
    a, b = pair(3)
    plain, labelled = bland_altman(a, b), bland_altman(a, b, subject=np.arange(80))
    assert labelled.sd == pytest.approx(plain.sd)
    assert labelled.bias.standard_error == pytest.approx(plain.bias.standard_error)


def test_icc_of_shrout_and_fleiss_like_table():
    # McGraw and Wong: a constant shift lowers agreement, not consistency.
    a, _ = pair(4)
    assert icc(a, a + 5, kind="consistency").estimate == pytest.approx(1.0)
    assert icc(a, a + 5).estimate < 0.2
    assert icc(a, a).estimate == pytest.approx(1.0)


def test_icc_is_the_variance_ratio_and_its_limits_cover():
    truth, hits, estimates = 1 / (1 + 0.25), 0, []
    for seed in range(300):
        found = icc(*pair(seed, bias=0.0))
        estimates.append(found.estimate)
        hits += found.ci_low <= truth <= found.ci_high
    assert np.mean(estimates) == pytest.approx(truth, abs=0.01)
    assert 0.91 <= hits / 300 <= 0.985


def test_consistency_is_the_anova_formula():
    a, b = pair(5)
    rows, noise = 2 * ((a + b) / 2).var(ddof=1), (a - b).var(ddof=1) / 2
    assert icc(a, b, kind="consistency").estimate == pytest.approx((rows - noise) / (rows + noise))


def test_lins_coefficient_is_its_formula_and_its_limits_cover():
    a, b = pair(6)
    cov = np.cov(a, b, bias=True)
    expected = 2 * cov[0, 1] / (cov[0, 0] + cov[1, 1] + (a.mean() - b.mean()) ** 2)
    assert lins_concordance(a, b).estimate == pytest.approx(expected)
    truth, hits = 2 / (2 * 1.25 + 0.09), 0
    for seed in range(300):
        found = lins_concordance(*pair(seed))
        hits += found.ci_low <= truth <= found.ci_high
    assert 0.91 <= hits / 300 <= 0.985
    assert lins_concordance(a, a).estimate == pytest.approx(1.0)


def test_signs_are_counted_without_zeros_and_tested_against_one_half():
    found = sign_agreement([1, -1, 2, 0, 3], [2, -3, -1, 1, 0])
    assert found.estimate == pytest.approx(2 / 3)
    assert found.p_value == pytest.approx(1.0)
    many = sign_agreement(np.ones(20), np.ones(20))
    assert many.p_value == pytest.approx(2 * 0.5**20)
    assert many.ci_high == 1.0


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("SC-609", lambda: bland_altman([1, 2], [1, 2])),
        ("SC-609", lambda: bland_altman([1, 2, 3], [1, 2, 4], subject=["a", "a", "b"])),
        ("SC-606", lambda: icc([1, 2, 3], [1, 2])),
        ("SC-603", lambda: icc([1, 1, 1], [1, 1, 1])),
        ("SC-603", lambda: lins_concordance([1, 1, 1, 1], [1, 2, 3, 4])),
        ("SC-610", lambda: icc([1, 2, 3], [1, 2, 4], kind="one")),
        ("SC-604", lambda: sign_agreement([1, np.nan], [1, 2])),
        ("SC-609", lambda: sign_agreement([0, 0], [1, 2])),
    ],
)
def test_degenerate_input_raises_its_code(code, call):
    with pytest.raises(SpinecastError, match=code):
        call()
