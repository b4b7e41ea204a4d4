"""The infinitesimal mixed model without writing K out: the same model, by conjugate gradients.

A first product of K with many random columns and the covariates shows its trace, its largest
eigenvectors (populations), and what the rest is like. One block of Lanczos steps then holds
the traits, random probes for the determinant, and the calibration variants (each without its
own chromosome): it gives h2 by restricted maximum likelihood and the calibration of every
trait. Conjugate gradients at that h2 solve for all traits and all left-out chromosomes side by
side, so that a step is two matrix products over the genotypes. The largest eigenvectors are
taken out of the first and eased in the second, which saves both some steps. Memory grows with
people times columns, not with people squared.

The only difference to ``mixed_model`` is the sampled determinant, whose error in h2 is
about the standard error of h2 over the root of the number of probes. Trait and probes
never mix with those of another trait: results do not depend on what runs beside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinecast.cluster import Progress
from spinecast.genetics.conjugate_gradients import Times, lanczos_spectra, solve_systems
from spinecast.genetics.krylov import leading_eigenpairs
from spinecast.genetics.mixed_fits import (
    CalibrationVariants,
    MixedFit,
    ModelInput,
    calibrated,
    degrees,
    without_covariates,
)
from spinecast.genetics.projection import Floats, TraitGroup
from spinecast.genetics.relationship import WHOLE, Relationship
from spinecast.genetics.reml import Heritability, SampledLog, Spectrum, fit_h2
from spinecast.genotypes.genotypes import Places

# Bytes that the vectors of one batch of columns may take (six of each column).
BATCH_MEMORY = 2**28
# Of so many probes one takes all Lanczos steps, the others only one product: they show the
# largest eigenvectors and the quadratic part of the determinant.
_SHORT_PROBES = 6
# Eigenvectors looked for, by products with so many columns; those are taken out that settle.
_LEADING, _LEADING_PASSES, _LEADING_SETTLED = 8, 2, 1e-3
# When Lanczos steps end: how well a form at h2 = 0.5 must be known. Logarithms are known ten
# times better; the calibration is a mean over variants that differ by some per cent.
_SETTLED_TRAIT, _SETTLED_PROBE, _SETTLED_CALIBRATION = 1e-6, 5e-5, 5e-4


@dataclass
class _Way:
    """How far the fit is: variances of each group and batches of solutions are a part each."""

    progress: Progress | None
    parts: int
    done: int = 0
    told: int = 0

    def hear(self, share: float) -> None:
        """Hear how much of the present part is done; residuals, and so shares, may fall back."""
        self.told = max(self.told, round(1000 * (self.done + share)))
        if self.progress is not None:
            self.progress(self.told, 1000 * self.parts)

    def end_part(self) -> None:
        """Hear that the present part is done."""
        self.done += 1
        self.hear(0.0)


@dataclass(frozen=True)
class _Space:
    """What columns are kept in: off a group's covariates, and off eigenvectors of its K.

    Parameters
    ----------
    group
        Whose people and covariates.
    eigenvalues, vectors
        Largest ones of K off the covariates, (l,) and (n, l).
    """

    group: TraitGroup
    eigenvalues: Floats
    vectors: Floats

    def off(self, columns: Floats) -> Floats:
        """Take covariates and eigenvectors out of columns (n, k)."""
        kept = without_covariates(self.group, columns)
        kept -= self.vectors @ (self.vectors.T @ kept)
        return kept

    def eased(self, columns: Floats, h2: Floats) -> Floats:
        """Multiply by the inverse of h2 K + 1 - h2 along the eigenvectors, by 1 elsewhere."""
        strengths = np.outer(self.eigenvalues, h2) + 1.0 - h2
        return columns + self.vectors @ ((1.0 / strengths - 1.0) * (self.vectors.T @ columns))


@dataclass(frozen=True)
class _Columns:
    """Columns of one batch: which space each is kept in, which chromosome it leaves out."""

    spaces: list[_Space]
    of: Places
    left_out: Places

    def take(self, places: Places) -> _Columns:
        return _Columns(self.spaces, self.of[places], self.left_out[places])


def batch_width(people: int) -> int:
    """Return how many columns are iterated side by side."""
    return max(32, BATCH_MEMORY // (6 * 8 * people))


def fit_by_conjugate_gradients(
    model: ModelInput,
    calibration: CalibrationVariants,
    *,
    probes: Floats,
    tolerance: float = 5e-4,
) -> list[MixedFit]:
    """Fit the mixed model by products with K alone.

    Parameters
    ----------
    model
        Variants and traits; progress is heard in thousandths of the way, where a group's
        variances count as a batch of solutions.
    calibration
        Variants for the calibration.
    probes
        Independent standard normal columns, (n, s), the same for every group; one in
        :data:`_SHORT_PROBES` takes all Lanczos steps, the others one.
    tolerance
        Residual of a solution over the trait.

    Returns
    -------
    list of MixedFit
        In the order of the groups.
    """
    relationship, groups, values = model.relationship, model.groups, model.values
    jobs = sum(columns.shape[1] for columns in values) * (len(relationship.chromosomes) + 1)
    way = _Way(model.progress, len(groups) + -(-jobs // batch_width(relationship.people)))
    h2: list[list[Heritability]] = []
    factors: list[Floats] = []
    spaces: list[_Space] = []
    for group, columns in zip(groups, values, strict=True):
        survey = _survey(relationship, group, probes)
        found, factor = _estimate(relationship, survey, columns, calibration=calibration)
        h2.append(found)
        factors.append(factor)
        spaces.append(survey.space)
        way.end_part()
    residuals = _residuals(model, spaces, h2, tolerance=tolerance, way=way)
    return [
        MixedFit(
            np.array([one.h2 for one in found]),
            np.array([one.standard_error for one in found]),
            factor,
            rest,
        )
        for found, factor, rest in zip(h2, factors, residuals, strict=True)
    ]


@dataclass(frozen=True)
class _Survey:
    """What is known of a group's K before any trait is looked at.

    Parameters
    ----------
    space
        Off the covariates and the largest eigenvectors.
    trace
        Of K off the covariates.
    moments
        v'Kv and v'KKv of random columns v of length 1 in the space, (columns, 2).
    probes
        More random columns in the space, (n, p).
    """

    space: _Space
    trace: float
    moments: Floats
    probes: Floats


def _survey(relationship: Relationship, group: TraitGroup, probes: Floats) -> _Survey:
    long, short = np.split(probes, [probes.shape[1] // _SHORT_PROBES], axis=1)
    short = without_covariates(group, short)
    covariates = group.basis.shape[1]
    products = _whole_products(relationship, np.hstack([group.basis, short]))
    within = float((group.basis * products[:, :covariates]).sum())
    # Standardised variants have a diagonal of mean 1 over all people.
    among = group.n if group.whole else float(relationship.diagonal()[group.mask].sum())
    products = without_covariates(group, products[:, covariates:])
    space, images = _largest(relationship, group, products)
    along = space.vectors.T @ short
    moments = _moments(short - space.vectors @ along, space.off(products - images @ along))
    return _Survey(space, among - within, moments, space.off(long))


def _whole_products(relationship: Relationship, columns: Floats) -> Floats:
    """Return K times columns, no more at a time than a batch holds."""
    width = batch_width(relationship.people)
    parts = [columns[:, at : at + width] for at in range(0, columns.shape[1], width)]
    return np.hstack([relationship.times(one, np.full(one.shape[1], WHOLE)) for one in parts])


def _largest(
    relationship: Relationship, group: TraitGroup, products: Floats
) -> tuple[_Space, Floats]:
    """Seek the largest eigenvectors where K led random columns: the space off those found.

    Also returns K times them.
    """
    strongest = np.linalg.eigh(products.T @ products)[1][:, -_LEADING:]
    found = leading_eigenpairs(
        lambda columns: without_covariates(group, _whole_products(relationship, columns)),
        products @ strongest,
        _LEADING,
        most_passes=_LEADING_PASSES,
    )
    settled = found.residuals <= _LEADING_SETTLED
    space = _Space(group, found.eigenvalues[settled], found.vectors[:, settled])
    return space, found.images[:, settled]


def _moments(columns: Floats, products: Floats) -> Floats:
    """Return v'Kv and v'KKv of columns v, as if of length 1, from K times them; (columns, 2)."""
    once, twice = (columns * products).sum(axis=0), (products**2).sum(axis=0)
    moments: Floats = np.stack([once, twice], axis=1) / (columns**2).sum(axis=0)[:, None]
    return moments


def _estimate(
    relationship: Relationship,
    survey: _Survey,
    columns: Floats,
    *,
    calibration: CalibrationVariants,
) -> tuple[list[Heritability], Floats]:
    """Return each trait's h2 and its calibration from one block of Lanczos steps."""
    space, group = survey.space, survey.space.group
    tested = calibration.within(group)
    # A chromosome left out changes the eigenvectors: variants are followed with them in.
    full = _Space(group, np.empty(0), np.empty((len(columns), 0)))
    counts = [columns.shape[1], survey.probes.shape[1], len(tested.chromosomes)]
    ends = np.cumsum(counts)
    traits, drawn, variants = (slice(end - k, end) for k, end in zip(counts, ends, strict=True))
    which = _Columns(
        [space, full],
        np.repeat([0, 0, 1], counts),
        np.concatenate([np.full(counts[0] + counts[1], WHOLE), tested.chromosomes]),
    )
    spectrum = lanczos_spectra(
        _times(relationship, which),
        np.hstack([space.off(columns), survey.probes, tested.columns]),
        tolerance=np.repeat([_SETTLED_TRAIT, _SETTLED_PROBE, _SETTLED_CALIBRATION], counts),
    )
    left = degrees(group)
    log_determinant = SampledLog(
        space.eigenvalues,
        spectrum.rows(drawn),
        moments=survey.moments,
        dimension=left,
        trace=survey.trace,
    )
    with_leading = _joined(spectrum.rows(traits), space, columns)
    found = [
        fit_h2(with_leading.column(k), log_determinant, degrees=left) for k in range(counts[0])
    ]
    shares = np.array([one.h2 for one in found])
    forms = spectrum.rows(variants)
    return found, calibrated(shares, np.array([forms.inverse_forms(h2) for h2 in shares]))


