"""Trait and covariate files for other tools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics.peer_files import write_peer_files

IDS = pd.Index(["a", "b", "c"], name="sample_id")
TRAITS = pd.DataFrame({"bmd": [0.123456789, np.nan, -1.5], "score": [1.0, 2.0, 3.0]}, index=IDS)
COVARIATES = pd.DataFrame({"age": [60.0, 70.0], "sex": [1.0, 2.0]}, index=["c", "a"])


@pytest.mark.parametrize("peer", ["regenie", "bolt"])
def test_two_files_start_with_both_ids_and_share_their_order(tmp_path, peer):
    files = write_peer_files(tmp_path, TRAITS, COVARIATES, peer=peer, families={"a": "F1"})
    assert [path.name for path in files] == ["traits.txt", "covariates.txt"]
    assert files[0].read_text() == ("FID IID bmd score\nF1 a 0.123456789 1\nb b NA 2\nc c -1.5 3\n")
    assert files[1].read_text() == "FID IID age sex\nF1 a 70 2\nb b NA NA\nc c 60 1\n"


def test_saige_gets_one_file_with_both(tmp_path):
    (path,) = write_peer_files(tmp_path, TRAITS, COVARIATES, peer="saige")
    assert path.read_text().splitlines()[:2] == [
        "IID bmd score age sex", "a 0.123456789 1 70 2",
    ]  # fmt: skip


def test_covariates_may_be_absent(tmp_path):
    assert len(write_peer_files(tmp_path, TRAITS, peer="regenie")) == 1


@pytest.mark.parametrize(
    ("traits", "peer"),
    [
        (TRAITS.rename(columns={"bmd": "bone density"}), "regenie"),
        (TRAITS.rename(index={"a": "a b"}), "regenie"),
        (TRAITS.rename(index={"a": "b"}), "regenie"),
        (TRAITS.rename(columns={"bmd": "age"}), "saige"),
        (TRAITS.assign(bmd=["x", "y", "z"]), "regenie"),
        (TRAITS.assign(bmd=np.inf), "regenie"),
        (TRAITS.assign(bmd=-9.0), "bolt"),
    ],
)
def test_what_the_tool_would_misread_is_refused(tmp_path, traits, peer):
    with pytest.raises(SpinecastError) as caught:
        write_peer_files(tmp_path, traits, COVARIATES, peer=peer)
    assert caught.value.code == "SC-560"
    assert not list(tmp_path.iterdir())


def test_minus_nine_is_a_number_for_regenie(tmp_path):
    (path,) = write_peer_files(tmp_path, TRAITS.assign(bmd=-9.0), peer="regenie")
    assert "a a -9 1" in path.read_text()


def test_an_unknown_tool_is_refused(tmp_path):
    with pytest.raises(SpinecastError) as caught:
        write_peer_files(tmp_path, TRAITS, peer="gcta")
    assert caught.value.code == "SC-558"
