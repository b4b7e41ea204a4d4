"""Where the genotypes lie on the genome: .bim and .pvar to one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.genotypes.text_tables import TextTable, read_text_table

VARIANT_COLUMNS = (
    "chromosome",
    "base_pair_location",
    "variant_id",
    "effect_allele",
    "other_allele",
    "centimorgans",
)
AUTOSOMES = tuple(str(number) for number in range(1, 23))
CHROMOSOMES = (*AUTOSOMES, "X", "Y", "XY", "MT", "0")
_ALIASES = {
    **{name: name for name in CHROMOSOMES},
    "23": "X", "24": "Y", "25": "XY", "26": "MT", "M": "MT", "PAR1": "XY", "PAR2": "XY",
    **{f"{number:02d}": str(number) for number in range(1, 10)},
}  # fmt: skip
_BUILDS = {"grch37": "GRCh37", "hg19": "GRCh37", "b37": "GRCh37", "37": "GRCh37",
           "grch38": "GRCh38", "hg38": "GRCh38", "b38": "GRCh38", "38": "GRCh38"}  # fmt: skip
# Lengths in base pairs of chromosomes 1 to 22, X, Y (Genome Reference Consortium).
_LENGTHS = {
    "GRCh37": (249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663,
               146364022, 141213431, 135534747, 135006516, 133851895, 115169878, 107349540,
               102531392, 90354753, 81195210, 78077248, 59128983, 63025520, 48129895, 51304566,
               155270560, 59373566),
    "GRCh38": (248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973,
               145138636, 138394717, 133797422, 135086622, 133275309, 114364328, 107043718,
               101991189, 90338345, 83257441, 80373285, 58617616, 64444167, 46709983, 50818468,
               156040895, 57227415),
}  # fmt: skip


def read_bim(path: Path, *, build: str | None = None) -> pd.DataFrame:
    """Read a .bim file: chromosome, id, centimorgans, position, effect allele, other allele.

    Raises
    ------
    GeneticsError
        SC-503 missing, SC-505 an unreadable line, SC-507 an unknown chromosome, SC-508 an
        impossible position.
    """
    table = read_text_table(path, columns=(6,))
    return _variants(table, {"CHROM": 0, "ID": 1, "CM": 2, "POS": 3, "ALT": 4, "REF": 5}, build)


def read_pvar(path: Path, *, build: str | None = None) -> pd.DataFrame:
    """Read a .pvar (or .pvar.zst) file; without a header line it is read as a .bim file.

    The effect allele is ALT.

    Raises
    ------
    GeneticsError
        As :func:`read_bim`; SC-509 a variant of several alternative alleles.
    """
    table = read_text_table(path)
    if not table.header or not table.header[-1].startswith("#CHROM"):
        columns = ["CHROM", "ID", "CM", "POS", "ALT", "REF"]
        if table.cells.shape[1] == 5:
            columns.remove("CM")
    else:
        columns = table.header[-1].lstrip("#").split()
    needed = {"CHROM", "ID", "POS", "ALT", "REF"}
    if not needed <= set(columns) or len(columns) != table.cells.shape[1]:
        raise error(
            "SC-505",
            expected=f"a column for each of {', '.join(sorted(needed))}",
            got=f"{table.cells.shape[1]} columns, {' '.join(columns)[:60]}",
            where=path.name,
        )
    places = {name: columns.index(name) for name in (*sorted(needed), "CM") if name in columns}
    return _variants(table, places, build)


def canonical_build(build: str | None) -> str | None:
    """Return ``GRCh37`` or ``GRCh38`` for any of their names, None for None.

    Raises
    ------
    GeneticsError
        SC-510 for another name.
    """
    if build is None:
        return None
    if build.lower() not in _BUILDS:
        raise error("SC-510", expected="GRCh37 or GRCh38", got=repr(build), where="build")
    return _BUILDS[build.lower()]


def chromosome_length(chromosome: str, build: str) -> int | None:
    """Return the length in base pairs, None where there is no table of it (MT, unplaced)."""
    names = (*AUTOSOMES, "X", "Y")
    known = dict(zip(names, _LENGTHS[build], strict=True))
    return known.get("X" if chromosome == "XY" else chromosome)


def plain_variants(cells: pd.DataFrame, *, file: str, build: str | None = None) -> pd.DataFrame:
    """Check variants that came with the genotypes (VCF, .bgen) as those of a table are.

    Parameters
    ----------
    cells
        Text columns ``chromosome``, ``base_pair_location``, ``variant_id``,
        ``effect_allele``, ``other_allele``.
    file
        For messages.
    build
        Genome build, or None.
    """
    order = ["chromosome", "variant_id", "base_pair_location", "effect_allele", "other_allele"]
    numbered = cells[order].set_axis(range(len(order)), axis=1)
    table = TextTable(file, numbered, 1, ())
    return _variants(table, {"CHROM": 0, "ID": 1, "POS": 2, "ALT": 3, "REF": 4}, build)


def _variants(table: TextTable, places: dict[str, int], build: str | None) -> pd.DataFrame:
    cells = table.cells
    chromosome = _chromosomes(table, places["CHROM"])
    codes, alleles = pd.factorize(cells[places["ALT"]])
    several = np.array(["," in str(name) for name in alleles], dtype=np.bool_)[codes]
    table.refuse("SC-509", pd.Series(several), expected="one alternative allele",
                 column=places["ALT"])  # fmt: skip
    frame = pd.DataFrame(
        {
            "chromosome": chromosome,
            "base_pair_location": _positions(table, places["POS"]),
            "variant_id": cells[places["ID"]],
            "effect_allele": _shared(cells[places["ALT"]]),
            "other_allele": _shared(cells[places["REF"]]),
            "centimorgans": _centimorgans(table, places.get("CM")),
        }
    )
    if build is not None:
        _refuse_beyond_ends(table, frame, places["POS"], build=build)
    return frame


def _chromosomes(table: TextTable, column: int) -> pd.Series:
    codes, names = pd.factorize(table.cells[column])
    known = [_ALIASES.get(str(name).upper().removeprefix("CHR"), "") for name in names]
    chromosome = pd.Series(np.array(known, dtype=object)[codes])
    table.refuse("SC-507", chromosome == "", expected="1 to 22, X, Y, XY, MT or 0", column=column)
    return chromosome


def _shared(column: pd.Series) -> pd.Series:
    """Keep one str per allele instead of one per variant."""
    codes, names = pd.factorize(column)
    return pd.Series(np.asarray(names, dtype=object)[codes])


def _positions(table: TextTable, column: int) -> pd.Series:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.array(table.cells[column], pa.string())
    whole = pc.and_(pc.ascii_is_decimal(text), pc.less_equal(pc.binary_length(text), 10))
    bad = pd.Series(~whole.to_numpy(zero_copy_only=False).astype(np.bool_))
    table.refuse("SC-508", bad, expected="a whole number from 0 on", column=column)
    return pd.Series(text.cast(pa.int64()).to_numpy())


def _centimorgans(table: TextTable, column: int | None) -> pd.Series:
    """Return genetic positions; PLINK writes 0 for unknown."""
    if column is None:
        return pd.Series(np.nan, index=table.cells.index)
    import pyarrow as pa

    cells = table.cells[column]
    try:
        values = pd.Series(pa.array(cells, pa.string()).cast(pa.float64()).to_numpy())
    except pa.ArrowInvalid:
        values = pd.to_numeric(cells, errors="coerce")
        unreadable = values.isna() & (cells != ".")
        table.refuse("SC-508", unreadable, expected="centimorgans", column=column)
    return values.where(values != 0).astype(np.float64)


def _refuse_beyond_ends(table: TextTable, frame: pd.DataFrame, column: int, *, build: str) -> None:
    ends = {name: chromosome_length(name, build) for name in frame["chromosome"].unique()}
    limits = frame["chromosome"].map({k: v for k, v in ends.items() if v is not None})
    beyond = frame["base_pair_location"] > limits.fillna(np.inf)
    table.refuse(
        "SC-508", beyond, expected=f"a position on the chromosome in {build}", column=column
    )
