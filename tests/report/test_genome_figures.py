"""Pictures of the genome: what is thinned away cannot be seen, what matters stays."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spinecast.report.figures.genome import (
    Region,
    draw_manhattan,
    draw_miami,
    draw_quantiles,
    draw_region,
    draw_scans,
)
from spinecast.report.figures.genome_thinning import thin_quantiles, thin_scan


def scan(size: int = 60_000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    chromosome = np.sort(rng.integers(1, 24, size))
    names = np.array([*map(str, range(1, 23)), "X"])[chromosome - 1]
    y = -np.log10(rng.uniform(size=size))
    y[size // 2 : size // 2 + 5] = [9.0, 12.0, 30.0, 11.0, 8.0]
    return pd.DataFrame({"chromosome": names, "position": np.arange(size) % 1000 * 1e5, "y": y})


def thinned(table: pd.DataFrame, **settings):
    return thin_scan(table["chromosome"], table["position"], table["y"], **settings)


def text(figure) -> str:
    return figure.content.decode("utf-8")


def test_every_point_above_the_line_is_kept():
    table = scan()
    kept = thinned(table)
    above = np.flatnonzero(table["y"] > 7.301)
    assert set(above) <= set(kept.table["row"])


def test_each_cell_that_holds_a_point_still_does():
    table = scan(8000)
    few = thinned(table, cells=(50, 20))
    many = thinned(table, cells=(20_000, 500))
    assert len(few.table) < 1000 < len(many.table)

    def cells(points):
        top = table["y"].max()
        column = (points["x"] * 50).astype(int).clip(0, 49)
        row = (points["neg_log_10_p"] * (20 / top)).astype(int).clip(0, 19)
        return set(zip(column, row, strict=True))

    assert cells(few.table) == cells(many.table)


def test_chromosomes_lie_side_by_side_in_genome_order():
    shuffled = scan().sample(frac=1, random_state=1)
    axis = thinned(shuffled).axis
    assert axis.names == (*map(str, range(1, 23)), "X")
    assert (axis.starts[1:] > axis.ends[:-1]).all()
    assert axis.starts[0] == 0
    assert axis.ends[-1] == pytest.approx(1.0)


def test_the_order_of_rows_and_the_kind_of_names_do_not_move_a_variant():
    table = scan(5000)
    shuffled = table.astype({"chromosome": "category"}).sample(frac=1, random_state=2)
    straight, other = thinned(table).axis, thinned(shuffled).axis
    assert straight.names == other.names
    for axis in (straight, other):
        places = axis.place(table["chromosome"], table["position"])
        np.testing.assert_allclose(places, straight.place(table["chromosome"], table["position"]))
    assert np.isnan(straight.place(["Y"], [5.0])).all()


def test_missing_results_are_left_out_and_underflowed_ones_drawn_at_the_top():
    table = scan(1000)
    table.loc[0, "y"] = np.nan
    table.loc[1, "y"] = np.inf
    kept = thinned(table)
    assert kept.n_variants == 999
    assert 0 not in set(kept.table["row"])
    highest = kept.table.set_index("row").loc[1, "neg_log_10_p"]
    assert highest == table["y"][np.isfinite(table["y"])].max()


def test_quantiles_are_those_of_all_points():
    y = scan(30_000)["y"].to_numpy()
    points = thin_quantiles(y, most=400)
    assert len(points) < 1000
    n = y.size
    for row in points.itertuples():
        rank = 10**-row.expected * n
        at_least, above = (y >= row.observed - 1e-12).sum(), (y > row.observed + 1e-12).sum()
        assert above - 1e-6 <= rank <= at_least + 1e-6
    assert points["observed"].iloc[0] == y.max()


def test_the_band_holds_a_null_scan_and_not_an_inflated_one():
    rng = np.random.default_rng(4)
    null = thin_quantiles(-np.log10(rng.uniform(size=50_000)))
    inside = (null["observed"] >= null["low"]) & (null["observed"] <= null["high"])
    assert inside.mean() > 0.8
    inflated = thin_quantiles(-np.log10(stats.chi2.sf(1.3 * rng.chisquare(1, 50_000), 1)))
    assert (inflated["observed"] > inflated["high"]).mean() > 0.8


def test_a_manhattan_plot_names_its_leads_and_says_how_much_it_drew():
    table = scan()
    kept = thinned(table)
    peak = table.loc[[30_002]]
    leads = pd.DataFrame(
        {
            "chromosome": peak["chromosome"],
            "base_pair_location": peak["position"],
            "neg_log_10_p": peak["y"],
            "label": "WNT16 <b>",
        }
    )
    figure = draw_manhattan(kept, title="Spine BMD", simulated=True, leads=leads)
    assert figure.media_type == "image/svg+xml"
    assert "WNT16 &lt;b&gt;" in text(figure)
    assert "SIMULATED" in text(figure)
    assert f"chromosomes {peak['chromosome'].iloc[0]}" in figure.alt
    assert "60,000 variants" in figure.caption
    assert len(figure.content) < 1_500_000


def test_names_of_neighbours_do_not_write_over_each_other():
    kept = thinned(scan())
    names = [f"neighbour{k}" for k in range(5)]
    leads = pd.DataFrame({"chromosome": "1", "base_pair_location": np.arange(5) * 1e6,
                          "neg_log_10_p": [9.0, 9.1, 9.2, 9.3, 12.0], "label": names})  # fmt: skip
    figure = text(draw_manhattan(kept, title="bmd", simulated=False, leads=leads))
    places = [re.search(rf'x="([0-9.]+)" y="([0-9.]+)"[^>]*>{name}<', figure) for name in names]
    x, y = (np.array([float(place[k]) for place in places]) for k in (1, 2))
    assert (x > 50).all()
    assert (-np.diff(np.sort(y)[::-1]) >= 7.0).all()


def test_a_miami_plot_has_one_scale():
    upper, lower = thinned(scan(5000)), thinned(scan(5000, seed=2).assign(y=0.4))
    figure = text(draw_miami(upper, lower, titles=("a", "b"), simulated=False))
    assert figure.count(">30<") == 2


def test_equal_scans_give_equal_bytes():
    first, second = (
        draw_manhattan(thinned(scan(5000)), title="a", simulated=False).content for _ in range(2)
    )
    assert first == second


def test_a_quiet_scan_says_so():
    table = scan(2000).assign(y=0.5)
    figure = draw_manhattan(thinned(table), title="nothing", simulated=False)
    assert "no variant above the line" in figure.alt


def test_miami_and_stacked_plots_tell_both_scans():
    upper, lower = thinned(scan(5000)), thinned(scan(5000, seed=2).assign(y=0.4))
    figure = draw_miami(upper, lower, titles=("measured", "from images"), simulated=False)
    assert "measured: variants above" in figure.alt
    assert "from images: no variant" in figure.alt
    stacked = draw_scans([("one", upper), ("two", lower)], simulated=True)
    assert "two: no variant" in stacked.alt


def test_the_quantile_plot_shows_lambda():
    points = thin_quantiles(scan(5000)["y"])
    figure = draw_quantiles(points, title="bmd", simulated=False, lambda_gc=1.0234)
    assert "λ = 1.023" in text(figure)


def test_a_region_shows_linkage_genes_and_what_is_unknown():
    rng = np.random.default_rng(6)
    position = np.sort(rng.integers(120_000_000, 121_000_000, 300)).astype(float)
    y = rng.exponential(1.0, 300)
    y[150] = 20.0
    r2 = rng.uniform(size=300)
    r2[:7] = np.nan
    genes = pd.DataFrame(
        {"name": ["WNT16", "FAM3C"], "start": [120_300_000, 120_310_000],
         "end": [120_500_000, 120_400_000]}
    )  # fmt: skip
    region = Region("7", position, y, r2, lead=150, lead_name="rs3779381", genes=genes)
    figure = draw_region(region, title="Femur", simulated=False)
    for word in ("rs3779381", "WNT16", "FAM3C", "r² ≥ 0.8"):
        assert word in text(figure)
    assert "unknown (7)" in figure.caption
    bare = Region("7", position, y, r2, lead=150, lead_name="rs3779381")
    assert "WNT16" not in text(draw_region(bare, title="Femur", simulated=False))


def test_a_scan_of_one_variant_can_be_drawn():
    kept = thin_scan(["7"], [5.0], [3.0])
    assert draw_manhattan(kept, title="one", simulated=False).content
    assert draw_quantiles(thin_quantiles([3.0]), title="one", simulated=False).content
