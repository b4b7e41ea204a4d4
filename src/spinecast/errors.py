"""The whole tree of errors a user can meet, each with a stable code.

SpinecastError
├── FileError        SC-1xx  a file cannot be read, or reading it would be dangerous
├── ContentError     SC-2xx  a file was read, but it is not what was asked for
├── CohortError      SC-3xx  tables contradict each other, the calendar or the protocol
├── ModelError       SC-4xx  a network, its weights or its input do not fit
├── GeneticsError    SC-5xx  genotypes and summary statistics
├── StatisticsError  SC-6xx  a statistic is not defined on this input
└── RunError         SC-7xx  settings, run folders, commands

Every error says what was expected, what came, where, and what to do next.
Raise one with :func:`error`; the class follows from the code.
"""

from __future__ import annotations

from spinecast.error_codes import CODES


class SpinecastError(Exception):
    """Base of every error with a code.

    Parameters
    ----------
    code
        Stable code, ``SC-nnn``, a key of :data:`CODES`.
    expected, got
        What the code needed and what it was given, in words a user can act on.
    where
        File, row, person or image the error belongs to; empty where there is none.
    """

    def __init__(self, code: str, *, expected: str, got: str, where: str = "") -> None:
        self.code = code
        self.expected = expected
        self.got = got
        self.where = where
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole sentence: code, title, place, expectation, finding, remedy."""
        explanation = CODES[self.code]
        place = f" in {self.where}" if self.where else ""
        return (
            f"{self.code} {explanation.title}{place}: expected {self.expected}, "
            f"got {self.got}. {explanation.remedy}"
        )

    def __reduce__(self) -> tuple[object, tuple[tuple[str, str, str, str]]]:
        """Cross a process border with every field (keyword-only arguments defeat the default)."""
        return (error_from_fields, ((self.code, self.expected, self.got, self.where),))


class FileError(SpinecastError):
    """SC-1xx: a file cannot be read, or reading it would be dangerous."""


class ContentError(SpinecastError):
    """SC-2xx: a file was read, but it does not hold what was asked for."""


class CohortError(SpinecastError):
    """SC-3xx: tables contradict each other, the calendar or the protocol."""


class ModelError(SpinecastError):
    """SC-4xx: a network, its weights or its input do not fit."""


class GeneticsError(SpinecastError):
    """SC-5xx: genotypes or summary statistics cannot be used."""


class StatisticsError(SpinecastError):
    """SC-6xx: a statistic is not defined on this input."""


class RunError(SpinecastError):
    """SC-7xx: settings, run folders or commands."""


_FAMILIES: dict[str, type[SpinecastError]] = {
    "1": FileError,
    "2": ContentError,
    "3": CohortError,
    "4": ModelError,
    "5": GeneticsError,
    "6": StatisticsError,
    "7": RunError,
}


def error(code: str, *, expected: str, got: str, where: str = "") -> SpinecastError:
    """Make the error of the right class for ``code``.

    Parameters
    ----------
    code
        ``SC-nnn``; unknown codes raise KeyError, because every code must be explained.
    expected, got, where
        See :class:`SpinecastError`.

    Returns
    -------
    SpinecastError
        An instance of the family's class, to be raised by the caller.
    """
    if code not in CODES:
        raise KeyError(f"{code} has no explanation in spinecast.errors.CODES")
    return _FAMILIES[code[3]](code, expected=expected, got=got, where=where)


def error_from_fields(fields: tuple[str, str, str, str]) -> SpinecastError:
    """Rebuild an error from its four fields (used by pickling between our own processes)."""
    code, expected, got, where = fields
    return error(code, expected=expected, got=got, where=where)
