"""Networks that read an image's parents off the image, in the parents' units.

A judge is trained apart from whatever made the images that it judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spinecast.errors import error
from spinecast.models.checkpoint import load_checkpoint, load_weights, save_checkpoint
from spinecast.models.parent_reader import ParentReader, ReaderConfig

#: Images read at once.
ROWS_PER_PASS = 64


class ParentJudge:
    """A fitted reader and the names of what it reads.

    Parameters
    ----------
    reader
        Fitted; put into evaluation mode.
    parents
        Names of its readings, in their order.

    Raises
    ------
    ModelError
        SC-407 where the reader reads another number of parents.
    """

    def __init__(self, reader: ParentReader, parents: Sequence[str]) -> None:
        if len(parents) != len(reader.config.logged):
            raise error("SC-407", expected=f"{len(reader.config.logged)} names",
                        got=", ".join(parents), where="judge")  # fmt: skip
        self.reader, self.parents = reader.eval(), tuple(parents)

    @torch.no_grad()
    def read(self, images: np.ndarray) -> np.ndarray:
        """Return readings of images (n, rows, columns), (n, parents) float64 in their units.

        Notes
        -----
        Readings are shrunk towards what is common among the people it was trained on.
        """
        scale = self.reader.scale
        parts = [
            self.reader(torch.as_tensor(images[start : start + ROWS_PER_PASS]).to(scale.mean))
            for start in range(0, len(images), ROWS_PER_PASS)
        ]
        if not parts:
            return np.zeros((0, len(self.parents)))
        values = (torch.cat(parts) * scale.std + scale.mean).double()
        return torch.where(scale.logged, values.exp(), values).cpu().numpy()

    def save(self, folder: Path, *, name: str = "judge", half: bool = False) -> Path:
        """Write the judge as a checkpoint (see :mod:`spinecast.models.checkpoint`)."""
        config = {"parents": list(self.parents), "reader": asdict(self.reader.config)}
        return save_checkpoint(folder, self.reader, name=name, config=config, half=half)

    @staticmethod
    def load(folder: Path, name: str = "judge") -> ParentJudge:
        """Read what :meth:`save` wrote (raises SC-402, SC-403, SC-406)."""
        state, config = load_checkpoint(folder, name)
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in config["reader"].items()
        }
        reader = ParentReader(ReaderConfig(**plain))
        load_weights(reader, state, where=str(folder))
        return ParentJudge(reader, config["parents"])


__all__ = ["ParentJudge"]
