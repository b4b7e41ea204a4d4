"""Compiled: how many bits of a word are set."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic


@intrinsic
def popcount(_: Any, _word: Any) -> tuple[Any, Any]:
    """Return the number of set bits of a uint64: one instruction, several words at a time."""

    def lower(_: Any, builder: Any, *signature_and_words: Any) -> Any:
        return builder.ctpop(signature_and_words[1][0])

    return types.int64(types.uint64), lower
