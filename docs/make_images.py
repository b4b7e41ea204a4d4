"""Draw the pictures of simulated radiographs in docs/images: ``make docs-images``.

A contact sheet of 24 lateral films (ages 50 to 90, both sexes, every Genant type and
grade, four makers), strips of one person from 50 to 90, and a sheet of AP spine DXA: eight
people, what interventions do to one of them, and the same person from 50 to 85.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np

from spinecast.cohort.sources.simulated import bright_bone
from spinecast.files import write_bytes
from spinecast.seeds import generator
from spinecast.simulation.acquisition import Acquisition, draw_acquisition
from spinecast.simulation.anatomy import build_anatomy
from spinecast.simulation.anatomy_dice import draw_anatomy_dice
from spinecast.simulation.lateral import render_lateral
from spinecast.simulation.spine_state import Fracture
from spinecast.simulation.world import World, open_world

mpl.use("Agg")
import matplotlib.pyplot as plt

FOLDER = Path(__file__).resolve().parent / "images"
SEED = 11
SHAPE = (512, 256)
MAKERS = ("GE Healthcare", "DK Medical Systems", "FUJIFILM Corporation", "KODAK")
REGIONS = ("TL", "LS", "WHOLE", "TLS")
LOSSES = {1: 0.23, 2: 0.34, 3: 0.5}
SHAPES = ("wedge", "biconcave", "crush")
LEVELS = ("T12", "L1", "T8")


def film(world: World, person: str, *, age: float, fractures: tuple[Fracture, ...] | None,
         acquisition: Acquisition) -> np.ndarray:  # fmt: skip
    """Render one film of a person at an age, bone bright, scaled to [0, 1]."""
    do = {"age": age} if fractures is None else {"age": age, "fractures": fractures}
    dice = draw_anatomy_dice(generator(SEED, "docs", person))
    rendered = render_lateral(
        build_anatomy(world.state(person, do=do), dice), acquisition, shape=SHAPE
    )
    pixels = bright_bone(rendered)
    low, high = np.quantile(pixels, [0.002, 0.998])
    return np.clip((pixels - low) / (high - low), 0, 1)


def people_of(world: World, sex: str, count: int) -> list[str]:
    """Return the first people of one sex."""
    people = world.tables()["people"]
    return people.loc[people["sex"] == sex, "person_id"].head(count).tolist()


def contact_sheet(world: World) -> None:
    """24 films in three rows."""
    people = [p for pair in zip(people_of(world, "F", 12), people_of(world, "M", 12), strict=True)
              for p in pair]  # fmt: skip
    ages = np.linspace(50, 90, 24).round()
    kinds = [(s, g) for g in LOSSES for s in SHAPES]
    figure, axes = plt.subplots(3, 8, figsize=(16, 14.6), facecolor="black")
    for number, axis in enumerate(axes.T.ravel()):
        sex = "F" if number % 2 == 0 else "M"
        has = number % 8 >= 3 and kinds
        shape, grade = kinds.pop(0) if has else ("", 0)
        level = LEVELS[number % 3]
        broken = (Fracture(level, shape, LOSSES[grade]),) if grade else ()
        maker = MAKERS[number % 4]
        rng = generator(SEED, "docs", "film", number)
        taken = draw_acquisition(rng, maker=maker, region=REGIONS[(number // 2) % 4])
        image = film(world, people[number], age=ages[number], fractures=broken, acquisition=taken)
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_axis_off()
        what = f"{level} {shape} grade {grade}" if grade else "no fracture"
        axis.set_title(f"{sex} {ages[number]:.0f} y, {maker.split()[0]}\n{what}", color="white",
                       fontsize=9)  # fmt: skip
    figure.suptitle("SIMULATED lateral spine radiographs", color="white", fontsize=16, y=0.995)
    _save(figure, "simulated-radiographs.png")


def life_strips(world: World) -> None:
    """Three people, each from 50 to 90 in steps of 5 years, one acquisition a person."""
    people = [*people_of(world, "F", 3)[1:], people_of(world, "M", 1)[0]]
    ages = np.arange(50, 91, 5)
    figure, axes = plt.subplots(len(people), len(ages), figsize=(16, 12.6), facecolor="black")
    for person, row in zip(people, axes, strict=True):
        taken = draw_acquisition(generator(SEED, "docs", "strip", person), region="TL",
                                 maker=MAKERS[0])  # fmt: skip
        for age, axis in zip(ages, row, strict=True):
            image = film(world, person, age=float(age), fractures=None, acquisition=taken)
            axis.imshow(image, cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
            state = world.state(person, do={"age": float(age)})
            axis.set_title(f"{state.sex} {age} y, {len(state.fractures)} fractured", color="white",
                           fontsize=9)  # fmt: skip
    figure.suptitle(
        "SIMULATED: one person a row, from 50 to 90", color="white", fontsize=16, y=0.995
    )
    _save(figure, "simulated-life-strips.png")


def dxa_sheet(world: World) -> None:
    """Eight people; one person under interventions, with L1 to L4; the same one ageing."""
    people = [p for pair in zip(people_of(world, "F", 4), people_of(world, "M", 4), strict=True)
              for p in pair]  # fmt: skip
    person = people[2]
    image, truth = f"{person}-V0-0", world.truth()
    figure, axes = plt.subplots(3, 8, figsize=(16, 7.0), facecolor="black")
    for axis, name in zip(axes[0], people, strict=True):
        state = world.state(name)
        title = f"{state.sex} {state.age:.0f} y, {state.bmd_spine:.2f} g/cm2"
        _show(axis, world.render(f"{name}-V0-0").pixels, title)
    size = world.truth().morphometry(person)
    wide, dense = size["lumbar_width"] + 6.0, size["bmd_spine"]
    acts = {
        "as scanned": {},
        f"do width {wide:.0f} mm": {"lumbar_width": wide},
        f"do height {size['lumbar_height'] - 4.0:.0f} mm": {
            "lumbar_height": size["lumbar_height"] - 4.0
        },
        f"do density {dense - 0.3:.2f}": {"bmd_spine": dense - 0.3},
        f"do density {dense + 0.3:.2f}": {"bmd_spine": dense + 0.3},
        "L2 crushed": {"fractures": (Fracture("L2", "crush", 0.45),)},
        "L4 wedged": {"fractures": (Fracture("L4", "wedge", 0.40),)},
    }
    for axis, (title, do) in zip(axes[1], acts.items(), strict=False):
        _show(axis, world.counterfactual(image, do=do).pixels, title)
    _show(axes[1, 7], world.render(image).pixels, "L1 to L4")
    labels = np.ma.masked_equal(truth.masks(image), 0)
    axes[1, 7].imshow(labels, cmap="Set1", vmin=1, vmax=9, alpha=0.45)
    for axis, age in zip(axes[2], np.arange(50, 86, 5), strict=True):
        _show(axis, world.counterfactual(image, do={"age": float(age)}).pixels, f"at {age}")
    figure.suptitle("SIMULATED AP spine DXA", color="white", fontsize=16, y=0.995)
    _save(figure, "simulated-dxa.png")


def _show(axis: plt.Axes, pixels: np.ndarray, title: str) -> None:
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=215)
    axis.set_axis_off()
    axis.set_title(title, color="white", fontsize=9)


def _save(figure: plt.Figure, name: str) -> None:
    buffer = io.BytesIO()
    # titles stand above their own film, not behind the film over them
    figure.subplots_adjust(left=0.005, right=0.995, bottom=0.005, top=0.93, wspace=0.03, hspace=0.1)
    figure.savefig(buffer, dpi=80, facecolor="black", pil_kwargs={"optimize": True})
    plt.close(figure)
    write_bytes(FOLDER / name, buffer.getvalue())


if __name__ == "__main__":
    cohort = open_world("demo", SEED)
    contact_sheet(cohort)
    life_strips(cohort)
    dxa_sheet(open_world("dxa-demo", SEED))
