"""Associations in the columns of other tools: the same numbers under their names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics.export_formats import FORMATS, export_associations, write_munged
from spinecast.genetics.munging import munge, read_munged

from .association_tables import associations

# (columns that must be there, tested allele, other allele, effect) of each tool
LAYOUTS = {
    "pheweb": (["chrom", "pos", "ref", "alt", "pval", "beta", "sebeta", "af", "num_samples"],
               "alt", "ref", "beta"),
    "ldsc": (["SNP", "A1", "A2", "N", "Z"], "A1", "A2", "Z"),
    "regenie": (["CHROM", "GENPOS", "ID", "ALLELE0", "ALLELE1", "A1FREQ", "N", "TEST", "BETA",
                 "SE", "CHISQ", "LOG10P", "EXTRA"], "ALLELE1", "ALLELE0", "BETA"),
    "saige": (["CHR", "POS", "MarkerID", "Allele1", "Allele2", "AC_Allele2", "AF_Allele2",
               "MissingRate", "BETA", "SE", "Tstat", "var", "p.value", "N"],
              "Allele2", "Allele1", "BETA"),
    "bolt": (["SNP", "CHR", "BP", "GENPOS", "ALLELE1", "ALLELE0", "A1FREQ", "F_MISS", "BETA",
              "SE", "P_BOLT_LMM_INF"], "ALLELE1", "ALLELE0", "BETA"),
}  # fmt: skip


def exported(tmp_path, table, layout):
    path = tmp_path / f"out{FORMATS[layout].suffix}"
    export_associations(path, table, layout=layout)
    return pd.read_csv(path, sep=r"\s+", dtype={"CHR": str, "CHROM": str, "chrom": str})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_its_columns_alleles_and_signs(tmp_path, layout):
    columns, tested, other, effect = LAYOUTS[layout]
    table = associations(40)
    out = exported(tmp_path, table, layout)
    assert out.columns.tolist() == columns
    assert out[tested].tolist() == table["effect_allele"].tolist()
    assert out[other].tolist() == table["other_allele"].tolist()
    assert (np.sign(out[effect]) == np.sign(table["beta"])).all()


def test_the_names_of_every_layout_are_tested():
    assert set(LAYOUTS) == set(FORMATS)


def test_rows_are_in_genome_order_for_tools_that_need_it(tmp_path):
    table = associations(40).sample(frac=1, random_state=1)
    out = exported(tmp_path, table, "pheweb")
    assert out["chrom"].tolist() == ["1"] * 20 + ["2"] * 20
    assert (out.groupby("chrom")["pos"].diff().dropna() > 0).all()


def test_chi_square_and_log_p_agree_beyond_the_smallest_float(tmp_path):
    out = exported(tmp_path, associations(z=np.array([50.0, -2.0, 0.1, 1.0])), "regenie")
    assert out["CHISQ"].tolist() == pytest.approx([2500, 4, 0.01, 1], rel=1e-5)
    assert out["LOG10P"].iloc[0] == pytest.approx(544.66, abs=0.02)


def test_a_score_over_its_root_variance_is_the_z_of_saige(tmp_path):
    table = associations(30)
    out = exported(tmp_path, table, "saige")
    z = table["beta"] / table["standard_error"]
    np.testing.assert_allclose(out["Tstat"] / np.sqrt(out["var"]), z, rtol=1e-4)


def test_missing_share_is_counted_from_the_sample_sizes(tmp_path):
    table = associations(10)
    table.loc[0, "n"] = 4000.0
    assert exported(tmp_path, table, "bolt")["F_MISS"].iloc[:2].tolist() == [0.2, 0.0]


def test_sex_chromosomes_have_each_tools_names(tmp_path):
    table = associations(4).assign(chromosome=["1", "X", "XY", "MT"])
    assert exported(tmp_path, table, "regenie")["CHROM"].tolist() == ["1", "23", "25", "26"]
    assert exported(tmp_path, table, "pheweb")["chrom"].tolist() == ["1", "X", "XY", "MT"]


def test_variants_without_a_result_are_left_out(tmp_path):
    table = associations(10)
    table.loc[4, ["beta", "p_value", "neg_log_10_p_value"]] = np.nan
    assert len(exported(tmp_path, table, "bolt")) == 9


def test_munged_scores_are_written_as_ldsc_takes_them(tmp_path):
    munged = munge(associations(50))
    write_munged(tmp_path / "a.sumstats.gz", munged)
    out = pd.read_csv(tmp_path / "a.sumstats.gz", sep="\t")
    assert out.columns.tolist() == ["SNP", "A1", "A2", "N", "Z"]
    np.testing.assert_allclose(out["Z"], munged.table["z"], rtol=1e-5)
    again = read_munged(tmp_path / "a.sumstats.gz")
    assert again.table["variant_id"].tolist() == munged.table["variant_id"].tolist()
    np.testing.assert_allclose(again.table["z"], munged.table["z"], rtol=1e-5)


def test_scores_munged_elsewhere_lose_rows_without_z_and_say_so(tmp_path):
    path = tmp_path / "b.sumstats"
    path.write_text("SNP\tA1\tA2\tZ\tN\nrs1\tA\tG\t1.5\t100\nrs2\t\t\t\t\nrs1\tA\tG\t2\t100\n")
    read = read_munged(path)
    assert read.table["z"].tolist() == [1.5]
    assert read.flow["dropped"].tolist() == [0, 2]
    path.write_text("SNP A1 A2 Z\nrs1 A G 1\n")
    with pytest.raises(SpinecastError) as caught:
        read_munged(path)
    assert caught.value.code == "SC-554"


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(SpinecastError) as caught:
        export_associations(tmp_path / "x", associations(5), layout="metal")
    assert caught.value.code == "SC-558"
    assert "pheweb" in caught.value.message
