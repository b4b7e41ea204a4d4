from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes.qfracture import DISCLAIMER, factors, qfracture


def people(**columns):
    return pd.DataFrame({"age": [65.0, 65.0], "bmi": [25.0, 25.0], **columns})


def test_the_published_calculators_risks_of_a_woman_and_a_man_without_factors():
    found = qfracture(people(), ["F", "M"])
    np.testing.assert_allclose(found.major, [0.045465, 0.013188], atol=5e-7)
    np.testing.assert_allclose(found.hip, [0.011856, 0.005653], atol=5e-7)
    assert set(found.assumed_absent) == {"ethnicity", "smoking", "alcohol", *factors()}
    assert found.disclaimer == DISCLAIMER
    assert "ClinRisk" in DISCLAIMER


def linear(risk, baseline):
    return np.log(np.log1p(-risk) / np.log(baseline))


def test_factors_add_up_on_the_scale_of_the_hazard_as_published():
    # The sums, written out for a woman with falls, light smoking, Indian.
    plain = qfracture(people(), ["F", "F"])
    table = people(falls=[1, 0], smoking=[2, 0], ethnicity=[2, 1])
    found = qfracture(table, ["F", "F"])
    moved = linear(found.major, 0.983377099037170) - linear(plain.major, 0.983377099037170)
    expected = 0.45050182307809483 + 0.095152541415019262 - 0.28759173674504862
    np.testing.assert_allclose(moved, [expected, 0.0], atol=1e-9)


def test_age_and_bmi_follow_their_powers():
    table = pd.DataFrame({"age": [50.0, 80.0], "bmi": [20.0, 35.0]})
    found = linear(qfracture(table, ["M", "M"]).hip, 0.999112963676453)
    age, bmi = np.array([5.0, 8.0]), np.array([2.0, 3.5])
    expected = (
        0.0470956645 * (age**3 - 117.37698364)
        - 0.01732325412 * (age**3 * np.log(age) - 186.44906617)
        + 6.9051198986 * (bmi**-2 - 0.142089113593)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("factor", [f for f in factors() if f != "oestrogen"])
def test_every_factor_raises_the_risk_of_at_least_one_sex(factor):
    with_it = qfracture(people(**{factor: [1, 1]}), ["F", "M"])
    without = qfracture(people(**{factor: [0, 0]}), ["F", "M"])
    assert (with_it.major - without.major).max() > 0
    assert ((with_it.hip - without.hip) >= 0).all()


def test_bmi_beyond_the_published_range_is_moved_to_its_limit_and_said():
    table = pd.DataFrame({"age": [65.0, 65.0], "bmi": [17.0, 20.0]})
    found = qfracture(table, ["F", "F"])
    assert found.major[0] == found.major[1]
    assert found.bmi_at_limit.tolist() == [True, False]
    assert found.to_frame()["bmi_at_limit"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("columns", "sex", "code"),
    [
        ({"age": [29.0, 65.0]}, ["F", "M"], "SC-611"),
        ({"falls": [1, 2]}, ["F", "M"], "SC-611"),
        ({"smoking": [0.5, 0]}, ["F", "M"], "SC-611"),
        ({"ethnicity": [0, 1]}, ["F", "M"], "SC-611"),
        ({"falls": [1, np.nan]}, ["F", "M"], "SC-604"),
        ({}, ["F", "female"], "SC-611"),
        ({}, ["F"], "SC-606"),
    ],
)
def test_what_the_score_is_not_defined_for_is_refused(columns, sex, code):
    with pytest.raises(SpinecastError, match=code):
        qfracture(people(**columns), sex)
