from __future__ import annotations

import time
from functools import partial

import numpy as np
import pandas as pd
import psutil
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics import gwas_parts
from spinecast.genetics.associations import validate_associations
from spinecast.genetics.gwas import estimate_gwas_memory, run_gwas
from spinecast.genetics.gwas_parts import ScanSettings
from spinecast.genetics.scan import linear_scan
from spinecast.genetics.whole_genome import whole_genome_model

from .small_study import gathered, make_study

EXACT = ScanSettings(missing="exact", block=16)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))


def run(study, folder, **changes):
    settings = {"folder": folder, "settings": EXACT, **changes}
    return run_gwas(study.genotypes, study.trait_table(), study.covariate_table(), **settings)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_each_trait_gets_a_file_of_what_the_scan_found(study, tmp_path):
    result = run(study, tmp_path / "out")
    found = gathered(linear_scan(study.blocks(), study.traits, study.covariates, missing="exact"))
    assert list(result.files) == ["T0", "T1", "T2"]
    for k, path in enumerate(result.files.values()):
        table = pd.read_parquet(path)
        assert len(validate_associations(table)) == len(study.copies) - 1
        kept = np.delete(np.arange(len(study.copies)), 7)
        assert list(table["variant_id"]) == [f"v{v}" for v in kept]
        assert table["beta"].to_numpy() == pytest.approx(found["beta"][kept, k], rel=1e-9)
        assert table["p_value"].to_numpy() == pytest.approx(10 ** -found["log10_p"][kept, k])
        assert table["n"].tolist() == found["n"][kept, k].tolist()
        assert table["chromosome"].tolist() == ["1"] * 99 + ["2"] * 100
    assert result.summary["dropped"].tolist() == [1, 1, 1]
    assert result.summary["people"].tolist() == (~np.isnan(study.traits)).sum(axis=0).tolist()
    assert not (tmp_path / "out" / "gwas.partial").exists()


@pytest.mark.filterwarnings("ignore")
def test_processes_write_the_bytes_of_threads_though_a_worker_is_killed(
    study, tmp_path, monkeypatch
):
    monkeypatch.setattr("spinecast.genetics.gwas_plan._PART_VARIANTS", 16)
    run(study, tmp_path / "threads")
    killed, totals = [], []

    def kill_one(done, total):
        totals.append(total)
        if killed:
            return
        spawned = psutil.Process().children(recursive=True)
        workers = [p for p in spawned if any("spawn_main" in word for word in p.cmdline())]
        killed.append(workers[0].pid)
        workers[0].kill()

    run(study, tmp_path / "processes", cluster="processes:2", progress=kill_one)
    assert killed
    assert totals[0] == 14
    assert contents(tmp_path / "threads") == contents(tmp_path / "processes")


def test_a_second_start_keeps_the_parts_that_are_there(study, tmp_path, monkeypatch):
    whole = run(study, tmp_path / "whole")
    write = gwas_parts.write_part

    def failing(target, blocks):
        if target.name.startswith("scan-2"):
            while not target.with_name("scan-1-00000.parquet").exists():
                time.sleep(0.01)
            raise OSError("no space left")
        write(target, blocks)

    monkeypatch.setattr(gwas_parts, "write_part", failing)
    with pytest.raises(OSError, match="no space") as caught:
        run(study, tmp_path / "torn")
    assert "while testing chromosome" in caught.value.__notes__[0]
    monkeypatch.setattr(gwas_parts, "write_part", write)
    said, steps = [], []
    again = run(
        study, tmp_path / "torn", announce=said.append, progress=lambda *step: steps.append(step)
    )
    assert "1 are there already" in said[0]
    assert "GiB of memory" in said[0]
    assert steps[-1] == (1, 1)
    assert contents(tmp_path / "torn") == contents(tmp_path / "whole")
    assert again.summary.equals(whole.summary)


def test_a_finished_scan_is_read_and_not_run_again(study, tmp_path, monkeypatch):
    first = run(study, tmp_path)
    monkeypatch.setattr(gwas_parts, "write_part", None)
    second = run(study, tmp_path)
    assert second.summary.equals(first.summary)
    assert second.flow == first.flow


def test_other_settings_throw_the_old_results_away(study, tmp_path):
    run(study, tmp_path)
    before = contents(tmp_path)
    some = study.trait_table()[["T2"]]
    run_gwas(study.genotypes, some, study.covariate_table(), folder=tmp_path, settings=EXACT)
    after = contents(tmp_path)
    assert set(after) == {"T2.parquet", "gwas.json"}
    assert after["T2.parquet"] == before["T2.parquet"]


