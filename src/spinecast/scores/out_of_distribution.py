"""How unlike the training films is a film? A score means nothing for a stranger.

A film is described by the features that a scorer's head reads and by a few plain
statistics of its pixels (grey levels, edges, sharpness, border). Its Mahalanobis
distance to the training films, under a shrunken covariance, is compared with that
of held-out films of the same cohort (Lee et al., NeurIPS 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as dump_arrays

from spinecast.errors import error
from spinecast.files import read_json, write_bytes, write_json
from spinecast.scores.predict import FittedScorer, Floats, Images, Indices, image_features
from spinecast.scores.predict import read_images as read_rows

LIKE, UNUSUAL, UNLIKE = "like training", "unusual", "unlike"
_UNUSUAL_SHARE = 0.95
_UNLIKE_FACTOR = 1.25
_BATCH = 256


@dataclass(frozen=True)
class Verdict:
    """How one film compares.

    Attributes
    ----------
    percentile
        Share of held-out films that lie nearer to the training films, 0 to 1.
    ratio
        Distance over the largest distance of any held-out film.
    label
        ``like training``, ``unusual`` (farther than 95 % of held-out films) or ``unlike``
        (a quarter farther than the farthest of them): do not interpret, SC-401.
    """

    percentile: float
    ratio: float
    label: str

    def words(self) -> str:
        """Return the verdict in one sentence."""
        if self.label == UNLIKE:
            return (
                f"{self.percentile:.2f} HIGH, {self.ratio:.1f} times the farthest familiar film: "
                "unlike the training films, do not interpret (SC-401)"
            )
        return f"{self.percentile:.2f}, {self.label}"


@dataclass(frozen=True)
class Familiarity:
    """What the training films look like.

    Attributes
    ----------
    center, scale
        Mean and standard deviation of each descriptor, (f,).
    precision
        Inverse of the shrunken covariance of the standardised descriptors, (f, f).
    reference
        Sorted distances of held-out films, (m,).
    """

    center: Floats
    scale: Floats
    precision: Floats
    reference: Floats

    def distances(self, descriptors: Floats) -> Floats:
        """Return (n,) Mahalanobis distances of (n, f) descriptors."""
        z = (descriptors - self.center) / self.scale
        return np.sqrt(np.einsum("nf,fg,ng->n", z, self.precision, z).clip(0))

    def verdict(self, distance: float) -> Verdict:
        """Compare one distance with those of held-out films."""
        percentile = float(np.searchsorted(self.reference, distance) / len(self.reference))
        ratio = float(distance / self.reference[-1])
        label = LIKE if percentile < _UNUSUAL_SHARE else UNUSUAL
        return Verdict(percentile, ratio, UNLIKE if ratio > _UNLIKE_FACTOR else label)


def fit_familiarity(
    scorer: FittedScorer, images: Images, rows: Indices, *, held_out: Indices
) -> Familiarity:
    """Learn what the films at ``rows`` look like, and how far held-out films lie.

    Parameters
    ----------
    scorer
        Whose features describe the films.
    images, rows
        Training films.
    held_out
        Films of other people of the same cohort; without any the training films stand in,
        which makes everything else look a little stranger than it is.

    Raises
    ------
    ModelError
        SC-407 with fewer than ten training films.
    """
    from sklearn.covariance import ledoit_wolf

    if len(rows) < 10:
        raise error("SC-407", expected="at least 10 training films", got=str(len(rows)))
    known = describe(scorer, images, rows)
    center, scale = known.mean(axis=0), known.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    covariance, _ = ledoit_wolf((known - center) / scale, assume_centered=True)
    precision = np.linalg.inv(covariance + 1e-6 * np.eye(len(center)))
    start = Familiarity(center, scale, precision, np.ones(1))
    others = describe(scorer, images, held_out) if len(held_out) else known
    return Familiarity(center, scale, precision, np.sort(start.distances(others)))


def describe(scorer: FittedScorer, images: Images, rows: Indices) -> Floats:
    """Return (n, f) descriptors: the scorer's features, then statistics of the pixels."""
    learnt = image_features(scorer, images, rows=rows)
    plain = [
        pixel_statistics(read_rows(images, rows[start : start + _BATCH]))
        for start in range(0, len(rows), _BATCH)
    ]
    return np.concatenate([learnt, np.concatenate(plain)], axis=1)


def pixel_statistics(images: NDArray[np.float32]) -> Floats:
    """Return (n, 14) plain statistics: grey levels, edges, border, symmetry."""
    flat = images.reshape(len(images), -1)
    levels = np.quantile(flat, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).T
    across, down = np.diff(images, axis=2), np.diff(images, axis=1)
    border = np.concatenate(
        [images[:, :3].reshape(len(images), -1), images[:, -3:].reshape(len(images), -1)], axis=1
    )
    sides = images[:, :, :4].mean(axis=(1, 2)), images[:, :, -4:].mean(axis=(1, 2))
    numbers = [
        flat.mean(axis=1),
        flat.std(axis=1),
        np.abs(across).mean(axis=(1, 2)),
        np.abs(down).mean(axis=(1, 2)),
        (flat < 0.02).mean(axis=1),
        border.mean(axis=1),
        *sides,
        np.abs(images - images[:, :, ::-1]).mean(axis=(1, 2)),
    ]
    return np.concatenate([levels, np.stack(numbers, axis=1)], axis=1).astype(np.float64)


def judge(
    familiarity: Familiarity, scorer: FittedScorer, images: NDArray[np.float32]
) -> pd.DataFrame:
    """Return ``distance``, ``percentile``, ``ratio`` and ``verdict`` of each image."""
    distances = familiarity.distances(describe(scorer, images, np.arange(len(images))))
    verdicts = [familiarity.verdict(float(distance)) for distance in distances]
    return pd.DataFrame(
        {
            "distance": distances,
            "percentile": [verdict.percentile for verdict in verdicts],
            "ratio": [verdict.ratio for verdict in verdicts],
            "verdict": [verdict.label for verdict in verdicts],
        }
    )


def judge_image(
    familiarity: Familiarity, scorer: FittedScorer, image: NDArray[np.float32]
) -> Verdict:
    """Judge one image, (rows, columns) in [0, 1]."""
    distances = familiarity.distances(describe(scorer, image[None], np.arange(1)))
    return familiarity.verdict(float(distances[0]))


def save_familiarity(folder: Path, familiarity: Familiarity) -> None:
    """Write ``familiarity.safetensors`` and ``familiarity.json``."""
    arrays = {name: np.ascontiguousarray(value) for name, value in vars(familiarity).items()}
    write_bytes(folder / "familiarity.safetensors", dump_arrays(arrays))
    about = {
        "descriptors": len(familiarity.center),
        "held_out": len(familiarity.reference),
        "farthest": float(familiarity.reference[-1]),
    }
    write_json(folder / "familiarity.json", about)


def load_familiarity(folder: Path) -> Familiarity:
    """Read what :func:`save_familiarity` wrote; SC-406 where there is none."""
    if not (folder / "familiarity.safetensors").exists():
        raise error("SC-406", expected="familiarity.safetensors", got="none", where=str(folder))
    arrays = load_arrays((folder / "familiarity.safetensors").read_bytes())
    known = read_json(folder / "familiarity.json")
    if len(arrays["center"]) != known["descriptors"]:
        raise error("SC-403", expected=f"{known['descriptors']} descriptors",
                    got=str(len(arrays["center"])), where=str(folder))  # fmt: skip
    return Familiarity(
        **{name: arrays[name] for name in ("center", "scale", "precision", "reference")}
    )
