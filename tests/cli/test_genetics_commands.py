"""Genetics as users meet it: the tutorial runs as it stands, files say what they hold."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from spinecast.cli import app
from spinecast.genotypes import open_genotypes

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "gwas.md"
RUNNER = CliRunner()
COMMANDS = [
    "gwas", "ld-score", "loci", "gwas-compare", "genotypes qc", "genotypes prune",
    "genotypes clump", "genotypes pca", "genotypes kinship", "genotypes ld-scores",
]  # fmt: skip


def spinecast(*words: object) -> Result:
    return RUNNER.invoke(app, [str(word) for word in words])


def said(result: Result) -> str:
    return " ".join(result.output.split())


def commands_of_the_page() -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """The folder in which every command of the page has run, and what each printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    outputs = {}
    with contextlib.chdir(folder):
        for words in commands_of_the_page():
            result = spinecast(*words[1:])
            assert result.exit_code == 0, (words, result.output, result.exception)
            outputs[" ".join(words[1:])] = said(result)
    return folder, outputs


@pytest.fixture
def study(tutorial):
    return tutorial[0] / "study"


def small_table(path, columns, ids):
    table = pd.DataFrame({"IID": ids, **columns})
    table.to_csv(path, sep="\t", index=False, na_rep="NA")
    return path


