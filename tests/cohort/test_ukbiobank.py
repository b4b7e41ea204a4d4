"""The UK Biobank source reads an extract in every form people have, and counts all it leaves."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.images.films import encoded, header, phantom

from spinecast.cohort import Cohort, CohortSource, open_cohort
from spinecast.cohort.ledger import count_by_code, count_of
from spinecast.cohort.sources.ukbiobank_extract import HEADERS, write_ukbiobank_extract
from spinecast.cohort.sources.ukbiobank_fields import (
    FIELDS,
    FieldColumn,
    parse_column,
    read_field_map,
)
from spinecast.error_codes import CODES
from spinecast.errors import SpinecastError

PAGE = (Path(__file__).parents[2] / "docs/reference/ukbiobank.md").read_text(encoding="utf-8")

N = 24
IDS = [f"{1000010 + i}" for i in range(N)]
CR = "1.2.840.10008.5.1.4.1.1.1"


def scan(protocol: str | None = "AP Spine", *, seed: int = 0, **tags: object) -> bytes:
    """Return a scan with the header of the biobank's densitometers."""
    known: dict[str, object] = {
        "SOPClassUID": CR, "Modality": "CR", "BodyPartExamined": "", "ViewPosition": "",
        "PatientOrientation": ["L", "F"], "ExposedArea": [180, 200], "ImageType": None,
    }  # fmt: skip
    if protocol is not None:
        known["ProtocolName"] = protocol
    return encoded(header(phantom((40, 36), bits=8, seed=seed), **{**known, **tags}))


