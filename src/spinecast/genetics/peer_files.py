"""Trait and covariate files as REGENIE, BOLT-LMM and SAIGE take them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.files import write_text

PEERS = ("regenie", "bolt", "saige")
_NAME = re.compile(r"[^\s,;'\"]+")
_BOLT_MISSING = -9.0


def write_peer_files(
    folder: Path,
    traits: pd.DataFrame,
    covariates: pd.DataFrame | None = None,
    *,
    peer: str,
    families: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write traits and covariates for another tool.

    REGENIE and BOLT-LMM get ``traits.txt`` and ``covariates.txt`` that start with
    FID and IID; SAIGE one file, ``traits.txt``, that starts with IID and has
    both. Cells are separated by single spaces, ``NA`` is missing.

    Parameters
    ----------
    folder
        Where the files are put.
    traits, covariates
        Numbers, indexed by sample id; covariates of other people are left out,
        people without covariates get ``NA``.
    peer
        ``regenie``, ``bolt`` or ``saige``.
    families
        Family id of each sample as in the genotype files; the sample's own where
        it is not named.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    GeneticsError
        SC-558 for an unknown tool, SC-560 for names with spaces or quotes, ids
        or columns that occur twice, texts where numbers are needed, and for a
        value of exactly -9, which BOLT-LMM reads as missing.
    """
    if peer not in PEERS:
        raise error("SC-558", expected=", ".join(PEERS), got=repr(peer), where="peer")
    tables = [traits] if covariates is None else [traits, covariates.reindex(traits.index)]
    for table in tables:
        _require_plain(table, peer)
    joined = pd.concat(tables, axis=1)
    _require_names(joined.columns, "columns")
    ids = pd.Series(traits.index.astype(str), index=traits.index)
    family = ids.map(dict(families or {})).fillna(ids)
    _require_names(pd.Index(family.unique()), "family ids")
    if peer == "saige":
        return (_write(folder / "traits.txt", {"IID": ids}, joined),)
    keys = {"FID": family, "IID": ids}
    names = ("traits.txt", "covariates.txt")[: len(tables)]
    return tuple(
        _write(folder / name, keys, table) for name, table in zip(names, tables, strict=True)
    )


def _require_plain(table: pd.DataFrame, peer: str) -> None:
    _require_names(table.index, "sample ids")
    _require_names(table.columns, "columns")
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise error("SC-560", expected="numbers", got=str(table[name].dtype),
                        where=f"column {name}")  # fmt: skip
        values = table[name].to_numpy(dtype=np.float64)
        if np.isinf(values).any():
            raise error("SC-560", expected="finite numbers", got="inf", where=f"column {name}")
        if peer == "bolt" and (values == _BOLT_MISSING).any():
            raise error("SC-560", expected="values that BOLT-LMM does not read as missing",
                        got="-9", where=f"column {name}")  # fmt: skip


def _require_names(names: pd.Index, what: str) -> None:
    words = [str(name) for name in names]
    if len(set(words)) < len(words):
        repeated = next(word for word in words if words.count(word) > 1)
        raise error("SC-560", expected="each name once", got=f"{repeated!r} twice", where=what)
    for word in words:
        if not _NAME.fullmatch(word):
            raise error("SC-560", expected="names without spaces, commas and quotes",
                        got=repr(word), where=what)  # fmt: skip


def _write(path: Path, keys: Mapping[str, pd.Series], table: pd.DataFrame) -> Path:
    whole = pd.concat([pd.DataFrame(dict(keys)), table], axis=1)
    text = whole.to_csv(sep=" ", index=False, na_rep="NA", float_format="%.10g",
                        lineterminator="\n")  # fmt: skip
    write_text(path, text)
    return path
