"""One task of a genome-wide scan: some variants of one chromosome, one Parquet part.

A part holds the numbers of trait after trait, sixteen traits a row group. Whoever writes it, it
has the same bytes; where it is there already, there is nothing to do.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.files import atomic_path, read_json, write_bytes, write_json
from spinecast.genetics.people import AnalysedPeople
from spinecast.genetics.scan import MISSING, Scan, ScanBlock, prepare_linear_scan
from spinecast.genotypes.blocks import GenotypeBlocks
from spinecast.genotypes.genotypes import Genotypes

if TYPE_CHECKING:
    from spinecast.genetics.whole_genome import WholeGenomeFit

Floats = NDArray[np.float64]
METHODS = ("linear", "mixed", "spa", "firth", "score")
_CORRECTIONS = {"spa": "spa", "firth": "firth", "score": "none"}
TRAITS_AT_A_TIME = 16
NUMBERS = ("beta", "standard_error", "log10_p", "effect_allele_frequency", "n")
_PART_SCHEMA = pa.schema(
    [
        pa.field(name, pa.int32() if name == "n" else pa.float64(), nullable=False)
        for name in NUMBERS
    ]
)
_one_at_a_time = Lock()


@dataclass(frozen=True)
class ScanSettings:
    """How variants are tested.

    Parameters
    ----------
    method
        ``linear``; ``mixed``, which needs a whole-genome model; for case-control traits
        ``spa`` (score test with saddle-point approximation), ``firth`` or ``score``.
    missing
        ``impute`` or ``exact``, see :func:`~spinecast.genetics.scan.linear_scan`; other
        methods than ``linear`` know ``impute`` only.
    block
        Variants multiplied at a time; None chooses by the number of people.

    Raises
    ------
    GeneticsError
        SC-536 for words that are not known or do not go together.
    """

    method: str = "linear"
    missing: str = "impute"
    block: int | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise error("SC-536", expected=" or ".join(METHODS), got=repr(self.method))
        if self.missing not in MISSING:
            raise error("SC-536", expected=" or ".join(MISSING), got=repr(self.missing))
        if self.missing == "exact" and self.method != "linear":
            got = f"missing exact with method {self.method}"
            raise error("SC-536", expected="method linear, or missing impute", got=got)
        if self.block is not None and self.block < 1:
            raise error("SC-536", expected="at least 1 variant a block", got=str(self.block))


@dataclass(frozen=True)
class ScanTask:
    """Variants of one chromosome to be tested, and where the part goes.

    Parameters
    ----------
    genotypes
        Where they are read from.
    inputs
        Folder of people, traits and covariates as :func:`save_inputs` left it.
    chromosome, number
        What keys the part.
    variants
        Places of the variants, (v,).
    block
        Variants multiplied at a time.
    fingerprint
        Of the inputs.
    """

    genotypes: Genotypes = field(repr=False)
    inputs: Path
    chromosome: str
    number: int
    variants: NDArray[np.int64] = field(repr=False)
    block: int
    fingerprint: str

    @property
    def part(self) -> Path:
        """The file the task leaves."""
        return self.inputs / f"scan-{self.chromosome}-{self.number:05d}.parquet"


def save_inputs(
    inputs: Path,
    people: AnalysedPeople,
    settings: ScanSettings,
    *,
    offsets: Mapping[str, NDArray[Any]],
    fit: WholeGenomeFit | None,
    fingerprint: str,
) -> None:
    """Write what every task needs; the plan comes last and says that all is there."""
    arrays = {"samples": people.samples, "traits": people.traits, "covariates": people.covariates}
    if fit is not None:
        arrays["calibration"] = fit.calibration
    arrays |= {f"offset-{chromosome}": values for chromosome, values in offsets.items()}
    for name, values in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        write_bytes(inputs / f"{name}.npy", buffer.getvalue())
    plan = {
        "fingerprint": fingerprint,
        "method": settings.method,
        "missing": settings.missing,
        "names": list(people.names),
        "offsets": bool(offsets),
        "way": fit.way if fit is not None else None,
    }
    write_json(inputs / "plan.json", plan)


def run_scan_task(task: ScanTask) -> str:
    """Test the task's variants and write its part; nothing where the part is there.

    Returns
    -------
    str
        The part's name.
    """
    if task.part.exists():
        return task.part.name
    try:
        with _one_at_a_time:
            scan, samples = _prepared(task.inputs, task.fingerprint, task.chromosome)
        some = samples if samples.size < task.genotypes.n_samples else None
        blocks = GenotypeBlocks(task.genotypes, some, task.variants, task.block)
        write_part(task.part, [scan.block(blocks, k) for k in range(len(blocks))])
    except Exception as cause:
        cause.add_note(
            f"while testing chromosome {task.chromosome}, part {task.number} "
            f"({len(task.variants)} variants of {task.genotypes.origin})"
        )
        raise
    return task.part.name


def release_inputs() -> None:
    """Let go of the statistics this process has made ready."""
    _prepared.cache_clear()


def write_part(target: Path, blocks: list[ScanBlock]) -> None:
    """Write blocks of associations side by side, the variants of each trait together."""
    columns = {
        name: pa.array(np.concatenate([getattr(b, name).T for b in blocks], axis=1).ravel())
        for name in NUMBERS[:-1]
    }
    n = np.concatenate([b.n.T for b in blocks], axis=1)
    columns["n"] = pa.array(n.ravel().astype(np.int32))
    with atomic_path(target) as temporary:
        pq.write_table(
            pa.table(columns, schema=_PART_SCHEMA),
            temporary,
            row_group_size=TRAITS_AT_A_TIME * n.shape[1],
            compression="none",
            use_dictionary=["n"],
            write_statistics=False,
            write_batch_size=1 << 16,
        )


@lru_cache(maxsize=2)
def _prepared(inputs: Path, fingerprint: str, chromosome: str) -> tuple[Scan, NDArray[np.int64]]:
    """Make the statistic ready, once per process (and chromosome, where that matters)."""
    plan = read_json(inputs / "plan.json")
    if plan["fingerprint"] != fingerprint:
        raise error("SC-512", expected=fingerprint, got=plan["fingerprint"], where=str(inputs))
    if not plan["offsets"] and chromosome:
        return _prepared(inputs, fingerprint, "")
    offset = _load(inputs, f"offset-{chromosome}") if plan["offsets"] else None
    return _scan(inputs, plan, offset, chromosome=chromosome), _load(inputs, "samples")


def _scan(
    inputs: Path, plan: Mapping[str, Any], offset: NDArray[Any] | None, *, chromosome: str
) -> Scan:
    traits, covariates = _load(inputs, "traits"), _load(inputs, "covariates")
    if plan["method"] == "mixed":
        from spinecast.genetics.mixed_scan import prepare_mixed_scan
        from spinecast.genetics.whole_genome import WholeGenomeFit

        assert offset is not None
        unknown = np.full(traits.shape[1], np.nan)
        fit = WholeGenomeFit(
            plan["way"], {chromosome: offset}, offset, unknown, unknown, unknown,
            _load(inputs, "calibration"), 0, {},
        )  # fmt: skip
        return prepare_mixed_scan(traits, covariates, fit=fit, chromosome=chromosome)
    if plan["method"] == "linear":
        return prepare_linear_scan(
            traits if offset is None else traits - offset,
            covariates,
            missing=plan["missing"],
            names=plan["names"],
        )
    from spinecast.genetics.binary_scan import prepare_binary_scan

    return prepare_binary_scan(
        traits,
        covariates,
        correction=_CORRECTIONS[plan["method"]],
        offset=offset,
        names=plan["names"],
    )


def _load(inputs: Path, name: str) -> NDArray[Any]:
    return np.load(inputs / f"{name}.npy", allow_pickle=False)
