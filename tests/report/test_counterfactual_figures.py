"""Pictures of counterfactual scans: maps on one scale, no change beside ours, files that speak."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from spinecast.report.figures.counterfactuals import (
    draw_age_sweep,
    draw_foretold,
    draw_histories,
)
from spinecast.report.figures.stamped import difference_png, grey_png
from spinecast.report.goods import AgeSweep, ForetoldValues

RNG = np.random.default_rng(2)
SCAN = RNG.uniform(size=(40, 32)).astype(np.float32)
SWEEP = AgeSweep(
    "P00012 · F · 61 years",
    SCAN,
    (50.0, 70.0),
    (SCAN * 0.95, SCAN * 1.05),
    (SCAN * 0.01, SCAN * 0.02),
)
BEFORE = RNG.normal(45, 3, 30)
AFTER = BEFORE + RNG.normal(0.4, 0.3, 30)
WIDTH = ForetoldValues("Lumbar width", "mm", BEFORE, AFTER, BEFORE + 0.4, "R² 0.97", "R² 0.11")


def opened(content: bytes) -> Picture.Image:
    return Picture.open(io.BytesIO(content))


def test_a_sweep_says_whose_scan_it_is_at_which_ages_and_how_maps_are_read():
    figure = draw_age_sweep(SWEEP, simulated=True)
    assert figure.media_type == "image/png"
    assert "P00012" in figure.alt
    assert "50, 70" in figure.alt
    assert "minus the scan" in figure.caption
    assert "standard deviation over draws" in figure.caption


def test_a_larger_change_is_drawn_on_a_larger_scale():
    large = AgeSweep(SWEEP.label, SCAN, (90.0,), (SCAN * 0.5,), (SCAN * 0.01,))
    small, wide = (draw_age_sweep(s, simulated=False).caption for s in (SWEEP, large))
    assert "±0.05" in small
    assert "±0.50" in wide


def test_no_change_stands_beside_what_was_foretold():
    figure = draw_foretold([WIDTH, WIDTH], simulated=True)
    drawn = figure.content.decode()
    assert drawn.count("Lumbar width") >= 2
    for words in ("no change", "predicted change", "R² 0.97", "R² 0.11", "SIMULATED"):
        assert words in drawn
    assert "30 people" in figure.alt
    assert "no change" in figure.caption


def test_changes_of_readings_are_taken_from_the_reading_of_the_baseline_scan():
    offset = ForetoldValues("W", "mm", BEFORE, AFTER, BEFORE + 5.4, start=BEFORE + 5)
    plain = ForetoldValues("W", "mm", BEFORE, AFTER, BEFORE + 0.4)
    wrong = ForetoldValues("W", "mm", BEFORE, AFTER, BEFORE + 5.4)
    ends = [_last_panel(draw_foretold([v], simulated=False).content) for v in (plain, offset)]
    assert ends[0] == ends[1]
    assert _last_panel(draw_foretold([wrong], simulated=False).content) != ends[0]


def _last_panel(content: bytes) -> list[str]:
    """Return the words and tick labels of the panel of changes: they tell its scale."""
    return re.findall(r">([^<>]+)</text>", content.decode().partition('id="axes_2"')[2])


def test_training_curves_show_training_and_validation_and_skip_what_was_not_measured():
    table = pd.DataFrame({"step": range(1, 41), "loss": np.linspace(9, 1, 40)})
    table["validation"] = np.where(table["step"] % 10 == 0, 2.0, np.nan)
    figure = draw_histories({"deep model": table}, simulated=False)
    drawn = figure.content.decode()
    assert "validation" in drawn
    assert "deep model" in figure.alt
    empty = table.assign(loss=np.nan, validation=np.nan)
    assert draw_histories({"deep model": empty}, simulated=False).content


def test_a_picture_keeps_its_own_pixels_above_the_strip_that_says_what_it_is():
    picture = opened(grey_png(SCAN, generated=True, simulated=True))
    pixels = np.asarray(picture)
    np.testing.assert_array_equal(pixels[:40], np.rint(SCAN * 255).astype(np.uint8))
    assert pixels.shape[0] > 40
    assert pixels[40:].max() > 0
    assert picture.text["Comment"] == "GENERATED SIMULATED"


def test_an_acquired_real_scan_gets_no_strip():
    picture = opened(grey_png(SCAN, generated=False, simulated=False))
    assert picture.size == (32, 40)
    assert "Comment" not in picture.text


@pytest.mark.parametrize(("value", "channel"), [(0.1, 0), (-0.1, 2)])
def test_brighter_is_orange_and_darker_is_blue(value, channel):
    picture = opened(difference_png(np.full((20, 20), value), limit=0.15, simulated=True))
    colour = np.asarray(picture)[10, 10].astype(int)
    assert colour[channel] == colour.max()
    assert picture.text["Comment"] == "±0.15 SIMULATED"


def test_no_difference_is_dark():
    pixels = np.asarray(opened(difference_png(np.zeros((20, 20)), limit=0.1, simulated=False)))
    assert pixels[10, 10].max() < 40
