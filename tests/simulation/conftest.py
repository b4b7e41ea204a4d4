"""A large draw that several files look at."""

from __future__ import annotations

import pytest

from spinecast.simulation import draw_lives, find_preset, open_world

PEOPLE = 6000


@pytest.fixture(scope="session")
def many():
    """Lives of many people under hazards of published size."""
    return draw_lives(find_preset("bench"), 11, range(PEOPLE))


@pytest.fixture(scope="session")
def tiny():
    return open_world("tiny", 3)


@pytest.fixture(scope="session")
def tiny_tables(tiny):
    return tiny.tables()
