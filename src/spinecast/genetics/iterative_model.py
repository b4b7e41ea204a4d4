"""The infinitesimal mixed model without writing K out: the same model, by conjugate gradients.

One block of Lanczos steps holds the traits, random probes for the determinant, and the
calibration variants (each without its own chromosome): it gives h2 by restricted maximum
likelihood and the calibration of every trait. Conjugate gradients at that h2 then solve
for all traits and all left-out chromosomes side by side, so that a step is two matrix
products over the genotypes. Memory grows with people times columns, not with people squared.

The only difference to ``mixed_model`` is the sampled determinant, whose error in h2 is
about the standard error of h2 over the root of the number of probes. Trait and probes
never mix with those of another trait: results do not depend on what runs beside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinecast.cluster import Progress
from spinecast.genetics.conjugate_gradients import Times, lanczos_spectra, solve_systems
from spinecast.genetics.mixed_fits import (
    CalibrationVariants,
    MixedFit,
    calibrated,
    degrees,
    without_covariates,
)
from spinecast.genetics.projection import Floats, TraitGroup
from spinecast.genetics.relationship import WHOLE, Relationship
from spinecast.genetics.reml import Heritability, SampledLog, Spectrum, fit_h2
from spinecast.genotypes.genotypes import Places

# Bytes that the vectors of one batch of columns may take (five of each column).
BATCH_MEMORY = 2**28
# Of so many probes one takes all Lanczos steps (the others only one, for the quadratic part
# of the determinant), and of so many of those one serves to find the largest eigenvectors.
_SHORT_PROBES = 6
_PROBES_A_LEADING = 4


@dataclass
class _Way:
    """How far the fit is: variances of each group and batches of solutions are a part each."""

    progress: Progress | None
    parts: int
    done: int = 0

    def hear(self, share: float) -> None:
        """Hear how much of the present part is done."""
        if self.progress is not None:
            self.progress(round(1000 * (self.done + share)), 1000 * self.parts)

    def end_part(self) -> None:
        """Hear that the present part is done."""
        self.done += 1
        self.hear(0.0)


# When Lanczos steps end, see there: a step more changes a form by a share of the last change.
# The calibration is a mean over variants that differ by some per cent.
_SETTLED_PROBE, _SETTLED_CALIBRATION = 1e-5, 1e-3


@dataclass(frozen=True)
class _Columns:
    """Columns of one batch: which group each belongs to, which chromosome it leaves out."""

    groups: Places
    left_out: Places

    def take(self, places: Places) -> _Columns:
        return _Columns(self.groups[places], self.left_out[places])


def batch_width(people: int) -> int:
    """Return how many columns are iterated side by side."""
    return max(32, BATCH_MEMORY // (5 * 8 * people))


def fit_by_conjugate_gradients(
    relationship: Relationship,
    groups: list[TraitGroup],
    values: list[Floats],
    *,
    calibration: CalibrationVariants,
    probes: Floats,
    tolerance: float = 5e-4,
    progress: Progress | None = None,
) -> list[MixedFit]:
    """Fit the mixed model by products with K alone.

    Parameters
    ----------
    relationship
        The model's variants.
    groups, values
        Groups of traits, and their traits without covariates, standardised, each (n, t).
    calibration
        Variants for the calibration.
    probes
        Independent standard normal columns, (n, s), the same for every group; one in
        :data:`_SHORT_PROBES` takes all Lanczos steps, the others one.
    tolerance
        Residual of a solution over the trait.
    progress
        Called in thousandths of the way: a group's variances count as a batch of solutions.

    Returns
    -------
    list of MixedFit
        In the order of the groups.
    """
    h2: list[list[Heritability]] = []
    factors: list[Floats] = []
    long, short = np.split(probes, [probes.shape[1] // _SHORT_PROBES], axis=1)
    jobs = sum(columns.shape[1] for columns in values) * (len(relationship.chromosomes) + 1)
    way = _Way(progress, len(groups) + -(-jobs // batch_width(relationship.people)))
    for group, columns in zip(groups, values, strict=True):
        found, factor = _estimate(relationship, group, columns, drawn=(calibration, long, short))
        h2.append(found)
        factors.append(factor)
        way.end_part()
    residuals = _residuals(relationship, groups, values, h2=h2, tolerance=tolerance, way=way)
    return [
        MixedFit(
            np.array([one.h2 for one in found]),
            np.array([one.standard_error for one in found]),
            factor,
            rest,
        )
        for found, factor, rest in zip(h2, factors, residuals, strict=True)
    ]


def _estimate(
    relationship: Relationship,
    group: TraitGroup,
    columns: Floats,
    *,
    drawn: tuple[CalibrationVariants, Floats, Floats],
) -> tuple[list[Heritability], Floats]:
    """Return each trait's h2 and its calibration from one block of Lanczos steps."""
    tested, probes = drawn[0].within(group), without_covariates(group, drawn[1])
    sketched = probes.shape[1] // _PROBES_A_LEADING
    leading = _leading(relationship, group, probes[:, :sketched])
    # Other probes than those sketched from: the same ones would not be random off the sketch.
    probes = probes[:, sketched:]
    probes = probes - leading @ (leading.T @ probes)
    start = np.hstack([columns, leading, probes, tested.columns])
    left_out = np.full(start.shape[1], WHOLE)
    left_out[start.shape[1] - len(tested.chromosomes) :] = tested.chromosomes
    which = _Columns(np.zeros(start.shape[1], dtype=np.int64), left_out)
    # Steps end by the drawn columns: how many there are does not depend on the traits.
    settled = np.full(start.shape[1], _SETTLED_PROBE)
    settled[start.shape[1] - len(tested.chromosomes) :] = _SETTLED_CALIBRATION
    spectrum = lanczos_spectra(
        _times(relationship, [group], which),
        start,
        tolerance=settled,
        followers=columns.shape[1],
    )
    ends = np.cumsum([part.shape[1] for part in (columns, leading, probes, tested.columns)])
    left = degrees(group)
    log_determinant = SampledLog(
        _rows(spectrum, ends[0], ends[1]),
        _rows(spectrum, ends[1], ends[2]),
        moments=_moments(relationship, group, leading, columns=drawn[2]),
        dimension=left,
        trace=_trace(relationship, group),
    )
    found = [fit_h2(spectrum.column(k), log_determinant, degrees=left) for k in range(ends[0])]
    shares = np.array([one.h2 for one in found])
    variants = _rows(spectrum, ends[2], ends[3])
    return found, calibrated(shares, np.array([variants.inverse_forms(h2) for h2 in shares]))


