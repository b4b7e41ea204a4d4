"""Genotypes: files of dosages, opened once and read in blocks of variants.

Names are loaded when they are first used: the room opens without numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinecast.genotypes.blocks import GenotypeBlock, GenotypeBlocks
    from spinecast.genotypes.genotypes import Genotypes
    from spinecast.genotypes.opening import open_genotypes
    from spinecast.genotypes.writing import write_bed, write_bgen, write_pgen

_HOMES = {
    "GenotypeBlock": "blocks",
    "GenotypeBlocks": "blocks",
    "Genotypes": "genotypes",
    "open_genotypes": "opening",
    "write_bed": "writing",
    "write_bgen": "writing",
    "write_pgen": "writing",
}

__all__ = [
    "GenotypeBlock",
    "GenotypeBlocks",
    "Genotypes",
    "open_genotypes",
    "write_bed",
    "write_bgen",
    "write_pgen",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
