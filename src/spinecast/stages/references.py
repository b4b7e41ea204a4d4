"""What a scan is held against: LD scores, known loci, genes. Read before a long computation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.genetics.associations import chromosome_name

if TYPE_CHECKING:
    from spinecast.genetics.ld_score_tables import ReferenceScores

_OF_KNOWN = ("chromosome", "base_pair_location", "variant_id")
_OF_GENES = ("chromosome", "start", "end", "name")
_POSITIONS = {"base_pair_location", "start", "end"}


@dataclass(frozen=True)
class References:
    """Opened references; None for those that were not named.

    Parameters
    ----------
    scores
        LD scores.
    known
        Known loci, see :func:`read_known_loci`.
    genes
        Genes, see :func:`read_genes`.
    """

    scores: ReferenceScores | None = None
    known: pd.DataFrame | None = None
    genes: pd.DataFrame | None = None


def read_references(
    scores: Path | None, known: Path | None, genes: Path | None = None
) -> References:
    """Read the references that are named.

    Raises
    ------
    GeneticsError
        SC-557 LD scores, SC-573 known loci and genes that cannot be read.
    """
    opened = None
    if scores is not None:
        from spinecast.genetics.ld_score_tables import read_ld_scores

        opened = read_ld_scores(scores)
    return References(
        opened,
        None if known is None else read_known_loci(known),
        None if genes is None else read_genes(genes),
    )


def read_known_loci(path: Path) -> pd.DataFrame:
    """Read known loci: ``chromosome``, ``base_pair_location``, ``variant_id``, tab or comma.

    Raises
    ------
    GeneticsError
        SC-573 where the file is no such table.
    """
    return _read_places(path, _OF_KNOWN)


def read_genes(path: Path) -> pd.DataFrame:
    """Read genes: ``chromosome``, ``start``, ``end`` (base pairs), ``name``, tab or comma.

    Raises
    ------
    GeneticsError
        SC-573 where the file is no such table.
    """
    return _read_places(path, _OF_GENES)


def _read_places(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return these columns, chromosomes and positions as ours."""
    try:
        table = pd.read_csv(path, sep=None, engine="python", dtype={"chromosome": str})
        named = table[list(columns)]
        gaps = int(named.isna().any(axis=1).sum())
        if gaps:
            raise ValueError(f"{gaps} of {len(named)} rows with a gap in them")
        places = {name: named[name].astype(np.int64) for name in columns if name in _POSITIONS}
    except (OSError, KeyError, ValueError) as cause:
        got = "no such file" if isinstance(cause, FileNotFoundError) else str(cause)[:200]
        raise error("SC-573", expected=f"columns {', '.join(columns)}", got=got,
                    where=path.name) from None  # fmt: skip
    return named.assign(**places, chromosome=chromosome_name(named["chromosome"]))
