"""Measure how many lateral radiographs one core renders a second.

    OMP_NUM_THREADS=1 python benchmarks/rendering.py [--people 60] [--rows 256] [--profile]

Counts the processor's time, not the clock's, so that other programs disturb it little.
The simulated cohort is meant to give at least 40 films a second at 256 x 128.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time

from spinecast.seeds import generator
from spinecast.simulation import SpineState, open_world
from spinecast.simulation.acquisition import Acquisition
from spinecast.simulation.anatomy import build_anatomy
from spinecast.simulation.anatomy_dice import AnatomyDice, draw_anatomy_dice
from spinecast.simulation.lateral import render_lateral

SEED = 5
TARGET = 40.0
Case = tuple[SpineState, AnatomyDice, Acquisition]


def draw_cases(people: int) -> list[Case]:
    """Draw the first film of each of so many people of the demo cohort."""
    world = open_world("demo", SEED)
    cases = []
    for number in range(people):
        person = f"P{number:05d}"
        film = world.films(person)[0]
        dice = draw_anatomy_dice(generator(SEED, "simulation", "anatomy", number))
        cases.append((world.state(person, film.years), dice, world.acquisition(film.image_id)))
    return cases


def render_all(cases: list[Case], shape: tuple[int, int]) -> None:
    """Build and render every case."""
    for state, dice, acquisition in cases:
        render_lateral(build_anatomy(state, dice), acquisition, shape=shape)


def films_per_second(cases: list[Case], shape: tuple[int, int], *, repeats: int = 3) -> float:
    """Return the best of some repeats, compilation left out."""
    render_all(cases[:2], shape)
    seconds = []
    for _ in range(repeats):
        before = time.process_time()
        render_all(cases, shape)
        seconds.append(time.process_time() - before)
    return len(cases) / min(seconds)


def main() -> None:
    """Print films a second, and where the time goes where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    shape = (options.rows, options.rows // 2)
    cases = draw_cases(options.people)
    speed = films_per_second(cases, shape)
    print(f"{speed:.1f} images/s on one core at {shape[0]} x {shape[1]} (target {TARGET:.0f})")
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(render_all, cases, shape)
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
