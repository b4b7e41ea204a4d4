"""Sections of the page that show films: futures, draws, fidelity, nearest neighbours, features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from spinecast.report.figures.strips import shrink
from spinecast.report.goods import DrawsData, FeatureMaps, NeighbourData, StripData
from spinecast.report.parts import Section
from spinecast.report.sections import (
    draws_section,
    features_section,
    fidelity_section,
    neighbours_section,
    strips_section,
)
from spinecast.report.tables import estimates_table
from spinecast.stages.saved_run import AbsentError, SavedRun, as_unit

MOST_STRIPS = 4
_MOST_DRAWS = 2
_MOST_NEIGHBOURS = 8
_SAME_TIME = 0.01  # years
_SMALL = 48  # rows of the films whose pixels are compared
_BLOCK = 256
_SURPRISING = 0.99
_NAMES = {
    "pair": "pair of models",
    "autoencoder": "autoencoder alone",
    "single": "single LDM",
    "single_inverted": "single LDM, inverted",
}
_SUFFIXES = {
    "": "pair of models",
    "_autoencoder": "autoencoder alone",
    "_single_ldm": "single LDM",
    "_single_ldm_inverted": "single LDM, inverted",
}
_ESTIMATES = {
    f"{term}{suffix}": f"{name}, {words}"
    for term, name in (("ms_ssim", "MS-SSIM"), ("psnr", "PSNR (dB)"))
    for suffix, words in _SUFFIXES.items()
} | {
    "image_skill": "image skill over no change",
    "image_skill_against_copy": "image skill over the model's copy of the baseline",
}


def strips(saved: SavedRun) -> Section:
    """Show people with a later film first: baseline, copy, futures, real follow-up, change."""
    rows = _shown(saved)
    means, copies = (saved.pixels("follow_up", f"{n}.npy") for n in ("means", "reconstructions"))
    made = [_strip(saved, row, means=means, copies=copies) for row in rows.to_dict("records")]
    section = strips_section(made, simulated=saved.simulated)
    note = "" if any(s.follow_up is not None for s in made) else "Nobody shown has a later film."
    return replace(section, note=note)


def _shown(saved: SavedRun) -> pd.DataFrame:
    """Return the films of the gallery, else the first drawn, one a person."""
    drawn = saved.drawn
    later = drawn["image_id"].isin(saved.later_films.index)
    order = drawn.assign(later=later).sort_values(
        ["later", "gallery"], ascending=[False, True], kind="stable", na_position="last"
    )
    return order.drop_duplicates("person_id").head(MOST_STRIPS)


def _strip(
    saved: SavedRun, row: Mapping[Any, Any], *, means: np.ndarray, copies: np.ndarray
) -> StripData:
    place, horizons = int(row["place"]), list(row["horizons"])
    futures = as_unit(means[place])
    name = str(row["image_id"])
    strip = StripData(
        label=str(row["label"]),
        baseline=saved.film(name),
        reconstruction=as_unit(copies[place]),
        horizons=tuple(horizons[:-1]),
        generated=tuple(futures[:-1]),
    )
    if name not in saved.later_films.index:
        return strip
    pair = saved.later_films.loc[name]
    if abs(pair["years"] - horizons[-1]) > _SAME_TIME:  # never true where undated (NaN)
        return strip
    return replace(
        strip,
        follow_up=saved.film(str(pair["follow_up_image_id"])),
        follow_up_years=float(pair["years"]),
        generated_at_follow_up=futures[-1],
    )


def draws(saved: SavedRun) -> Section:
    """Show every draw of the farthest future of a few people."""
    kept = saved.pixels("follow_up", "draws.npy")
    rows = saved.drawn.dropna(subset=["gallery"]).sort_values("gallery").head(_MOST_DRAWS)
    shown = []
    for row in rows.to_dict("records"):
        at = _farthest(row["horizons"])
        images = as_unit(kept[int(row["gallery"]), at])
        years = float(row["horizons"][at]) or np.nan  # an unknown gap is kept as 0
        shown.append(DrawsData(row["label"], years, images))
    section = draws_section(shown, simulated=saved.simulated)
    return replace(section, title=f"{kept.shape[2]} draws of one future")


def _farthest(horizons: list[float]) -> int:
    """Return the place of the farthest standard horizon; of the last follow-up where none."""
    return max(0, len(horizons) - 2)


def _ahead(years: float) -> str:
    return f"+{years:g} y" if years else "next film"


def fidelity(saved: SavedRun) -> Section:
    """Show how well films are copied by the pair, the autoencoder alone and the single LDM."""
    judged = pd.read_csv(saved.folders["follow_up"] / "fidelity.csv")
    test = judged[judged["split"] == "test"]
    if test.empty:
        raise AbsentError("No test film was copied.")
    measures = {
        title: {_NAMES.get(by, by): rows[column].to_numpy() for by, rows in _by_model(test)}
        for title, column in (("MS-SSIM", "ms_ssim"), ("PSNR (dB)", "psnr"))
    }
    estimates = saved.estimates
    about = estimates["analysis"].eq("reconstruction") | (
        estimates["analysis"].eq("follow_up") & estimates["term"].str.startswith("image_skill")
    )
    section = fidelity_section(measures, estimates[about], simulated=saved.simulated)
    table = estimates_table(
        estimates[about].drop(columns="p_value"),
        caption="Means over test people; image skill = 1 − squared error of the mean drawn future "
        "over that of the alternative, against the real later film",
        labels=_ESTIMATES,
    )
    return replace(section, tables=(table,))


def _by_model(test: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in _NAMES:
        rows = test[test["by"] == name]
        if len(rows):
            yield name, rows


def neighbours(saved: SavedRun) -> Section:
    """Show generated films beside their nearest training film, by plain pixel correlation."""
    kept = saved.pixels("follow_up", "draws.npy")
    store, index = saved.films
    train = index[index["split"] == "train"].reset_index(drop=True)
    test = index[index["split"] == "test"]
    if train.empty or test.empty:
        raise AbsentError("There are no training films to compare with.")
    people = saved.drawn.dropna(subset=["gallery"]).sort_values("gallery")
    places = [_farthest(horizons) for horizons in people["horizons"]]
    made = np.stack(
        [as_unit(kept[int(g), at, 0]) for g, at in zip(people["gallery"], places, strict=True)]
    )
    library = _library(saved, train["row"].to_numpy())
    real = nearest(_library(saved, test["row"].to_numpy()), library)[1]
    limit = float(np.quantile(real, _SURPRISING))
    which, similarity = nearest(_standardised(made), library)
    order = np.argsort(-similarity, kind="stable")[:_MOST_NEIGHBOURS]
    shown = [
        NeighbourData(
            label=f"{people['person_id'].iloc[i]} {_ahead(people['horizons'].iloc[i][places[i]])}",
            generated=made[i],
            nearest=store.read([int(train["row"].iloc[which[i]])])[0],
            similarity=float(similarity[i]),
            flagged=bool(similarity[i] > limit),
        )
        for i in order
    ]
    section = neighbours_section(shown, simulated=saved.simulated)
    note = (
        f"Pixel correlation of films averaged down to at most {_SMALL} rows, over "
        f"{len(train):,} training films. A generated film counts as suspicious when it is nearer "
        f"to one than 99 % of the {len(test):,} real test films are (r > {limit:.3f}); among "
        f"real test films the median is {float(np.median(real)):.3f}. The {len(shown)} nearest "
        f"of {len(made)} generated films are shown."
    )
    return replace(section, note=note)


def nearest(films: np.ndarray, library: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each row, the row of ``library`` with the highest correlation, and it.

    Both are (n, pixels) with rows of mean 0 and length 1.
    """
    similarity = films @ library.T
    best = similarity.argmax(axis=1)
    return best, similarity[np.arange(len(films)), best]