@pytest.fixture
def strong(study, tmp_path):
    """A trait that one variant makes, a null trait, and the variant's place."""
    genotypes = open_genotypes(study / "genomes.bed")
    copies = genotypes.dosages(np.arange(genotypes.n_variants))
    place = int(np.nanargmax(np.nanvar(copies[:500], axis=1)))
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(2, genotypes.n_samples))
    ids = genotypes.samples["sample_id"]
    values = {"strong": 1.5 * np.nan_to_num(copies[place], nan=1.0) + noise[0], "null": noise[1]}
    return small_table(tmp_path / "strong.tsv", values, ids), genotypes, place


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_with_an_example(command):
    result = spinecast(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Example: spinecast {command}" in said(result)


def test_the_page_uses_every_command(tutorial):
    used = " ".join(tutorial[1])
    assert all(command in used for command in [*COMMANDS, "simulate"])


def test_memory_is_said_by_every_command(tutorial):
    assert all("GiB of memory" in output for output in tutorial[1].values())


def test_counts_of_people_and_variants_add_up(tutorial):
    folder, _ = tutorial
    for flow in folder.glob("*/flow.json"):
        content = json.loads(flow.read_text())
        for what in {"people", "variants"} & set(content):
            counts = content[what]
            if "dropped" in counts:
                dropped = sum(counts["dropped"].values())
                assert counts["given"] == dropped + counts["used"], flow
    pruned = json.loads((folder / "pruned/flow.json").read_text())["variants"]
    assert pruned.pop("given") == sum(pruned.values())


def test_truth_is_written_under_names_that_say_so(study):
    names = {path.name for path in study.iterdir()}
    truth = {name for name in names if "truth" in name}
    assert truth == {f"simulated-truth-{what}.csv" for what in (
        "causal-variants", "relatives", "samples", "ill-typed-variants")}  # fmt: skip
    assert names - truth == {"genomes.bed", "genomes.bim", "genomes.fam", "traits.tsv",
                             "case-control.tsv", "covariates.tsv"}  # fmt: skip
    causal = pd.read_csv(study / "simulated-truth-causal-variants.csv")
    bim = pd.read_csv(study / "genomes.bim", sep="\t", header=None)
    assert set(causal["variant_id"]) <= set(bim[1])


def test_a_scan_leaves_tables_pictures_and_a_page_that_say_simulated(tutorial):
    folder = tutorial[0] / "results"
    for trait in ("bmd_spine", "lumbar_area"):
        table = pd.read_parquet(folder / f"{trait}.parquet")
        with gzip.open(folder / f"{trait}.tsv.gz", "rt") as handle:
            text = pd.read_csv(handle, sep="\t")
        assert np.allclose(text["p_value"], table["p_value"], rtol=1e-4)
        about = yaml.safe_load((folder / f"{trait}.yaml").read_text())
        assert about["genome_assembly"] == "GRCh38"
        assert "SIMULATED" in about["author_notes"]
        assert {"PC1", "sex", "age"} <= set(about["adjusted_covariates"])
        assert (folder / f"{trait}.manhattan.svg").stat().st_size > 10_000
        assert (folder / f"{trait}.qq.svg").is_file()
    page = (folder / "index.html").read_text()
    assert "SIMULATED" in page
    assert "<script" not in page
    assert page.count("<img") == 4


def test_estimates_name_inflation_and_the_models_heritability(tutorial):
    estimates = pd.read_csv(tutorial[0] / "results/estimates.csv")
    wanted = {("gwas/bmd_spine", "lambda_gc"), ("gwas/bmd_spine", "mean_chi_square"),
              ("whole_genome/bmd_spine", "h2")}  # fmt: skip
    assert wanted <= set(zip(estimates["analysis"], estimates["term"], strict=True))
    inflated = estimates[estimates["term"] == "lambda_gc"]["estimate"]
    assert inflated.between(0.6, 1.6).all()


def test_heritability_and_correlation_come_with_intervals(tutorial):
    folder = tutorial[0]
    one = pd.read_csv(folder / "h2/estimates.csv").set_index("term")
    assert {"h2", "intercept", "ratio"} <= set(one.index)
    assert one.loc["h2", "ci_low"] < one.loc["h2", "estimate"] < one.loc["h2", "ci_high"]
    both = pd.read_csv(folder / "rg/estimates.csv")
    assert {"rg", "genetic_covariance", "h2"} <= set(both["term"])


def test_components_part_the_two_ancestries(tutorial):
    folder = tutorial[0]
    scores = pd.read_csv(folder / "pca/components.tsv", sep="\t").set_index("IID")
    truth = pd.read_csv(folder / "study/simulated-truth-samples.csv").set_index("sample_id")
    share = truth.loc[scores.index, "east_asian"]
    assert abs(np.corrcoef(scores["PC1"], share)[0, 1]) > 0.95


def test_relatives_of_first_degree_are_found(tutorial):
    folder = tutorial[0]
    pairs = pd.read_csv(folder / "kinship/pairs.csv")
    kept = set(pd.read_csv(folder / "qc/samples.txt", sep="\t")["IID"])
    truth = pd.read_csv(folder / "study/simulated-truth-relatives.csv")
    near = truth[(truth["degree"] <= 1) & truth["id1"].isin(kept) & truth["id2"].isin(kept)]
    found = {frozenset(pair) for pair in pairs[["id_1", "id_2"]].to_numpy().tolist()}
    assert len(near)
    assert {frozenset(pair) for pair in near[["id1", "id2"]].to_numpy().tolist()} <= found


def test_the_three_layouts_hold_equal_genotypes(study, tmp_path):
    bed = open_genotypes(study / "genomes.bed")
    places = np.arange(bed.n_variants)
    for layout in ("pgen", "bgen"):
        spinecast("simulate", "--preset", "gwas-tiny", "--layout", layout, "--seed", 1,
                  "--write", tmp_path / layout)  # fmt: skip
        other = open_genotypes(tmp_path / layout / f"genomes.{layout}")
        assert other.samples["sample_id"].equals(bed.samples["sample_id"])
        assert np.array_equal(other.dosages(places), bed.dosages(places), equal_nan=True)


def test_a_scan_equals_least_squares_on_the_people_it_says(study, strong, tmp_path):
    traits, genotypes, place = strong
    result = spinecast(
        "gwas", "--genotypes", study / "genomes.bed", "--traits", traits, "--covariates",
        study / "covariates.tsv", "--missing", "exact", "--build", "GRCh38", "--no-pictures",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(tmp_path / "out/strong.parquet").set_index("variant_id")
    row = table.loc[genotypes.variants["variant_id"].iloc[place]]
    copies = genotypes.dosages(np.array([place]))[0]
    covariates = pd.read_csv(study / "covariates.tsv", sep="\t").drop(columns=["#FID", "IID"])
    y = pd.read_csv(traits, sep="\t")["strong"].to_numpy()
    known = ~np.isnan(copies)
    design = np.column_stack([copies, np.ones(len(y)), covariates])[known]
    beta, *_ = np.linalg.lstsq(design, y[known], rcond=None)
    assert row["n"] == known.sum()
    assert row["beta"] == pytest.approx(beta[0], rel=1e-6)
    assert row["effect_allele_frequency"] == pytest.approx(np.nanmean(copies) / 2)
    loci = pd.read_csv(tmp_path / "out/loci.csv")
    assert set(loci["trait"]) == {"strong"}
    assert "index.html" in said(result)
    assert not list((tmp_path / "out").glob("*.svg"))


def test_a_locus_is_drawn_with_its_linkage_and_known_ones_are_marked(study, strong, tmp_path):
    traits, genotypes, place = strong
    lead = genotypes.variants.iloc[place]
    known = tmp_path / "known.csv"
    known.write_text("chromosome,base_pair_location,variant_id\n"
                     f"chr{lead['chromosome']},{lead['base_pair_location']},rs1\n")  # fmt: skip
    genes = tmp_path / "genes.tsv"
    start = lead["base_pair_location"] - 2000
    genes.write_text("chromosome\tstart\tend\tname\n"
                     f"{lead['chromosome']}\t{start}\t{start + 9000}\tWNT16\n"
                     f"23\t{start}\t{start + 9000}\tXIST\n")  # fmt: skip
    spinecast("gwas", "--genotypes", study / "genomes.bed", "--traits", traits, "--trait", "strong",
              "--build", "GRCh38", "--known", known, "--genes", genes, "--format",
              "regenie", "--files-for", "bolt", "--out", tmp_path / "out")  # fmt: skip
    loci = pd.read_csv(tmp_path / "out/loci.csv")
    strongest = loci.loc[loci["neg_log_10_p_value"].idxmax()]
    assert strongest["variant_id"] == lead["variant_id"]
    assert strongest["known"]
    region = (tmp_path / "out/strong.region.svg").read_text()
    assert "WNT16" in region
    assert "XIST" not in region
    assert (tmp_path / "out/strong.regenie").read_text().startswith("CHROM GENPOS ID")
    assert (tmp_path / "out/bolt/traits.txt").read_text().startswith("FID IID strong\nP00000 P")


def test_a_second_start_keeps_what_is_done_and_another_input_does_not(study, tutorial, tmp_path):
    out = tmp_path / "out"
    words = ["gwas", "--genotypes", study / "genomes.bed", "--traits", study / "traits.tsv",
             "--trait", "height", "--method", "mixed", "--step1-variants",
             tutorial[0] / "pruned/prune.in", "--build", "GRCh38", "--no-pictures"]  # fmt: skip
    spinecast(*words, "--out", out)
    kept = [out / "height.parquet", out / "height.tsv.gz", out / "step1/model.json"]
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in kept]
    again = spinecast(*words, "--out", out)
    assert "kept from an earlier start" in said(again)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in kept] == before
    spinecast(*words, "--covariates", study / "covariates.tsv", "--out", out)
    assert [path.read_bytes() for path in kept] != [content for _, content in before]


