"""Weights: where the shipped ones lie, and how a finished run becomes some.

Of ``followup-xray``::

    weights/
      pair/            the three networks of Diff-X, 16-bit safetensors with their JSON
      scorers/         one network a task
      scorers.json  familiarity.json  familiarity.safetensors
      seen.npy         short hashes of the films fitted to: these weights may not judge them
      risk.json        thresholds and Cox models of the run's people outside its test set
      about.json       preparation, generation settings, provenance
      CARD.md          what they know, what they do not, how well they did

Of ``counterfactual-dxa``: the checkpoints ``two_level``, ``deep``, ``judge`` with
their ``judge_errors.csv``, and ``seen.npy``, ``about.json``, ``CARD.md`` alike. The causal
model of the variables is fitted anew in every run: it takes seconds.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.errors import error
from spinecast.files import read_json, write_bytes, write_json, write_text
from spinecast.run import RunFolder
from spinecast.stages.cohort import read_images
from spinecast.stages.seen import write_seen

_ALL_SHIPPED = Path(__file__).resolve().parents[1] / "weights"
SHIPPED = _ALL_SHIPPED / "followup-xray"
#: By study and stage: patterns of the names that are copied.
_COPIED: dict[str, dict[str, tuple[str, ...]]] = {
    "followup-xray": {
        "generator": ("pair",),
        "scorers": ("scorers", "scorers.json", "familiarity.json", "familiarity.safetensors"),
        "risk": ("risk.json",),
    },
    "counterfactual-dxa": {
        "image_models": ("two_level*", "deep*"),
        "judges": ("judge*",),
    },
}
_RISK_NOTE = "- Risk models and thresholds are of the same run's people outside its test set."
_JUDGE_NOTE = "- The judge was trained apart from the image models, on the same training people."
_CARD_TERMS = (
    ("reconstruction", "ms_ssim"),
    ("reconstruction", "psnr"),
    ("follow_up", "pearson_r"),
    ("follow_up", "pearson_r_persistence"),
    ("follow_up", "image_skill"),
    ("generated_age", "fraction_of_acquired"),
    ("models", "c_index"),
    ("reconstruction", "ssim"),
    ("follow_up", "sign_agreement"),
    ("axioms", "composition_l1"),
    ("axioms", "reversibility_ratio"),
    ("axioms", "effectiveness_ratio"),
    ("truth", "skill_over_no_change"),
    ("truth", "interval_coverage"),
)


def weights_folder(
    given: str | None, *, study: str = "followup-xray", sign: str = "scorers.json"
) -> Path:
    """Return the folder of the given weights, or of those shipped for a study.

    ``sign`` is a file that every weights folder of the study has.

    Raises
    ------
    ModelError
        SC-406 where there are none.
    """
    folder = _ALL_SHIPPED / study if given is None else Path(given)
    if not (folder / sign).is_file():
        raise error("SC-406", expected=f"a weights folder of {study}", got="none",
                    where=str(folder))  # fmt: skip
    return folder


def export_weights(run: RunFolder, out: Path) -> Path:
    """Make a weights folder of a finished run that trained its networks.

    Parameters
    ----------
    run
        A finished run of a study that has networks.
    out
        The folder; files of the same names are replaced.

    Raises
    ------
    RunError
        SC-706 where the run trained nothing; SC-703 where it is not finished.
    """
    if run.record["options"].get("networks") == "weights":
        raise error("SC-706", expected="a run with --train or --fine-tune", got="one without",
                    where=str(run.path))  # fmt: skip
    for stage, patterns in _COPIED[run.record["study"]].items():
        for pattern in patterns:
            for older in out.glob(pattern):
                if older.is_file():  # of another hash, where names have one
                    older.unlink()
            for source in sorted(run.stage_path(stage).glob(pattern)):
                _copy(source, out / source.name)
    write_seen(out, read_images(run.stage_path("images"))[1])
    settings = run.record["settings"]
    about = {
        "study": run.record["study"],
        "source": run.record["source"],
        "seed": run.record["seed"],
        "simulated": run.record["source"].startswith("simulated:"),
        "preparation": settings["preparation"],
        "generation": settings.get("generation"),
        "environment": read_json(run.path / "environment.json"),
    }
    write_json(out / "about.json", about)
    tables = [run.path / name for name in ("estimates.csv", "recovery.csv")]
    found = pd.concat([pd.read_csv(table) for table in tables if table.is_file()])
    measured = found.drop_duplicates(["analysis", "term"])
    write_text(out / "CARD.md", _card(about, measured, _size(out)))
    return out


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        for file in sorted(source.iterdir()):
            _copy(file, target / file.name)
    elif source.exists():
        write_bytes(target, source.read_bytes())


def _size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e6


def _short(number: float) -> str:
    return f"{number:.3f}" if abs(number) >= 0.01 else f"{number:.2g}"


def _card(about: dict[str, Any], estimates: pd.DataFrame, size: float) -> str:
    """Write the model card, numbers from the run's own test people."""
    measured = [
        f"| {analysis} / {term} | {_short(row['estimate'])} "
        f"({_short(row['ci_low'])} to {_short(row['ci_high'])}) | {row['n']} |"
        for analysis, term in _CARD_TERMS
        for row in estimates[
            (estimates["analysis"] == analysis) & (estimates["term"] == term)
        ].to_dict("records")
    ]
    shape = " x ".join(str(side) for side in about["preparation"]["shape"])
    judged = "; `spinecast predict` says so and judges how unlike a film is"
    origin = (
        "SIMULATED spines only: no real image was seen. On real ones the output means nothing"
        f"{judged if 'scorers' in _COPIED[about['study']] else ''}."
        if about["simulated"]
        else "films of the cohort named below."
    )
    return "\n".join(
        [
            f"# Weights of {about['study']}",
            "",
            f"Trained on {origin}",
            "",
            f"- Source `{about['source']}`, seed {about['seed']}; images prepared to {shape}.",
            f"- {size:.1f} MB of safetensors; Apache-2.0; made by `make weights`.",
            "- For research and for trying the software. Not a medical device.",
            "- `seen.npy` holds short hashes of the films fitted to, so that no run judges them by",
            "  these weights (SC-408); whoever holds a film can tell by it whether it was used.",
            _RISK_NOTE if "risk" in _COPIED[about["study"]] else _JUDGE_NOTE,
            "",
            "Measured on the run's own test people (95 % interval):",
            "",
            "| what | estimate | n |",
            "|---|---|---|",
            *measured,
            "",
        ]
    )