@dataclass
class Extract:
    """An extract under construction: table cells by showcase column, files by name."""

    root: Path
    table: pd.DataFrame
    file: str = "ukb.csv"
    separator: str = ","
    scans: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def set(self, row: int, column: str, value: object) -> None:
        self.table.loc[row, column] = value

    def rename(self, form: str) -> None:
        """Rename the columns from 31-0.0 to another form."""
        person, personal, visit = HEADERS[form]

        def renamed(name: str) -> str:
            if name == "eid":
                return person
            number, rest = name.split("-")
            own = number in {"31", "34", "52"}
            return (personal if own else visit).format(field=number, instance=rest[0])

        self.table = self.table.rename(columns=renamed)

    def archive(self, name: str, members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(self.root / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)

    def single(self, eid: str, instance: int, content: bytes, *, folder: str = "") -> None:
        place = self.root / (folder or eid)
        place.mkdir(exist_ok=True)
        (place / f"{eid}_instance_{instance}.dcm").write_bytes(content)

    def write(self) -> Path:
        self.table.to_csv(self.root / self.file, index=False, sep=self.separator)
        return self.root

    def load(self, **settings: object) -> Cohort:
        self.write()
        return open_cohort(f"ukbiobank:{self.root}", **settings).load()

    def refusal(self) -> SpinecastError:
        with pytest.raises(SpinecastError) as caught:
            self.load()
        return caught.value


@pytest.fixture
def extract(tmp_path: Path) -> Extract:
    """24 people born in June, instance 2 in June 2016 (ages 50 to 73), half with instance 3."""
    rng = np.random.default_rng(5)
    women = np.arange(N) % 2 == 0
    height = np.where(women, 162.0, 176.0) + rng.normal(0, 3, N).round(1)
    years = 1966 - np.arange(N)
    columns: dict[str, object] = {
        "eid": IDS, "31-0.0": np.where(women, 0, 1), "34-0.0": years, "52-0.0": 6,
    }  # fmt: skip
    later = np.arange(N) < N // 2
    for instance, year in ((2, 2016), (3, 2019)):
        here = later | (instance == 2)
        visit = {
            "53": f"{year}-06-30", "21003": year - years, "50": height,
            "21002": (height / 100) ** 2 * 26, "21001": 26.0,
            "23202": rng.normal(4.3, 0.3, N).round(3), "23201": rng.normal(3.4, 0.2, N).round(3),
            "23204": rng.normal(1.1, 0.1, N).round(3),
        }  # fmt: skip
        visit["23200"] = visit["23202"] * visit["23201"] * 3.9
        for number, values in visit.items():
            column = pd.Series(values, index=range(N), dtype=object)
            columns[f"{number}-{instance}.0"] = column.where(here, "")
    return Extract(tmp_path, pd.DataFrame(columns).astype(object))


def codes_of(cohort: Cohort, source: str) -> list[str]:
    """Codes of one ledger source, whichever ledger holds it."""
    both = pd.concat([cohort.quarantine, cohort.skipped])
    return both.loc[both["source"] == source, "code"].tolist()


def first_visits(cohort: Cohort) -> pd.DataFrame:
    return cohort.visits[cohort.visits["visit"] == 0].set_index("person_id")


# -- the table -----------------------------------------------------------------------------


def test_instances_2_and_3_become_visits_0_and_1_and_nothing_is_refused(extract):
    cohort = extract.load()
    assert cohort.people["person_id"].tolist() == IDS
    assert cohort.people["sex"].tolist() == ["F", "M"] * (N // 2)
    assert (cohort.visits["visit"] == 0).sum() == N
    assert (cohort.visits["visit"] == 1).sum() == N // 2
    assert cohort.quarantine.empty
    assert cohort.skipped.empty


def test_an_extract_is_a_cohort_source_that_is_not_simulated(extract):
    source = open_cohort(f"ukbiobank:{extract.write()}")
    assert isinstance(source, CohortSource)
    assert not source.simulated
    assert source.name == f"ukbiobank:{extract.root.name}"


def test_values_keep_their_meaning_and_sizes_become_millimetres(extract):
    visit = first_visits(extract.load()).loc[IDS[3]]
    row = extract.table.loc[3]
    assert visit["lumbar_width"] == pytest.approx(row["23202-2.0"] * 10)
    assert visit["lumbar_height"] == pytest.approx(row["23201-2.0"] * 10)
    assert visit["lumbar_area"] == pytest.approx(row["23200-2.0"])
    assert visit["bmd_spine"] == row["23204-2.0"]
    assert visit["height"] == row["50-2.0"]
    assert visit["bmi"] == 26.0


def test_ages_come_from_month_of_birth_and_date_and_dates_are_not_kept(extract):
    visits = extract.load().visits
    first, second = visits[visits["person_id"] == IDS[0]].to_dict("records")
    assert first["age"] == pytest.approx(50.04, abs=0.01)
    assert second["years_since_baseline"] == pytest.approx(3.0, abs=0.01)
    assert not {"date", "birth_date"} & set(visits.columns)


def test_without_dates_whole_years_of_age_are_taken_as_they_are(extract):
    dates = [c for c in extract.table if c.split("-")[0] in {"34", "52", "53"}]
    extract.table = extract.table.drop(columns=dates)
    visits = first_visits(extract.load())
    assert visits["age"].tolist() == [50.0 + i for i in range(N)]


@pytest.mark.parametrize("form", ["showcase", "dotted", "platform"])
@pytest.mark.parametrize(("file", "separator"), [("ukb.csv", ","), ("data.tsv", "\t")])
def test_every_form_of_header_gives_the_same_cohort(extract, form, file, separator):
    expected = extract.load()
    (extract.root / "ukb.csv").unlink()
    extract.rename(form)
    extract.file, extract.separator = file, separator
    read = extract.load()
    pd.testing.assert_frame_equal(read.people, expected.people)
    pd.testing.assert_frame_equal(read.visits, expected.visits)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("31-0.0", FieldColumn(31, 0)),
        ("f.21003.2.0", FieldColumn(21003, 2)),
        ("X50.3.0", FieldColumn(50, 3)),
        ("p31", FieldColumn(31, None)),
        ("p31_i2", FieldColumn(31, 2)),
        ("participant.p93_i3_a1", FieldColumn(93, 3, 1)),
        ("Standing height (instance 2)", FieldColumn(50, 2)),
        ("Standing height | Instance 3", FieldColumn(50, 3)),
        ("L1\N{EN DASH}L4 average width (instance 2)", FieldColumn(23202, 2)),
        ("Sex", FieldColumn(31, None)),
        ("standing_height", None),
        ("p31_i2_b", None),
        ("2016-06-30", None),
        ("eid", None),
    ],
)
def test_a_column_name_says_field_instance_and_array_or_nothing(name, meaning):
    assert parse_column(name) == meaning


