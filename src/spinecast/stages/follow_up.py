"""Stage `follow_up`: futures drawn, scored and compared with the films taken later."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.cohort.visits import pair_images
from spinecast.counterfactuals import (
    SamplingSettings,
    generate_follow_up,
    generate_unshared,
    reconstruct,
)
from spinecast.files import write_json, write_table
from spinecast.images.fidelity import ms_ssim, psnr
from spinecast.images.store import ImageStore
from spinecast.models.device import best_device, taking_turns
from spinecast.models.latent_diffusion import DiffXPair, load_pair
from spinecast.models.prompts import Attributes
from spinecast.run import StageContext
from spinecast.scores.predict import FittedScorer
from spinecast.seeds import integer
from spinecast.stages.arrays import read_pixels, write_arrays, write_pixels
from spinecast.stages.blocks import map_with_one_thread_each
from spinecast.stages.cohort import read_cohort, read_images
from spinecast.stages.feature_pictures import write_features
from spinecast.stages.networks import attributes_of, load_scorers
from spinecast.stages.scores import is_cross_fitted, score_rows_out_of_fold, scoring_folds
from spinecast.stages.settings import GenerationSettings

RECONSTRUCTIONS = ("pair", "autoencoder", "single", "single_inverted")
#: Scores of drawn images that something downstream reads.
SCORED = ("vertebral_fracture", "age")
SCORED_FOR_RISK = ("vertebral_fracture",)
_BLOCK = 4
_TIMED_PATIENTS = 3
_WHITE = 65535


@dataclass(frozen=True)
class Job:
    """One baseline film whose futures are drawn.

    Attributes
    ----------
    image_id, row, person_id, split, fold
        Which film, where in the store, whose, and which scorers may judge it.
    attributes
        What the prompt may say.
    horizons
        Years; an unknown gap is 0 and the prompt silent about it.
    full
        Whether reconstructions are judged too.
    keep_draws
        Whether the draws are kept as images.
    """

    image_id: str
    row: int
    person_id: str
    split: str
    fold: int
    attributes: Attributes
    horizons: tuple[float, ...]
    full: bool
    keep_draws: bool


@dataclass(frozen=True)
class DrawBlock:
    """Draws the futures of a few films and leaves them in one file; done files are kept."""

    store: Path
    pair: Path
    scorers: Path
    target: Path
    draws: int
    settings: SamplingSettings
    seed: int

    def __call__(self, block: tuple[int, list[Job]]) -> Path:
        """Draw one block; return its file."""
        number, jobs = block
        target = self.target / f"{number:05d}.npz"
        if not target.exists():
            with taking_turns(best_device()):
                write_arrays(target, **self._drawn(jobs))
        return target

    def _drawn(self, jobs: list[Job]) -> dict[str, np.ndarray]:
        store, pair = _open_store(self.store), open_pair(self.pair)
        images = store.read([job.row for job in jobs])
        known = [job.attributes for job in jobs]
        made = generate_follow_up(
            pair,
            images,
            known,
            horizons=np.array([job.horizons for job in jobs]),
            draws=self.draws,
            settings=self.settings,
            seed=self.seed,
        )
        flat = made.images.reshape(-1, *images.shape[1:])
        fold = np.repeat([job.fold for job in jobs], len(flat) // len(jobs))
        result = {
            f"score_{name}": score_rows_out_of_fold(members, flat, fold).reshape(
                made.images.shape[:3]
            )
            for name, members in open_scorers(self.scorers).items()
            if name in (SCORED if jobs[0].full else SCORED_FOR_RISK)
        }
        result["means"] = _levels(made.images.mean(axis=2))
        result["kept"] = _levels(made.images[[job.keep_draws for job in jobs]])
        result["reconstructions"] = _levels(made.reconstruction)
        if jobs[0].full:
            copies = {"pair": made.reconstruction, "autoencoder": made.autoencoded}
            for by in RECONSTRUCTIONS[2:]:
                copies[by] = reconstruct(
                    pair, images, known, by=by, settings=self.settings, seed=self.seed  # type: ignore[arg-type]
                )  # fmt: skip
            for by, copy in copies.items():
                result[f"psnr_{by}"] = psnr(images, copy)
                result[f"ms_ssim_{by}"] = ms_ssim(images, copy)
        return result


def make_follow_up(context: StageContext) -> None:
    """Draw the futures of test people in full, of others out of sample at the risk horizon."""
    jobs = plan_jobs(context)
    settings: GenerationSettings = context.settings.generation
    work = DrawBlock(
        store=context.needs["images"] / "store",
        pair=context.needs["generator"] / "pair",
        scorers=context.needs["scorers"],
        target=context.folder / "blocks",
        draws=settings.draws,
        settings=sampling_settings(settings),
        seed=integer(context.seed, "follow-up"),
    )
    groups = _grouped(jobs)
    files = map_with_one_thread_each(
        work, groups, context, label="draw follow-ups", text="futures drawn"
    )
    collected = [
        (job, place, np.load(file, allow_pickle=False))
        for file, (_, block) in zip(files, groups, strict=True)
        for place, job in enumerate(block)
    ]
    write_table(context.folder / "scores.parquet", _score_table(collected))
    write_table(context.folder / "fidelity.csv", _fidelity_table(collected))
    _write_images(context.folder, collected)
    write_features(context)
    write_json(context.folder / "speed.json", _timed(work, [job for job in jobs if job.full]))
    shutil.rmtree(work.target)


def plan_jobs(context: StageContext) -> list[Job]:
    """Return the baseline films to draw futures of, with their horizons."""
    settings: GenerationSettings = context.settings.generation
    _, index = read_images(context.needs["images"])
    cohort = read_cohort(context.needs["images"])
    last = last_follow_up(context.needs["images"])
    censored = cohort.events.groupby("person_id")["duration"].max()
    baseline = index[index["visit"] == 0].reset_index(drop=True)
    fold = scoring_folds(baseline, cross_fitted=is_cross_fitted(context))
    gallery = _gallery(baseline, last, settings)
    risk_splits = set(settings.risk_splits)
    if context.options["networks"] != "weights":
        risk_splits.discard("train")  # the generator has seen them: of no use for risk
    jobs = []
    for at, known in enumerate(attributes_of(baseline)):
        film = baseline.iloc[at]
        full = film["split"] in settings.splits
        if not full and film["split"] not in risk_splits:
            continue
        end = last.get(film["person_id"], censored.get(film["person_id"], np.nan))
        horizons = (*settings.horizons, 0.0 if np.isnan(end) else float(end))
        if not full:
            horizons = settings.horizons[-1:] or horizons
        jobs.append(
            Job(
                image_id=film["image_id"],
                row=int(film["row"]),
                person_id=film["person_id"],
                split=film["split"],
                fold=int(fold[at]),
                attributes=known,
                horizons=horizons,
                full=full,
                keep_draws=full and film["image_id"] in gallery,
            )
        )
    return jobs


def last_follow_up(folder: Path) -> dict[str, float]:
    """Return the years from baseline to each person's last film, NaN where undated."""
    pairs = pair_images(read_cohort(folder))
    ordered = pairs.sort_values(["person_id", "same_region", "follow_up_visit"])
    return dict(ordered.groupby("person_id")["years"].last())