def test_cases_and_controls_are_told_by_their_coding(study, tmp_path):
    table = pd.read_csv(study / "case-control.tsv", sep="\t")
    coded = small_table(tmp_path / "t.tsv", {"osteoporosis": table["osteoporosis"] + 1},
                        table["IID"])  # fmt: skip
    for name, traits in (("a", study / "case-control.tsv"), ("b", coded)):
        result = spinecast("gwas", "--genotypes", study / "genomes.bed", "--traits", traits,
                           "--trait", "osteoporosis", "--build", "GRCh38", "--no-pictures",
                           "--out", tmp_path / name)  # fmt: skip
        assert "Method spa" in said(result), result.output
    one, two = (pd.read_parquet(tmp_path / name / "osteoporosis.parquet") for name in "ab")
    pd.testing.assert_frame_equal(one, two)
    about = yaml.safe_load((tmp_path / "b/osteoporosis.yaml").read_text())["samples"][0]
    assert about["case_count"] == (table["osteoporosis"] == 1).sum()
    assert about["case_count"] + about["control_count"] == about["sample_size"]


def test_many_traits_leave_tables_and_pictures_only_when_asked(study, tmp_path):
    traits = pd.read_csv(study / "traits.tsv", sep="\t")
    rng = np.random.default_rng(0)
    many = small_table(tmp_path / "many.tsv",
                       {f"t{k}": rng.normal(size=len(traits)) for k in range(11)},
                       traits["IID"])  # fmt: skip
    result = spinecast("gwas", "--genotypes", study / "genomes.bed", "--traits", many,
                       "--build", "GRCh38", "--out", tmp_path / "out")  # fmt: skip
    assert result.exit_code == 0, result.output
    names = {path.suffix for path in (tmp_path / "out").iterdir()}
    assert not names & {".svg", ".gz", ".yaml"}
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 11
    assert len(pd.read_csv(tmp_path / "out/estimates.csv")) == 22


