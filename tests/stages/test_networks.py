"""Which films of a person teach what follows what."""

import numpy as np
import pandas as pd
import pytest

from spinecast.stages.networks import training_pairs


def films(years, *, visit=(0, 1, 2), region="TL"):
    return pd.DataFrame(
        {
            "person_id": "P1",
            "region": region,
            "visit": list(visit),
            "years_since_baseline": years,
        }
    )


def test_dated_films_are_paired_by_their_years():
    pairs = training_pairs(films([0.0, 2.0, 5.0]))
    found = zip(pairs.baseline, pairs.follow_up, pairs.years, strict=True)
    assert sorted(found) == [(0, 1, 2.0), (0, 2, 5.0), (1, 2, 3.0)]


@pytest.mark.parametrize("first", [0.0, np.nan])
def test_undated_films_are_paired_by_the_order_of_visits_and_no_years_are_claimed(first):
    """A baseline is at 0 years even where no other film has a date."""
    pairs = training_pairs(films([first, np.nan, np.nan]))
    assert sorted(zip(pairs.baseline, pairs.follow_up, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert np.isnan(pairs.years).all()


def test_films_of_other_regions_are_not_paired():
    pairs = training_pairs(films([0.0, 2.0, 5.0], region=["TL", "LS", "TL"]))
    assert list(zip(pairs.baseline, pairs.follow_up, strict=True)) == [(0, 2)]