def test_words_are_read_as_the_platform_writes_them(extract):
    extract.table["31-0.0"] = np.where(np.arange(N) % 2, "Male", "Female")
    extract.table["52-0.0"] = "June"
    cohort = extract.load()
    assert cohort.quarantine.empty
    assert cohort.people["sex"].tolist() == ["F", "M"] * (N // 2)
    assert first_visits(cohort)["age"].iloc[0] == pytest.approx(50.04, abs=0.01)


@pytest.mark.parametrize("cell", ["-1", "-3", "-3.0", "Prefer not to answer", "NA"])
def test_special_values_mean_unknown_and_are_no_fault(extract, cell):
    for column in ("50-2.0", "21002-2.0", "21001-2.0", "23204-2.0"):
        extract.set(4, column, cell)
    cohort = extract.load()
    assert cohort.quarantine.empty
    visit = first_visits(cohort).loc[IDS[4]]
    assert visit[["height", "weight", "bmi", "bmd_spine"]].isna().all()


def test_another_negative_value_is_a_fault_of_its_visit(extract):
    extract.set(4, "50-2.0", "-7")
    assert codes_of(extract.load(), "ukb.csv visits:6 instance 2") == ["SC-305"]


def test_the_height_measured_before_imaging_fills_in_for_the_standing_height(extract):
    extract.table["12144-2.0"] = 150
    extract.set(5, "50-2.0", "")
    extract.set(5, "21001-2.0", "")
    visits = first_visits(extract.load())
    assert visits.loc[IDS[5], "height"] == 150
    assert visits.loc[IDS[7], "height"] == extract.table.loc[7, "50-2.0"]


def test_a_height_of_all_four_vertebrae_is_told_by_the_area_and_divided(extract):
    expected = extract.load().visits["lumbar_height"]
    for instance in (2, 3):
        heights = pd.to_numeric(extract.table[f"23201-{instance}.0"])
        extract.table[f"23201-{instance}.0"] = (heights * 4).map(
            lambda height: "" if np.isnan(height) else str(height)
        )
    cohort = extract.load()
    assert cohort.visits["lumbar_height"].to_numpy() == pytest.approx(expected.to_numpy())
    assert any("divided by 4" in note for note in cohort.notes)


def test_swapped_sex_codes_are_sc303_by_height(extract):
    extract.table["31-0.0"] = 1 - extract.table["31-0.0"].astype(int)
    assert extract.refusal().code == "SC-303"


def test_an_unknown_sex_code_quarantines_the_person_and_what_hangs_on_it(extract):
    extract.set(3, "31-0.0", 9)
    extract.archive(f"{IDS[3]}_20158_2_0.zip", {"1.dcm": scan()})
    cohort = extract.load()
    assert codes_of(cohort, "ukb.csv:5") == ["SC-302"]
    assert codes_of(cohort, "ukb.csv visits:5 instance 2") == ["SC-302"]
    assert codes_of(cohort, f"images:{IDS[3]}_20158_2_0.zip[0]") == ["SC-302"]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("21003-2.0", 55, "SC-314"),
        ("21003-2.0", 51, "SC-314"),
        ("53-2.0", "2013-06-30", "SC-314"),
        ("53-2.0", "1950-01-01", "SC-314"),
        ("53-2.0", "last summer", "SC-313"),
        ("21001-2.0", 40, "SC-314"),
    ],
)
def test_records_that_disagree_refuse_the_visit(extract, column, value, code):
    extract.set(0, column, value)
    cohort = extract.load()
    assert codes_of(cohort, "ukb.csv visits:2 instance 2") == [code]
    assert len(cohort.people) == N


def test_whole_years_agree_up_to_the_unknown_day_of_birth(extract):
    extract.set(0, "53-2.0", "2016-06-02")  # 49.96 by the middle of June, and may be 50
    extract.set(1, "53-2.0", "2017-05-25")  # 51.94, still 51 whole years
    assert extract.load().quarantine.empty


def test_an_impossible_month_of_birth_is_sc313(extract):
    extract.set(6, "52-0.0", 13)
    assert codes_of(extract.load(), "ukb.csv:8") == ["SC-313"]


def test_rows_without_an_imaging_visit_are_skipped_by_rule(extract):
    for column in [c for c in extract.table if "-2." in c]:
        extract.set(2, column, "")
        extract.set(20, column, "")
    cohort = extract.load()
    assert len(cohort.people) == N - 2
    assert count_by_code(cohort.skipped) == {"SC-321": 2}
    assert cohort.quarantine.empty