def test_ranks_on_a_normal_scale_tame_a_skewed_trait(study, strong, tmp_path):
    traits = strong[0]
    table = pd.read_csv(traits, sep="\t")
    skewed = small_table(tmp_path / "s.tsv", {"strong": np.exp(3 * table["strong"])}, table["IID"])
    strength = []
    for option in ([], ["--normalise"]):
        out = tmp_path / f"out{len(option)}"
        spinecast("gwas", "--genotypes", study / "genomes.bed", "--traits", skewed, *option,
                  "--build", "GRCh38", "--no-pictures", "--no-tables", "--out", out)  # fmt: skip
        strength.append(pd.read_parquet(out / "strong.parquet")["neg_log_10_p_value"].max())
    assert strength[1] > 2 * strength[0]


def faulty(study: Path, tmp_path: Path) -> dict[str, tuple[list[object], str]]:
    ids = pd.read_csv(study / "traits.tsv", sep="\t")["IID"]
    mixture = small_table(
        tmp_path / "mixture.tsv", {"a": np.arange(len(ids)) % 2, "b": np.arange(len(ids))}, ids
    )
    strangers = tmp_path / "strangers.txt"
    strangers.write_text("nobody\n")
    scan = ["gwas", "--genotypes", study / "genomes.bed", "--out", tmp_path / "x", "--traits"]
    good = [*scan, study / "traits.tsv", "--build", "GRCh38"]
    linkage = ["genotypes", "prune", "--genotypes", study / "genomes.bed", "--out", tmp_path / "x"]
    scores = ["ld-score", "--ld-scores", tmp_path, "--out", tmp_path / "x", "--sumstats"]
    table = study / "traits.tsv"
    gaps = tmp_path / "gaps.tsv"
    gaps.write_text("chromosome\tbase_pair_location\tvariant_id\n1\t1000\trs1\n2\tNA\trs2\n")
    return {
        "no build": ([*scan, study / "traits.tsv"], "SC-510"),
        "another build": ([*scan, study / "traits.tsv", "--build", "NCBI36"], "SC-510"),
        "no table": ([*scan, tmp_path / "none.tsv", "--build", "GRCh38"], "SC-530"),
        "no trait": ([*good, "--trait", "shoe_size"], "SC-537"),
        "no covariate": ([*good, "--covariates", table, "--covariate", "shoe_size"], "SC-537"),
        "no covariates": ([*good, "--covariate", "age"], "SC-537"),
        "covariates twice": ([*good, "--covariates", table, "--covariates", table], "SC-530"),
        "both kinds": ([*scan, mixture, "--build", "GRCh38"], "SC-572"),
        "exact mixed": ([*good, "--method", "mixed", "--missing", "exact"], "SC-536"),
        "no list": ([*good, "--keep", tmp_path / "none.txt"], "SC-570"),
        "strangers": ([*good, "--keep", strangers], "SC-571"),
        "format": ([*good, "--format", "excel"], "SC-558"),
        "known": ([*good, "--known", table], "SC-573"),
        "known with a gap": ([*good, "--known", gaps], "SC-573"),
        "genes": ([*good, "--genes", tmp_path / "none.tsv"], "SC-573"),
        "window": ([*linkage, "--window", "wide"], "SC-706"),
        "step": ([*linkage, "--window", "100kb", "--step", "5"], "SC-525"),
        "no bed": (["genotypes", "kinship", "--genotypes", tmp_path / "no.bed",
                    "--out", tmp_path / "x"], "SC-503"),
        "no sumstats": ([*scores, tmp_path / "none.tsv"], "SC-557"),
        "three": ([*scores, table, "--sumstats", table, "--sumstats", table], "SC-706"),
        "one scan": (["gwas-compare", "--sumstats", table, "--out", tmp_path / "x"], "SC-706"),
        "no scan": (["loci", "--sumstats", tmp_path / "none.tsv", "--out", tmp_path / "x"],
                    "SC-554"),
        "no length": (["loci", "--sumstats", table, "--block", "12", "--out", tmp_path / "x"],
                      "SC-706"),
        "two replications of three": (["loci", *["--sumstats", table] * 3,
                                       *["--replication", table] * 2, "--out", tmp_path / "x"],
                                      "SC-706"),
        "no genomes": (["simulate", "--preset", "tiny", "--layout", "plink",
                        "--write", tmp_path / "x"], "SC-706"),
    }  # fmt: skip


