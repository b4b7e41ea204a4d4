"""A run folder with a whole cohort's events and scores, but films and networks made up.

Cohort, agreement, risk and report are the real stages; films are small patterns, scores and
drawn futures follow the truth with noise, so that every section has something to show.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.special import expit

from spinecast.cohort import open_cohort
from spinecast.cohort.visits import pair_images
from spinecast.files import write_json, write_table
from spinecast.images import Image, Preparation
from spinecast.run import RunFolder, Stage, StageContext, Study, run_study
from spinecast.run.study import RunRequest
from spinecast.scores.aggregate import score_rows
from spinecast.seeds import generator
from spinecast.stages import cohort as cohort_stage
from spinecast.stages import risk_models
from spinecast.stages.arrays import write_array, write_arrays, write_pixels
from spinecast.stages.cohort import read_cohort, read_images
from spinecast.stages.settings import FollowUpSettings, GenerationSettings, RiskSettings
from spinecast.studies.followup_xray import FILMS, STUDY, TINY

SHAPE = (32, 16)
SETTINGS = replace(
    TINY,
    preparation=Preparation(shape=SHAPE, equalisation="none"),
    generation=GenerationSettings(draws=3, gallery=4),
    risk=RiskSettings(bootstrap=40),
)
#: Films of unknown age, sex, time and outcome: one horizon, the next film.
UNDATED = replace(
    SETTINGS, cohort=FILMS.cohort, generation=replace(SETTINGS.generation, horizons=())
)
RECONSTRUCTED = {"pair": 30.0, "autoencoder": 31.0, "single": 19.0, "single_inverted": 17.0}


def fake_film(image_id: str) -> Image:
    """A smooth pattern of the person with noise of the film; no two are equal."""
    person = generator(0, "person", image_id.split("-", maxsplit=1)[0])
    rows, columns = np.mgrid[0:1:64j, 0:1:32j]
    tilt, wave, phase = person.uniform(0.5, 2), person.uniform(6, 20), person.uniform(0, 6)
    pattern = tilt * columns + np.sin(wave * rows + phase)
    noise = generator(0, "film", image_id).normal(0, 0.1, pattern.shape)
    return Image((pattern + noise).astype(np.float32), view="LATERAL", modality="DX")


class FakeFilms:
    """A source whose tables are real and whose films are patterns."""

    def __init__(self, context: StageContext) -> None:
        self._source = open_cohort(context.source, seed=context.seed)

    def load(self):
        return self._source.load()

    def open_image(self, image_id: str) -> Image:
        return fake_film(image_id)


class UndatedFilms(FakeFilms):
    """The same films without sex, age, times or outcomes."""

    def load(self):
        cohort = super().load()
        visits = cohort.visits[["person_id", "visit"]].copy()
        blank = cohort.visits.columns.difference(visits.columns)
        visits[list(blank)] = np.nan
        return replace(
            cohort,
            name="films",
            simulated=False,
            people=cohort.people[["person_id"]].assign(sex=""),
            visits=visits,
            events=cohort.events.head(0),
            findings=cohort.findings.head(0),
        )


def make_networks(context: StageContext) -> None:
    write_json(context.folder / "pair" / "structure.json", {"sha256": "ab" * 32})
    write_json(context.folder / "scorers" / "vertebral_fracture-0.json", {"sha256": "cd" * 32})


def make_scores(context: StageContext) -> None:
    _, index = read_images(context.needs["images"])
    rng = generator(context.seed, "fake scores")
    risk, age = true_scores(context, index)
    values = expit(1.5 * risk + rng.normal(0, 0.4, len(index)))
    ages = age + rng.normal(0, 4, len(index))
    tables = [
        score_rows(index, values, score="vertebral_fracture"),
        score_rows(index, ages, score="age"),
        score_rows(index, expit(risk - 2 + rng.normal(0, 0.4, len(index))), score="osteoporosis"),
    ]
    write_table(context.folder / "scores.parquet", pd.concat(tables, ignore_index=True))
    verdict = np.where(rng.uniform(size=len(index)) < 0.03, "unusual", "usual")
    familiar = index[["image_id", "split"]].assign(verdict=verdict, distance=1.0)
    write_table(context.folder / "familiarity.csv", familiar)
    shown = index[(index["split"] == "test") & (index["visit"] == 0)].head(6)
    write_array(context.folder / "attribution.npy", rng.uniform(size=(len(shown), 8, 4)))
    listed = {"image_id": shown["image_id"].tolist(), "value": [0.5] * len(shown)}
    write_json(context.folder / "attribution.json", listed)


def true_scores(context: StageContext, index: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the standardised true log hazard, and the true age, of every film."""
    truth = open_cohort(context.source, seed=context.seed).truth()
    people = truth.people().set_index("person_id").loc[index["person_id"]]
    hazard = people["log_hazard"].to_numpy()
    age = people["baseline_age"].to_numpy() + index["years_since_baseline"].fillna(0).to_numpy()
    return (hazard - hazard.mean()) / hazard.std(), age


