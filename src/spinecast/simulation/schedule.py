"""When people come, how long they are followed, and how they are filmed.

Planted on purpose: older people are followed for less long and filmed again sooner, makers
change with the calendar, and one person has several films. Whether a visit takes place
depends on nothing that happens after it, but records end with death, so people without a
later film are those who died or left early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spinecast.seeds import generator
from spinecast.simulation.acquisition import REGIONS
from spinecast.simulation.causes import MEAN_AGE, Causes
from spinecast.simulation.fractures import Course
from spinecast.simulation.makers import MAKERS
from spinecast.simulation.population import VISITS, Dice, Floats
from spinecast.simulation.records import in_days

FIRST_DAY, LAST_INDEX_DAY, LAST_DAY = date(2007, 1, 1), date(2018, 12, 31), date(2021, 12, 31)
"""Index visits fall between the first two; linkage of events ends on the third."""

FILMS = 2
"""Most films of one visit."""

REGION_SHARES: Mapping[str, float] = MappingProxyType({r.name: r.share for r in REGIONS})
"""Fields of view."""

MAKER_DRIFT: Mapping[str, float] = MappingProxyType(
    {
        "DK Medical Systems": 0.7,
        "FUJIFILM Corporation": -0.5,
        "Samsung Electronics": 1.0,
        "KODAK": -0.9,
    }
)
"""Log factor on a maker's share every five years; 0 for those not named."""

SPACING_UNKNOWN = 0.03
"""Share of films whose header does not say the pixel spacing."""


@dataclass(frozen=True)
class Film:
    """One radiograph that was taken.

    Parameters
    ----------
    image_id, person
        Its name, and the number of the person.
    visit, film
        Which visit, and which film of it.
    years
        Since baseline.
    maker, region
        Names in ``makers.MAKERS`` and ``acquisition.REGIONS``.
    spacing_known
        False where the header is silent.
    """

    image_id: str
    person: int
    visit: int
    film: int
    years: float
    maker: str
    region: str
    spacing_known: bool


@dataclass(frozen=True)
class Schedule:
    """Visits of some people.

    Parameters
    ----------
    baseline_day
        Days from :data:`FIRST_DAY` to the index visit, (n,).
    end
        Years since baseline at which the records end if the person lives, (n,).
    years
        Visits in years since baseline, (visits, n); NaN where none took place.
    """

    baseline_day: NDArray[np.int64]
    end: Floats
    years: Floats

    def baseline_date(self, column: int) -> date:
        """Return the date of the index visit of the person in ``column``."""
        return FIRST_DAY + timedelta(days=int(self.baseline_day[column]))


def draw_schedule(seed: int, dice: Dice, causes: Causes, *, course: Course) -> Schedule:
    """Draw follow-up and visits of everybody in ``dice``.

    Parameters
    ----------
    seed
        The world's seed.
    dice, causes, course
        Of the same n people.
    """
    span = (LAST_INDEX_DAY - FIRST_DAY).days + 1
    baseline_day = np.floor(dice.uniforms["calendar"] * span).astype(np.int64)
    linked = ((LAST_DAY - FIRST_DAY).days - baseline_day) / 365.25
    end = in_days(np.minimum(linked, course.drop_out))
    last = np.minimum(end, course.death)
    years = np.full((VISITS, len(dice)), np.nan)
    for column, number in enumerate(dice.numbers):
        age = float(causes["baseline_age"][column])
        planned = _plan_visits(generator(seed, "simulation", "schedule", number), age)
        kept = planned[planned < last[column]]
        years[1 : 1 + len(kept), column] = kept
    years[0] = 0.0
    return Schedule(baseline_day=baseline_day, end=end, years=years)


def _plan_visits(rng: np.random.Generator, age: float) -> Floats:
    """Plan 1 to 3 later visits in whole days, sorted, half a year to 13 years after the first."""
    count = 1 + int(np.digitize(rng.random(), (0.35, 0.72)))
    spread, shares = rng.standard_normal(), np.sort(rng.random(VISITS - 2))
    farthest = 3.4 * np.exp(-0.030 * (age - MEAN_AGE) + 0.75 * spread)
    farthest = float(np.clip(farthest, 0.5, 13.0))
    earlier = farthest * (0.12 + 0.76 * shares[: count - 1])
    planned = np.append(earlier, farthest)
    days = np.unique(np.round(planned * 365.25))
    kept: Floats = days[days >= 28.0] / 365.25
    return kept


def list_films(
    seed: int, number: int, *, schedule: Schedule, column: int, two_films: float
) -> list[Film]:
    """List the films of person ``number``, who stands in ``column`` of ``schedule``.

    Parameters
    ----------
    seed, number
        Name the person's dice.
    schedule, column
        When the visits were.
    two_films
        Share of baseline visits with a second film of another region.
    """
    rng = generator(seed, "simulation", "films", number)
    chance = rng.random((VISITS, FILMS, 4))
    start = 2007.0 + schedule.baseline_day[column] / 365.25
    usual = _pick(REGION_SHARES, float(chance[0, 0, 0]))
    films: list[Film] = []
    for visit in range(VISITS):
        years = float(schedule.years[visit, column])
        if np.isnan(years):
            break
        maker = _pick(maker_shares(start + years), float(chance[visit, 0, 1]))
        second = chance[visit, 1, 2] < (two_films if visit == 0 else 0.10)
        keep = visit == 0 or chance[visit, 0, 2] < 0.75
        region = usual if keep else _pick(REGION_SHARES, float(chance[visit, 0, 0]))
        others = {name: share for name, share in REGION_SHARES.items() if name != region}
        regions = [region, _pick(others, float(chance[visit, 1, 0]))] if second else [region]
        films.extend(
            Film(
                image_id=f"P{number:05d}-V{visit}-{film}",
                person=number,
                visit=visit,
                film=film,
                years=years,
                maker=maker,
                region=region,
                spacing_known=bool(chance[visit, film, 3] >= SPACING_UNKNOWN),
            )
            for film, region in enumerate(regions)
        )
    return films


def maker_shares(year: float) -> dict[str, float]:
    """Return the makers' shares in a calendar year (they drift; see :data:`MAKER_DRIFT`)."""
    fives = (year - 2013.0) / 5.0
    weights = {
        maker.name: maker.share * float(np.exp(MAKER_DRIFT.get(maker.name, 0.0) * fives))
        for maker in MAKERS
    }
    total = sum(weights.values())
    return {maker: weight / total for maker, weight in weights.items()}


def _pick(shares: Mapping[str, float], uniform: float) -> str:
    target, so_far = uniform * sum(shares.values()), 0.0
    for name, share in shares.items():
        so_far += share
        if target < so_far:
            return name
    return name