def sampling_settings(settings: GenerationSettings) -> SamplingSettings:
    """Return how follow-ups are drawn."""
    return SamplingSettings(
        steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        structure=settings.structure,  # type: ignore[arg-type]
        detail=settings.detail,  # type: ignore[arg-type]
        say_years=settings.say_years,
    )


@lru_cache(maxsize=2)
def open_pair(folder: Path) -> DiffXPair:
    """Return the pair of a folder, loaded once a process, where it runs fastest."""
    return load_pair(folder).to(best_device())


@lru_cache(maxsize=2)
def open_scorers(folder: Path) -> dict[str, list[FittedScorer]]:
    """Return the scorers of a folder, loaded once a process."""
    return load_scorers(folder)


@lru_cache(maxsize=2)
def _open_store(folder: Path) -> ImageStore:
    return ImageStore.open(folder)


def _gallery(
    baseline: pd.DataFrame, last: dict[str, float], settings: GenerationSettings
) -> set[str]:
    """Return the films whose draws are kept: of people with a later film, one film a person."""
    shown = baseline[
        baseline["split"].isin(settings.splits) & baseline["person_id"].isin(set(last))
    ]
    return set(shown.drop_duplicates("person_id")["image_id"].head(settings.gallery))


def _grouped(jobs: Sequence[Job]) -> list[tuple[int, list[Job]]]:
    """Put jobs of one kind into blocks of a few films."""
    blocks = []
    for full in (True, False):
        kind = [job for job in jobs if job.full is full]
        blocks += [kind[start : start + _BLOCK] for start in range(0, len(kind), _BLOCK)]
    return list(enumerate(blocks))