def test_people_without_a_repeat_keep_their_first_visit_only(extract):
    visits = extract.load().visits
    assert visits.loc[visits["person_id"] == IDS[-1], "visit"].tolist() == [0]


def test_a_participant_twice_is_kept_once_or_refused_if_the_rows_differ(extract):
    rows = extract.table
    changed = rows.iloc[[5]].assign(**{"50-2.0": 150.0, "21001-2.0": ""})
    extract.table = pd.concat([rows, rows.iloc[[4]], changed], ignore_index=True)
    cohort = extract.load()
    assert codes_of(cohort, f"ukb.csv:{N + 2}") == ["SC-307"]
    assert cohort.people["person_id"].tolist() == IDS
    assert codes_of(cohort, "ukb.csv visits:7 instance 2") == ["SC-314"]
    assert codes_of(cohort, f"ukb.csv visits:{N + 3} instance 2") == ["SC-314"]
    assert IDS[5] not in set(first_visits(cohort).index)
    assert IDS[4] in set(first_visits(cohort).index)


def test_faults_of_the_whole_table_stop_the_reading(extract):
    whole = extract.table
    for table, code, word in (
        (whole.drop(columns="31-0.0"), "SC-301", "field 31 (Sex)"),
        (whole.drop(columns=["21003-2.0", "21003-3.0", "34-0.0"]), "SC-301", "field 21003"),
        (whole.assign(p50_i2=170), "SC-320", "'p50_i2'"),
        (whole.assign(**{"f.eid": 1}), "SC-320", "'f.eid'"),
        (whole.rename(columns={"eid": "number"}), "SC-315", "one table"),
    ):
        extract.table = table
        refused = extract.refusal()
        assert refused.code == code
        assert word in refused.message


def test_two_tables_are_refused_until_the_map_names_one(extract):
    extract.write()
    (extract.root / "other.tsv").write_text("eid\t31-0.0\n1\t0\n")
    refused = extract.refusal()
    assert refused.code == "SC-315"
    assert "other.tsv and ukb.csv" in refused.message
    (extract.root / "ukbiobank.toml").write_text('table = "ukb.csv"\n')
    assert len(extract.load().people) == N


def test_a_map_file_overrides_fields_units_and_missing_values(extract):
    extract.table["99001-2.0"] = (extract.table["50-2.0"] / 100).astype(object)
    extract.set(3, "99001-2.0", "-818")
    extract.set(3, "21001-2.0", "")
    (extract.root / "ukbiobank.toml").write_text(
        'missing = ["-818"]\n[fields]\nheight = 99001\nbmd_total_hip = [99002, 23291]\n'
        '[units]\nheight = "m"\n'
    )
    visits = first_visits(extract.load())
    assert visits["height"].drop(IDS[3]).to_numpy() == pytest.approx(
        extract.table["50-2.0"].drop(3).to_numpy(dtype=float)
    )
    assert np.isnan(visits.loc[IDS[3], "height"])
    assert visits["lumbar_width"].between(25, 65).all()


@pytest.mark.parametrize(
    "text",
    ["fields = 3", "[fields]\nheight = 'x'", "[fields]\nhight = 50", "[units]\nheight = 'ell'",
     "colour = 1", "missing = 3", "[fields", "[fields]\nperson_id = 5"],
)  # fmt: skip
def test_a_bad_map_file_is_sc317(extract, text):
    (extract.root / "ukbiobank.toml").write_text(text)
    with pytest.raises(SpinecastError) as caught:
        open_cohort(f"ukbiobank:{extract.write()}")
    assert caught.value.code == "SC-317"


def test_a_folder_that_is_none_is_sc702(tmp_path):
    with pytest.raises(SpinecastError) as caught:
        open_cohort(f"ukbiobank:{tmp_path / 'nowhere'}")
    assert caught.value.code == "SC-702"


# -- images --------------------------------------------------------------------------------

VISIT = {
    "1.dcm": scan("Total Body"),
    "2.dcm": scan("Left Femur"),
    "3.dcm": scan("LVA"),
    "4.dcm": scan("AP Spine", seed=1),
    "5.dcm": scan("Right Ortho Knee"),
    "manifest.csv": b"a list of contents",
}


