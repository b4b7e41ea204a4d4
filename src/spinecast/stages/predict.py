"""One patient: futures, scores with intervals, risk group, and whether the film is familiar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinecast.counterfactuals import FollowUp, SamplingSettings, generate_follow_up
from spinecast.files import read_json, write_json, write_text
from spinecast.images import project_lateral, read_image
from spinecast.images.image import Image
from spinecast.images.radiograph import Preparation, prepare_radiograph
from spinecast.models.device import best_device
from spinecast.models.latent_diffusion import load_pair
from spinecast.models.prompts import Attributes
from spinecast.outcomes import assign_risk_groups
from spinecast.scores.aggregate import log_odds
from spinecast.scores.out_of_distribution import Verdict, judge_image, load_familiarity
from spinecast.scores.predict import FittedScorer, score_images
from spinecast.seeds import integer
from spinecast.stages.arrays import write_pixels
from spinecast.stages.networks import load_scorers
from spinecast.stages.patient_page import patient_page
from spinecast.stages.risk_reference import PlacedPatient, place_patient
from spinecast.stages.weights import weights_folder

HORIZONS = (1.0, 5.0, 10.0)
_SHIFTS = (-2, 0, 2)
_VOLUME_AXES = 3


@dataclass(frozen=True)
class Interval:
    """A score with the range it takes: 2.5 to 97.5 % of small shifts, or of draws."""

    value: float
    low: float
    high: float

    def words(self) -> str:
        """Return ``0.62 (0.48 to 0.74)``."""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Prediction:
    """What is said of one patient.

    Attributes
    ----------
    baseline
        pVF score of the film now.
    generated
        pVF score of the drawn futures, by horizon in years.
    group
        LL, LH or HIGH by the weights' own thresholds; empty where they have none.
    survival
        Survival by the reference model, None where no model fits what is known.
    verdict
        How far the film lies from the training films.
    simulated
        Whether the weights know only simulated spines.
    projected
        Whether the input was a CT, projected to a radiograph.
    folder
        Where the page and the images are.
    """

    baseline: Interval
    generated: dict[float, Interval]
    group: str
    survival: PlacedPatient | None
    verdict: Verdict
    simulated: bool
    projected: bool
    folder: Path

    def sentences(self) -> list[str]:
        """Return the result in plain lines, the warnings first."""
        lines = []
        if self.simulated:
            lines.append(
                "The weights know only SIMULATED spines: on a real film this means nothing."
            )
        if self.projected:
            lines.append("The input is a CT; it was projected to a lateral radiograph.")
        lines.append(f"Out of distribution: {self.verdict.words()}")
        lines.append(f"pVF now {self.baseline.words()} (interval over small shifts of the film)")
        lines += [
            f"pVF in {years:g} years {score.words()} (interval over draws)"
            for years, score in self.generated.items()
        ]
        if self.group:
            lines.append(f"Risk group {self.group}")
        if self.survival is not None:
            at = int(np.searchsorted(self.survival.times, HORIZONS[-1]))
            at = min(at, len(self.survival.times) - 1)
            lines.append(
                f"Free of fracture at {self.survival.times[at]:g} years: "
                f"{self.survival.survival[at]:.2f}, were there no other cause of death "
                f"(model of {', '.join(self.survival.covariates)})"
            )
        lines.append(f"Page: {self.folder / 'index.html'}")
        return lines


def predict_patient(
    image: Path,
    out: Path,
    *,
    known: Mapping[str, Any],
    weights: Path | None = None,
    seed: int = 1,
    draws: int = 10,
) -> Prediction:
    """Draw and score one patient's futures.

    Parameters
    ----------
    image
        A lateral radiograph (DICOM, PNG, JPEG) or a CT volume.
    out
        Where ``index.html``, ``prediction.json`` and the images go.
    known
        ``age`` (years), ``sex`` (F, M), ``bmi`` (kg/m2); None is unknown and is not filled in.
    weights, seed, draws
        Which networks, which draws, how many a horizon.

    Raises
    ------
    SpinecastError
        Whatever makes the image unusable; SC-406 without weights.
    """
    folder = weights_folder(None if weights is None else str(weights))
    about = read_json(folder / "about.json")
    film, projected = _open_film(image)
    pixels = prepare_radiograph(film, Preparation(**about["preparation"]))
    attributes = Attributes(age=known.get("age"), sex=known.get("sex"), bmi=known.get("bmi"))
    scorers = load_scorers(folder)
    made = generate_follow_up(
        load_pair(folder / "pair").to(best_device()),
        pixels[None],
        [attributes],
        horizons=np.array([HORIZONS]),
        draws=draws,
        settings=_sampling(about["generation"]),
        seed=integer(seed, "predict"),
    )
    members = scorers["vertebral_fracture"]
    baseline = _baseline_interval(members, pixels)
    generated = _generated_intervals(members, made.images[0])
    odds = _log_odds(scorers, pixels)
    risk = read_json(folder / "risk.json") if (folder / "risk.json").exists() else None
    prediction = Prediction(
        baseline=baseline,
        generated=generated,
        group=_group(baseline, generated, risk),
        survival=_survival(baseline, generated, known=known, risk=risk, osteoporosis=odds),
        verdict=judge_image(load_familiarity(folder), members[0], pixels),
        simulated=bool(about["simulated"]),
        projected=projected,
        folder=out,
    )
    _write(prediction, pixels, made, known=known)
    return prediction


def _sampling(generation: Mapping[str, Any]) -> SamplingSettings:
    """Return how the weights' own run drew its follow-ups."""
    names = ("steps", "guidance_scale", "structure", "detail", "say_years")
    return SamplingSettings(**{name: generation[name] for name in names})