def _score_table(collected: list[tuple[Job, int, np.ndarray]]) -> pd.DataFrame:
    """Return the scores table of generated images: one row per film, horizon and draw."""
    parts = []
    for job, place, file in collected:
        for name in (key for key in file if key.startswith("score_")):
            values = file[name][place]
            horizon, draw = np.meshgrid(job.horizons, np.arange(values.shape[1]), indexing="ij")
            parts.append(
                pd.DataFrame(
                    {
                        "person_id": job.person_id,
                        "visit": 0,
                        "image_id": job.image_id,
                        "horizon": horizon.ravel(),
                        "draw": draw.ravel(),
                        "score": name.removeprefix("score_"),
                        "value": values.ravel(),
                        "split": job.split,
                    }
                )
            )
    columns = ["person_id", "visit", "image_id", "horizon", "draw", "score", "value", "split"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _fidelity_table(collected: list[tuple[Job, int, np.ndarray]]) -> pd.DataFrame:
    """Return PSNR and MS-SSIM of each reconstruction against its film."""
    rows = [
        {
            "image_id": job.image_id,
            "person_id": job.person_id,
            "split": job.split,
            "by": by,
            "psnr": float(file[f"psnr_{by}"][place]),
            "ms_ssim": float(file[f"ms_ssim_{by}"][place]),
        }
        for job, place, file in collected
        if job.full
        for by in RECONSTRUCTIONS
    ]
    return pd.DataFrame(rows, columns=["image_id", "person_id", "split", "by", "psnr", "ms_ssim"])


def _write_images(folder: Path, collected: list[tuple[Job, int, np.ndarray]]) -> None:
    """Keep the mean future of every film judged in full, and the draws of the gallery."""
    full = [(job, place, file) for job, place, file in collected if job.full]
    if not full:
        return
    means = np.stack([file["means"][place] for _, place, file in full])
    write_pixels(folder / "means.npy", means / np.float32(_WHITE))
    copies = np.stack([file["reconstructions"][place] for _, place, file in full])
    write_pixels(folder / "reconstructions.npy", copies / np.float32(_WHITE))
    kept, names = [], []
    for job, place, file in full:
        if job.keep_draws:
            before = sum(
                other.keep_draws for other, at, same in full if same is file and at < place
            )
            kept.append(file["kept"][before])
            names.append(job.image_id)
    if kept:
        write_pixels(folder / "draws.npy", np.stack(kept) / np.float32(_WHITE))
    index = {
        "image_id": [job.image_id for job, _, _ in full],
        "horizons": [list(job.horizons) for job, _, _ in full],
        "draws": names,
    }
    write_json(folder / "images.json", index)


def _timed(work: DrawBlock, jobs: Sequence[Job]) -> dict[str, object]:
    """Time one patient at a time with all threads: shared structure branch, and not."""
    store, pair = _open_store(work.store), open_pair(work.pair)
    seconds: dict[str, list[float]] = {"shared": [], "unshared": []}
    for job in jobs[:_TIMED_PATIENTS]:
        image, years = store.read([job.row]), np.array([job.horizons])
        for name, draw in (("shared", generate_follow_up), ("unshared", generate_unshared)):
            started = time.perf_counter()
            draw(
                pair,
                image,
                [job.attributes],
                horizons=years,
                draws=work.draws,
                settings=work.settings,
                seed=work.seed,
            )
            seconds[name].append(time.perf_counter() - started)
    ratios = [b / a for a, b in zip(seconds["shared"], seconds["unshared"], strict=True)]
    return {
        "futures": len(jobs[0].horizons) * work.draws if jobs else 0,
        "seconds_per_patient": seconds["shared"],
        "seconds_unshared": seconds["unshared"],
        "ratio": float(np.median(ratios)) if ratios else None,
    }


def _levels(images: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(images, 0, 1) * _WHITE).astype(np.uint16)


__all__ = ["DrawBlock", "Job", "make_follow_up", "plan_jobs", "read_pixels"]