def test_the_ap_spine_of_an_archive_is_the_image_and_the_others_are_skipped(extract):
    extract.archive(f"{IDS[0]}_20158_2_0.zip", VISIT)
    cohort = extract.load()
    image = cohort.images.iloc[0]
    assert len(cohort.images) == 1
    assert (image["person_id"], image["visit"]) == (IDS[0], 0)
    assert (image["modality"], image["view"], image["region"]) == ("BMD", "AP", "LS")
    assert image["manufacturer"] == "GE Healthcare"
    assert count_by_code(cohort.skipped) == {"SC-201": 1, "SC-202": 3, "SC-321": 1}
    assert cohort.quarantine.empty


def test_spacing_comes_from_the_exposed_area_where_the_header_has_no_other(extract):
    extract.archive(f"{IDS[0]}_20158_2_0.zip", {"a": scan()})
    extract.archive(f"{IDS[1]}_20158_2_0.zip", {"a": scan(PixelSpacing=[0.6, 1.05], seed=2)})
    extract.archive(f"{IDS[2]}_20158_2_0.zip", {"a": scan(ExposedArea=[0, 0], seed=3)})
    images = extract.load().images.set_index("person_id")
    assert images.loc[IDS[0], ["spacing_row", "spacing_column"]].tolist() == [5.0, 5.0]
    assert images.loc[IDS[1], ["spacing_row", "spacing_column"]].tolist() == [0.6, 1.05]
    assert images.loc[IDS[2], ["spacing_row", "spacing_column"]].isna().all()


def test_an_image_opens_without_loading_and_agrees_with_its_row(extract):
    extract.archive(f"{IDS[0]}_20158_2_0.zip", VISIT)
    extract.single(IDS[1], 2, scan(seed=9))
    images = extract.load().images
    fresh = open_cohort(f"ukbiobank:{extract.root}")
    for row, seed in zip(images.itertuples(), (1, 9), strict=True):
        image = fresh.open_image(row.image_id)
        assert (image.modality, image.view, image.region) == ("BMD", "AP", "LS")
        assert image.spacing == (row.spacing_row, row.spacing_column)
        stored = phantom((40, 36), bits=8, seed=seed)
        assert np.corrcoef(image.pixels.ravel(), stored.ravel())[0, 1] == pytest.approx(1)


def test_an_image_that_is_not_the_extracts_or_not_a_spine_is_refused(extract):
    extract.archive(f"{IDS[0]}_20158_2_0.zip", VISIT)
    source = open_cohort(f"ukbiobank:{extract.write()}")
    stem = f"{IDS[0]}_20158_2_0"
    for image_id, code in (
        ("../../etc/passwd", "SC-110"),
        (f"{stem}_m77", "SC-110"),
        ("", "SC-110"),
        (f"{stem}_m01", "SC-202"),
        (f"{stem}_m02", "SC-201"),
    ):
        with pytest.raises(SpinecastError) as caught:
            source.open_image(image_id)
        assert caught.value.code == code, image_id


def test_both_visits_of_the_plain_layout_are_read(extract):
    extract.single(IDS[0], 2, scan(None))
    extract.single(IDS[0], 3, scan(None, seed=1))
    extract.single(IDS[1], 2, scan("Total Body"))
    cohort = extract.load()
    assert cohort.images["image_id"].tolist() == [f"{IDS[0]}_instance_{i}" for i in (2, 3)]
    assert cohort.images["visit"].tolist() == [0, 1]
    assert codes_of(cohort, f"images:{IDS[1]}_instance_2.dcm") == ["SC-202"]


def test_a_coded_body_part_is_believed_where_there_is_no_protocol(extract):
    parts = {
        "a": scan(None, BodyPartExamined="HIP", ViewPosition="AP"),
        "b": scan(None, BodyPartExamined="LSPINE", ViewPosition="LL"),
        "c": scan(None, BodyPartExamined="LSPINE", ViewPosition="AP"),
        "d": scan(None),
        "e": scan("Doe Jane"),
    }
    extract.archive(f"{IDS[0]}_20158_2_0.zip", parts)
    cohort = extract.load()
    assert cohort.images["image_id"].tolist() == [f"{IDS[0]}_20158_2_0_m02"]
    assert count_by_code(cohort.skipped) == {"SC-201": 1, "SC-202": 1}
    assert count_by_code(cohort.quarantine) == {"SC-202": 2}


