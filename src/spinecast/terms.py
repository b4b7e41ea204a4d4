"""The registry: every variable once, with its unit, range, meaning and other names.

Reading a folder, validating a table, labelling an axis and writing the reference
page all look here, so a variable cannot mean two things in two rooms.

Ranges are what a living adult can have, not what is normal: they catch typing
errors, never outliers. ``typical`` bounds the median of a whole column and
catches wrong units.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from spinecast.term_record import Kind, Term
from spinecast.vocabulary import (
    DENSITIES,
    ENDPOINT,
    LENGTHS,
    MASSES,
    ORIGIN,
    REGION,
    SEX,
    SPACINGS,
    TIMES,
    VIEW,
)

__all__ = ["TERMS", "Kind", "Term"]

_FRAX = "Kanis et al., Osteoporos Int 2008;19:385 (FRAX)"
_GENANT = "Genant et al., J Bone Miner Res 1993;8:1137"
_WHO = "WHO Technical Report Series 843, 1994"
_DICOM = "DICOM PS3.3"
_ISCD = "ISCD Adult Official Positions 2019 (regions of interest of spine DXA)"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _number(
    name: str,
    meaning: str,
    *,
    unit: str,
    plausible: tuple[float, float],
    typical: tuple[float, float] | None = None,
    units: Mapping[str, float] | None = None,
    aliases: tuple[str, ...] = (),
    reference: str = "",
) -> Term:
    return Term(
        name,
        Kind.NUMBER,
        meaning,
        unit=unit,
        plausible=plausible,
        typical=typical,
        units=MappingProxyType(units or {}),
        aliases=aliases,
        reference=reference,
    )


def _flag(name: str, meaning: str, names: str = "", *, reference: str) -> Term:
    return Term(
        name, Kind.FLAG, meaning, plausible=(0, 1), aliases=_words(names), reference=reference
    )


def _bmd(name: str, site: str, aliases: tuple[str, ...]) -> Term:
    return _number(
        name,
        f"Areal bone mineral density of the {site} by DXA",
        unit="g/cm2",
        plausible=(0.05, 2.5),
        typical=(0.2, 2.0),
        units=DENSITIES,
        aliases=aliases,
        reference=_WHO,
    )


_IDENTITY = (
    Term(
        "person_id",
        Kind.IDENTIFIER,
        "Pseudonym of one person, the same in every table",
        aliases=_words(
            "person patient_id patientid patient pid eid subject subject_id participant_id"
        ),
    ),
    Term(
        "visit",
        Kind.COUNT,
        "Number of the visit of one person; 0 is the baseline (index) visit",
        plausible=(0, 10_000),
        aliases=_words("visit_number visit_no visitnr session instance timepoint exam"),
    ),
    Term(
        "image_id",
        Kind.IDENTIFIER,
        "Name of one image, unique in the cohort",
        aliases=_words("image accession accession_number sopinstanceuid img_id film_id"),
    ),
    Term(
        "path",
        Kind.TEXT,
        "Image file, relative to the cohort folder",
        aliases=_words("file filename file_name image_path filepath file_path"),
    ),
    Term(
        "sex",
        Kind.CATEGORY,
        "Sex recorded at birth or in the record: F or M",
        codes=SEX,
        aliases=_words("gender patientsex patient_sex geschlecht"),
    ),
    Term(
        "ancestry",
        Kind.TEXT,
        "Ancestry group as recorded",
        aliases=_words("ethnicity ethnic_group"),
    ),
)

_DATES = (
    Term(
        "birth_date",
        Kind.DATE,
        "Date of birth; turned into age and not kept",
        aliases=_words("dob date_of_birth birthdate patientbirthdate birthday"),
    ),
    Term(
        "date",
        Kind.DATE,
        "Date of the visit or image; turned into years and not kept",
        aliases=_words(
            "visit_date exam_date studydate study_date acquisition_date image_date scan_date"
        ),
    ),
    Term(
        "event_date",
        Kind.DATE,
        "Date of the event, or of the last contact where there was none",
        aliases=_words("fracture_date end_date date_of_event censor_date last_contact"),
    ),
)

_VISIT_NUMBERS = (
    _number(
        "years_since_baseline",
        "Time from the baseline visit to this one",
        unit="years",
        plausible=(0, 80),
        units=TIMES,
        aliases=_words("time_since_baseline followup_time follow_up_time years"),
    ),
    _number(
        "age",
        "Age at the visit",
        unit="years",
        plausible=(0, 120),
        typical=(1, 105),
        units=TIMES,
        aliases=_words("age_at_exam age_at_visit patientage age_years age_at_scan alter"),
    ),
    _number(
        "height",
        "Standing height",
        unit="cm",
        plausible=(90, 230),
        typical=(120, 200),
        units=LENGTHS,
        aliases=_words("standing_height ht patientsize stature body_height"),
    ),
    _number(
        "weight",
        "Body weight",
        unit="kg",
        plausible=(20, 300),
        typical=(35, 110),
        units=MASSES,
        aliases=_words("wt patientweight body_weight bodyweight"),
    ),
    _number(
        "bmi",
        "Body mass index, weight over squared height",
        unit="kg/m2",
        plausible=(9, 90),
        typical=(15, 45),
        aliases=_words("body_mass_index bmi_kg_m2"),
    ),
    _bmd("bmd_spine", "lumbar spine (L1 to L4)", _words("spine_bmd ls_bmd lumbar_bmd bmd_ls")),
    _bmd("bmd_femoral_neck", "femoral neck", _words("fn_bmd femoral_neck_bmd bmd_fn")),
    _bmd("bmd_total_hip", "total hip", _words("th_bmd total_hip_bmd hip_bmd bmd_th")),
    _number(
        "lumbar_width",
        "Average width of L1 to L4 on an AP spine DXA",
        unit="mm",
        plausible=(15, 80),
        typical=(25, 65),
        units=SPACINGS,
        aliases=_words("l1_l4_average_width l1l4_average_width lumbar_average_width"),
        reference=_ISCD,
    ),
    _number(
        "lumbar_height",
        "Average height of L1 to L4 on an AP spine DXA, between the middles of the discs",
        unit="mm",
        plausible=(12, 65),
        typical=(20, 50),
        units=SPACINGS,
        aliases=_words("l1_l4_average_height l1l4_average_height lumbar_average_height"),
        reference=_ISCD,
    ),
    _number(
        "lumbar_area",
        "Projected bone area of L1 to L4 on an AP spine DXA",
        unit="cm2",
        plausible=(10, 150),
        typical=(25, 110),
        units={"cm2": 1.0, "mm2": 0.01},
        aliases=_words("l1_l4_area l1l4_area lumbar_spine_area"),
        reference=_ISCD,
    ),
    _number(
        "t_score_femoral_neck",
        "Femoral neck BMD in standard deviations of young women (NHANES III)",
        unit="SD",
        plausible=(-8, 8),
        typical=(-5, 3),
        aliases=_words("fn_t_score t_score tscore t_score_fn"),
        reference=_WHO,
    ),
    _number(
        "frax_mof",
        "Ten-year probability of major osteoporotic fracture, as supplied; never computed here",
        unit="%",
        plausible=(0, 100),
        aliases=_words("frax frax_major frax_score"),
        reference=_FRAX,
    ),
)

_FLAGS = (
    _flag(
        "prevalent_vf",
        "A vertebral fracture is present at the visit",
        "pvf prevalent_vertebral_fracture vertebral_fracture_prevalent",
        reference=_GENANT,
    ),
    _flag(
        "glucocorticoids",
        "Oral glucocorticoids now or for over three months ever",
        "steroids glucocorticoid gc_use corticosteroids",
        reference=_FRAX,
    ),
    _flag(
        "prior_fracture",
        "Clinical fragility fracture in adult life before the visit",
        "previous_fracture priorfrac fracture_history history_of_fracture",
        reference=_FRAX,
    ),
    _flag("rheumatoid_arthritis", "Confirmed rheumatoid arthritis", "ra", reference=_FRAX),
    _flag(
        "secondary_osteoporosis",
        "A disorder strongly associated with osteoporosis",
        "secondary_op",
        reference=_FRAX,
    ),
    _flag("smoking", "Smokes now", "smoker current_smoker smoke", reference=_FRAX),
    _flag("alcohol", "Three or more units of alcohol a day", "alcohol_3_units", reference=_FRAX),
    _flag(
        "parental_hip_fracture",
        "A parent had a hip fracture",
        "parent_hip_fracture parental_hip",
        reference=_FRAX,
    ),
    _flag("osteoporosis", "Lowest T-score of -2.5 or below", "op osteoporotic", reference=_WHO),
    _flag(
        "cancer_within_1_year",
        "Bone metastasis or blood cancer within a year of the visit",
        "bone_metastasis malignancy cancer",
        reference="Cohort rule of study S2",
    ),
    _flag(
        "severe_deformity",
        "Severe scoliosis or kyphosis that hides the vertebrae",
        "severe_scoliosis severe_kyphosis",
        reference="Cohort rule of study S2",
    ),
)

_IMAGE = (
    Term("modality", Kind.TEXT, "DICOM modality code: DX, CR, BMD, CT, MR", reference=_DICOM),
    Term(
        "view",
        Kind.CATEGORY,
        "Projection or plane",
        codes=VIEW,
        aliases=_words("viewposition view_position projection"),
        reference=_DICOM,
    ),
    Term(
        "region",
        Kind.TEXT,
        "Field of view of an image, or vertebral level of a finding",
        codes=REGION,
        aliases=_words("field_of_view bodypartexamined body_part fov level vertebra"),
    ),
    _number(
        "spacing_row",
        "Distance between rows",
        unit="mm",
        plausible=(0.005, 20),
        units=SPACINGS,
        aliases=_words("pixel_spacing_row spacing_y row_spacing"),
        reference=_DICOM,
    ),
    _number(
        "spacing_column",
        "Distance between columns",
        unit="mm",
        plausible=(0.005, 20),
        units=SPACINGS,
        aliases=_words("pixel_spacing_column spacing_x column_spacing"),
        reference=_DICOM,
    ),
    Term("manufacturer", Kind.TEXT, "Maker of the device", aliases=_words("maker vendor")),
    Term("origin", Kind.CATEGORY, "Taken by a device, or generated", codes=ORIGIN),
    Term("sha256", Kind.TEXT, "Hash of the pixels; empty until they were read"),
)

_OUTCOME = (
    Term(
        "endpoint",
        Kind.CATEGORY,
        "What the person is followed for",
        codes=ENDPOINT,
        aliases=_words("outcome event_type"),
    ),
    Term(
        "event",
        Kind.COUNT,
        "0 censored, 1 event, 2 competing death",
        plausible=(0, 2),
        aliases=_words("status event_indicator fractured"),
    ),
    _number(
        "duration",
        "Time from baseline to event or end of follow-up",
        unit="years",
        plausible=(0, 80),
        units=TIMES,
        aliases=_words("time time_to_event survival_time event_time"),
    ),
    Term("finding", Kind.TEXT, "What was found", aliases=_words("diagnosis observation")),
    _number(
        "severity",
        "Genant grade: 0 none, 1 mild, 2 moderate, 3 severe",
        unit="",
        plausible=(0, 3),
        aliases=_words("grade genant genant_grade"),
        reference=_GENANT,
    ),
)

TERMS: MappingProxyType[str, Term] = MappingProxyType(
    {
        term.name: term
        for term in (*_IDENTITY, *_DATES, *_VISIT_NUMBERS, *_FLAGS, *_IMAGE, *_OUTCOME)
    }
)
