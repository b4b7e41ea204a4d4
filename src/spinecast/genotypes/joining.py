"""Several genotype files of the same samples as one, for example a file per chromosome."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genotypes.decode import bytes_per_variant
from spinecast.genotypes.genotypes import Dosages, Genotypes, PackedCalls, Places, checked_places


class JoinedGenotypes(Genotypes):
    """Genotype files joined along variants.

    Parameters
    ----------
    parts
        Opened files of the same samples in the same order.
    build
        Genome build of the positions, or None.

    Raises
    ------
    GeneticsError
        SC-504 where samples differ.
    """

    def __init__(self, parts: Sequence[Genotypes], *, build: str | None = None) -> None:
        first = parts[0]
        for part in parts[1:]:
            _check_same_samples(first, part)
        super().__init__(
            first.samples,
            pd.concat([part.variants for part in parts], ignore_index=True),
            paths=tuple(path for part in parts for path in part.paths),
            build=build,
        )
        self.parts = tuple(parts)
        self._starts = np.cumsum([0, *(part.n_variants for part in parts)])

    @property
    def packed(self) -> bool:
        """True where every file holds hard calls."""
        return all(part.packed for part in self.parts)

    def read_packed(self, variants: Places) -> PackedCalls:
        """Read 2-bit codes, see :class:`Genotypes`."""
        places = checked_places(variants, self.n_variants, what=self.origin)
        out = np.empty((places.size, bytes_per_variant(self.n_samples)), dtype=np.uint8)
        return self._gather(places, out, lambda part, inside: part.read_packed(inside))

    def dosages(self, variants: Places, *, samples: Places | None = None) -> Dosages:
        """Read copies of the effect allele, see :class:`Genotypes`."""
        places = checked_places(variants, self.n_variants, what=self.origin)
        n = self.n_samples if samples is None else len(samples)
        out = np.empty((places.size, n), dtype=np.float32)
        return self._gather(places, out, lambda part, inside: part.dosages(inside, samples=samples))

    def _gather(
        self,
        places: Places,
        out: NDArray,
        read: Callable[[Genotypes, Places], NDArray],
    ) -> NDArray:
        homes = np.searchsorted(self._starts, places, side="right") - 1
        for home in np.unique(homes):
            here = homes == home
            inside = places[here] - self._starts[home]
            if here.all():
                return read(self.parts[home], inside)
            out[here] = read(self.parts[home], inside)
        return out


def _check_same_samples(first: Genotypes, other: Genotypes) -> None:
    same = first.n_samples == other.n_samples
    if same and first.samples["sample_id"].equals(other.samples["sample_id"]):
        return
    if same:
        differing = first.samples["sample_id"].to_numpy() != other.samples["sample_id"].to_numpy()
        place = int(np.flatnonzero(differing)[0])
        got = (
            f"{str(other.samples['sample_id'].iloc[place])!r} as sample {place + 1}, "
            f"not {str(first.samples['sample_id'].iloc[place])!r}"
        )
    else:
        got = f"{other.n_samples}"
    raise error(
        "SC-504",
        expected=f"the {first.n_samples} samples of {first.origin} in their order",
        got=got,
        where=other.origin,
    )