def test_people_are_joined_by_id_and_everybody_else_is_counted(study, tmp_path):
    traits = study.trait_table().sample(frac=1, random_state=1).iloc[:-5]
    traits.loc["stranger"] = 0.0
    covariates = study.covariate_table().iloc[3:]
    covariates.iloc[4, 1] = np.nan
    result = run_gwas(
        study.genotypes, traits, covariates, folder=tmp_path, settings=EXACT,
        samples=np.arange(2, 240),
    )  # fmt: skip
    flow = result.flow
    assert flow["genotyped"] == 240
    assert flow["not in the list of people"] == 2
    assert flow["a covariate missing"] == 1
    assert flow["in the table of traits without genotypes"] == 1
    gone = ("not in the list of people", "not in the table of traits",
            "not in the table of covariates", "a covariate missing", "analysed")  # fmt: skip
    assert sum(flow[label] for label in gone) == 240
    kept = study.genotypes.samples["sample_id"].isin(traits.index).to_numpy()
    kept &= study.genotypes.samples["sample_id"].isin(covariates.dropna().index).to_numpy()
    kept[:2] = False
    places = np.flatnonzero(kept)
    assert flow["analysed"] == len(places)
    found = gathered(
        linear_scan(
            study.blocks(samples=places), study.traits[places], study.covariates[places],
            missing="exact",
        )
    )  # fmt: skip
    table = pd.read_parquet(result.files["T0"])
    known = ~np.isnan(found["beta"][:, 0])
    assert table["beta"].to_numpy() == pytest.approx(found["beta"][known, 0], rel=1e-9)


def test_a_mixed_model_is_scanned_beside_its_own_predictions(study, tmp_path):
    blocks = study.blocks()
    complete = np.nan_to_num(study.traits[:, [2]], nan=0.1)
    fit = whole_genome_model(blocks, complete, study.covariates, way="exact")
    result = run_gwas(
        study.genotypes, study.trait_table(complete), study.covariate_table(), folder=tmp_path,
        settings=ScanSettings(method="mixed"), fit=fit,
    )  # fmt: skip
    from spinecast.genetics.mixed_scan import mixed_scan

    found = gathered(mixed_scan(blocks, complete, study.covariates, fit=fit))
    table = pd.read_parquet(result.files["T0"])
    known = ~np.isnan(found["beta"][:, 0])
    assert table["beta"].to_numpy() == pytest.approx(found["beta"][known, 0], rel=1e-5)


def test_case_control_traits_are_scanned_with_the_method_named(study, tmp_path):
    cases = (study.traits[:, [2]] > np.nanmedian(study.traits[:, 2])).astype(float)
    results = {
        method: pd.read_parquet(
            run_gwas(
                study.genotypes, study.trait_table(cases), study.covariate_table(),
                folder=tmp_path / method, settings=ScanSettings(method=method),
            ).files["T0"]
        )
        for method in ("score", "spa", "firth")
    }  # fmt: skip
    weak = results["score"]["p_value"] > 0.06
    for method in ("spa", "firth"):
        same = results[method]["p_value"] == results["score"]["p_value"]
        assert same[weak].all()
        assert not same.all()


def test_memory_is_estimated_from_people_traits_and_cores():
    small = estimate_gwas_memory(5000, 1, workers=2)
    assert small < estimate_gwas_memory(5000, 100, covariates=5, workers=2) < 2**30
    assert estimate_gwas_memory(500_000, 100, workers=2) > 500_000 * 100 * 4


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"settings": partial(ScanSettings, method="quick")}, "SC-536"),
        ({"settings": partial(ScanSettings, missing="drop")}, "SC-536"),
        ({"settings": partial(ScanSettings, method="spa", missing="exact")}, "SC-536"),
        ({"settings": partial(ScanSettings, block=0)}, "SC-536"),
        ({"settings": partial(ScanSettings, method="mixed")}, "SC-536"),
        ({"variants": np.arange(0)}, "SC-536"),
        ({"offsets": {"1": np.zeros((240, 3))}}, "SC-536"),
        ({"samples": np.arange(0)}, "SC-535"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_written(study, tmp_path, changes, code):
    with pytest.raises(SpinecastError) as caught:
        run(study, tmp_path, **{**changes, "settings": changes.get("settings", ScanSettings)()})
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


def test_traits_whose_files_would_have_one_name_are_refused(study, tmp_path):
    table = study.trait_table().iloc[:, :2].set_axis(["bmd/hip", "BMD hip"], axis=1)
    with pytest.raises(SpinecastError, match="SC-530"):
        run_gwas(study.genotypes, table, folder=tmp_path)
    table = table.set_axis(["../hip", "spine"], axis=1)
    result = run_gwas(study.genotypes, table, folder=tmp_path)
    assert [path.parent for path in result.files.values()] == [tmp_path, tmp_path]