def _library(saved: SavedRun, rows: np.ndarray) -> np.ndarray:
    store = saved.films[0]
    parts = [
        _standardised(store.read(rows[start : start + _BLOCK]))
        for start in range(0, len(rows), _BLOCK)
    ]
    return np.concatenate(parts)


def _standardised(images: np.ndarray) -> np.ndarray:
    """Return small films as rows of mean 0 and length 1."""
    small = np.stack([shrink(image, tallest=_SMALL) for image in images])
    flat = small.reshape(len(small), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))


def features(saved: SavedRun) -> Section:
    """Show the PCA maps of the structure model's features that the drawing stage kept."""
    path = saved.folders["follow_up"] / "features.npz"
    if not path.exists():
        raise AbsentError("The run kept no feature maps of the structure model.")
    with np.load(path, allow_pickle=False) as kept:
        maps, blocks, times = kept["maps"], kept["blocks"], kept["timesteps"]
    goods = FeatureMaps(
        layers=tuple(f"block {int(block)}" for block in blocks),
        timesteps=tuple(int(t) for t in times),
        maps=maps.astype(np.float32) / 255,
    )
    section = features_section([goods], simulated=saved.simulated)
    return replace(
        section,
        markup="Features of the structure model's up path, of one test person's baseline film; "
        "components are fitted over several people. Published: shape emerges at the fifth block, "
        "sharp edges at the eighth.",
    )