def _joined(spectrum: Spectrum, space: _Space, columns: Floats) -> Spectrum:
    """Return the spectra of columns from those of their parts off the eigenvectors."""
    along = (space.vectors.T @ columns) ** 2 / (columns**2).sum(axis=0)
    rest = np.maximum(1.0 - along.sum(axis=0), 0.0)
    leading = np.tile(space.eigenvalues, (columns.shape[1], 1))
    return Spectrum(
        np.hstack([leading, spectrum.nodes]),
        np.hstack([along.T, rest[:, None] * spectrum.weights]),
    )


def _times(relationship: Relationship, columns: _Columns) -> Times:
    """Return the product with K among each column's people, kept in its space."""

    def times(vectors: Floats, places: Places) -> Floats:
        which = columns.take(places)
        product = relationship.times(vectors, which.left_out)
        for k in np.unique(which.of):
            own = which.of == k
            product[:, own] = columns.spaces[k].off(product[:, own])
        return product

    return times


def _eased(columns: _Columns, h2: Floats) -> Times:
    """Return the preconditioner: the largest eigenvectors of each column's K taken to 1."""

    def eased(vectors: Floats, places: Places) -> Floats:
        which, shares = columns.take(places), h2[places]
        out = np.empty_like(vectors)
        for k in np.unique(which.of):
            own = which.of == k
            out[:, own] = columns.spaces[k].eased(vectors[:, own], shares[own])
        return out

    return eased


