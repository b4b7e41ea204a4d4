"""Who the genotypes belong to: .fam, .psam and .sample to one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.genotypes.text_tables import TextTable, read_text_table

SAMPLE_COLUMNS = ("family_id", "sample_id", "sex")
_SEXES = {"1": 1, "2": 2, "M": 1, "F": 2, "m": 1, "f": 2}


def read_fam(path: Path) -> pd.DataFrame:
    """Read a .fam file: family, sample, father, mother, sex, phenotype, without a header.

    Raises
    ------
    GeneticsError
        SC-503 missing, SC-505 an unreadable line, SC-506 a sample id twice.
    """
    table = read_text_table(path, columns=(5, 6))
    cells = table.cells
    return _samples(table, family=cells[0], sample=1, sex=cells[4])


def read_psam(path: Path) -> pd.DataFrame:
    """Read a .psam file; without a header line it is read as a .fam file.

    Raises
    ------
    GeneticsError
        As :func:`read_fam`.
    """
    table = read_text_table(path)
    if not table.header:
        return read_fam(path)
    names = table.header[-1].lstrip("#").split()
    if "IID" not in names or len(names) != table.cells.shape[1]:
        raise error(
            "SC-505",
            expected="a header line with IID that names every column",
            got=repr(table.header[-1][:80]),
            where=path.name,
        )
    column = {name: table.cells[place] for place, name in enumerate(names)}
    return _samples(
        table, family=column.get("FID"), sample=names.index("IID"), sex=column.get("SEX")
    )


def read_sample_file(path: Path) -> pd.DataFrame:
    """Read the .sample file of a .bgen: a line of names, a line of kinds, a line per sample.

    ``ID_2`` (or ``ID`` alone) is the sample id, ``ID_1`` the family id; ``sex`` where there.

    Raises
    ------
    GeneticsError
        As :func:`read_fam`.
    """
    raw = read_text_table(path)
    names = [str(name) for name in raw.cells.iloc[0]]
    kinds = [str(kind) for kind in raw.cells.iloc[1]] if len(raw.cells) > 1 else []
    if not kinds or kinds[0] != "0" or not names[0].lower().startswith("id"):
        raise error(
            "SC-505",
            expected="a line of names from ID_1 (or ID) on, and a line of kinds from 0 on",
            got=repr(" ".join(names)[:80]),
            where=path.name,
        )
    cells = raw.cells.iloc[2:].reset_index(drop=True)
    table = TextTable(raw.file, cells, raw.first_line + 2, raw.header)
    lower = [name.lower() for name in names]
    pair = len(lower) > 1 and lower[1] == "id_2"
    sex = cells[lower.index("sex")] if "sex" in lower else None
    return _samples(table, family=cells[0] if pair else None, sample=int(pair), sex=sex)


def plain_samples(sample_ids: list[str], *, file: str) -> pd.DataFrame:
    """Return the table of samples of which only ids are known (VCF, .bgen).

    Raises
    ------
    GeneticsError
        SC-506 an id twice.
    """
    table = TextTable(file, pd.DataFrame({0: pd.Series(sample_ids, dtype=object)}), 1, ())
    return _samples(table, family=None, sample=0, sex=None)


def _samples(
    table: TextTable, *, family: pd.Series | None, sample: int, sex: pd.Series | None
) -> pd.DataFrame:
    ids = table.cells[sample]
    table.refuse("SC-506", ids.duplicated(), expected="every sample id once", column=sample)
    n = len(ids)
    sexes = np.zeros(n, dtype=np.int8) if sex is None else sex.map(_SEXES).fillna(0)
    return pd.DataFrame(
        {
            "family_id": pd.Series("0", index=range(n), dtype=object) if family is None else family,
            "sample_id": ids,
            "sex": np.asarray(sexes, dtype=np.int8),
        }
    )