def test_a_secondary_capture_is_an_acquisition_here_but_burned_in_text_is_refused(extract):
    extract.archive(f"{IDS[0]}_20158_2_0.zip", {"a": scan(Modality="OT", ConversionType="WSD")})
    extract.archive(f"{IDS[1]}_20158_2_0.zip", {"a": scan(BurnedInAnnotation="YES")})
    cohort = extract.load()
    assert cohort.images["person_id"].tolist() == [IDS[0]]
    assert codes_of(cohort, f"images:{IDS[1]}_20158_2_0.zip[0]") == ["SC-118"]


def test_a_second_scan_of_the_spine_in_one_visit_is_skipped(extract):
    extract.archive(f"{IDS[0]}_20158_2_0.zip", {"a": scan(), "b": scan(seed=4)})
    cohort = extract.load()
    assert cohort.images["image_id"].tolist() == [f"{IDS[0]}_20158_2_0_m00"]
    assert codes_of(cohort, f"images:{IDS[0]}_20158_2_0.zip[1]") == ["SC-321"]


def test_broken_archives_and_members_are_quarantined_and_spoil_nothing_else(extract):
    names = [f"{eid}_20158_2_0.zip" for eid in IDS[:5]]
    for name in names:
        extract.archive(name, VISIT)
    whole = (extract.root / names[0]).read_bytes()
    (extract.root / names[0]).write_bytes(whole[: len(whole) // 2])
    (extract.root / names[1]).write_bytes(b"")
    (extract.root / names[2]).write_bytes(b"PK\x03\x04 not really")
    extract.archive(names[3], {"a": scan(seed=8)[:700], "b": scan(seed=8)})
    extract.archive(names[4], {"bomb": bytes(100 << 20), "b": scan(seed=7)})
    cohort = extract.load()
    found = [codes_of(cohort, f"images:{name}") for name in names[:3]]
    assert found == [["SC-114"], ["SC-101"], ["SC-114"]]
    assert codes_of(cohort, f"images:{names[3]}[0]") == ["SC-103"]
    assert codes_of(cohort, f"images:{names[4]}[0]") == ["SC-104"]
    assert cohort.images["person_id"].tolist() == IDS[3:5]


def test_names_inside_archives_write_nothing_outside_and_do_not_reach_the_ledger(extract):
    members = {"../../escaped.dcm": scan(), "\x1b[31m<script>.dcm": scan("LVA")}
    extract.archive(f"{IDS[0]}_20158_2_0.zip", members)
    cohort = extract.load()
    assert {path.name for path in extract.root.rglob("*")} == {
        "ukb.csv",
        f"{IDS[0]}_20158_2_0.zip",
    }
    assert not list(extract.root.parents[1].rglob("escaped*"))
    assert not cohort.skipped["source"].str.contains("script|escaped").any()
    assert len(cohort.images) == 1


def test_files_that_cannot_be_assigned_are_counted_under_the_reason(extract):
    one = scan()
    extract.archive("7654321_20158_2_0.zip", {"a": one})
    extract.archive(f"{IDS[0]}_20207_2_0.zip", {"a": one})
    extract.archive(f"{IDS[0]}_20158_1_0.zip", {"a": one})
    extract.archive("scans.zip", {"a": one})
    extract.single(IDS[1], 2, one, folder="other")
    (extract.root / f"{IDS[2]}_20158_2_0.zip").symlink_to("/etc/hostname")
    cohort = extract.load()
    expected = {
        "7654321_20158_2_0.zip": "SC-311",
        f"{IDS[0]}_20207_2_0.zip": "SC-321",
        f"{IDS[0]}_20158_1_0.zip": "SC-321",
        "scans.zip": "SC-311",
        f"other/{IDS[1]}_instance_2.dcm": "SC-314",
        f"{IDS[2]}_20158_2_0.zip": "SC-110",
    }
    assert {name: codes_of(cohort, f"images:{name}") for name in expected} == {
        name: [code] for name, code in expected.items()
    }
    assert cohort.images.empty


def test_one_archive_in_two_folders_is_refused_twice(extract):
    (extract.root / "a").mkdir()
    for place in ("", "a/"):
        extract.archive(f"{place}{IDS[0]}_20158_2_0.zip", VISIT)
    cohort = extract.load()
    assert count_by_code(cohort.quarantine) == {"SC-308": 2}


def test_an_image_of_a_visit_the_table_does_not_know_is_sc311(extract):
    last = IDS[-1]
    extract.archive(f"{last}_20158_3_0.zip", {"a": scan()})
    cohort = extract.load()
    assert codes_of(cohort, f"images:{last}_20158_3_0.zip[0]") == ["SC-311"]


def test_a_repeat_without_the_first_imaging_visit_is_skipped_with_its_images(extract):
    for column in [c for c in extract.table if "-2." in c]:
        extract.set(0, column, "")
    extract.archive(f"{IDS[0]}_20158_3_0.zip", {"a": scan()})
    cohort = extract.load()
    assert codes_of(cohort, "ukb.csv:2") == ["SC-321"]
    assert codes_of(cohort, f"images:{IDS[0]}_20158_3_0.zip") == ["SC-321"]
    assert IDS[0] not in set(cohort.people["person_id"])


# -- withdrawn -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w12345_20260101.csv", f"{IDS[0]}\n{IDS[2]}\n9999999\n"),
        ("withdrawn.txt", f"eid\r\n{IDS[0]}\r\n{IDS[2]}\r\n"),
    ],
)
def test_those_who_withdrew_are_left_out_counted_and_named_nowhere(extract, name, text):
    (extract.root / name).write_text(text)
    extract.archive(f"{IDS[0]}_20158_2_0.zip", VISIT)
    extract.archive(f"{IDS[1]}_20158_2_0.zip", VISIT)
    cohort = extract.load()
    assert set(IDS) - set(cohort.people["person_id"]) == {IDS[0], IDS[2]}
    assert cohort.images["person_id"].tolist() == [IDS[1]]
    assert count_by_code(cohort.skipped)["SC-322"] == 3
    tables = (cohort.people, cohort.visits, cohort.images, cohort.skipped, cohort.quarantine)
    assert IDS[0] not in "".join(table.to_csv() for table in tables)


