"""Loci gathered, looked up elsewhere and compared, as users meet them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from spinecast.cli import app
from spinecast.errors import SpinecastError
from spinecast.genetics.summary_statistics import Provenance, write_gwas_ssf

from .association_tables import associations

RUNNER = CliRunner()
SIZE = 600
PEAKS = (50, 200, 420)


def spinecast(*words: object) -> Result:
    return RUNNER.invoke(app, [str(word) for word in words])


def scan(path, peaks, *, seed, build="GRCh38", change=None):
    """A scan whose z-scores are 8 at the peaks, or what ``peaks`` says."""
    z = np.random.default_rng(seed).normal(size=SIZE).clip(-3, 3)
    for place, height in dict(peaks).items():
        z[place] = height
    table = associations(SIZE, seed=7, z=z)
    table = table if change is None else change(table)
    write_gwas_ssf(path, table, Provenance(build=build, trait=path.stem, samples=5000))
    return path


def turned(table):
    """The same associations told for the other allele."""
    swapped = {"effect_allele": "other_allele", "other_allele": "effect_allele"}
    return table.rename(columns=swapped).assign(beta=-table["beta"])


@pytest.fixture
def first(tmp_path):
    return scan(tmp_path / "first.tsv", dict.fromkeys(PEAKS, 8.0), seed=1)


@pytest.fixture
def known(tmp_path):
    row = associations(SIZE, seed=7).iloc[list(PEAKS)]
    path = tmp_path / "known.csv"
    row[["chromosome", "base_pair_location", "variant_id"]].to_csv(path, index=False)
    return path


def test_loci_say_what_is_known_and_what_others_find(first, known, tmp_path):
    known.write_text("\n".join(known.read_text().splitlines()[:2]) + "\n")
    other = scan(tmp_path / "other.tsv", {50: 5.0, 200: 2.0, 420: -5.0}, seed=2, change=turned)
    result = spinecast("loci", "--sumstats", first, "--known", known, "--replication", other,
                       "--out", tmp_path / "out")  # fmt: skip
    assert result.exit_code == 0, result.output
    loci = pd.read_csv(tmp_path / "out/loci.csv")
    assert loci["variant_id"].tolist() == [f"rs{place + 1}" for place in PEAKS]
    assert loci["known"].tolist() == [True, False, False]
    assert loci["replication_same_sign"].tolist() == [True, True, False]
    assert loci["replication_nominal"].tolist() == [True, True, False]
    assert loci["replication_bonferroni"].tolist() == [True, False, False]
    flow = json.loads((tmp_path / "out/flow.json").read_text())["loci"]
    assert (flow["given"], flow["used"], flow["known"]) == (3, 3, 1)
    assert flow["replicated after Bonferroni"] == 1
    assert "replicated at p < 0.05 2" in result.output


def test_loci_of_several_traits_keep_each_other_apart(first, tmp_path):
    second = scan(tmp_path / "second.tsv", {50: 9.0}, seed=3)
    other = scan(tmp_path / "other.tsv", {50: 6.0}, seed=4)
    spinecast("loci", "--sumstats", first, "--sumstats", second, "--replication", other,
              "--most", 2, "--out", tmp_path / "out")  # fmt: skip
    loci = pd.read_csv(tmp_path / "out/loci.csv")
    assert loci["trait"].tolist() == ["first", "first", "second"]
    assert loci["replication_beta"].iloc[2] == loci["replication_beta"].iloc[0]


def test_blocks_give_one_lead_each_from_the_lowest_p_up(tmp_path):
    path = scan(tmp_path / "s.tsv", {40: 6.0, 45: 8.0, 120: 9.0}, seed=1)
    spinecast("loci", "--sumstats", path, "--block", "1000kb", "--p", "1e-5",
              "--out", tmp_path / "out")  # fmt: skip
    loci = pd.read_csv(tmp_path / "out/loci.csv")
    assert loci["variant_id"].tolist() == ["rs121", "rs46"]


def test_no_loci_leave_an_empty_table(tmp_path):
    path = scan(tmp_path / "s.tsv", {}, seed=1)
    result = spinecast("loci", "--sumstats", path, "--replication", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert len(pd.read_csv(tmp_path / "out/loci.csv")) == 0


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"build": "GRCh37"}, "SC-552"),
        ({"change": lambda t: t.assign(effect_allele="A", other_allele="AT")}, "SC-553"),
    ],
)
def test_other_builds_and_clashing_alleles_are_refused(first, tmp_path, settings, code):
    other = scan(tmp_path / "other.tsv", {50: 6.0}, seed=4, **settings)
    commands = (["loci", "--sumstats", first, "--replication", other],
                ["gwas-compare", "--sumstats", first, "--sumstats", other])  # fmt: skip
    for words in commands:
        result = spinecast(*words, "--out", tmp_path / "out")
        assert isinstance(result.exception, SpinecastError)
        assert result.exception.code == code
        assert not (tmp_path / "out").exists()


def test_two_scans_are_compared_in_numbers_a_picture_and_a_page(first, known, tmp_path):
    better = scan(tmp_path / "better.tsv", dict.fromkeys(PEAKS, 12.0), seed=5)
    out = tmp_path / "out"
    result = spinecast("gwas-compare", "--sumstats", first, "--sumstats", better, "--known", known,
                       "--out", out)  # fmt: skip
    assert result.exit_code == 0, result.output
    estimates = pd.read_csv(out / "estimates.csv").set_index("term")
    assert set(estimates["analysis"]) == {"compare/first and better"}
    ratio = estimates.loc["effective_sample_size_ratio"]
    assert ratio["estimate"] == pytest.approx(143 / 63, rel=0.01)
    assert estimates.loc["loci_shared", "estimate"] == 3
    assert pd.read_csv(out / "known.csv")["second"].tolist() == pytest.approx([144.0] * 3, rel=0.01)
    assert len(pd.read_csv(out / "loci.csv")) == 6
    page = (out / "index.html").read_text()
    assert (out / "miami.svg").is_file()
    assert "3 of 3 known variants" in page
    assert "effective sample size, better over first" in page
    assert "SIMULATED" not in page
