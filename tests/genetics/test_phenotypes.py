from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spinecast.errors import SpinecastError
from spinecast.genetics.phenotypes import PLINK, rank_inverse_normal, read_traits, residualise
from spinecast.genetics.projection import group_traits


def written(tmp_path, text):
    path = tmp_path / "traits.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "#FID\tIID\tbmd\theight\nf\ta\t1.5\tNA\nf\tb\t-9\t170\n",
        "FID IID   bmd height\nf a 1.5 NA\n\nf  b -9 170\n",
        "IID\tbmd\theight\r\na\t1.5\t\r\nb\t-9\t170\r\n",
        "#IID bmd height\na 1.5 .\nb -9 170",
        "\ufeffIID bmd height\na 1.5 nan\nb -9 170",
    ],
)
def test_tables_of_plink_and_regenie_are_read_alike(tmp_path, text):
    table = read_traits(written(tmp_path, text))
    assert list(table.index) == ["a", "b"]
    assert list(table.columns) == ["bmd", "height"]
    assert table.dtypes.eq(float).all()
    assert np.array_equal(table.to_numpy(), [[1.5, np.nan], [-9, 170]], equal_nan=True)


def test_ids_stay_text_and_digits_stay_exact(tmp_path):
    table = read_traits(written(tmp_path, "IID t\n007 0.1234567890123456\nNA 1e-5\n"))
    assert list(table.index) == ["007", "NA"]
    assert table["t"].tolist() == [0.1234567890123456, 1e-5]


def test_tabs_and_blanks_between_cells_give_the_same_bits(tmp_path):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(40, 3)) * 10.0 ** rng.integers(-9, 9, (40, 3))
    lines = [f"p{k} {a!r} {b!r} NA" for k, (a, b, _) in enumerate(values.tolist())]
    text = "IID a b c\n" + "\n".join(lines) + "\n"
    blanks, tabs = (read_traits(written(tmp_path, t)) for t in (text, text.replace(" ", "\t")))
    assert blanks.equals(tabs)
    assert tabs[["a", "b"]].to_numpy().tolist() == values[:, :2].tolist()
    assert tabs["c"].isna().all()


def test_chosen_traits_come_in_the_order_asked_for(tmp_path):
    path = written(tmp_path, "IID a b c\nx 1 2 3\n")
    assert read_traits(path, names=["c", "a"]).to_numpy().tolist() == [[3, 1]]


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("ID t\na 1\n", "SC-530", "IID"),
        ("IID\na\n", "SC-530", "none"),
        ("IID t t\na 1 2\n", "SC-530", "t twice"),
        ("IID\tt\t\na\t1\t2\n", "SC-530", "without a name"),
        ("IID t\n", "SC-530", "1 lines"),
        ("", "SC-530", "0 lines"),
        ("IID t u\na 1 2\nb 1\n", "SC-530", "line 3"),
        ("IID t\na 1 7\n", "SC-530", "line 2"),
        (b"IID t\na \xff\n", "SC-530", "UTF-8"),
        ("IID t\na 1\0\n", "SC-530", "zero bytes"),
        ("IID t\na 1\na 2\n", "SC-531", "'a'"),
        ("IID t\na 1\nb tall\nc 2\n", "SC-532", "line 3"),
        ("IID t\na inf\n", "SC-532", "inf"),
        ("IID\tt\na\t1\nb\tinf\n", "SC-532", "line 3"),
        ("IID\tt\na\t1\nb\ttall\n", "SC-532", "tall"),
        ("IID\tt\na\t1\na\t2\n", "SC-531", "'a'"),
        ("IID t\na True\nb False\n", "SC-532", "True"),
        ('IID t\na "1\nb 2\n', "SC-532", "line 2"),
    ],
)
def test_a_broken_table_is_refused_with_its_place(tmp_path, text, code, hint):
    with pytest.raises(SpinecastError) as caught:
        read_traits(written(tmp_path, text))
    assert caught.value.code == code
    assert hint in caught.value.message


def test_an_unknown_trait_is_named_beside_those_there_are(tmp_path):
    with pytest.raises(SpinecastError, match=r"SC-537.*one of bmd, got hip"):
        read_traits(written(tmp_path, "IID bmd\na 1\n"), names=["hip"])


def test_residuals_are_those_of_least_squares_among_the_people_who_have_the_trait():
    rng = np.random.default_rng(0)
    traits, covariates = rng.normal(size=(80, 4)), rng.normal(size=(80, 3))
    traits[rng.random(traits.shape) < 0.2] = np.nan
    residuals = residualise(traits, covariates)
    design = np.column_stack([np.ones(80), covariates])
    for trait, found in zip(traits.T, residuals.T, strict=True):
        known = ~np.isnan(trait)
        fitted = design[known] @ np.linalg.lstsq(design[known], trait[known], rcond=None)[0]
        assert found[known] == pytest.approx(trait[known] - fitted, abs=1e-12)
        assert np.isnan(found[~known]).all()


def test_a_covariate_that_is_constant_among_the_people_of_a_trait_costs_no_degree_of_freedom():
    rng = np.random.default_rng(1)
    sex = np.repeat([0.0, 1.0], 30)
    traits = rng.normal(size=(60, 2))
    traits[sex == 0, 1] = np.nan
    both, women = group_traits(traits, np.column_stack([sex, 2 - sex]))
    assert both.degrees_of_freedom == 60 - 2 - 1
    assert women.degrees_of_freedom == 30 - 1 - 1


def test_ranks_become_normal_quantiles_and_ties_share_one():
    values = np.array([3.0, np.nan, 1.0, 3.0, 10.0])
    found = rank_inverse_normal(values)
    ranks = np.array([2.5, 1.0, 2.5, 4.0])
    assert found[[0, 2, 3, 4]] == pytest.approx(stats.norm.ppf((ranks - 0.375) / 4.25))
    assert np.isnan(found[1])
    two = rank_inverse_normal(np.column_stack([values, -values]), offset=PLINK)
    assert two[:, 0] == pytest.approx(-two[:, 1], nan_ok=True)


@pytest.mark.parametrize(
    ("traits", "covariates", "code"),
    [
        (np.ones((9, 1)), np.empty((9, 0)), "SC-534"),
        (np.arange(9.0)[:, None], np.arange(9.0)[:, None], "SC-534"),
        (np.where(np.arange(9.0) < 7, np.nan, np.arange(9.0))[:, None], np.eye(9)[:, :2], "SC-534"),
        (np.arange(9.0)[:, None], np.full((9, 1), np.nan), "SC-533"),
        (np.arange(9.0)[:, None], np.ones((8, 1)), "SC-533"),
    ],
)
def test_traits_and_covariates_that_cannot_be_used_are_refused(traits, covariates, code):
    with pytest.raises(SpinecastError) as caught:
        residualise(traits, covariates)
    assert caught.value.code == code


def test_an_offset_out_of_range_is_refused():
    with pytest.raises(SpinecastError, match="SC-536"):
        rank_inverse_normal(np.arange(4.0), offset=1.0)