def _residuals(
    model: ModelInput,
    spaces: list[_Space],
    h2: list[list[Heritability]],
    *,
    tolerance: float,
    way: _Way,
) -> list[dict[int, Floats]]:
    """Return (1 - h2) H^-1 y per group and left-out chromosome."""
    relationship, values = model.relationship, model.values
    chromosomes = [WHOLE, *range(len(relationship.chromosomes))]
    jobs = [
        (g, k, place)
        for g, found in enumerate(h2)
        for k in range(len(found))
        for place in chromosomes
    ]
    full = [_Space(one.group, np.empty(0), one.vectors[:, :0]) for one in spaces]
    out = [{place: np.zeros_like(columns) for place in chromosomes} for columns in values]
    width = batch_width(relationship.people)
    for first in range(0, len(jobs), width):
        batch = jobs[first : first + width]
        of, left_out = (np.array([job[at] for job in batch]) for at in (0, 2))
        right = np.column_stack([values[g][:, k] for g, k, _ in batch])
        shares = np.array([h2[g][k].h2 for g, k, _ in batch])
        solved = (1.0 - shares) * solve_systems(
            _times(relationship, _Columns(full, of, left_out)),
            right,
            shares,
            ease=_eased(_Columns(spaces, of, left_out), shares),
            tolerance=tolerance,
            hearing=way.hear,
        )
        way.end_part()
        for column, (g, k, place) in enumerate(batch):
            out[g][place][:, k] = solved[:, column]
    return out