def test_an_image_of_someone_who_withdrew_cannot_be_opened(extract):
    extract.archive(f"{IDS[0]}_20158_2_0.zip", VISIT)
    (extract.root / "withdrawn.csv").write_text(IDS[0])
    source = open_cohort(f"ukbiobank:{extract.write()}")
    with pytest.raises(SpinecastError) as caught:
        source.open_image(f"{IDS[0]}_20158_2_0_m03")
    assert caught.value.code == "SC-322"


def test_negative_numbers_mark_those_who_withdrew(extract):
    extract.set(3, "eid", "-5")
    assert codes_of(extract.load(), "ukb.csv:5") == ["SC-322"]


def test_a_list_the_map_names_must_be_there(extract):
    (extract.root / "ukbiobank.toml").write_text('withdrawn = ["gone.csv"]\n')
    assert extract.refusal().code == "SC-110"


# -- counts and the round trip -------------------------------------------------------------


def test_every_input_is_used_skipped_or_quarantined(extract):
    for i, eid in enumerate(IDS[:8]):
        extract.archive(f"{eid}_20158_2_0.zip", {**VISIT, "9.dcm": scan(seed=20 + i)})
    (extract.root / f"{IDS[2]}_20158_2_0.zip").write_bytes(b"PK")
    extract.archive("7654321_20158_2_0.zip", VISIT)
    (extract.root / "withdrawn.csv").write_text(IDS[3])
    extract.set(4, "31-0.0", "X")
    extract.set(5, "53-2.0", "1990-01-01")
    cohort = extract.load()
    both = pd.concat([cohort.quarantine, cohort.skipped])
    members = len(VISIT) + 1
    # six archives are opened; a broken one, an unknown one and a withdrawn one count as a file
    assert len(cohort.images) + count_of(both, "images:") == 6 * members + 3
    assert len(cohort.people) + count_of(both, "ukb.csv:") == N
    visits = N + N // 2 - 2  # less the two of the withdrawn
    assert len(cohort.visits) + count_of(both, "ukb.csv visits:") == visits