def _open_film(path: Path) -> tuple[Image, bool]:
    image = read_image(path)
    if image.pixels.ndim == _VOLUME_AXES:
        return project_lateral(image), True
    return image, False


def _baseline_interval(members: list[FittedScorer], pixels: np.ndarray) -> Interval:
    """Score the film and its small shifts: a score that jumps under them is worth little."""
    shifted = [np.roll(pixels, (down, right), axis=(0, 1)) for down in _SHIFTS for right in _SHIFTS]
    values = score_images(members, np.stack(shifted))
    low, high = np.quantile(values, [0.025, 0.975])
    middle = len(_SHIFTS) ** 2 // 2
    return Interval(float(values[middle]), float(low), float(high))


def _generated_intervals(members: list[FittedScorer], images: np.ndarray) -> dict[float, Interval]:
    """Score the draws, (horizons, draws, rows, columns)."""
    result = {}
    for years, drawn in zip(HORIZONS, images, strict=True):
        values = score_images(members, drawn)
        low, high = np.quantile(values, [0.025, 0.975])
        result[years] = Interval(float(values.mean()), float(low), float(high))
    return result


def _group(
    baseline: Interval, generated: dict[float, Interval], risk: dict[str, Any] | None
) -> str:
    if risk is None:
        return ""
    thresholds = risk["thresholds"]
    group = assign_risk_groups(
        [baseline.value],
        [generated[HORIZONS[-1]].value],
        threshold_baseline=thresholds["baseline"],
        threshold_generated=thresholds["generated"],
    )
    return str(group[0])


def _log_odds(scorers: Mapping[str, list[FittedScorer]], pixels: np.ndarray) -> float | None:
    """Return the log odds of the osteoporosis score, as the risk models were fitted on it."""
    members = scorers.get("osteoporosis")
    if not members:
        return None
    return float(log_odds(score_images(members, pixels[None]))[0])


def _survival(
    baseline: Interval,
    generated: dict[float, Interval],
    *,
    known: Mapping[str, Any],
    risk: dict[str, Any] | None,
    osteoporosis: float | None,
) -> PlacedPatient | None:
    if risk is None:
        return None
    sex = known.get("sex")
    covariates = {
        "bpvf": baseline.value,
        "gpvf": generated[HORIZONS[-1]].value,
        "osteoporosis_logit": osteoporosis,
        "age": known.get("age"),
        "female": None if sex is None else float(sex == "F"),
        "bmi": known.get("bmi"),
    }
    return place_patient(risk["models"], covariates)


def _write(
    prediction: Prediction,
    pixels: np.ndarray,
    made: FollowUp,
    *,
    known: Mapping[str, Any],
) -> None:
    out, futures, copy = prediction.folder, made.images[0], made.reconstruction[0]
    out.mkdir(parents=True, exist_ok=True)
    write_pixels(out / "baseline.npy", pixels)
    write_pixels(out / "futures.npy", futures)
    survival = prediction.survival
    values = {
        "known": dict(known),
        "baseline": asdict(prediction.baseline),
        "generated": {f"{y:g}": asdict(score) for y, score in prediction.generated.items()},
        "group": prediction.group,
        "verdict": asdict(prediction.verdict),
        "simulated_weights": prediction.simulated,
        "projected_from_ct": prediction.projected,
        "survival": None
        if survival is None
        else {"times": survival.times, "survival": survival.survival},
    }
    write_json(out / "prediction.json", values)
    page = patient_page(prediction.sentences()[:-1], pixels, futures, copy=copy, survival=survival)
    write_text(out / "index.html", page)


__all__ = ["HORIZONS", "Interval", "Prediction", "predict_patient"]