def test_every_fault_has_its_code_and_leaves_no_results(study, tmp_path):
    for name, (words, code) in faulty(study, tmp_path).items():
        result = spinecast(*words)
        assert code in str(result.exception), (name, result.output, result.exception)
        assert not list((tmp_path / "x").glob("*.parquet")), name


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_where_blocks_are_worked_on_changes_no_list(study, tutorial, tmp_path):
    spinecast("genotypes", "qc", "--genotypes", study / "genomes.bed", "--build", "GRCh38",
              "--cluster", "processes:2", "--out", tmp_path / "qc")  # fmt: skip
    for name in ("samples.txt", "variants.txt", "flow.csv", "samples.csv"):
        there = (tutorial[0] / "qc" / name).read_bytes()
        assert (tmp_path / "qc" / name).read_bytes() == there


def test_people_named_for_leaving_out_are_counted_under_the_lists_name(study, tmp_path):
    odd = tmp_path / "withdrawn.txt"
    odd.write_text("#FID\tIID\nP00003\tP00003\nP00004\tP00004\n")
    empty = tmp_path / "many-relatives.txt"
    empty.write_text("#FID\tIID\n")
    spinecast("genotypes", "qc", "--genotypes", study / "genomes.bed", "--leave-out", odd,
              "--leave-out", empty, "--out", tmp_path / "qc")  # fmt: skip
    flow = pd.read_csv(tmp_path / "qc/flow.csv").set_index("rule")["excluded"]
    assert (flow["withdrawn"], flow["many-relatives"]) == (2, 0)
    kept = set(pd.read_csv(tmp_path / "qc/samples.txt", sep="\t")["IID"])
    assert not kept & {"P00003", "P00004"}


def test_distance_from_a_reference_parts_ancestries(study, tutorial, tmp_path):
    truth = pd.read_csv(study / "simulated-truth-samples.csv").set_index("sample_id")
    unrelated = pd.read_csv(tutorial[0] / "kinship/unrelated.txt", sep="\t")["IID"]
    european = [name for name in unrelated if truth.loc[name, "population"] == "EUR"]
    reference = tmp_path / "reference.txt"
    reference.write_text("\n".join(european[: len(european) // 2]) + "\n")
    spinecast("genotypes", "pca", "--genotypes", study / "genomes.bed", "--build", "GRCh38",
              "--extract", tutorial[0] / "pruned/prune.in", "--count", 2, "--keep",
              tutorial[0] / "kinship/unrelated.txt", "--reference", reference,
              "--out", tmp_path / "pca")  # fmt: skip
    judged = pd.read_csv(tmp_path / "pca/ancestry.csv").set_index("sample_id")
    population = truth.loc[judged.index, "population"]
    assert not judged.loc[population == "EAS", "kept"].any()
    assert judged.loc[population == "EUR", "kept"].mean() > 0.95
    far = (tmp_path / "pca/other-ancestry.txt").read_text().splitlines()[1:]
    assert len(far) == (~judged["kept"]).sum()
