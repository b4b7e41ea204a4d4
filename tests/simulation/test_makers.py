"""Makers and exposures: shares, look-up tables, bit depths and inverted films."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import binomtest
from tests.simulation.healthy import exposure, person

from spinecast.seeds import generator
from spinecast.simulation.acquisition import REGIONS, draw_acquisition, region_named
from spinecast.simulation.detector import enlarge, shrink
from spinecast.simulation.lateral import render_lateral
from spinecast.simulation.makers import MAKERS, maker_named

DRAWS = 4000
NAMES = [maker.name for maker in MAKERS]
SMALL = (128, 64)


@pytest.fixture(scope="module")
def drawn():
    return [draw_acquisition(generator(2, "tests", "draw", number)) for number in range(DRAWS)]


@pytest.fixture(scope="module")
def films():
    """The same man on every maker's system."""
    return {name: render_lateral(person(0), exposure(0, maker=name), shape=SMALL) for name in NAMES}


def test_shares_of_makers_and_of_regions_add_up_to_one():
    assert sum(maker.share for maker in MAKERS) == pytest.approx(1.0)
    assert sum(region.share for region in REGIONS) == pytest.approx(1.0)


def test_ge_has_71_percent_and_seven_makers_share_one():
    assert maker_named("GE Healthcare").share == 0.71
    rare = [maker.share for maker in MAKERS if maker.share < 0.01]
    assert len(rare) == 7
    assert sum(rare) == pytest.approx(0.01)


@pytest.mark.parametrize("kind", ["maker", "region"])
def test_makers_and_regions_are_drawn_by_their_shares(drawn, kind):
    names = [getattr(acquisition, kind).name for acquisition in drawn]
    for choice in {"maker": MAKERS, "region": REGIONS}[kind]:
        found = binomtest(names.count(choice.name), DRAWS, choice.share)
        assert found.pvalue > 0.001, choice.name


def test_forcing_a_maker_changes_no_other_draw():
    free, forced = exposure(4), exposure(4, maker="KODAK")
    assert forced.maker.name == "KODAK"
    ratio = forced.maker.scale / free.maker.scale
    np.testing.assert_allclose(forced.height, free.height * ratio)
    np.testing.assert_allclose(forced.shutters, np.array(free.shutters) * ratio)
    same = {"maker": free.maker, "height": free.height, "shutters": free.shutters}
    assert dataclasses.replace(forced, **same) == free


def test_unknown_names_are_told_with_those_there_are():
    with pytest.raises(KeyError, match="GE Healthcare"):
        maker_named("nobody")
    with pytest.raises(KeyError, match="TLS"):
        region_named("nowhere")


def test_no_draw_is_an_impossible_one(drawn):
    for acquisition in drawn[:500]:
        assert 0.9 < acquisition.height / acquisition.region.height / acquisition.maker.scale < 1.1
        assert abs(np.degrees(acquisition.tilt)) < 4
        assert 1200 < acquisition.distance < 1800
        assert 0.1 < acquisition.scatter < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_stored_integers_use_the_makers_bits(films, name):
    film, maker = films[name], maker_named(name)
    assert film.pixels.dtype == np.uint16
    assert film.bits == maker.bits
    assert 2 ** (maker.bits - 1) < film.pixels.max() <= 2**maker.bits - 1


@pytest.mark.parametrize("name", NAMES)
def test_bone_is_bright_on_every_makers_film_once_shown(films, name):
    usual = films["GE Healthcare"].brightness()
    shown = films[name].brightness()
    fraction = films[name].pixels.astype(float) / (2 ** films[name].bits - 1)
    assert films[name].monochrome1 == maker_named(name).monochrome1
    assert np.corrcoef(usual.ravel(), shown.ravel())[0, 1] > 0.9
    np.testing.assert_allclose(
        shown, 1 - fraction if films[name].monochrome1 else fraction, atol=1e-6
    )
    stored = np.corrcoef(usual.ravel(), fraction.ravel())[0, 1]
    assert (stored < -0.9) if films[name].monochrome1 else (stored > 0.9)


def test_fuji_kodak_agfa_and_konica_store_low_values_as_white():
    inverted = {maker.name for maker in MAKERS if maker.monochrome1}
    assert inverted == {"FUJIFILM Corporation", "KODAK", "Agfa", "KONICA MINOLTA"}


def test_makers_can_be_told_apart_by_their_tables():
    means = {(maker.contrast, maker.toe, maker.latitude, maker.detail) for maker in MAKERS}
    assert len(means) == len(MAKERS)


def test_shrinking_keeps_the_mean_and_enlarging_the_size():
    image = np.random.default_rng(0).random((48, 24)).astype(np.float32)
    coarse = shrink(image, 4)
    assert coarse.shape == (12, 6)
    assert coarse.mean() == pytest.approx(image.mean(), rel=1e-5)
    assert shrink(image[:47], 4).shape == (11, 6)
    assert enlarge(coarse, (50, 25), 4).shape == (50, 25)
    np.testing.assert_array_equal(shrink(image, 1), image)
