"""What commands on genotypes share: opened files, lists of people and variants, telling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spinecast.cluster import Progress
from spinecast.errors import error
from spinecast.files import write_text
from spinecast.genotypes import Genotypes, open_genotypes
from spinecast.genotypes.genotypes import Places

if TYPE_CHECKING:
    from spinecast.run.study import Listener

SIMULATED_IDS = "sim:"
"""What ids of simulated variants begin with."""

_INTERPRETER = 320 << 20
_TABLE_BYTES_A_VARIANT = 400


@dataclass(frozen=True)
class Teller:
    """How a command says what it does.

    Parameters
    ----------
    listener
        Draws one bar a step.
    say
        Prints a sentence.
    """

    listener: Listener
    say: Callable[[str], None]

    @contextmanager
    def step(self, name: str, things: str = "") -> Iterator[Progress]:
        """Open a bar; yields what is called as ``progress(done, total)`` as work proceeds."""
        started = time.monotonic()
        self.listener.stage_started(name)

        def progress(done: int, total: int) -> None:
            text = f"{done:,} of {total:,} {things}" if things else ""
            self.listener.stage_progress(done / max(total, 1), text)

        yield progress
        self.listener.stage_finished(name, seconds=time.monotonic() - started, kept=False)


@dataclass(frozen=True)
class GenotypeChoice:
    """Files, and which of their people and variants are meant.

    Parameters
    ----------
    paths
        Genotype files; several are one set.
    build
        Genome build of the positions, or None.
    keep, extract
        Lists of people and of variants, see :func:`read_list`; None for all.
    cluster
        Where blocks are worked on, see :mod:`spinecast.cluster`; not all commands ask.
    """

    paths: tuple[Path, ...]
    build: str | None = None
    keep: Path | None = None
    extract: Path | None = None
    cluster: str | None = None


@dataclass(frozen=True)
class ChosenGenotypes:
    """Opened genotypes with the places that were chosen.

    Parameters
    ----------
    genotypes
        As opened.
    samples, variants
        Places, ascending; None for all.
    strangers
        Listed people and listed variants that the genotypes do not hold.
    """

    genotypes: Genotypes
    samples: Places | None
    variants: Places | None
    strangers: tuple[int, int]

    @property
    def people(self) -> Places:
        """Places of the people, (n,)."""
        every = np.arange(self.genotypes.n_samples, dtype=np.int64)
        return every if self.samples is None else self.samples

    @property
    def places(self) -> Places:
        """Places of the variants, (v,)."""
        every = np.arange(self.genotypes.n_variants, dtype=np.int64)
        return every if self.variants is None else self.variants

    def sentence(self, memory: int) -> str:
        """Return size and memory in words; ``memory`` is beyond the tables."""
        total = memory + base_memory(self.genotypes)
        absent = [
            f"; {count:,} listed {what} are not among the genotypes"
            for count, what in zip(self.strangers, ("people", "variants"), strict=True)
            if count
        ]
        return (
            f"{self.genotypes.origin}: {len(self.people):,} people, {len(self.places):,} variants"
            f"{''.join(absent)}; about {gibibytes(total)} of memory"
        )


def open_choice(choice: GenotypeChoice) -> ChosenGenotypes:
    """Open genotype files and find the people and variants that lists name.

    Raises
    ------
    GeneticsError
        SC-501 to SC-514 from opening, SC-570 and SC-571 from the lists.
    """
    genotypes = open_genotypes(*choice.paths, build=choice.build)
    samples = variants = None
    absent = [0, 0]
    if choice.keep is not None:
        samples, absent[0] = find_people(genotypes, choice.keep)
    if choice.extract is not None:
        variants, absent[1] = find_variants(genotypes, choice.extract)
    return ChosenGenotypes(genotypes, samples, variants, (absent[0], absent[1]))


def find_people(genotypes: Genotypes, path: Path) -> tuple[Places, int]:
    """Return the places of listed people, ascending, and how many are not there."""
    listed = {line[min(len(line), 2) - 1] for line in read_list(path)}
    return _found(genotypes.samples["sample_id"].to_numpy(), listed, path=path)


def find_variants(genotypes: Genotypes, path: Path) -> tuple[Places, int]:
    """Return the places of listed variants, ascending, and how many ids are not there."""
    listed = {line[0] for line in read_list(path)}
    return _found(genotypes.variants["variant_id"].to_numpy(), listed, path=path)


def _found(ids: np.ndarray, listed: set[str], *, path: Path) -> tuple[Places, int]:
    there = np.fromiter((name in listed for name in ids), dtype=np.bool_, count=len(ids))
    places = np.flatnonzero(there).astype(np.int64)
    if not places.size:
        got = f"none of {len(listed):,} listed"
        raise error("SC-571", expected="ids of the genotypes", got=got, where=path.name)
    return places, len(listed - set(ids[there]))


def read_list(path: Path) -> list[list[str]]:
    """Read a list as PLINK takes it: one entry a line, its words; lines with ``#`` are names.

    People are listed as ``IID`` or as ``FID IID`` (further words are not looked at), variants
    by their id.

    Raises
    ------
    GeneticsError
        SC-570 where there is no such file, nothing in it, or no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        got = "no such file" if isinstance(cause, FileNotFoundError) else str(cause)[:120]
        raise error("SC-570", expected="a text file", got=got, where=str(path)) from None
    lines = [line.split() for line in text.splitlines()]
    entries = [words for words in lines if words and not words[0].startswith("#")]
    if not entries:
        raise error("SC-570", expected="one entry a line", got="none", where=path.name)
    return entries


def write_people(path: Path, genotypes: Genotypes, places: Places) -> None:
    """Write a list of people as PLINK and this package take it: ``#FID IID``."""
    table = genotypes.samples.iloc[places]
    pairs = zip(table["family_id"], table["sample_id"], strict=True)
    lines = [f"{family}\t{sample}\n" for family, sample in pairs]
    write_text(path, "#FID\tIID\n" + "".join(lines))


def write_variants(path: Path, genotypes: Genotypes, places: Places) -> None:
    """Write a list of variants, one id a line."""
    ids = genotypes.variants["variant_id"].to_numpy()[places]
    write_text(path, "".join(f"{name}\n" for name in ids))


def parse_window(text: str, *, units: Sequence[str] = ("kb",)) -> tuple[float, str]:
    """Read a window such as ``500`` (variants), ``10000kb`` or, where it is a unit, ``1cM``.

    Raises
    ------
    RunError
        SC-706 for anything else.
    """
    unit = next((u for u in units if text.lower().endswith(u.lower())), "variants")
    number = text if unit == "variants" else text[: -len(unit)]
    try:
        return float(number), unit
    except ValueError:
        expected = f"a number of variants, or one followed by {' or '.join(units)}"
        raise error("SC-706", expected=expected, got=repr(text), where="--window") from None


def is_simulated(genotypes: Genotypes) -> bool:
    """Tell whether variants bear the ids of simulated genomes."""
    ids = genotypes.variants["variant_id"].head(100)
    return bool(len(ids)) and bool(ids.str.startswith(SIMULATED_IDS).all())


def base_memory(genotypes: Genotypes) -> int:
    """Return about how many bytes the interpreter and the tables of the genotypes take."""
    return _INTERPRETER + _TABLE_BYTES_A_VARIANT * (genotypes.n_variants + genotypes.n_samples)


def gibibytes(size: float) -> str:
    """Write a number of bytes."""
    return f"{size / 2**30:.1f} GiB"
