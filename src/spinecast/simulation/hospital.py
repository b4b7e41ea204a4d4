"""A simulated cohort written as a hospital folder: DICOM files and CSV tables with dates.

Reading the folder back gives the same cohort (but for what was damaged on purpose), which
tests the real-data reader without real data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.cluster import map_blocks
from spinecast.errors import error
from spinecast.files import write_bytes, write_table, write_text
from spinecast.seeds import generator
from spinecast.simulation.damage import BAD_HEIGHT, Damage, plan_damage, spoil_bytes, spoil_dataset
from spinecast.simulation.dicom_files import FilmRecord, encode, film_dataset
from spinecast.simulation.population import person_id
from spinecast.simulation.world import World

DAYS_PER_YEAR = 365.25
_BLOCK = 64
_NOTICE = """SIMULATED COHORT

Nothing in this folder was measured on a real person. Preset {preset}, seed {seed}: {what}.
The column frax_mof is a made-up stand-in and is not FRAX.
"""


@dataclass(frozen=True)
class HospitalFolder:
    """What was written.

    Parameters
    ----------
    directory
        Where.
    tables
        The tables as written (with dates).
    damage
        ``source``, ``kind``, ``code``, ``partner`` of every planted fault.
    """

    directory: Path
    tables: dict[str, pd.DataFrame]
    damage: pd.DataFrame


def write_hospital_folder(
    world: World,
    directory: Path,
    *,
    damaged: float = 0.03,
    with_truth: bool = False,
    cluster: str | None = None,
) -> HospitalFolder:
    """Write ``world`` as people, visits, images, events and findings, and DICOM files.

    Parameters
    ----------
    world
        The cohort.
    directory
        Folder to write; made where absent.
    damaged
        Fraction of image files to damage, and of follow-up visits to give an impossible
        height. See ``damage.KINDS``.
    with_truth
        Also write ``truth/people.csv``, ``truth/visits.csv`` and ``truth/damage.csv``.
    cluster
        Where to render (``cluster.map_blocks``); threads by default.

    Returns
    -------
    HospitalFolder
        With the list of what was damaged.

    Raises
    ------
    RunError
        SC-706 where ``damaged`` is no fraction; SC-705 where the disk refuses.
    """
    if not 0.0 <= damaged <= 1.0:
        raise error("SC-706", expected="a fraction from 0 to 1", got=str(damaged), where="damaged")
    recorded = world.tables()
    tables = {**recorded, **dated_tables(world, recorded)}
    images = recorded["images"]
    pairs = list(zip(images["image_id"], images["person_id"], strict=True))
    plan = plan_damage(pairs, damaged, seed=world.seed)
    tables["images"] = _image_index(images, plan)
    spared = _visits_of(images, plan)
    tables["visits"], faults = _spoil_heights(
        tables["visits"], damaged, spared=spared, seed=world.seed
    )
    for name, table in tables.items():
        write_table(directory / f"{name}.csv", table)
    writer = _Writer(world, directory, people=tables["people"], plan=plan)
    map_blocks(writer, _in_blocks([name for name, _ in pairs]), cluster=cluster, label="films")
    damage = _damage_table([*plan.values(), *faults])
    if with_truth:
        _write_truth(world, directory / "truth", damage)
    _write_notice(world, directory)
    return HospitalFolder(directory, tables, damage)


def film_path(image_id: str, person: str) -> str:
    """Return the path of an image, relative to the folder."""
    return f"images/{person}/{image_id}.dcm"


def _in_blocks(names: list[str]) -> list[list[str]]:
    return [names[start : start + _BLOCK] for start in range(0, len(names), _BLOCK)]


def _write_notice(world: World, directory: Path) -> None:
    preset = world.preset
    notice = _NOTICE.format(preset=preset.name, seed=world.seed, what=preset.description)
    write_text(directory / "README.txt", notice)


def dated_tables(world: World, tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables with dates in place of ages, years and durations."""
    baseline = _baseline_dates(world)
    visits, events = tables["visits"].copy(), tables["events"].copy()
    first = visits.drop_duplicates("person_id").set_index("person_id")["age"]
    born = baseline - _days(first.reindex(baseline.index))
    people = tables["people"].assign(birth_date=tables["people"]["person_id"].map(_texts(born)))
    day = visits["person_id"].map(baseline) + _days(visits["years_since_baseline"])
    visits.insert(2, "date", _texts(day))
    last = events["person_id"].map(baseline) + _days(events["duration"])
    events["event_date"] = _texts(last)
    return {
        "people": people,
        "visits": visits.drop(columns=["age", "years_since_baseline"]),
        "events": events.drop(columns=["duration"]),
    }


