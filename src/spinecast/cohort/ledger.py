"""The ledger of what was not used: every row given is used, skipped or quarantined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from spinecast.errors import error

COLUMNS = ("source", "code", "reason")


class Ledger:
    """Append-only record of refused and skipped rows, with the totals they must add up to.

    ``quarantine`` is for faults (somebody should mend the row), ``skip`` for rows that a
    rule leaves out although nothing is wrong with them.
    """

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()
        self._quarantined: list[tuple[str, str, str]] = []
        self._skipped: list[tuple[str, str, str]] = []

    def give(self, table: str, n: int) -> None:
        """Note that ``table`` came with ``n`` rows."""
        self._given[table] += n

    def quarantine(self, table: str, place: object, *, code: str, reason: str) -> None:
        """Refuse one row: ``place`` is its line or id within ``table``."""
        self._quarantined.append((f"{table}:{place}", code, reason))

    def skip(self, table: str, place: object, *, code: str, reason: str) -> None:
        """Leave one row out by a rule."""
        self._skipped.append((f"{table}:{place}", code, reason))

    @property
    def quarantined(self) -> pd.DataFrame:
        """Quarantine table: source, code, reason."""
        return ledger_frame(self._quarantined)

    @property
    def skipped(self) -> pd.DataFrame:
        """Skipped rows: source, code, reason."""
        return ledger_frame(self._skipped)

    def check(self, table: str, *, used: int) -> None:
        """Raise SC-318 unless the rows of ``table`` are all accounted for."""
        check_identity(
            given=self._given[table],
            used=used,
            skipped=_rows_of(self._skipped, table),
            quarantined=_rows_of(self._quarantined, table),
            where=table,
        )


def check_identity(*, given: int, used: int, skipped: int, quarantined: int, where: str) -> None:
    """Raise SC-318 unless used + skipped + quarantined = given.

    Parameters
    ----------
    given, used, skipped, quarantined
        Counts of the same things: rows, images or people.
    where
        What was counted, for the message.
    """
    if used + skipped + quarantined != given:
        raise error(
            "SC-318",
            expected=f"{given} given",
            got=f"{used} used + {skipped} skipped + {quarantined} quarantined",
            where=where,
        )


def ledger_frame(rows: Iterable[tuple[str, str, str]]) -> pd.DataFrame:
    """Return ledger ``rows`` as a table of texts."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS), dtype=object)


def count_by_code(table: pd.DataFrame) -> dict[str, int]:
    """Return how many rows of a quarantine or skipped table carry each code, by code."""
    return {str(code): int(n) for code, n in table["code"].value_counts().sort_index().items()}


def count_of(table: pd.DataFrame, prefix: str) -> int:
    """Return how many rows of a ledger table came from sources starting with ``prefix``."""
    return int(table["source"].astype(str).str.startswith(prefix).sum())


def _rows_of(rows: list[tuple[str, str, str]], table: str) -> int:
    return sum(source.startswith(f"{table}:") for source, _, _ in rows)
