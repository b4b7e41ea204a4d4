"""Table 1 holds the numbers of the tableone package, and sane ones at the edges."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from spinecast.cohort.table_one import table_one

CONTINUOUS = ["age", "bmi"]
CATEGORICAL = ["sex", "smoking", "region"]


def people(n: int = 300, groups: int = 2, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    frame = pd.DataFrame(
        {
            "group": group,
            "age": rng.normal(65 + group, 8, n),
            "bmi": rng.normal(24, 3, n),
            "sex": rng.choice(["F", "M"], n, p=[0.66, 0.34]),
            "smoking": rng.choice([0.0, 1.0], n, p=[0.85, 0.15]),
            "region": rng.choice(["LS", "TL", "WHOLE"], n),
        }
    )
    frame.loc[rng.random(n) < 0.1, "bmi"] = np.nan
    return frame


def oracle(frame: pd.DataFrame, **settings: object):
    tableone = pytest.importorskip("tableone")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tableone.TableOne(
            frame,
            columns=CONTINUOUS + CATEGORICAL,
            continuous=CONTINUOUS,
            categorical=CATEGORICAL,
            groupby="group",
            pval=True,
            smd=True,
            include_null=False,
            decimals=6,
            pval_digits=8,
            **settings,
        )


def ours(frame: pd.DataFrame) -> pd.DataFrame:
    return table_one(frame, continuous=CONTINUOUS, categorical=CATEGORICAL, group="group")


@pytest.mark.parametrize("groups", [2, 3])
def test_means_counts_and_p_values_equal_those_of_tableone(groups):
    frame = people(groups=groups)
    table = oracle(frame)
    mine = ours(frame)
    p_values = table.htest_table["P-Value"]
    for name in CONTINUOUS:
        row = mine[mine["variable"] == name].iloc[0]
        assert row["p_value"] == pytest.approx(p_values[name], rel=1e-10)
        for group in ("overall", *range(groups)):
            part = frame if group == "overall" else frame[frame["group"] == group]
            label = "Overall" if group == "overall" else str(group)
            cells = table.tableone.droplevel(0, axis=1)
            shown = cells.loc[next(i for i in cells.index if i[0].startswith(f"{name},")), label]
            mean, sd = shown.replace("(", "").replace(")", "").split()
            assert row[f"{group} mean"] == pytest.approx(float(mean), abs=1e-6)
            assert row[f"{group} sd"] == pytest.approx(float(sd), abs=1e-6)
            assert row[f"{group} mean"] == pytest.approx(part[name].mean())
        assert row["missing"] == frame[name].isna().sum()
    for name in CATEGORICAL:
        rows = mine[mine["variable"] == name]
        assert rows["p_value"].iloc[0] == pytest.approx(p_values[name], rel=1e-10)
        assert rows["overall n"].tolist() == frame[name].value_counts().sort_index().tolist()
        assert rows["overall percent"].sum() == pytest.approx(100)


def test_standardised_differences_equal_those_of_tableone():
    frame = people()
    smds = oracle(frame).smd_table.iloc[:, 0].astype(float)
    mine = ours(frame).drop_duplicates("variable").set_index("variable")["smd"]
    for name in CONTINUOUS + CATEGORICAL:
        assert mine[name] == pytest.approx(smds[name], abs=5e-4), name


def test_small_two_by_two_tables_use_fishers_exact_test():
    frame = people(n=24)
    frame["smoking"] = [1.0] * 3 + [0.0] * 21
    table = oracle(frame)
    row = ours(frame).query("variable == 'smoking'").iloc[0]
    assert row["test"] == "Fisher's exact"
    assert row["p_value"] == pytest.approx(table.htest_table["P-Value"]["smoking"])


def test_of_three_groups_the_largest_difference_is_shown():
    frame = people(groups=3)
    frame.loc[frame["group"] == 2, "age"] += 20
    row = ours(frame).query("variable == 'age'").iloc[0]
    parts = [frame.loc[frame["group"] == g, "age"] for g in range(3)]
    scale = np.sqrt((parts[0].var() + parts[2].var()) / 2)
    assert row["smd"] == pytest.approx((parts[2].mean() - parts[0].mean()) / scale)
    assert row["test"] == "analysis of variance"


def test_without_groups_there_is_no_test():
    table = table_one(people(), continuous=["age"], categorical=["sex"])
    assert table["p_value"].isna().all()
    assert "overall mean" in table
    assert table.loc[0, "overall n"] == 300


def test_columns_of_unknowns_constants_and_single_people_do_no_harm():
    frame = people(n=12).assign(age=np.nan, bmi=24.0, sex=None, smoking=0.0)
    table = ours(frame)
    assert table.query("variable == 'age'")["missing"].iloc[0] == 12
    assert table.query("variable == 'bmi'")["p_value"].isna().all()
    assert table.query("variable == 'sex'").empty
    single = frame.iloc[[0]].assign(age=70.0)
    assert ours(single).query("variable == 'age'")["overall sd"].iloc[0] == 0


def test_unknown_categories_are_counted_as_missing_not_as_a_level():
    frame = people(n=50)
    frame.loc[:4, "sex"] = None
    frame.loc[5:9, "region"] = ""
    table = ours(frame)
    assert table.query("variable == 'sex'")["missing"].iloc[0] == 5
    assert table.query("variable == 'region'")["missing"].iloc[0] == 5
    assert set(table.query("variable == 'region'")["level"]) == {"LS", "TL", "WHOLE"}
