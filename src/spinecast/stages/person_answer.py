"""What is answered about one person's counterfactual, in arrays, tables and words. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

_SEEN = {
    True: "The networks were trained on this person: too sure",
    False: "The causal model of the variables was fitted to this person too",
}


@dataclass(frozen=True)
class PersonAnswer:
    """What is answered.

    Attributes
    ----------
    label
        Who was asked about.
    before, after, spread
        The scan, its counterfactual (mean over draws) and the standard deviation over draws,
        (rows, columns) in [0, 1].
    variables
        A row a variable: ``variable``, ``unit``, ``before``, ``after``, ``how`` (set, follows
        or stays), ``training_low``, ``training_high``, ``outside`` (of the training range);
        and of image parents ``read_before``, ``read_after`` (by the independent predictor).
    split
        Part of the run the person belongs to.
    trained
        Whether the run trained its networks itself; shipped weights have seen nobody of it.
    simulated
        Whether nobody is real.
    """

    label: str
    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray
    variables: pd.DataFrame
    split: str
    trained: bool
    simulated: bool

    def sentences(self) -> list[str]:
        """Return the answer in plain lines, the warnings first."""
        moved = self.variables[self.variables["how"] != "stays"].to_dict("records")
        change = float(np.abs(self.after - self.before).mean())
        return [
            *(["SIMULATED: nobody here is real; it means nothing clinically"] * self.simulated),
            *(_outside_words(row) for row in moved if row["outside"]),
            *([_SEEN[self.trained]] * (self.split == "train")),
            *(
                f"{row['variable']}: {written(row['before'])} -> "
                f"{_with_unit(row['after'], row['unit'])} ({row['how']})"
                for row in moved
            ),
            f"Image: mean absolute change {change:.4f} of the grey range, standard deviation over "
            f"draws {float(self.spread.mean()):.4f}",
        ]


def written(value: Any) -> str:
    """Return a number with four significant digits, a level as it is."""
    return f"{value:.4g}" if isinstance(value, float | int | np.number) else str(value)


def _with_unit(value: Any, unit: str) -> str:
    return f"{written(value)} {unit}".rstrip()


def _outside_words(row: Mapping[Any, Any]) -> str:
    return (
        f"OUTSIDE THE TRAINING RANGE: {row['variable']} = {_with_unit(row['after'], row['unit'])}, "
        f"people of training had {written(row['training_low'])} to "
        f"{written(row['training_high'])}; the answer is a guess there"
    )


__all__ = ["PersonAnswer", "written"]
