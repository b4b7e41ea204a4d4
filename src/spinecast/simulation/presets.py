"""How large a simulated cohort is, and how strongly its images speak of the future.

Every preset shares one population and one set of causes. They differ in the number of
people, the size of the images and the hazard of fracture: ``bench`` follows the sizes
published for a hospital cohort, ``tiny`` and ``demo`` are enriched, and say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from spinecast.errors import error


@dataclass(frozen=True)
class HazardModel:
    """Log hazard ratios of the fracture, death and drop-out processes, per stated unit.

    Parameters
    ----------
    vertebral_rate
        Hazard per year of a vertebral fracture at the reference state (age 65.7, mean of
        every other value, no earlier fracture).
    age
        Per 10 years, all else equal.
    female
        Women against men, all else equal.
    bmd, trabecular, kyphosis, disc, muscle
        Per standard deviation in the harmful direction (see ``causes.REFERENCE``).
    glucocorticoids
        While taking them.
    prior
        With the first vertebral fracture; it fades linearly to nothing at the tenth.
    after_baseline
        Log factor on the vertebral hazard from baseline on: a little below 0 where people
        found at risk are treated; enriched presets raise it.
    non_vertebral_rate, non_vertebral_*
        The same for fractures elsewhere.
    death_rate, death_doubling
        Hazard per year at 65.7 in women, and years of age in which it doubles (Gompertz).
    drop_out
        Hazard per year of leaving the records at 65.7.
    """

    vertebral_rate: float = 0.0115
    age: float = 0.18
    female: float = 0.10
    bmd: float = 0.72
    trabecular: float = 0.30
    kyphosis: float = 0.12
    disc: float = 0.05
    muscle: float = 0.12
    glucocorticoids: float = 0.65
    prior: float = 0.95
    after_baseline: float = -0.25
    non_vertebral_rate: float = 0.0075
    non_vertebral_age: float = 0.18
    non_vertebral_bmd: float = 0.40
    non_vertebral_muscle: float = 0.25
    non_vertebral_female: float = 0.10
    non_vertebral_prior: float = 0.60
    death_rate: float = 0.0085
    death_doubling: float = 8.0
    drop_out: float = 0.025


@dataclass(frozen=True)
class Preset:
    """Size and strength of one simulated cohort.

    Parameters
    ----------
    name, description
        Shown to people; an enriched preset says so.
    people
        Number of people.
    shape
        Rows and columns of the rendered radiographs.
    hazard
        See :class:`HazardModel`.
    two_films
        Fraction of baseline visits with a second film of another region.
    bmd_known
        Fraction of people who ever had their bone density measured.
    view
        LATERAL: radiographs of a hospital's patients. AP: spine DXA of volunteers at one or
        two imaging visits (see ``imaging_visits``).
    variants
        Size of the people's genomes, 0 for none. With genomes, the heritable causes follow
        from them, some people are related, and ancestries mix (see ``genetic_dice``).
    """

    name: str
    description: str
    people: int
    shape: tuple[int, int]
    hazard: HazardModel = field(default_factory=HazardModel)
    two_films: float = 0.35
    bmd_known: float = 0.43
    view: str = "LATERAL"
    variants: int = 0


_ENRICHED = HazardModel(
    vertebral_rate=0.0092,
    bmd=0.85,
    trabecular=0.55,
    kyphosis=0.20,
    disc=0.10,
    after_baseline=0.75,
)

# Spine DXA of volunteers, who are healthier than a hospital's patients.
_volunteers = partial(
    Preset,
    shape=(192, 192),
    hazard=HazardModel(vertebral_rate=0.0025, non_vertebral_rate=0.005, death_rate=0.005),
    bmd_known=0.999,
    view="AP",
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="tiny",
            description="60 people at 128 x 64, enriched in fractures, for tests",
            people=60,
            shape=(128, 64),
            hazard=_ENRICHED,
        ),
        Preset(
            name="demo",
            description="600 people at 256 x 128, enriched: about 30 % fracture a vertebra "
            "in follow-up, and what the image shows tells much of who will",
            people=600,
            shape=(256, 128),
            hazard=_ENRICHED,
        ),
        Preset(
            name="training",
            description="8,000 people with the hazards of demo, whom no demo run contains: "
            "the shipped weights are made from them",
            people=8000,
            shape=(256, 128),
            hazard=_ENRICHED,
        ),
        Preset(
            name="bench",
            description="5,000 people at 256 x 128 with hazards of published size",
            people=5000,
            shape=(256, 128),
        ),
        _volunteers(
            name="dxa-tiny",
            description="60 volunteers with AP spine DXA at 192 x 192, for tests",
            people=60,
        ),
        _volunteers(
            name="dxa-demo",
            description="3,000 volunteers aged 45 to 82 with AP spine DXA at 192 x 192, six in "
            "ten of them scanned again 2 to 10 years later",
            people=3000,
        ),
        _volunteers(
            name="dxa-training",
            description="6,000 volunteers as of dxa-demo, whom no demo run contains: the shipped "
            "weights are made from them",
            people=6000,
        ),
        _volunteers(
            name="gwas-tiny",
            description="300 volunteers with AP spine DXA and genomes of 2,000 variants, some of "
            "them related, of two ancestries; for tests",
            people=300,
            variants=2000,
        ),
        _volunteers(
            name="gwas-demo",
            description="5,000 volunteers with AP spine DXA and genomes of 20,000 variants, some "
            "of them related, of two ancestries",
            people=5000,
            variants=20000,
        ),
    )
}


def find_preset(name: str) -> Preset:
    """Return the preset called ``name``.

    Raises
    ------
    RunError
        SC-702 where there is none of that name.
    """
    if name not in PRESETS:
        raise error("SC-702", expected=f"one of {', '.join(PRESETS)}", got=name)
    return PRESETS[name]