def make_follow_up(context: StageContext) -> None:
    store, index = read_images(context.needs["images"])
    horizons = context.settings.generation.horizons
    jobs = plan_jobs(context.needs["images"], index, horizons=horizons)
    rng = generator(context.seed, "fake futures")
    risk, age = (pd.Series(v, index["image_id"]) for v in true_scores(context, index))
    parts = []
    for job in jobs:
        times, draws = np.meshgrid(job.horizons, range(SETTINGS.generation.draws), indexing="ij")
        noise = rng.normal(0, 0.4, times.shape)
        made = {
            "vertebral_fracture": expit(1.5 * risk[job.image_id] + 0.03 * times + noise),
            "age": age[job.image_id] + times + 10 * noise,
        }
        parts += [_rows(job, times, draws, values, name) for name, values in made.items()]
    write_table(context.folder / "scores.parquet", pd.concat(parts, ignore_index=True))
    full = [job for job in jobs if job.full]
    _write_fidelity(context.folder, full, rng)
    _write_films(context.folder, full, store.read([job.row for job in full]))
    speed = {"futures": 12, "seconds_per_patient": [0.4, 0.5], "seconds_unshared": [0.9, 1.0],
             "ratio": 2.1}  # fmt: skip
    write_json(context.folder / "speed.json", speed)
    maps = rng.integers(0, 255, (3, 4, 8, 4, 3)).astype(np.uint8)
    times = np.array([900, 600, 300, 1])
    write_arrays(context.folder / "features.npz", maps=maps, blocks=np.arange(3), timesteps=times)


def plan_jobs(images: Path, index: pd.DataFrame, *, horizons) -> list[SimpleNamespace]:
    """Return baseline films of test and validation people with horizons, as the real stage."""
    pairs = pair_images(read_cohort(images)).sort_values(["same_region", "follow_up_visit"])
    last = pairs.groupby("person_id")["years"].last()
    films = index[(index["visit"] == 0) & (index["split"] != "train")]
    jobs = []
    for film in films.itertuples():
        full = film.split == "test"
        end = float(last.get(film.person_id, np.nan))
        times = (*horizons, 0.0 if np.isnan(end) else end)
        kept = full and film.person_id in last and sum(j.keep_draws for j in jobs) < 4
        jobs.append(
            SimpleNamespace(
                image_id=film.image_id, row=film.row, person_id=film.person_id, split=film.split,
                horizons=times if full else horizons[-1:] or times, full=full, keep_draws=kept,
            )
        )  # fmt: skip
    return jobs


def _rows(job, times, draws, values, name) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "person_id": job.person_id,
            "visit": 0,
            "image_id": job.image_id,
            "horizon": times.ravel(),
            "draw": draws.ravel(),
            "score": name,
            "value": values.ravel(),
            "split": job.split,
        }
    )


def _write_fidelity(folder: Path, jobs, rng: np.random.Generator) -> None:
    rows = [
        {
            "image_id": job.image_id,
            "person_id": job.person_id,
            "split": job.split,
            "by": by,
            "psnr": mean + rng.normal(),
            "ms_ssim": min(0.99, mean / 33 + 0.01 * rng.normal()),
        }
        for job in jobs
        for by, mean in RECONSTRUCTED.items()
    ]
    write_table(folder / "fidelity.csv", pd.DataFrame(rows))


def _write_films(folder: Path, jobs, films: np.ndarray) -> None:
    times = len(jobs[0].horizons)
    fade = np.linspace(1, 0.9, times)[None, :, None, None]
    write_pixels(folder / "means.npy", films[:, None] * fade)
    write_pixels(folder / "reconstructions.npy", films * 0.98)
    kept = [place for place, job in enumerate(jobs) if job.keep_draws]
    draws = np.repeat((films[kept][:, None] * fade)[:, :, None], SETTINGS.generation.draws, axis=2)
    write_pixels(folder / "draws.npy", draws)
    write_json(
        folder / "images.json",
        {
            "image_id": [job.image_id for job in jobs],
            "horizons": [list(job.horizons) for job in jobs],
            "draws": [jobs[place].image_id for place in kept],
        },
    )


def fake_study(settings: FollowUpSettings) -> Study:
    """The study with films, networks and drawings made up."""
    fakes = {
        "generator": make_networks,
        "scorers": make_networks,
        "scores": make_scores,
        "follow_up": make_follow_up,
    }
    stages: list[Stage] = [
        replace(stage, make=fakes.get(stage.name, stage.make)) for stage in STUDY.stages
    ]
    return replace(STUDY, stages=tuple(stages), presets={"tiny": settings})


def make_fake_run(
    folder: Path, patch, *, source: str = "simulated:demo", dated: bool = True
) -> RunFolder:
    """Run the fake study; ``patch`` is a monkeypatch that lasts while it runs."""
    patch.setattr(cohort_stage, "open_source", FakeFilms if dated else UndatedFilms)
    patch.setattr(risk_models, "METHODS", ("cox",))
    request = RunRequest("tiny", source, 3, {"networks": "train", "map": None})
    return run_study(fake_study(SETTINGS if dated else UNDATED), request, folder)
