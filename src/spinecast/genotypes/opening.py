"""One door to genotype files: the suffix says the format, several paths are one set."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from spinecast.errors import error
from spinecast.genotypes.genotypes import FileStamp, Genotypes
from spinecast.genotypes.variant_tables import canonical_build

Opener = Callable[..., Genotypes]
# Suffix to the module that reads such files by its function open_MODULE, loaded when needed.
_FORMATS = {
    ".bed": "bed",
    ".pgen": "pgen",
    ".bgen": "bgen",
    ".vcf": "vcf",
    ".vcf.gz": "vcf",
    ".bcf": "vcf",
}


def open_genotypes(*paths: Path, build: str | None = None) -> Genotypes:
    """Open genotype files; genotypes are read later, block by block.

    Parameters
    ----------
    paths
        ``.bed`` (with .bim and .fam beside it), ``.pgen`` (with .pvar or .pvar.zst, and
        .psam), ``.bgen`` (with .sample, unless it holds sample ids), ``.vcf``, ``.vcf.gz`` or
        ``.bcf``. Several files, for example one per chromosome, are one set of the same
        samples.
    build
        GRCh37 or GRCh38 where it is known; positions are then checked against it.

    Raises
    ------
    GeneticsError
        SC-501 another kind of file, SC-502 cut off, SC-503 a file of the set is missing, SC-504
        files that do not belong together, SC-505 to SC-509 their tables, SC-510 another build.
    """
    if not paths:
        raise error("SC-503", expected="at least one genotype file", got="none")
    named = canonical_build(build)
    parts = [_opener(Path(path))(Path(path), build=named) for path in paths]
    if len(parts) == 1:
        return parts[0]
    from spinecast.genotypes.joining import JoinedGenotypes

    return JoinedGenotypes(parts, build=named)


@lru_cache(maxsize=4)
def reopened(
    paths: tuple[Path, ...], build: str | None, stamps: tuple[FileStamp, ...]
) -> Genotypes:
    """Open files another process has opened, once per process.

    Raises
    ------
    GeneticsError
        SC-512 where a file is not what it was, SC-503 where this machine does not see it.
    """
    genotypes = open_genotypes(*paths, build=build)
    if genotypes.stamps != stamps:
        raise error(
            "SC-512", expected=str(stamps), got=str(genotypes.stamps), where=genotypes.origin
        )
    return genotypes


def _opener(path: Path) -> Opener:
    for suffix, name in _FORMATS.items():
        if path.name.lower().endswith(suffix):
            home = import_module(f"spinecast.genotypes.{name}")
            opener: Opener = getattr(home, f"open_{name}")
            return opener
    raise error(
        "SC-501",
        expected=f"a file ending in {', '.join(_FORMATS)}",
        got=repr(path.name[-40:]),
        where=str(path),
    )
