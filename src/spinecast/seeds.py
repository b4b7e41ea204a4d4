"""One seed, many independent named generators.

Every random draw of the package names what it is for, so adding a draw in one
place never shifts the draws of another, and any person, image or draw can be
made alone.
"""

from __future__ import annotations

import hashlib

import numpy as np


def seed_sequence(seed: int, *names: str | int) -> np.random.SeedSequence:
    """Return the seed sequence that belongs to ``names`` under ``seed``.

    Parameters
    ----------
    seed
        The run's one seed.
    names
        What the draws are for, from general to particular, e.g.
        ``("simulation", "person", 17)``.

    Returns
    -------
    numpy.random.SeedSequence
        Equal for equal arguments on every platform; independent otherwise.
    """
    text = "\x1f".join(str(name) for name in names)
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
    return np.random.SeedSequence([seed, *words])


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the NumPy generator that belongs to ``names`` under ``seed``."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, *names)))


def integer(seed: int, *names: str | int) -> int:
    """Return a 63-bit integer seed for libraries that take integers (torch)."""
    return int(seed_sequence(seed, *names).generate_state(1, np.uint64)[0] >> 1)
