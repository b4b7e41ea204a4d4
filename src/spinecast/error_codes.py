"""What every error code means and what to do: the text behind ``spinecast explain``."""

from __future__ import annotations

from dataclasses import dataclass

from spinecast.biobank_codes import BIOBANK_CODES
from spinecast.causal_codes import CAUSAL_CODES
from spinecast.genetic_codes import GENETIC_CODES


@dataclass(frozen=True)
class Explanation:
    """What a code means, for ``spinecast explain``."""

    title: str
    meaning: str
    remedy: str


def _explain(title: str, meaning: str, remedy: str) -> Explanation:
    return Explanation(title, meaning, remedy)


CODES: dict[str, Explanation] = {
    # -- SC-1xx files -----------------------------------------------------------------------
    "SC-101": _explain(
        "empty file",
        "The file has no bytes. Copies that were cut off often look like this.",
        "Copy the file again from its source.",
    ),
    "SC-102": _explain(
        "not a readable image",
        "The file is neither DICOM nor PNG, JPEG or NIfTI, or its header is broken.",
        "Open it in an image viewer; export it again, or leave it out.",
    ),
    "SC-103": _explain(
        "truncated image",
        "The file announces more pixel data than it holds.",
        "Copy the file again from its source.",
    ),
    "SC-104": _explain(
        "decompression bomb",
        "A small file unpacks to far more bytes than an image of its size can have.",
        "Do not open this file elsewhere; ask where it comes from.",
    ),
    "SC-105": _explain(
        "nested too deeply",
        "DICOM sequences are nested deeper than 32 levels, which no scanner writes.",
        "Do not open this file elsewhere; ask where it comes from.",
    ),
    "SC-106": _explain(
        "decoder crashed",
        "The process that decoded this file died. The file is broken or hostile.",
        "Export the file again without compression, or leave it out.",
    ),
    "SC-107": _explain(
        "decoder timed out",
        "Decoding took longer than the deadline.",
        "Export the file again without compression, or leave it out.",
    ),
    "SC-108": _explain(
        "decoder out of memory",
        "Decoding needed more memory than one image may take (3 GiB).",
        "Crop or split the image before ingesting it.",
    ),
    "SC-109": _explain(
        "no codec for this transfer syntax",
        "The pixel data are compressed in a way no installed decoder reads.",
        "Run `spinecast doctor`; export the file as Explicit VR Little Endian.",
    ),
    "SC-110": _explain(
        "missing file",
        "A table names a file that is not there.",
        "Check the path in the table, or remove the row.",
    ),
    "SC-111": _explain(
        "no pixel data",
        "The DICOM object holds no image (a report, a plan, a presentation state).",
        "Leave it out; only images are read.",
    ),
    "SC-112": _explain(
        "pixel data and header disagree",
        "The decoded array is not rows x columns x frames as the header declares.",
        "Export the file again from its source.",
    ),
    "SC-113": _explain(
        "image too large",
        "The header declares more than 2^28 pixels, or the file is over 2 GiB.",
        "Crop or downsample the image before ingesting it.",
    ),
    "SC-118": _explain(
        "burned-in text suspected",
        "The picture looks like a screenshot or holds text that may name a person.",
        "Look at the image; export the original acquisition instead.",
    ),
    # -- SC-2xx content ---------------------------------------------------------------------
    "SC-201": _explain(
        "wrong view",
        "The image shows another view than the study uses.",
        "Check ViewPosition, or the view column of images.csv.",
    ),
    "SC-202": _explain(
        "wrong body part",
        "The header names a body part that is not the spine, chest or abdomen.",
        "Check BodyPartExamined; correct the index if the header is wrong.",
    ),
    "SC-203": _explain(
        "constant image",
        "All pixels have (nearly) the same value.",
        "Leave it out; look for a failed exposure or export.",
    ),
    "SC-204": _explain(
        "wrong modality",
        "The image is of a modality this study does not use.",
        "Leave it out, or run the study made for that modality.",
    ),
    "SC-205": _explain(
        "same pixels twice for one person",
        "Two image records of one person hold identical pixels; the first is kept.",
        "Remove the repeated record if it is not intended.",
    ),
    "SC-206": _explain(
        "image too small",
        "The image has fewer pixels than the study needs.",
        "Use the original acquisition, not a thumbnail.",
    ),
    "SC-207": _explain(
        "localizer",
        "A scout or localizer image, not an acquisition to be analysed.",
        "Nothing to do: localizers are skipped by rule.",
    ),
    "SC-208": _explain(
        "spacing unusable",
        "Pixel spacing is zero, negative, not a number or absurdly large.",
        "Correct PixelSpacing or the spacing columns of images.csv (mm).",
    ),
    "SC-209": _explain(
        "non-finite pixels",
        "The image holds NaN or infinite values.",
        "Export the image again.",
    ),
    # -- SC-3xx cohort ----------------------------------------------------------------------
    "SC-301": _explain(
        "missing column",
        "A table lacks a column that the study needs, under any of its known names.",
        "Add the column, or name yours in a map file (`--map map.toml`).",
    ),
    "SC-302": _explain(
        "unknown sex code",
        "Sex must be F or M (also female, male, or 0 = female, 1 = male when declared in the map).",
        "Correct the cell, or declare the codes in the map file.",
    ),
    "SC-303": _explain(
        "sex codes look swapped",
        "Heights say that the sex codes are the wrong way round.",
        "Check the coding of sex; declare it in the map file.",
    ),
    "SC-304": _explain(
        "unit looks wrong",
        "Values lie far outside the range of the stated unit (heights in metres, say).",
        "Convert the column, or declare its unit in the map file.",
    ),
    "SC-305": _explain(
        "value out of range",
        "A single value is impossible for its column.",
        "Correct the cell; empty means unknown.",
    ),
    "SC-306": _explain(
        "dates out of order",
        "A date lies before birth, or an event or visit before the visit it must follow.",
        "Correct the dates.",
    ),
    "SC-307": _explain(
        "person id used twice",
        "Two rows of people share one person_id with different content.",
        "Give every person one row and one id.",
    ),
    "SC-308": _explain(
        "image id used twice",
        "Two rows of the image index share one image_id.",
        "Give every image its own id.",
    ),
    "SC-309": _explain(
        "same pixels under two people",
        "Identical images are filed under different people; at least one is misfiled.",
        "Find out whose image it is; both are quarantined until then.",
    ),
    "SC-310": _explain(
        "leakage between splits",
        "A person (or the same pixels) is in more than one of train, validation and test.",
        "Split by person; delete splits.csv to have it made anew.",
    ),
    "SC-311": _explain(
        "unknown person",
        "A row refers to a person_id that the people table does not have.",
        "Add the person, or remove the row.",
    ),
    "SC-312": _explain(
        "no age",
        "Age at the visit is neither given nor computable from birth and visit dates.",
        "Add `age`, or `birth_date` and visit `date`.",
    ),
    "SC-313": _explain(
        "unreadable value",
        "A cell cannot be read as the column's kind (number, date, yes/no).",
        "Correct the cell; empty means unknown.",
    ),
    "SC-314": _explain(
        "records contradict each other",
        "Two rows about the same person and visit say different things.",
        "Keep one row per person and visit.",
    ),
    "SC-315": _explain(
        "cohort folder incomplete",
        "A cohort folder needs people.csv, visits.csv and images.csv (events.csv for outcomes).",
        "See docs/reference/cohort-folder.md; `spinecast simulate --write DIR` makes an example.",
    ),
    "SC-316": _explain(
        "nobody left",
        "After exclusions too few people remain for this analysis.",
        "Read flow.json: it counts who was excluded by which rule.",
    ),
    "SC-317": _explain(
        "bad map file",
        "The column map is not valid TOML or names unknown terms.",
        "See docs/reference/cohort-folder.md for the map's format.",
    ),
    "SC-318": _explain(
        "counts do not add up",
        "used + skipped + quarantined differs from given: something was dropped unseen.",
        "This is a defect of Spinecast; please report it with flow.json.",
    ),
    "SC-319": _explain(
        "unknown event code",
        "Events are coded 0 (censored), 1 (event), 2 (competing death).",
        "Recode the event column.",
    ),
    "SC-320": _explain(
        "two columns for one variable",
        "Two columns of one table have the same name, or both mean the same variable.",
        "Remove one, or name the one to use in a map file (`--map map.toml`).",
    ),
    "SC-321": _explain(
        "outside the protocol",
        "Nothing is wrong with the row; an eligibility rule of the study leaves it out.",
        "Nothing to do: flow.json counts each rule.",
    ),
    # -- SC-4xx models ----------------------------------------------------------------------
    "SC-401": _explain(
        "unlike the training images",
        "The image lies outside what the model has seen; its output means nothing for it.",
        "Do not interpret the result.",
    ),
    "SC-402": _explain(
        "weights do not match their hash",
        "The weights file was changed or damaged after it was written.",
        "Get the file again, or train with `--train`.",
    ),
    "SC-403": _explain(
        "weights of another version",
        "The weights were made for another model configuration.",
        "Use the weights of this version, or train with `--train`.",
    ),
    "SC-404": _explain(
        "wrong image shape",
        "The model needs images of another shape.",
        "Prepare the images with the configuration stored beside the weights.",
    ),
    "SC-405": _explain(
        "training diverged",
        "The loss became NaN or infinite and did not recover.",
        "Lower the learning rate; look at the loss curve in the run folder.",
    ),
    "SC-406": _explain(
        "no weights",
        "No trained weights are at the given place.",
        "Run with `--train`, or name a weights folder with `--weights`.",
    ),
    "SC-407": _explain(
        "unusable configuration",
        "A model setting is impossible or contradicts another.",
        "Correct the setting; `spinecast studies --json` lists what each study accepts.",
    ),
    "SC-408": _explain(
        "weights have seen these films",
        "Some of the films were used to fit the weights; their scores would be too good.",
        "Run with `--train`, which scores everybody out of fold, or use other weights.",
    ),
    # -- SC-6xx statistics ------------------------------------------------------------------
    "SC-601": _explain(
        "no events",
        "Nobody had the event, so the statistic is not defined.",
        "Use a longer follow-up, another endpoint, or more people.",
    ),
    "SC-602": _explain(
        "only one group",
        "A comparison needs at least two non-empty groups.",
        "Choose another cut-point or grouping.",
    ),
    "SC-603": _explain(
        "constant input",
        "A score or covariate has the same value for everybody.",
        "Leave the column out, or look for the reason.",
    ),
    "SC-604": _explain(
        "missing or infinite values",
        "The statistic does not guess at missing values.",
        "Impute or exclude first, and say which.",
    ),
    "SC-605": _explain(
        "impossible durations",
        "Durations must be numbers of years, not negative; entry must precede exit.",
        "Check the dates they were computed from.",
    ),
    "SC-606": _explain(
        "lengths differ",
        "Columns of one analysis must have one length.",
        "Check the join that made them.",
    ),
    "SC-607": _explain(
        "did not converge",
        "The likelihood has no maximum at finite coefficients, or the steps ran out.",
        "Look for a covariate that separates events perfectly, or collinear columns.",
    ),
    "SC-608": _explain(
        "time beyond follow-up",
        "The asked time lies where nobody is at risk, so weights or controls are undefined.",
        "Ask for an earlier time.",
    ),
    "SC-609": _explain(
        "too few observations",
        "There are fewer observations than the statistic needs.",
        "Use more people or fewer covariates.",
    ),
    "SC-610": _explain(
        "unknown option",
        "A method or convention of that name does not exist.",
        "See the function's documentation for the list.",
    ),
    "SC-611": _explain(
        "value outside the score's range",
        "A published clinical score is defined for certain values and codes only.",
        "Correct the value, or leave these people out of the comparison and say so.",
    ),
    # -- SC-7xx runs ------------------------------------------------------------------------
    "SC-701": _explain(
        "unknown study",
        "There is no study of that name.",
        "`spinecast studies` lists them.",
    ),
    "SC-702": _explain(
        "unknown source",
        "A source is `simulated:PRESET`, `ukbiobank:DIR` or the path of a cohort folder.",
        "Check the spelling; `spinecast ingest --help` shows examples.",
    ),
    "SC-703": _explain(
        "not a run folder",
        "The folder holds no study.toml written by Spinecast.",
        "Name the folder given to `--out`.",
    ),
    "SC-704": _explain(
        "run folder of another study",
        "The folder holds a run of other settings; stages would be mixed.",
        "Choose a new folder, or repeat the run with its own settings.",
    ),
    "SC-705": _explain(
        "disk or permission problem",
        "A file could not be written.",
        "Free disk space or correct permissions, then run the same command again: it resumes.",
    ),
    "SC-706": _explain(
        "bad setting",
        "A setting has a value the study does not accept.",
        "See the command's --help.",
    ),
    "SC-707": _explain(
        "unknown code",
        "There is no error code of that name.",
        "Codes look like SC-112; the list is in docs/reference/errors.md.",
    ),
    "SC-708": _explain(
        "run folder in use",
        "Another process is working in this run folder.",
        "Wait for it, or choose another folder.",
    ),
    "SC-709": _explain(
        "workers lost",
        "A task killed its worker each time it was tried.",
        "Look at the named task: its input is likely broken, or memory ran out.",
    ),
}

_OTHERS = CAUSAL_CODES | BIOBANK_CODES | GENETIC_CODES
CODES |= {code: Explanation(*texts) for code, texts in _OTHERS.items()}
