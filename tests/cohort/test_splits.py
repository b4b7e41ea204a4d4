"""Splits are by person, balanced, repeatable, and verified when read back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spinecast.cohort.leakage import check_leakage
from spinecast.cohort.splits import read_splits, split_people, strata_of, write_splits
from spinecast.errors import SpinecastError
from spinecast.tables import SPLITS, validate


def random_strata(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "person_id": [f"P{i}" for i in range(n)],
            "outcome": rng.choice([0, 1, 2], n, p=[0.87, 0.10, 0.03]),
            "sex": rng.choice(["F", "M", None], n, p=[0.6, 0.35, 0.05]),
            "age_group": rng.integers(-1, 5, n),
        }
    )


@pytest.mark.parametrize("n", [5, 10, 100, 9275])
def test_totals_are_sixty_twenty_twenty(n):
    counts = split_people(random_strata(n, 1), seed=3)["split"].value_counts()
    assert [counts[name] for name in SPLITS] == [n * 3 // 5, n // 5, n // 5]


@given(n=st.integers(1, 300), seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_every_stratum_is_within_two_people_of_its_shares(n, seed):
    strata = random_strata(n, seed)
    joined = strata.merge(split_people(strata, seed=seed), on="person_id", validate="1:1")
    assert len(joined) == n
    nested = (["outcome"], ["outcome", "sex"], ["outcome", "sex", "age_group"])
    for columns in nested:
        for _, part in joined.groupby(columns, dropna=False):
            for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
                assert abs((part["split"] == name).sum() - share * len(part)) < 2


def test_margins_of_a_large_cohort_are_nearly_equal_between_splits():
    strata = random_strata(9276, 5)
    joined = strata.merge(split_people(strata, seed=1), on="person_id")
    for column in ("outcome", "sex", "age_group"):
        shares = joined.groupby("split")[column].value_counts(normalize=True).unstack()
        assert (shares.max() - shares.min()).max() < 0.01, column


def test_balance_is_better_than_that_of_plain_lots():
    strata = random_strata(600, 8)

    def imbalance(split: pd.Series) -> float:
        rates = (strata["outcome"] == 1).groupby(split.to_numpy()).mean()
        return float(rates.max() - rates.min())

    ours = [
        imbalance(strata.merge(split_people(strata, seed=s), on="person_id")["split"])
        for s in range(10)
    ]
    lots = [
        imbalance(pd.Series(np.random.default_rng(s).choice(SPLITS, 600, p=[0.6, 0.2, 0.2])))
        for s in range(10)
    ]
    assert max(ours) < np.median(lots) / 3


def test_equal_seeds_give_equal_splits_whatever_the_order_of_rows():
    strata = random_strata(200, 2)
    shuffled = strata.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(split_people(strata, seed=4), split_people(shuffled, seed=4))


def test_other_seeds_give_other_splits_and_nobody_is_always_in_train():
    strata = random_strata(20, 2)
    runs = [split_people(strata, seed=seed)["split"].to_numpy() for seed in range(60)]
    in_test = (np.array(runs) == "test").mean(axis=0)
    assert (in_test > 0).all()
    assert (in_test < 0.6).all()


def test_a_stratum_of_one_is_in_test_about_every_fifth_time():
    strata = random_strata(101, 2).assign(outcome=0)
    strata.loc[50, "outcome"] = 1
    hits = sum(
        split_people(strata, seed=s).set_index("person_id").loc["P50", "split"] == "test"
        for s in range(200)
    )
    assert 20 <= hits <= 65


def test_folds_are_balanced_within_each_split():
    counts = split_people(random_strata(1000, 3), seed=0, folds=5).groupby(["split", "fold"]).size()
    assert (counts.groupby("split").max() - counts.groupby("split").min() <= 1).all()


def test_a_person_twice_is_refused_and_so_are_impossible_shares():
    strata = random_strata(10, 1)
    for arguments, code in (
        ({"strata": pd.concat([strata, strata])}, "SC-307"),
        ({"strata": strata, "fractions": (0.5, 0.2, 0.2)}, "SC-706"),
        ({"strata": strata, "folds": 0}, "SC-706"),
    ):
        with pytest.raises(SpinecastError) as caught:
            split_people(arguments.pop("strata"), seed=1, **arguments)
        assert caught.value.code == code


def test_strata_come_from_outcome_sex_and_age_and_survive_their_absence(folder):
    strata = strata_of(folder.load())
    assert list(strata.columns) == ["person_id", "outcome", "sex", "age_group"]
    assert set(strata["outcome"]) == {0, 1, 2}
    for table in ("people", "visits", "events"):
        del folder.tables[table]
        (folder.root / f"{table}.csv").unlink()
    unknown = strata_of(folder.load())
    assert set(unknown["outcome"]) == {-1}
    assert set(unknown["age_group"]) == {-1}
    assert len(split_people(unknown, seed=1)) == 24


def test_a_split_file_reads_back_as_written_even_with_strange_ids(tmp_path):
    strata = random_strata(30, 1)
    strata.loc[0:4, "person_id"] = ["=1+1", "-5", "NA", "007", "@x"]
    splits = split_people(strata, seed=1)
    write_splits(tmp_path / "splits.csv", splits)
    read = read_splits(tmp_path / "splits.csv", person_ids=strata["person_id"].tolist())
    pd.testing.assert_frame_equal(read, validate(splits, "splits"))


def test_a_split_file_with_a_person_in_two_splits_is_sc310(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("person_id,split,fold\nA,train,0\nB,test,1\nA,test,2\n")
    with pytest.raises(SpinecastError) as caught:
        read_splits(path)
    assert caught.value.code == "SC-310"


def test_a_split_file_that_lacks_somebody_is_sc310(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("person_id,split,fold\nA,train,0\n")
    with pytest.raises(SpinecastError) as caught:
        read_splits(path, person_ids=["A", "B"])
    assert caught.value.code == "SC-310"
    assert "'B'" in caught.value.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("person_id,fold\nA,0\n", "SC-301"),
        ("person_id,split,fold\nA,tain,0\n", "SC-305"),
        ("person_id,split,fold\nA,train,zero\n", "SC-313"),
    ],
)
def test_a_spoilt_split_file_is_refused_by_code(tmp_path, text, code):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(SpinecastError) as caught:
        read_splits(tmp_path / "splits.csv")
    assert caught.value.code == code


# -- leaks ----------------------------------------------------------------------------------


@given(n=st.integers(6, 80), seed=st.integers(0, 2**31), images=st.integers(1, 4))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_random_cohorts_clean_splits_pass_and_every_planted_leak_is_caught(n, seed, images):
    rng = np.random.default_rng(seed)
    splits = split_people(random_strata(n, seed), seed=seed)
    owner = np.repeat(splits["person_id"].to_numpy(), images)
    index = pd.DataFrame({"person_id": owner, "sha256": [f"h{i}" for i in range(len(owner))]})
    check_leakage(splits, index)

    home = splits["split"].iloc[0]
    other = str(rng.choice([name for name in SPLITS if name != home]))
    moved = splits.iloc[[0]].assign(split=other)
    with pytest.raises(SpinecastError) as caught:
        check_leakage(pd.concat([splits, moved]), index)
    assert caught.value.code == "SC-310"

    elsewhere = splits.loc[splits["split"] != home, "person_id"].iloc[0]
    leaked = index.copy()
    leaked.loc[leaked["person_id"] == elsewhere, "sha256"] = "h0"
    with pytest.raises(SpinecastError) as caught:
        check_leakage(splits, leaked)
    assert caught.value.code == "SC-310"


def test_pixels_not_read_yet_are_no_leak():
    splits = split_people(random_strata(10, 1), seed=1)
    check_leakage(splits, splits.assign(sha256=""))
