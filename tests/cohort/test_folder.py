"""The folder source reads a hospital folder, and refuses what is wrong by its code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.cohort import CohortSource, open_cohort
from spinecast.cohort.ledger import count_by_code
from spinecast.errors import CohortError, SpinecastError

N_PEOPLE = 24
REAL_FILMS = Path(__file__).parents[3] / "shared/data/ap_spine_radiographs"


def refusal(folder, **settings) -> SpinecastError:
    with pytest.raises(SpinecastError) as caught:
        folder.load(**settings)
    return caught.value


def codes_of(cohort, source: str) -> list[str]:
    hits = cohort.quarantine[cohort.quarantine["source"] == source]
    return hits["code"].tolist()


# -- a faultless folder ---------------------------------------------------------------------


def test_a_faultless_folder_is_read_whole_and_nothing_is_quarantined(folder):
    cohort = folder.load()
    assert len(cohort.people) == N_PEOPLE
    assert len(cohort.visits) == len(cohort.images) == 2 * N_PEOPLE
    assert len(cohort.events) == N_PEOPLE
    assert cohort.quarantine.empty
    assert cohort.skipped.empty
    assert not cohort.simulated


def test_a_folder_source_is_a_cohort_source(folder):
    assert isinstance(open_cohort(str(folder.write())), CohortSource)


def test_bmi_is_computed_where_it_is_not_given(folder):
    visits = folder.load().visits
    assert np.allclose(visits["bmi"], visits["weight"] / (visits["height"] / 100) ** 2)


def test_unknown_covariates_are_columns_of_unknowns(folder):
    visits = folder.load().visits
    assert visits["bmd_femoral_neck"].isna().all()
    assert visits["frax_mof"].dtype == float


def test_empty_cells_are_unknown_and_no_fault(folder):
    folder.set("visits", 3, age="", height="NA", prevalent_vf="unknown")
    folder.set("people", 2, sex="")
    cohort = folder.load()
    assert cohort.quarantine.empty
    assert np.isnan(cohort.visits.loc[3, "age"])
    assert np.isnan(cohort.visits.loc[3, "prevalent_vf"])
    assert cohort.people["sex"].isna().sum() == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_usual_encoding_and_separator_gives_the_same_cohort(folder, encoding, separator):
    folder["people"]["ancestry"] = "Zürich"
    expected = folder.load()
    folder.write(separator=separator, encoding=encoding)
    read = open_cohort(str(folder.root)).load()
    pd.testing.assert_frame_equal(read.people, expected.people)
    pd.testing.assert_frame_equal(read.visits, expected.visits)


def test_decimal_commas_are_read_where_the_separator_is_another(folder):
    folder["visits"]["height"] = folder["visits"]["height"].map(lambda h: f"{h}".replace(".", ","))
    folder.write(separator=";")
    visits = open_cohort(str(folder.root)).load().visits
    assert visits["height"].between(140, 190).all()


def test_alternative_column_names_are_understood(folder):
    folder["people"] = folder["people"].rename(columns={"person_id": "eid", "sex": "Gender"})
    folder["visits"] = folder["visits"].rename(
        columns={"person_id": "PatientID", "age": "age_at_exam", "height": "Height (cm)"}
    )
    cohort = folder.load()
    assert cohort.quarantine.empty
    assert cohort.visits["height"].notna().all()


def test_a_unit_in_the_column_name_converts_the_column(folder):
    expected = folder.load().visits["height"]
    folder["visits"]["height_m"] = folder["visits"].pop("height") / 100
    cohort = folder.load()
    assert np.allclose(cohort.visits["height"], expected)
    assert any("converted from m to cm" in note for note in cohort.notes)


def test_formulas_and_control_characters_stay_or_become_harmless_text(folder):
    folder["people"] = folder["people"].assign(ancestry="=cmd|'/c calc'!A1")
    folder.set("people", 0, ancestry="\x1b[31mred\x00\u202e")
    people = folder.load().people
    assert people.loc[1, "ancestry"] == "=cmd|'/c calc'!A1"
    assert people.loc[0, "ancestry"] == "[31mred"


def test_columns_that_may_name_a_person_are_left_behind(folder):
    folder["people"] = folder["people"].assign(PatientName="Doe^Jane", phone=[*range(N_PEOPLE)])
    folder["visits"] = folder["visits"].assign(grip=31.5)
    cohort = folder.load()
    assert {"patientname", "phone"}.isdisjoint(cohort.people.columns)
    assert "grip" in cohort.visits
    assert any("PatientName" in note for note in cohort.notes)


def test_visit_numbers_may_start_anywhere(folder):
    for table in ("visits", "images"):
        folder[table]["visit"] += 2
    cohort = folder.load()
    assert sorted(cohort.visits["visit"].unique()) == [0, 1]
    assert sorted(cohort.images["visit"].unique()) == [0, 1]


# -- dates ------------------------------------------------------------------------------------


def with_dates(folder, form: str = "%Y-%m-%d") -> None:
    def written(dates: pd.Series) -> pd.Series:
        return pd.to_datetime(dates).dt.strftime(form)

    n = len(folder["people"])
    folder["people"]["birth_date"] = written(pd.Series(["1950-06-30"] * n))
    days = pd.Series(["2010-06-30", "2012-12-29"] * n)
    folder["visits"]["date"] = written(days)
    folder["visits"] = folder["visits"].drop(columns=["age", "years_since_baseline"])
    folder["events"]["event_date"] = written(pd.Series(["2015-06-30"] * n))
    folder["events"] = folder["events"].drop(columns="duration")


def test_dates_become_ages_times_and_durations_and_are_not_kept(folder):
    with_dates(folder)
    cohort = folder.load()
    assert cohort.quarantine.empty
    assert cohort.visits["age"].to_numpy()[:2] == pytest.approx([60.0, 62.5], abs=0.01)
    assert cohort.visits["years_since_baseline"].to_numpy()[:2] == pytest.approx([0, 2.5], abs=0.01)
    assert cohort.events["duration"].to_numpy() == pytest.approx(5.0, abs=0.01)
    for table in (cohort.people, cohort.visits, cohort.images, cohort.events):
        assert not any("date" in column for column in table.columns)


def test_declared_date_formats_are_read(folder, tmp_path):
    with_dates(folder, "%d.%m.%Y")
    column_map = tmp_path / "map.toml"
    column_map.write_text('[dates]\nformats = ["%d.%m.%Y"]\n')
    cohort = folder.load(column_map=column_map)
    assert cohort.visits["age"].iloc[0] == pytest.approx(60.0, abs=0.01)


def test_undeclared_date_formats_are_refused_as_a_whole_not_guessed(folder):
    with_dates(folder, "%d.%m.%Y")
    refused = refusal(folder)
    assert refused.code == "SC-313"
    assert "map file" in refused.message


def test_visits_without_numbers_are_numbered_by_date(folder):
    with_dates(folder)
    folder["visits"] = folder["visits"].drop(columns="visit").iloc[::-1]
    cohort = folder.load()
    later = cohort.visits[cohort.visits["visit"] == 1]
    assert later["years_since_baseline"].to_numpy() == pytest.approx(2.5, abs=0.01)


def test_images_without_visit_numbers_find_their_visit_by_date(folder):
    with_dates(folder)
    folder["images"] = folder["images"].drop(columns="visit")
    folder["images"]["StudyDate"] = ["20100630", "20121229"] * N_PEOPLE
    folder.set("images", 5, StudyDate="20111111")
    cohort = folder.load()
    assert cohort.images["visit"].tolist()[:4] == [0, 1, 0, 1]
    assert codes_of(cohort, folder.line("images", 5)) == ["SC-311"]


def test_a_date_before_birth_is_sc306_and_takes_its_image_along(folder):
    with_dates(folder)
    folder.set("visits", 3, date="1949-01-01")
    cohort = folder.load()
    assert codes_of(cohort, folder.line("visits", 3)) == ["SC-306"]
    assert codes_of(cohort, folder.line("images", 3)) == ["SC-306"]
    assert len(cohort.images) == 2 * N_PEOPLE - 1


def test_an_event_before_baseline_is_sc306(folder):
    with_dates(folder)
    folder.set("events", 4, event_date="2009-01-01")
    cohort = folder.load()
    assert codes_of(cohort, folder.line("events", 4)) == ["SC-306"]
    assert len(cohort.people) == N_PEOPLE


def test_a_visit_before_the_one_it_follows_is_sc306(folder):
    with_dates(folder)
    folder.set("visits", 7, date="2010-01-01")
    assert codes_of(folder.load(), folder.line("visits", 7)) == ["SC-306"]


def test_a_first_visit_before_birth_is_refused_for_that_reason(folder):
    with_dates(folder)
    folder.set("visits", 2, date="1949-01-01")
    quarantine = folder.load().quarantine.set_index("source")
    assert quarantine.loc[folder.line("visits", 2), "code"] == "SC-306"
    assert "birth" in quarantine.loc[folder.line("visits", 2), "reason"]


def test_a_third_visit_before_the_second_is_sc306_even_after_the_baseline(folder):
    with_dates(folder)
    third = folder["visits"].loc[3].to_dict() | {"visit": 2, "date": "2011-06-30"}
    folder.append("visits", **third)
    cohort = folder.load()
    assert codes_of(cohort, folder.line("visits", 2 * N_PEOPLE)) == ["SC-306"]
    assert len(cohort.quarantine) == 1


def test_an_age_that_contradicts_the_dates_is_sc314(folder):
    with_dates(folder)
    folder["visits"]["age"] = [60.0, 62.0] * N_PEOPLE
    folder.set("visits", 2, age=41)
    assert codes_of(folder.load(), folder.line("visits", 2)) == ["SC-314"]


# -- faults of a whole table ------------------------------------------------------------------


def test_a_missing_column_is_sc301_with_its_other_names_what_was_found_and_a_guess(folder):
    folder["images"] = folder["images"].rename(columns={"person_id": "persn_id"})
    refused = refusal(folder)
    assert refused.code == "SC-301"
    for part in ("images.csv", "'person_id'", "patient_id", "'persn_id'", "did you mean"):
        assert part in refused.message


def test_visits_without_age_or_dates_are_sc301(folder):
    folder["visits"] = folder["visits"].rename(columns={"age": "agee"})
    refused = refusal(folder)
    assert refused.code == "SC-301"
    assert "did you mean 'agee'" in refused.message


def test_two_columns_for_one_variable_are_sc320(folder):
    folder["people"] = folder["people"].drop(columns="sex").assign(gender="F", geschlecht="F")
    assert refusal(folder).code == "SC-320"


def test_the_exact_name_wins_over_alternative_names(folder):
    folder["people"]["gender"] = "M"
    cohort = folder.load()
    assert set(cohort.people["sex"]) == {"F", "M"}
    assert any("'gender'" in note for note in cohort.notes)


def test_undeclared_number_codes_of_sex_are_sc302(folder):
    folder["people"]["sex"] = [0, 1] * (N_PEOPLE // 2)
    refused = refusal(folder)
    assert refused.code == "SC-302"
    assert "24 of 24" in refused.message


def test_declared_number_codes_of_sex_are_read(folder, tmp_path):
    folder["people"]["sex"] = [1.0, 0.0] * (N_PEOPLE // 2)
    (tmp_path / "cohort.toml").write_text('[codes.sex]\n0 = "F"\n1 = "M"\n')
    assert folder.load().people["sex"].tolist()[:2] == ["M", "F"]


def test_swapped_sex_codes_are_sc303_by_height(folder):
    folder["people"]["sex"] = folder["people"]["sex"].map({"F": "M", "M": "F"})
    refused = refusal(folder)
    assert refused.code == "SC-303"
    assert "height" in refused.message


def test_swapped_sex_codes_are_sc303_by_weight_where_height_is_unknown(folder):
    heavier = np.repeat((folder["people"]["sex"] == "F").to_numpy() * 14.0, 2)
    folder["visits"] = folder["visits"].drop(columns="height")
    folder["visits"]["weight"] += heavier
    assert refusal(folder).code == "SC-303"


@pytest.mark.parametrize(
    ("column", "factor", "unit"),
    [("height", 0.01, "m"), ("height", 10, "mm"), ("weight", 1 / 0.45359237, "lb")],
)
def test_a_wrong_unit_is_sc304_with_the_likely_one(folder, column, factor, unit):
    folder["visits"][column] *= factor
    refused = refusal(folder)
    assert refused.code == "SC-304"
    assert f"looks like {unit} " in refused.message


def test_bone_density_in_milligrams_is_sc304(folder):
    folder["visits"]["bmd_spine"] = 912.0
    refused = refusal(folder)
    assert refused.code == "SC-304"
    assert "mg/cm2" in refused.message


def test_light_weights_in_pounds_are_sc304_by_the_bmi_they_give(folder):
    folder["visits"]["weight"] = 105 + np.arange(2 * N_PEOPLE) * 0.05
    folder["visits"]["height"] -= 15
    assert refusal(folder).code == "SC-304"


def test_a_declared_unit_converts_instead(folder, tmp_path):
    folder["visits"]["height"] /= 100
    (tmp_path / "cohort.toml").write_text('[units]\nheight = "m"\n')
    assert folder.load().visits["height"].between(140, 190).all()


def test_broken_quotes_refuse_the_table_rather_than_swallow_rows(folder):
    folder.write()
    with (folder.root / "visits.csv").open("a") as handle:
        handle.write('P000,7,"never closed,1\nP001,7,3,60,170,60,0\n')
    with pytest.raises(CohortError) as caught:
        open_cohort(str(folder.root)).load()
    assert caught.value.code == "SC-313"


def test_tables_without_an_image_index_are_sc315(folder):
    folder.write()
    (folder.root / "images.csv").unlink()
    with pytest.raises(CohortError) as caught:
        open_cohort(str(folder.root)).load()
    assert caught.value.code == "SC-315"


def test_an_empty_folder_is_sc315_and_no_folder_sc702(tmp_path):
    with pytest.raises(SpinecastError) as caught:
        open_cohort(str(tmp_path)).load()
    assert caught.value.code == "SC-315"
    with pytest.raises(SpinecastError) as caught:
        open_cohort(str(tmp_path / "nowhere"))
    assert caught.value.code == "SC-702"


def test_an_empty_table_is_sc101(folder):
    folder.write()
    (folder.root / "people.csv").write_text("\n\n")
    with pytest.raises(SpinecastError) as caught:
        open_cohort(str(folder.root)).load()
    assert caught.value.code == "SC-101"


# -- faults of a row --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "row", "cells", "code"),
    [
        ("people", 3, {"sex": "X"}, "SC-302"),
        ("people", 3, {"person_id": ""}, "SC-313"),
        ("people", 3, {"person_id": "../../etc/passwd"}, "SC-313"),
        ("visits", 8, {"height": 1620}, "SC-305"),
        ("visits", 8, {"age": -4}, "SC-305"),
        ("visits", 8, {"age": "sixty"}, "SC-313"),
        ("visits", 8, {"weight": "1e999"}, "SC-313"),
        ("visits", 8, {"prevalent_vf": 3}, "SC-313"),
        ("visits", 8, {"bmi": 60}, "SC-314"),
        ("visits", 8, {"visit": ""}, "SC-313"),
        ("visits", 8, {"person_id": "NOBODY"}, "SC-311"),
        ("images", 9, {"person_id": "NOBODY"}, "SC-311"),
        ("images", 9, {"visit": 6}, "SC-311"),
        ("images", 9, {"file": "images/gone.png"}, "SC-110"),
        ("images", 9, {"file": "../outside.png"}, "SC-110"),
        ("images", 9, {"file": "/etc/passwd"}, "SC-110"),
        ("images", 9, {"file": "images"}, "SC-110"),
        ("images", 9, {"view": "upside down"}, "SC-313"),
        ("images", 9, {"spacing_row": 0}, "SC-208"),
        ("events", 5, {"person_id": "NOBODY"}, "SC-311"),
        ("events", 5, {"event": 3}, "SC-319"),
        ("events", 5, {"event": "maybe"}, "SC-319"),
        ("events", 5, {"event": ""}, "SC-319"),
        ("events", 5, {"duration": -1}, "SC-305"),
        ("events", 5, {"duration": ""}, "SC-313"),
    ],
)
def test_one_bad_cell_quarantines_its_row_under_its_code(folder, table, row, cells, code):
    if "bmi" in cells or "spacing_row" in cells:
        column = next(iter(cells))
        folder[table][column] = 24.3 if column == "bmi" else 0.14
        if column == "bmi":
            folder["visits"]["bmi"] = (
                folder["visits"]["weight"] / (folder["visits"]["height"] / 100) ** 2
            )
    before = len(folder[table])
    folder.set(table, row, **cells)
    cohort = folder.load()
    assert codes_of(cohort, folder.line(table, row)) == [code]
    in_table = cohort.quarantine["source"].str.startswith(f"{table}.csv")
    assert len(getattr(cohort, table)) + in_table.sum() == before
    assert in_table.sum() == 1


def test_the_rows_of_a_quarantined_person_follow_under_the_same_code(folder):
    folder.set("people", 3, sex="X")
    cohort = folder.load()
    for source in ("visits.csv:8", "visits.csv:9", "images.csv:8", "events.csv:5"):
        assert codes_of(cohort, source) == ["SC-302"], source
    assert "P003" not in set(cohort.images["person_id"])


def test_the_second_cell_of_a_row_with_two_faults_does_not_count_twice(folder):
    folder.set("visits", 8, age="sixty", height=9999)
    assert len(codes_of(folder.load(), folder.line("visits", 8))) == 1


def test_a_person_id_with_two_contents_is_sc307_for_every_row(folder):
    folder.append("people", person_id="P002", sex="F")
    folder["people"].loc[2, "sex"] = "M"
    cohort = folder.load()
    assert codes_of(cohort, folder.line("people", 2)) == ["SC-307"]
    assert codes_of(cohort, folder.line("people", N_PEOPLE)) == ["SC-307"]
    assert "P002" not in set(cohort.visits["person_id"])


def test_an_exact_repeat_is_skipped_and_counted(folder):
    folder.append("people", **folder["people"].loc[2].to_dict())
    cohort = folder.load()
    assert cohort.quarantine.empty
    assert cohort.skipped["source"].tolist() == [folder.line("people", N_PEOPLE)]
    assert len(cohort.people) == N_PEOPLE


def test_an_image_id_used_twice_is_sc308(folder):
    folder.set("images", 9, image_id="I004")
    cohort = folder.load()
    assert count_by_code(cohort.quarantine) == {"SC-308": 2}


def test_two_different_rows_for_one_visit_are_sc314_with_their_images(folder):
    folder.append("visits", **(folder["visits"].loc[2].to_dict() | {"weight": 70.0}))
    cohort = folder.load()
    assert codes_of(cohort, folder.line("visits", 2)) == ["SC-314"]
    assert codes_of(cohort, folder.line("images", 2)) == ["SC-314"]


def test_a_row_with_too_many_cells_is_sc313(folder):
    folder.write()
    with (folder.root / "people.csv").open("a") as handle:
        handle.write("P999,F,what,is,this\n")
    cohort = open_cohort(str(folder.root)).load()
    assert codes_of(cohort, f"people.csv:{N_PEOPLE + 2}") == ["SC-313"]


def test_a_refused_baseline_never_makes_the_next_visit_the_baseline(folder):
    folder.set("visits", 4, age="sixty")
    cohort = folder.load()
    left = cohort.visits[cohort.visits["person_id"] == "P002"]
    assert left["visit"].tolist() == [1]


def test_a_link_out_of_the_folder_is_sc110(folder, tmp_path_factory):
    secret = tmp_path_factory.mktemp("outside") / "secret.png"
    secret.write_bytes(b"x")
    (folder.root / "images" / "I004.png").unlink()
    (folder.root / "images" / "I004.png").symlink_to(secret)
    assert codes_of(folder.load(), folder.line("images", 4)) == ["SC-110"]


def test_five_percent_of_damage_is_found_whole_and_nothing_else(folder):
    damage = {
        "visits": {1: {"age": "?!"}, 9: {"height": 17}, 20: {"weight": 900}, 31: {"visit": "x"}},
        "images": {2: {"file": "no.png"}, 12: {"view": "what"}},
        "events": {0: {"event": 9}},
    }
    for table, rows in damage.items():
        for row, cells in rows.items():
            folder.set(table, row, **cells)
    cohort = folder.load()
    planted = {folder.line(t, row) for t, rows in damage.items() for row in rows}
    planted |= {folder.line("images", row) for row in damage["visits"]}
    assert set(cohort.quarantine["source"]) == planted


# -- folders without tables ---------------------------------------------------------------------


def test_an_image_index_alone_makes_people_and_visits_of_unknown_age_and_sex(folder):
    for table in ("people", "visits", "events"):
        del folder.tables[table]
    cohort = folder.load()
    assert len(cohort.people) == N_PEOPLE
    assert cohort.people["sex"].isna().all()
    assert cohort.visits["age"].isna().all()
    assert sorted(cohort.visits["visit"].unique()) == [0, 1]
    assert cohort.events.empty
    assert list(cohort.events.columns) == ["person_id", "endpoint", "event", "duration"]


def test_an_image_index_may_carry_age_and_sex(folder):
    for table in ("people", "visits", "events"):
        del folder.tables[table]
    folder["images"]["age"] = [60.0, 63.0] * N_PEOPLE
    folder["images"]["sex"] = np.repeat(["f", "m"] * (N_PEOPLE // 2), 2)
    cohort = folder.load()
    assert set(cohort.people["sex"]) == {"F", "M"}
    assert cohort.visits["years_since_baseline"].tolist()[:2] == [0, 3]
    assert "age" not in cohort.images


def test_ages_of_one_visit_that_differ_between_films_are_sc314(folder):
    for table in ("people", "visits", "events"):
        del folder.tables[table]
    folder["images"]["age"] = [60.0, 63.0] * N_PEOPLE
    folder.append("images", **(folder["images"].loc[2].to_dict() | {"image_id": "X", "age": 71}))
    cohort = folder.load()
    assert count_by_code(cohort.quarantine) == {"SC-314": 2}
    assert "P001" in set(cohort.people["person_id"])


def test_a_map_file_sets_defaults_keeps_columns_and_recodes_unknowns(folder):
    folder["images"] = folder["images"].drop(columns="view").assign(site="ward 3", note="x")
    folder["visits"]["smoking"] = [0, -9] * N_PEOPLE
    (folder.root / "cohort.toml").write_text(
        'keep = ["site"]\n[defaults]\nview = "PA"\n[codes.smoking]\n-9 = ""\n'
    )
    cohort = folder.load()
    assert set(cohort.images["view"]) == {"AP"}
    assert set(cohort.images["site"]) == {"ward 3"}
    assert "note" not in cohort.images
    assert cohort.visits["smoking"].isna().sum() == N_PEOPLE


def test_an_unreadable_default_is_sc317(folder):
    folder["images"] = folder["images"].drop(columns="view")
    (folder.root / "cohort.toml").write_text('[defaults]\nview = "sideways"\n')
    assert refusal(folder).code == "SC-317"


def test_a_sex_that_changes_between_films_is_sc314(folder):
    for table in ("people", "visits", "events"):
        del folder.tables[table]
    folder["images"]["sex"] = "F"
    folder.set("images", 3, sex="M")
    cohort = folder.load()
    assert count_by_code(cohort.quarantine) == {"SC-314": 2}


def test_bare_images_are_told_apart_by_folder_or_file(tmp_path, write_picture):
    write_picture(tmp_path / "anna" / "one.png", 1)
    write_picture(tmp_path / "anna" / "two.png", 2)
    write_picture(tmp_path / "bert.jpg", 3)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"x")
    cohort = open_cohort(str(tmp_path)).load()
    assert cohort.people["person_id"].tolist() == ["anna", "bert"]
    assert sorted(cohort.images["image_id"]) == ["bert", "one", "two"]


def test_bare_images_of_one_name_get_ids_from_their_paths(tmp_path, write_picture):
    write_picture(tmp_path / "anna" / "film.png", 1)
    write_picture(tmp_path / "bert" / "film.png", 2)
    images = open_cohort(str(tmp_path)).load().images
    assert sorted(images["image_id"]) == ["anna__film", "bert__film"]


def write_film(path: Path, **tags: object) -> None:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    film = pydicom.Dataset()
    film.file_meta = pydicom.dataset.FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    film.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID
    film.Rows, film.Columns, film.SamplesPerPixel = 64, 48, 1
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.PhotometricInterpretation, film.Modality = "MONOCHROME2", "DX"
    film.ImageType = ["ORIGINAL", "PRIMARY"]
    for name, value in tags.items():
        setattr(film, name, value)
    noise = np.random.default_rng(1).integers(0, 4096, (64, 48), dtype=np.uint16)
    film.PixelData = noise.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=True)


def test_bare_dicom_films_are_described_by_their_headers_and_broken_ones_quarantined(tmp_path):
    write_film(tmp_path / "anna" / "1.dcm", ViewPosition="LL", PixelSpacing=[0.2, 0.3])
    (tmp_path / "anna" / "readme.txt").write_text("no film at all " * 64)
    write_film(tmp_path / "bert" / "1.2.840.7", ViewPosition="AP", Manufacturer="GE")
    (tmp_path / "carl.dcm").write_bytes(b"not a film")
    cohort = open_cohort(str(tmp_path)).load()
    films = cohort.images.set_index("person_id")
    assert films.loc["anna", ["view", "modality"]].tolist() == ["LATERAL", "DX"]
    assert films.loc["anna", ["spacing_row", "spacing_column"]].tolist() == [0.2, 0.3]
    assert films.loc["bert", ["view", "manufacturer"]].tolist() == ["AP", "GE"]
    assert cohort.quarantine[["source", "code"]].to_numpy().tolist() == [["images:carl", "SC-102"]]


def test_what_the_index_says_is_not_overwritten_by_the_header(tmp_path):
    write_film(tmp_path / "1.dcm", ViewPosition="AP", Manufacturer="GE")
    table = "person_id,file,view\nanna,1.dcm,LATERAL\n"
    (tmp_path / "images.csv").write_text(table)
    film = open_cohort(str(tmp_path)).load().images.iloc[0]
    assert (film["view"], film["manufacturer"], film["modality"]) == ("LATERAL", "GE", "DX")


# -- opening images -------------------------------------------------------------------------------


def test_an_image_opens_with_the_spacing_and_view_of_the_index(folder, write_picture):
    write_picture(folder.root / "images" / "I002.png")
    folder["images"] = folder["images"].assign(spacing_row=0.14, spacing_column=0.15)
    image = open_cohort(str(folder.write())).open_image("I002")
    assert image.pixels.shape == (40, 30)
    assert image.spacing == (0.14, 0.15)
    assert (image.view, image.modality, image.region) == ("LATERAL", "DX", "TLS")


def test_an_unknown_image_and_a_vanished_file_are_sc110(folder):
    source = open_cohort(str(folder.write()))
    source.load()
    (folder.root / "images" / "I000.png").unlink()
    for image_id in ("I000", "I999", "../I001"):
        with pytest.raises(SpinecastError) as caught:
            source.open_image(image_id)
        assert caught.value.code == "SC-110"


@pytest.mark.skipif(not REAL_FILMS.is_dir(), reason="real films are not here")
def test_the_real_films_are_read_with_what_is_known_and_no_more():
    source = open_cohort(str(REAL_FILMS))
    cohort = source.load()
    assert (len(cohort.people), len(cohort.images)) == (24, 51)
    assert cohort.quarantine.empty
    assert cohort.visits["age"].isna().all()
    assert "cobb_1_deg" in cohort.images
    assert source.open_image("P002_1").pixels.ndim == 2