def tables_for(n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(11)
    ids = [f"P{i:05d}" for i in range(n)]
    sex = np.where(np.arange(n) % 2, "M", "F")
    height = np.where(sex == "F", 161.0, 175.0) + rng.normal(0, 4, n)
    parts = []
    for visit, years in ((0, np.zeros(n)), (1, rng.uniform(2, 10, n))):
        part = pd.DataFrame({"person_id": ids, "visit": visit, "years_since_baseline": years})
        part["age"] = np.linspace(45, 82, n) + years
        part["height"], part["weight"] = height, (height / 100) ** 2 * rng.normal(27, 2, n)
        part["bmi"] = part["weight"] / (height / 100) ** 2
        part["lumbar_width"], part["lumbar_height"] = rng.normal(43, 3, n), rng.normal(34, 2, n)
        part["lumbar_area"] = part["lumbar_width"] * part["lumbar_height"] * 0.04
        part["bmd_spine"] = rng.normal(1.1, 0.15, n)
        parts.append(part if visit == 0 else part.iloc[: n // 2])
    visits = pd.concat(parts, ignore_index=True)
    visits.loc[3, ["bmd_spine", "weight", "bmi"]] = np.nan
    people = pd.DataFrame({"person_id": ids, "sex": sex}).astype(object)
    people.loc[2, "sex"] = None
    return people, visits


@pytest.mark.parametrize("form", list(HEADERS))
def test_a_cohort_written_as_an_extract_reads_back_equal(tmp_path, form):
    people, visits = tables_for(40)
    scans = [(f"P{i:05d}", visit, [scan("LVA"), scan(seed=2 * i + visit)])
             for i in range(3) for visit in (0, 1)]  # fmt: skip
    write_ukbiobank_extract(tmp_path, people, visits, files=iter(scans), header=form)
    source = open_cohort(f"ukbiobank:{tmp_path}")
    read = source.load()
    assert read.quarantine.empty
    pd.testing.assert_frame_equal(read.people[["person_id", "sex"]], people)
    keys = ["person_id", "visit"]
    given = visits.sort_values(keys, ignore_index=True)
    back = read.visits[given.columns].sort_values(keys, ignore_index=True)
    clocks = ["age", "years_since_baseline"]
    pd.testing.assert_frame_equal(back.drop(columns=clocks), given.drop(columns=clocks))
    assert np.abs(back[clocks] - given[clocks]).to_numpy().max() <= 1.01 / 365.25
    assert read.images[keys].to_numpy().tolist() == [[p, v] for p, v, _ in scans]
    assert count_by_code(read.skipped) == {"SC-201": 6}
    opened = source.open_image(read.images["image_id"].iloc[3]).pixels
    stored = phantom((40, 36), bits=8, seed=3)
    assert np.corrcoef(opened.ravel(), stored.ravel())[0, 1] == pytest.approx(1)


def test_the_writer_refuses_visits_without_an_instance_and_unknown_headers(tmp_path):
    people, visits = tables_for(4)
    with pytest.raises(SpinecastError) as caught:
        write_ukbiobank_extract(tmp_path, people, visits.assign(visit=2))
    assert caught.value.code == "SC-706"
    with pytest.raises(SpinecastError) as caught:
        write_ukbiobank_extract(tmp_path, people, visits, header="roman")
    assert caught.value.code == "SC-706"


def test_a_protocol_name_is_kept_only_where_it_says_nothing_but_the_part(extract):
    extract.single(IDS[0], 2, scan("AP Spine", PatientName="Doe^Jane"))
    image = open_cohort(f"ukbiobank:{extract.write()}").open_image(f"{IDS[0]}_instance_2")
    assert image.attributes["ProtocolName"] == "AP SPINE"
    assert "doe" not in repr(vars(image)).lower()


# -- the page ------------------------------------------------------------------------------


def test_the_page_names_every_field_with_its_variable_and_unit():
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    shown = {"date": "years_since_baseline", "birth_year": "with 53", "birth_month": "with 53"}
    for each in FIELDS:
        row = next(row for row in rows if re.search(rf"\b{each.number}\b", row.split("|")[1]))
        assert shown.get(each.term, f"`{each.term}`") in row
        assert not each.unit or f"| {each.unit} |" in row


def test_the_map_file_on_the_page_is_valid_and_its_codes_are_explained(tmp_path):
    (tmp_path / "map.toml").write_text(PAGE.split("```toml\n")[1].split("```")[0])
    fields = read_field_map(tmp_path / "map.toml")
    assert fields.fields["height"] == (12144, 50)
    assert fields.units["lumbar_width"] == "cm"
    assert fields.is_missing("-818")
    assert set(re.findall(r"SC-\d{3}", PAGE)) <= set(CODES)
