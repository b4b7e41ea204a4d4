"""Pseudonyms: the same person gets the same word, and nobody without the key can say who."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LETTERS = 16
KEY_BYTES = 32


def pseudonym(text: str, key: bytes) -> str:
    """Return a keyed pseudonym of an identifier.

    Parameters
    ----------
    text
        The identifier, as the hospital writes it.
    key
        At least 16 secret bytes, kept outside the results; see :func:`new_key`. Without a
        key anyone could hash all numbers of a hospital and look the results up.

    Returns
    -------
    str
        ``P`` and 16 hexadecimal digits: two of a million people share one with probability
        below 1e-7.
    """
    if len(key) < 16:
        raise ValueError("a key needs at least 16 bytes")
    digest = hmac.new(key, text.strip().encode(), hashlib.sha256).hexdigest()
    return f"P{digest[:_LETTERS]}"


def new_key() -> bytes:
    """Draw a key of 32 bytes from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


def pixel_hash(pixels: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's shape and values, which names equal pixels alike."""
    digest = hashlib.sha256(f"{pixels.dtype.str}{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
