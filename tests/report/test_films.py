"""Films on plates: stamped, on one scale, with what is not known said in words."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image as Picture
from tests.report.demo_goods import strip

from spinecast.report.figures import (
    draw_attribution,
    draw_draws,
    draw_feature_maps,
    draw_neighbours,
    draw_strip,
    strips,
)
from spinecast.report.goods import DrawsData, FeatureMaps, NeighbourData, OverlayData

NAN = math.nan
SHAPE = (48, 24)


def film(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.8, shape).astype(np.float32)


def small_strip(**changes):
    whole = strip(1)
    tiny = {
        "baseline": film(1), "reconstruction": film(2), "follow_up": film(3),
        "generated": (film(4), film(5), film(6)), "generated_at_follow_up": film(7),
    }  # fmt: skip
    return replace(whole, **(tiny | changes))


def pixels(figure) -> np.ndarray:
    return np.asarray(Picture.open(io.BytesIO(figure.content)).convert("RGB"))


def titles(given) -> list[str]:
    return [panel.title for panel in strips._strip_panels(given)]


PLATES = {
    "strip": lambda s: draw_strip(small_strip(), simulated=s),
    "draws": lambda s: draw_draws(DrawsData("P1", 10, np.stack([film(1), film(2)])), simulated=s),
    "neighbours": lambda s: draw_neighbours(
        [NeighbourData("P1", film(1), film(2), 0.9)], simulated=s
    ),
    "attribution": lambda s: draw_attribution(
        [OverlayData("P1", film(1), film(2), 0.5)], simulated=s
    ),
    "features": lambda s: draw_feature_maps(
        FeatureMaps(("block 1",), (900,), np.random.default_rng(1).uniform(size=(1, 1, 8, 4, 3))),
        simulated=s,
    ),
}


@pytest.mark.parametrize("name", PLATES)
def test_films_of_simulated_people_differ_from_real_ones_by_their_stamp(name):
    simulated, real = PLATES[name](True), PLATES[name](False)
    assert simulated.media_type == real.media_type == "image/png"
    stamped, plain = pixels(simulated).astype(int), pixels(real).astype(int)
    assert stamped.shape == plain.shape
    assert 0 < (np.abs(stamped - plain).max(axis=-1) > 40).mean() < 0.2


@pytest.mark.parametrize("name", PLATES)
def test_plates_are_small_and_told_in_words(name):
    figure = PLATES[name](True)
    assert len(figure.content) < 500_000
    assert len(figure.alt) > 25
    assert "nan" not in f"{figure.alt} {figure.caption}".lower().split()


def test_generated_films_are_stamped_in_any_cohort(monkeypatch):
    seen = []
    monkeypatch.setattr(strips, "stamp_film", lambda _ax, **given: seen.append(given))
    draw_strip(small_strip(), simulated=False)
    # copy, three futures, the drawing at the real film's time; baseline and real film are not
    assert sum(bool(given.get("generated")) for given in seen) == 5
    assert not any(given["simulated"] for given in seen)


def test_a_strip_runs_from_baseline_to_the_real_film():
    assert titles(small_strip()) == [
        "baseline", "copy", "+1 y", "+5 y", "+10 y", "+3.4 y", "real +3.4 y"
    ]  # fmt: skip


def test_a_strip_without_copy_or_later_film_is_shorter():
    bare = small_strip(reconstruction=None, follow_up=None, generated_at_follow_up=None)
    assert titles(bare) == ["baseline", "+1 y", "+5 y", "+10 y"]
    assert "really taken" not in draw_strip(bare, simulated=True).alt


def test_an_undated_film_is_the_next_film():
    undated = small_strip(follow_up_years=NAN)
    assert titles(undated)[-2:] == ["next film", "real next film"]
    alt = draw_strip(undated, simulated=True).alt
    assert "nan" not in alt
    assert "next film, really taken at a time that is not known" in alt


@pytest.mark.parametrize("unknown", [NAN, 0.0])
def test_futures_at_no_known_distance_are_the_next_film(unknown):
    undated = small_strip(horizons=(1.0, 5.0, unknown))
    assert titles(undated)[4] == "next film"
    alt = draw_strip(undated, simulated=True).alt
    assert "generated 1, 5 years ahead, generated next film" in alt


def test_only_undated_futures_promise_no_years():
    alone = small_strip(horizons=(NAN,), generated=(film(4),), follow_up=None)
    alt = draw_strip(alone, simulated=True).alt
    assert "years ahead" not in alt
    assert "baseline, generated next film" in alt


def test_maps_show_film_minus_baseline():
    given = small_strip()
    panels = {p.title: p for p in strips._strip_panels(given)}
    np.testing.assert_allclose(panels["+5 y"].difference, given.generated[1] - given.baseline)
    assert panels["baseline"].difference is None
    assert not panels["real +3.4 y"].generated


def test_all_maps_of_a_strip_share_one_symmetric_scale():
    assert strips._common_limit([np.full((4, 4), 0.31), np.full((4, 4), -0.07)]) == 0.35
    assert strips._common_limit([None, np.zeros((4, 4))]) == 0.05
    assert strips._common_limit([None]) == 0.1


@pytest.mark.parametrize(
    ("horizon", "words"),
    [(10.0, "10 years ahead"), (1.0, "1 year ahead"), (NAN, "next film"), (0.0, "next film")],
)
def test_draws_say_how_far_ahead_or_that_it_is_not_known(horizon, words):
    figure = draw_draws(DrawsData("P1", horizon, np.stack([film(1), film(2)])), simulated=True)
    assert figure.alt.endswith(f"{words}.")
    assert "2 generated films of P1" in figure.alt


def test_the_spread_of_equal_draws_is_black():
    same = np.stack([film(1)] * 4)
    assert "white 0.00 or more" in draw_draws(DrawsData("P1", 5, same), simulated=False).caption


@pytest.mark.parametrize("count", [1, 2, 3, 10])
@pytest.mark.parametrize("label", ["P0002 · F · 66 years", "a" * 70])
def test_titles_are_never_cut_off(count, label, monkeypatch):
    drawn = []

    def kept(drawing, **_given):
        FigureCanvasAgg(drawing).draw()  # lays out
        drawn.append(drawing)
        return b"\x89PNG\r\n\x1a\n"

    monkeypatch.setattr(strips, "as_png", kept)
    draw_draws(DrawsData(label, 10, np.stack([film(i) for i in range(count)])), simulated=True)
    box = drawn[0]._suptitle.get_window_extent()
    page = drawn[0].bbox
    assert box.x0 >= page.x0
    assert box.x1 <= page.x1
    assert box.y1 <= page.y1
    lowest_title = max(ax.title.get_window_extent().y1 for ax in drawn[0].axes)
    assert box.y0 >= lowest_title - 1  # and lie on no other title


def test_panel_titles_do_not_run_into_each_other(monkeypatch):
    drawn = []

    def kept(drawing, **_given):
        FigureCanvasAgg(drawing).draw()  # lays out
        drawn.append(drawing)
        return b"\x89PNG\r\n\x1a\n"

    monkeypatch.setattr(strips, "as_png", kept)
    draw_strip(small_strip(follow_up_years=NAN), simulated=True)
    draw_draws(DrawsData("P1", 10, np.stack([film(i) for i in range(10)])), simulated=True)
    for drawing in drawn:
        boxes = [a.title.get_window_extent() for a in drawing.axes if a.get_title()]
        for i, one in enumerate(boxes):
            assert not any(one.overlaps(other) for other in boxes[i + 1 :])
            assert one.x1 <= drawing.bbox.x1


def test_films_taller_than_the_page_needs_are_averaged_down():
    tall = np.arange(1024 * 512, dtype=np.float32).reshape(1024, 512)
    small = strips.shrink(tall)
    assert small.shape == (256, 128)
    assert small.mean() == pytest.approx(tall.mean())
    assert strips.shrink(film(1)).shape == SHAPE


def test_flagged_neighbours_are_counted_in_words():
    near = [NeighbourData(f"P{i}", film(i), film(i), 0.99, flagged=i == 1) for i in range(3)]
    assert "1 flagged" in draw_neighbours(near, simulated=True).alt


def test_more_than_five_overlays_take_a_second_row():
    some = [OverlayData(f"P{i}", film(i), film(i + 9)) for i in range(6)]
    five = pixels(draw_attribution(some[:5], simulated=True))
    six = pixels(draw_attribution(some, simulated=True))
    assert six.shape[0] > 1.7 * five.shape[0]


def test_a_map_of_heat_outside_its_scale_is_clipped():
    hot = OverlayData("P1", film(1), 5 * film(2), NAN)
    figure = draw_attribution([hot], simulated=False)
    assert "score" not in figure.alt
    assert pixels(figure).any()


def test_the_window_of_films_is_fixed_so_that_brightness_can_be_compared():
    dark, bright = (np.full(SHAPE, v, np.float32) for v in (0.2, 0.8))
    pair = [NeighbourData("", dark, bright, 0.5)]
    shown = pixels(draw_neighbours(pair, simulated=False))[..., 0]
    counts = np.bincount(shown.ravel(), minlength=256)
    for level in (51, 204):
        assert counts[level - 4 : level + 5].sum() > 2000
