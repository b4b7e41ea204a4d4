"""Charts: drawn from plain arrays, the same bytes each time, stamped, told in words."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from tests.report.demo_goods import recovery, survival_curve

from spinecast.report.figures import (
    draw_agreement,
    draw_auroc_over_time,
    draw_boxes,
    draw_calibration,
    draw_decision_curve,
    draw_flow,
    draw_forest,
    draw_intervals,
    draw_paired_scatter,
    draw_pairs,
    draw_recovery,
    draw_roc,
    draw_score_distributions,
    draw_survival,
    draw_trajectories,
    draw_uncertainty,
)
from spinecast.report.figures.canvas import (
    INK,
    MUTED,
    RULE,
    SERIES,
    colour_of,
    short_name,
    symbol_of,
)
from spinecast.report.goods import (
    BlandAltmanData,
    CurveData,
    Estimate,
    FlowStep,
    ForestRow,
    PairedValues,
)

NAN = math.nan
RNG = np.random.default_rng(4)
X = np.linspace(0.1, 0.9, 9)
CURVE = CurveData("scores", X, X**1.1, X - 0.05, X + 0.05)
PAIR = PairedValues(X, X + 0.02, "real film", "generated film", {"r": Estimate(0.99, 0.98, 1.0)})
ROWS = [ForestRow("LH", Estimate(1.9, 1.3, 2.8), "plain"), ForestRow("HIGH", Estimate(4.1, 3, 5.6))]
STEPS = [FlowStep("Given", 1400, 4210), FlowStep("Under 50 years", 1399, 4000)]
SCORES = {"BpVF": {"no fracture": RNG.beta(2, 3, 80), "fracture": RNG.beta(3, 2, 20)}}
WIDE = pd.DataFrame({"BpVF": X, "GpVF 5 y": X**2})
BAND = BlandAltmanData(Estimate(-0.02, -0.04, 0.0), -0.28, 0.24)

CHARTS = {
    "agreement": lambda s: draw_agreement(PAIR, BAND, simulated=s),
    "paired": lambda s: draw_paired_scatter([PAIR], titles=["T"], unit="years", simulated=s),
    "calibration": lambda s: draw_calibration([CURVE], horizon=5, predicted=X, simulated=s),
    "auroc": lambda s: draw_auroc_over_time([CURVE], simulated=s),
    "roc": lambda s: draw_roc({"5 years": [CURVE]}, simulated=s),
    "decision": lambda s: draw_decision_curve([CURVE], horizon=5, simulated=s),
    "recovery": lambda s: draw_recovery(recovery(), simulated=s),
    "intervals": lambda s: draw_intervals({"c-index": ROWS}, simulated=s),
    "boxes": lambda s: draw_boxes({"MS-SSIM": {"pair": X, "single": X**2}}, simulated=s),
    "scores": lambda s: draw_score_distributions(SCORES, simulated=s),
    "pairs": lambda s: draw_pairs(WIDE, event=(X > 0.5).astype(float), simulated=s),
    "uncertainty": lambda s: draw_uncertainty(X, threshold=0.6, simulated=s),
    "trajectories": lambda s: draw_trajectories([CURVE], ylabel="score", simulated=s),
    "survival": lambda s: draw_survival(
        [survival_curve("LL", 0.02, n=300)], ylabel="free of fracture", simulated=s
    ),
    "forest": lambda s: draw_forest(ROWS, simulated=s),
    "flow": lambda s: draw_flow(STEPS, simulated=s),
}


def words(figure) -> list[str]:
    """Return the texts of a chart; fails where it is no well-formed SVG."""
    tags = ("{http://www.w3.org/2000/svg}text", "{http://www.w3.org/2000/svg}tspan")
    return [e.text for e in ET.fromstring(figure.content).iter() if e.tag in tags and e.text]


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_of_simulated_people_says_so_inside_the_picture(name):
    assert "SIMULATED COHORT" in words(CHARTS[name](True))


@pytest.mark.parametrize("name", CHARTS)
def test_no_chart_of_real_people_says_simulated_and_all_are_told_in_words(name):
    figure = CHARTS[name](False)
    assert not [w for w in words(figure) if "SIMULATED" in w]
    assert figure.media_type == "image/svg+xml"
    assert len(figure.alt) > 25
    assert "nan" not in f"{figure.alt} {figure.caption}".lower().split()


@pytest.mark.parametrize("name", ["flow", "survival", "pairs"])
def test_equal_goods_give_equal_bytes(name):
    assert CHARTS[name](True).content == CHARTS[name](True).content


@pytest.mark.parametrize("name", CHARTS)
def test_text_stays_text_and_follows_the_readers_colours(name):
    text = CHARTS[name](True).content.decode()
    assert "system-ui" in text
    assert "DejaVu" not in text
    assert text.count("@media (prefers-color-scheme: dark)") == 1


def test_ink_and_rules_change_with_the_scheme():
    text = CHARTS["survival"](True).content.decode()
    rules = re.findall(r'\[style\*="(\w+: #\w+)"\]', text)
    assert {f"fill: {MUTED}", f"stroke: {RULE}", f"fill: {INK}"} <= set(rules)
    assert all(f"{kind}: {colour}" in text.partition("</style>")[2]
               for kind, colour in (("fill", MUTED), ("stroke", RULE), ("fill", INK)))  # fmt: skip


def test_a_dollar_sign_is_a_dollar_sign():
    figure = draw_forest([ForestRow("$\\alpha$ cost", Estimate(2, 1.5, 2.5))], simulated=False)
    assert "$\\alpha$ cost" in words(figure)


def test_risk_groups_keep_their_colour_whatever_their_place():
    assert colour_of("HIGH", 0) == colour_of("HIGH (n = 20)", 5) != colour_of("LL", 0)
    assert len({colour_of(f"model {i}", i) for i in range(6)}) == len(SERIES) == 6


def test_series_differ_in_symbol_too():
    assert len({symbol_of(i) for i in range(6)}) == 6


@pytest.mark.parametrize("letters", [1, 40])
def test_short_names_are_left_alone(letters):
    assert short_name("x" * letters) == "x" * letters


def test_long_names_are_cut_and_say_so():
    cut = short_name("y" * 300)
    assert len(cut) == 40
    assert cut.endswith("…")


def test_names_that_are_far_too_long_still_leave_a_chart():
    rows = [ForestRow("n" * 400, Estimate(2, 1.5, 2.5), heading="h" * 300)]
    assert words(draw_forest(rows, simulated=True))


def test_the_flow_tells_every_count_and_what_each_rule_took():
    figure = draw_flow(STEPS, simulated=False, splits=[FlowStep("Train", 720, 2190)])
    assert "Given: 1,400 people · 4,210 films" in figure.alt
    assert "Train: 720 people · 2,190 films" in figure.alt
    drawn = words(figure)
    assert "− 1 person, 210 films" in drawn
    assert "Under 50 years" in drawn


def test_a_flow_without_losses_is_one_box():
    assert words(draw_flow(STEPS[:1], simulated=False)) == ["Given", "1,400 people · 4,210 films"]


def test_the_last_step_of_a_flow_is_the_analysed():
    assert "Analysed" in words(draw_flow(STEPS, simulated=False))


def test_hazard_ratios_are_written_beside_their_bars():
    drawn = words(draw_forest(ROWS, simulated=False))
    assert {"1.9 (1.3 to 2.8)", "4.1 (3.0 to 5.6)", "plain"} <= set(drawn)


def test_unknown_hazard_ratios_are_left_out_of_the_forest():
    figure = draw_forest([*ROWS, ForestRow("nobody", Estimate(NAN))], simulated=False)
    assert "nobody" not in figure.alt
    assert "nobody" not in words(figure)


def test_numbers_at_risk_stand_beneath_survival_curves():
    curve = survival_curve("LL", 0.02, n=1300)
    drawn = words(draw_survival([curve], ylabel="free", simulated=False, note="log-rank p < 0.001"))
    assert {"number at risk", "1,300", "log-rank p < 0.001"} <= set(drawn)
    assert all(f"{n:,}" in drawn for n in curve.at_risk)


def test_curves_without_numbers_at_risk_have_no_such_row():
    bare = CurveData("LL", np.arange(5.0), np.linspace(1, 0.8, 5))
    assert "number at risk" not in words(draw_survival([bare], ylabel="free", simulated=False))


def test_the_end_of_each_curve_is_told_in_words():
    curve = CurveData("HIGH", np.array([0.0, 5.0, 6.0]), np.array([1.0, 0.75, NAN]))
    assert "HIGH 0.750 at 5.0 years" in draw_survival([curve], ylabel="free", simulated=False).alt


def test_covered_truths_are_counted():
    assert "3 of 5 within" in draw_recovery(recovery(), simulated=True).alt


def test_quantities_without_interval_are_not_drawn_against_the_truth():
    rows = recovery()
    rows.loc[0, ["ci_low", "ci_high"]] = NAN
    assert "of 4 within" in draw_recovery(rows, simulated=True).alt


def test_uncertain_people_are_those_above_the_line():
    figure = draw_uncertainty(np.array([0.1, 0.2, 0.3, 0.4]), threshold=0.3, simulated=False)
    assert "1 of 4 people" in figure.alt
    assert "1 of 4 people" in figure.caption


def test_missing_scores_are_left_out_of_distributions_and_boxes():
    holes = {"BpVF": {"no fracture": np.array([0.2, NAN, 0.4]), "fracture": np.array([NAN])}}
    figure = draw_score_distributions(holes, simulated=False)
    assert "no fracture median 0.300" in figure.alt
    assert "fracture empty" in figure.alt
    assert "pair (n = 2)" in words(
        draw_boxes({"m": {"pair": np.array([1.0, NAN, 2.0])}}, simulated=False)
    )


def test_correlations_of_pairs_are_those_of_the_numbers():
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"a": rng.normal(size=50), "b": rng.normal(size=50)})
    r = np.corrcoef(frame["a"], frame["b"])[0, 1]
    assert f"r = {r:.2f}".replace("-", "−") in words(draw_pairs(frame, simulated=False))


def test_a_constant_score_has_no_correlation():
    frame = pd.DataFrame({"a": X, "b": np.full(9, 0.5)})
    assert "r –" in words(draw_pairs(frame, simulated=False))


def test_many_points_are_embedded_as_pixels_so_that_the_page_stays_small():
    x = np.linspace(0, 1, 20_000)
    pair = PairedValues(x, x[::-1].copy(), "a", "b")
    figure = draw_agreement(pair, BAND, simulated=False)
    assert b"data:image/png" in figure.content
    assert len(figure.content) < 400_000


def test_bias_and_limits_are_told_with_the_agreement():
    figure = CHARTS["agreement"](False)
    assert "bias −0.020 (−0.040 to 0.000), limits of agreement −0.28 to 0.24" in figure.alt
    assert "−0.28" in words(figure)
    assert "+0.24" in words(figure)


def test_calibration_without_predictions_has_no_histogram():
    bare = draw_calibration([CURVE], horizon=5, simulated=False)
    assert "people" not in words(bare)
    assert "people" in words(CHARTS["calibration"](False))
