"""Regions where linkage reaches over megabases, which components must not see."""

from __future__ import annotations

import numpy as np

from spinecast.errors import error
from spinecast.genetics.chromosomes import chosen
from spinecast.genotypes.genotypes import Genotypes, Places

# Chromosome, start and end in Mb: the inversions, HLA and pericentromeric stretches of Price
# et al., Am J Hum Genet 83, 132 (2008) and Anderson et al., Nat Protoc 5, 1564 (2010), in
# GRCh37; for GRCh38 moved by the shift of the flanking sequence and rounded outward to 0.1 Mb.
_REGIONS = (
    ("1", (48.0, 52.0), (47.5, 51.6)),
    ("2", (86.0, 100.5), (85.7, 99.9)),
    ("2", (134.5, 138.0), (133.7, 137.3)),
    ("2", (183.0, 190.0), (182.1, 189.2)),
    ("3", (47.5, 50.0), (47.4, 50.0)),
    ("3", (83.5, 87.0), (83.4, 87.0)),
    ("3", (89.0, 97.5), (88.9, 97.8)),
    ("5", (44.5, 50.5), (44.4, 51.3)),
    ("5", (98.0, 100.5), (98.6, 101.2)),
    ("5", (129.0, 132.0), (129.6, 132.7)),
    ("5", (135.5, 138.5), (136.1, 139.2)),
    ("6", (25.0, 35.0), (24.9, 35.1)),
    ("6", (57.0, 64.0), (57.1, 63.3)),
    ("6", (140.0, 142.5), (139.6, 142.2)),
    ("7", (55.0, 66.0), (54.9, 66.6)),
    ("8", (7.0, 13.0), (7.1, 13.2)),
    ("8", (43.0, 50.0), (43.1, 49.1)),
    ("8", (112.0, 115.0), (110.9, 114.0)),
    ("10", (37.0, 43.0), (36.7, 42.6)),
    ("11", (46.0, 57.0), (45.9, 57.3)),
    ("11", (87.5, 90.5), (87.7, 90.8)),
    ("12", (33.0, 40.0), (32.8, 39.7)),
    ("12", (109.5, 112.0), (109.0, 111.6)),
    ("20", (32.0, 34.5), (33.4, 36.0)),
)
_COLUMN = {"GRCh37": 0, "GRCh38": 1}
_BASE_PAIRS = 1_000_000


def long_range_regions(build: str) -> list[tuple[str, int, int]]:
    """Return chromosome, first and last base pair of every region.

    Raises
    ------
    GeneticsError
        SC-510 for a build other than GRCh37 and GRCh38.
    """
    if build not in _COLUMN:
        raise error("SC-510", expected="GRCh37 or GRCh38", got=repr(build), where="build")
    spans = [(name, (old, new)[_COLUMN[build]]) for name, old, new in _REGIONS]
    return [
        (name, round(start * _BASE_PAIRS), round(end * _BASE_PAIRS)) for name, (start, end) in spans
    ]


def outside_long_range(
    genotypes: Genotypes, variants: Places | None = None, *, build: str | None = None
) -> Places:
    """Return those of ``variants`` that lie in no region of long-range linkage.

    Parameters
    ----------
    genotypes
        Opened genotypes.
    variants
        Places; None for all.
    build
        GRCh37 or GRCh38; None for the one the genotypes name.

    Raises
    ------
    GeneticsError
        SC-510 where the build is unknown.
    """
    places = chosen(genotypes, variants)
    chromosomes = genotypes.variants["chromosome"].to_numpy()[places]
    locations = genotypes.variants["base_pair_location"].to_numpy()[places]
    inside = np.zeros(places.size, dtype=np.bool_)
    for chromosome, start, end in long_range_regions(build or genotypes.build or "unknown"):
        inside |= (chromosomes == chromosome) & (locations >= start) & (locations <= end)
    return places[~inside]