def _baseline_dates(world: World) -> pd.Series:
    dates = {}
    for number in range(world.block_count):
        lives = world.block(number)
        for column, person in enumerate(lives.dice.numbers):
            dates[person_id(person)] = pd.Timestamp(lives.schedule.baseline_date(column))
    return pd.Series(dates, dtype="datetime64[ns]")


def _days(years: pd.Series) -> pd.Series:
    return pd.to_timedelta(np.rint(years * DAYS_PER_YEAR), unit="D")


def _texts(dates: pd.Series) -> pd.Series:
    return dates.dt.strftime("%Y-%m-%d")


def _image_index(images: pd.DataFrame, plan: dict[str, Damage]) -> pd.DataFrame:
    paths = [
        film_path(image, person)
        for image, person in zip(images["image_id"], images["person_id"], strict=True)
    ]
    index = images.assign(path=paths)
    # What the table says overrides the header, so a bad header needs a silent table.
    silent = index["image_id"].map(lambda name: name in plan and plan[name].kind == "bad_spacing")
    index.loc[silent, ["spacing_row", "spacing_column"]] = np.nan
    return index


def _visits_of(images: pd.DataFrame, plan: dict[str, Damage]) -> set[tuple[str, int]]:
    """Return person and visit of every image that has a part in a fault."""
    named = {*plan, *(damage.partner for damage in plan.values())}
    rows = images[images["image_id"].isin(named)]
    return set(zip(rows["person_id"], rows["visit"], strict=True))


def _spoil_heights(
    visits: pd.DataFrame, share: float, *, spared: set[tuple[str, int]], seed: int
) -> tuple[pd.DataFrame, list[Damage]]:
    # A refused visit takes its images along, and would hide what is wrong with them.
    keys = zip(visits["person_id"], visits["visit"], strict=True)
    free = np.array([key not in spared for key in keys], dtype=bool)
    later = np.flatnonzero((visits["visit"] > 0) & visits["height"].notna() & free)
    chosen = generator(seed, "simulation", "heights").permutation(later)
    rows = np.sort(chosen[: round(share * len(later))])
    spoiled = visits.copy()
    spoiled.loc[rows, "height"] *= 10.0
    faults = [
        Damage(f"{row.person_id} visit {row.visit}", BAD_HEIGHT, "SC-305")
        for row in visits.loc[rows].itertuples()
    ]
    return spoiled, faults


def _damage_table(faults: list[Damage]) -> pd.DataFrame:
    columns = ["source", "kind", "code", "partner"]
    rows = [(fault.source, fault.kind, fault.code, fault.partner) for fault in faults]
    return pd.DataFrame(rows, columns=columns)


def _write_truth(world: World, directory: Path, damage: pd.DataFrame) -> None:
    truth = world.truth()
    write_table(directory / "people.csv", truth.people())
    write_table(directory / "visits.csv", truth.visits())
    write_table(directory / "damage.csv", damage)


class _Writer:
    """Renders and writes the films of one block."""

    def __init__(
        self, world: World, directory: Path, *, people: pd.DataFrame, plan: dict[str, Damage]
    ) -> None:
        self.world, self.directory, self.plan = world, directory, plan
        self.people = people.set_index("person_id")

    def __call__(self, image_ids: list[str]) -> int:
        for image_id in image_ids:
            self._write(image_id)
        return len(image_ids)

    def _write(self, image_id: str) -> None:
        damage = self.plan.get(image_id)
        kind = damage.kind if damage else ""
        film = film_record(
            self.world, image_id, self.people, pixels_of=damage.partner if damage else ""
        )
        dataset = film_dataset(film)
        spoil_dataset(dataset, kind)
        content = spoil_bytes(encode(dataset), kind)
        if content is not None:
            write_bytes(self.directory / film_path(image_id, film.person_id), content)


def film_record(
    world: World, image_id: str, people: pd.DataFrame, *, pixels_of: str = ""
) -> FilmRecord:
    """Return a film with all that its header says.

    Parameters
    ----------
    world, image_id
        Which film of which cohort.
    people
        ``sex`` and ``birth_date`` (see :func:`dated_tables`) by ``person_id``.
    pixels_of
        Another film whose pixels it has instead of its own.
    """
    film = world.film(image_id)
    person = person_id(film.person)
    rendered = world.render(pixels_of or image_id)
    born = date.fromisoformat(str(people.loc[person, "birth_date"]))
    taken = world.baseline_date(film.person) + timedelta(days=round(film.years * DAYS_PER_YEAR))
    return FilmRecord(
        image_id=image_id,
        person_id=person,
        sex=str(people.loc[person, "sex"]),
        study_date=taken,
        birth_date=born,
        modality=world.modality(film),
        view=world.preset.view,
        maker=film.maker,
        region=film.region,
        pixels=rendered.pixels,
        bits=rendered.bits,
        monochrome1=rendered.monochrome1,
        spacing=world.spacing(film),
        seed=world.seed,
    )