def _leading(relationship: Relationship, group: TraitGroup, probes: Floats) -> Floats:
    """Return orthonormal columns near the largest eigenvectors: K times probes."""
    whole = np.full(probes.shape[1], WHOLE)
    sketch = without_covariates(group, relationship.times(probes, whole))
    leading: Floats = np.linalg.qr(sketch)[0]
    return leading


def _moments(
    relationship: Relationship, group: TraitGroup, leading: Floats, *, columns: Floats
) -> Floats:
    """Return v'Kv and v'KKv of random columns off the leading ones, (columns, 2)."""
    out = np.empty((columns.shape[1], 2))
    width = batch_width(relationship.people)
    for first in range(0, len(out), width):
        start = without_covariates(group, columns[:, first : first + width])
        start -= leading @ (leading.T @ start)
        start /= np.sqrt((start**2).sum(axis=0))
        whole = np.full(start.shape[1], WHOLE)
        product = without_covariates(group, relationship.times(start, whole))
        out[first : first + width, 0] = (start * product).sum(axis=0)
        out[first : first + width, 1] = (product**2).sum(axis=0)
    return out


def _rows(spectrum: Spectrum, start: int, stop: int) -> Spectrum:
    return Spectrum(spectrum.nodes[start:stop], spectrum.weights[start:stop])


def _times(relationship: Relationship, groups: list[TraitGroup], columns: _Columns) -> Times:
    """Return the product with K among each column's people, off its covariates."""

    def times(vectors: Floats, places: Places) -> Floats:
        which = columns.take(places)
        product = relationship.times(vectors, which.left_out)
        for g in np.unique(which.groups):
            own = which.groups == g
            product[:, own] = without_covariates(groups[g], product[:, own])
        return product

    return times


def _trace(relationship: Relationship, group: TraitGroup) -> float:
    """Return the trace of K among the group's people off its covariates."""
    # Standardised variants have a diagonal of mean 1 over all people.
    among = group.n if group.whole else float(relationship.diagonal()[group.mask].sum())
    return among - relationship.trace_within(group.basis)


def _residuals(
    relationship: Relationship,
    groups: list[TraitGroup],
    values: list[Floats],
    *,
    h2: list[list[Heritability]],
    tolerance: float,
    way: _Way,
) -> list[dict[int, Floats]]:
    """Return (1 - h2) H^-1 y per group and left-out chromosome."""
    chromosomes = [WHOLE, *range(len(relationship.chromosomes))]
    jobs = [
        (g, k, place)
        for g, found in enumerate(h2)
        for k in range(len(found))
        for place in chromosomes
    ]
    out = [{place: np.zeros_like(columns) for place in chromosomes} for columns in values]
    width = batch_width(relationship.people)
    for first in range(0, len(jobs), width):
        batch = jobs[first : first + width]
        columns = _Columns(np.array([g for g, _, _ in batch]), np.array([p for _, _, p in batch]))
        right = np.column_stack([values[g][:, k] for g, k, _ in batch])
        shares = np.array([h2[g][k].h2 for g, k, _ in batch])
        solved = (1.0 - shares) * solve_systems(
            _times(relationship, groups, columns), right, shares, tolerance=tolerance,
            hearing=way.hear,
        )  # fmt: skip
        way.end_part()
        for column, (g, k, place) in enumerate(batch):
            out[g][place][:, k] = solved[:, column]
    return out
