"""One opened set of genotype files, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error

Places = NDArray[np.int64]
Dosages = NDArray[np.float32]
PackedCalls = NDArray[np.uint8]
FileStamp = tuple[str, int, int]


class Genotypes(ABC):
    """Dosages of samples at variants, read from files on demand.

    Reading is free of state: one object serves any number of threads, and crosses process
    borders as the names of its files, which every process opens once.

    Parameters
    ----------
    samples
        ``family_id``, ``sample_id`` (str), ``sex`` (0 unknown, 1 male, 2 female), in file order.
    variants
        ``chromosome`` ("1" to "22", "X", "Y", "XY", "MT", "0" unplaced),
        ``base_pair_location`` (int64), ``variant_id``, ``effect_allele``, ``other_allele``,
        ``centimorgans`` (NaN where unknown), in file order.
    paths
        The files it was opened from, as given to :func:`open_genotypes`.
    build
        Genome build of the positions where it was named, else None.
    """

    def __init__(
        self,
        samples: pd.DataFrame,
        variants: pd.DataFrame,
        *,
        paths: tuple[Path, ...],
        build: str | None = None,
    ) -> None:
        self.samples = samples
        self.variants = variants
        self.paths = paths
        self.build = build
        self.stamps = tuple(file_stamp(path) for path in paths)

    @property
    def origin(self) -> str:
        """What messages call these genotypes: the name of the first file, and how many more."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0].name}{more}"

    @property
    def n_samples(self) -> int:
        """How many samples the files hold."""
        return len(self.samples)

    @property
    def n_variants(self) -> int:
        """How many variants the files hold."""
        return len(self.variants)

    @cached_property
    def duplicate_variants(self) -> int:
        """How many variants repeat the id of an earlier one ("." is no id)."""
        ids = self.variants["variant_id"]
        return int((ids.duplicated() & (ids != ".")).sum())

    @property
    @abstractmethod
    def packed(self) -> bool:
        """Whether the files hold hard calls, so that :meth:`read_packed` works."""

    @abstractmethod
    def dosages(self, variants: Places, *, samples: Places | None = None) -> Dosages:
        """Read copies of the effect allele.

        Parameters
        ----------
        variants
            Places in :attr:`variants`, (v,), in any order.
        samples
            Places in :attr:`samples`, (n,); None for all.

        Returns
        -------
        float32 array
            (v, n), from 0 to 2; NaN is missing.

        Raises
        ------
        GeneticsError
            SC-511 a place out of range, SC-502 or SC-513 a file that is cut off or damaged.
        """

    def read_packed(self, variants: Places) -> PackedCalls:  # noqa: ARG002  answered by formats
        """Read hard calls of all samples in PLINK's 2-bit codes.

        Parameters
        ----------
        variants
            Places in :attr:`variants`, (v,), in any order.

        Returns
        -------
        uint8 array
            (v, ceil(samples / 4)); sample s is bits 2 (s mod 4) of byte s // 4: 0 two effect
            alleles, 1 missing, 2 one, 3 none. Unused bits of the last byte are 0.

        Raises
        ------
        GeneticsError
            SC-514 where the files hold dosages; else as :meth:`dosages`.
        """
        raise error("SC-514", expected="hard calls", got="dosages", where=self.origin)

    def __reduce__(self) -> tuple[Callable[..., Genotypes], tuple[Any, ...]]:
        """Cross a process border as file names; each process opens them once."""
        from spinecast.genotypes.opening import reopened

        return (reopened, (self.paths, self.build, self.stamps))


def file_stamp(path: Path) -> FileStamp:
    """Return the name, size and date of a file: what tells whether it was changed."""
    status = path.stat()
    return (path.name, status.st_size, int(status.st_mtime))


def checked_places(places: Places, count: int, *, what: str) -> Places:
    """Return ``places`` as contiguous int64 after checking their range.

    Raises
    ------
    GeneticsError
        SC-511 for a place below 0 or from ``count`` on.
    """
    checked = np.ascontiguousarray(places, dtype=np.int64)
    if checked.ndim != 1 or (checked.size and (checked.min() < 0 or checked.max() >= count)):
        got = f"{checked.min()} to {checked.max()}" if checked.size else f"shape {checked.shape}"
        raise error("SC-511", expected=f"places from 0 to {count - 1}", got=got, where=what)
    return checked
