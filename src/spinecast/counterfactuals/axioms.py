"""What any sound counterfactual image obeys, measured.

*Composition*: an intervention that changes nothing returns the image. *Reversibility*:
intervening and taking it back returns the image. *Effectiveness*: an independent judge reads
off the image what the intervention set, and (*untouched*) nothing else that should stay.
*Minimality*: what the parents do not reach changes little.

References
----------
Galles D, Pearl J. Found Sci 1998;3:151. Monteiro M et al. ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spinecast.counterfactuals.answer import CausalAnswer, image_counterfactual, parent_values
from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.counterfactuals.judge import ParentJudge
from spinecast.counterfactuals.row_codes import Floats, Setting
from spinecast.counterfactuals.scm import StructuralCausalModel

COLUMNS = ("image_id", "person_id", "backbone", "axiom", "parent", "intervened", "value",
           "target", "read")  # fmt: skip

#: Mean absolute difference of images that are the same but for 32-bit arithmetic.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Examination:
    """Some people, their images, and what examines a mechanism with them.

    Attributes
    ----------
    scm, mechanism, judge
        The judge was trained apart from the mechanism.
    rows, images
        (n) people with ``image_id`` and ``person_id``, and (n, rows, columns) in [0, 1].
    region
        Columns of the region of interest.
    """

    scm: StructuralCausalModel
    mechanism: ImageMechanism
    judge: ParentJudge
    rows: pd.DataFrame
    images: np.ndarray
    region: slice

    def composition(self) -> pd.DataFrame:
        """Return ``composition_l1`` with pixel noise, ``composition_decoder_l1`` without."""
        parents = parent_values(self.scm.graph, self.rows)
        same = self.mechanism.generate(self.images, parents, parents[None]).mean[0]
        drawn = self.mechanism.reconstruct(self.images, parents)
        return pd.concat(
            [
                self._table("composition_l1", value=_l1(same, self.images)),
                self._table("composition_decoder_l1", value=_l1(drawn, self.images)),
            ]
        )

    def intervention(self, name: str, values: Setting) -> pd.DataFrame:
        """Return every other axiom under do(``name`` = ``values``).

        Returns
        -------
        DataFrame
            Rows of ``reversibility_l1`` and ``minimality`` (mean absolute change outside the
            region of interest per mean absolute change inside) with ``value``; of
            ``effectiveness`` for the parents that the intervention sets or moves, and of
            ``untouched`` for the others, with the value that each ``target`` should be, what
            the judge ``read``, and their distance as ``value``.
        """
        do: Mapping[str, Setting] = {name: values}
        answer = image_counterfactual(
            self.scm, self.mechanism, self.rows, images=self.images, do=[do]
        )
        return pd.concat(
            [
                self._reversed(answer, name),
                self._table(
                    "minimality",
                    intervened=name,
                    value=spill(answer.images.mean[0] - self.images, self.region),
                ),
                *self._readings(answer, name),
            ]
        )

    def marginal(self, name: str, values: Setting) -> pd.DataFrame:
        """Return ``effectiveness_marginal`` of ``name`` alone under do(``name`` = ``values``).

        For values drawn without regard to the causes of ``name``. Far from all that the judge
        was trained on, its readings fail on true images too.
        """
        answer = image_counterfactual(
            self.scm, self.mechanism, self.rows, images=self.images, do=[{name: values}]
        )
        found = pd.concat(self._readings(answer, name))
        return found[found["parent"] == name].assign(axiom="effectiveness_marginal")

    def _reversed(self, answer: CausalAnswer, name: str) -> pd.DataFrame:
        before = parent_values(self.scm.graph, self.rows)
        after = parent_values(self.scm.graph, answer.variables[0])
        back = self.mechanism.generate(answer.images.mean[0], after, before[None]).mean[0]
        return self._table("reversibility_l1", intervened=name, value=_l1(back, self.images))

    def _readings(self, answer: CausalAnswer, name: str) -> list[pd.DataFrame]:
        graph = self.scm.graph
        read = self.judge.read(answer.images.mean[0])
        target = parent_values(graph, answer.variables[0])
        moved = {name} | graph.descendants(name)
        return [
            self._table(
                "effectiveness" if parent in moved else "untouched",
                parent=parent,
                intervened=name,
                value=np.abs(read[:, place] - target[:, place]),
                target=target[:, place],
                read=read[:, place],
            )
            for place, parent in enumerate(graph.image_parents)
        ]

    def _table(
        self,
        axiom: str,
        *,
        value: Floats,
        parent: str = "",
        intervened: str = "",
        target: Floats | float = np.nan,
        read: Floats | float = np.nan,
    ) -> pd.DataFrame:
        table = self.rows[["image_id", "person_id"]].assign(
            backbone="", axiom=axiom, parent=parent, intervened=intervened, value=value,
            target=target, read=read,
        )  # fmt: skip
        return table[list(COLUMNS)]


def spill(change: np.ndarray, region: slice) -> Floats:
    """Return mean absolute change (n, rows, columns) outside a region per that inside, (n,).

    NaN where nothing changes inside but the last digits.
    """
    size = np.abs(change.astype(np.float64))
    inside = size[:, :, region].mean(axis=(1, 2))
    outside = np.delete(size, np.r_[region], axis=2).mean(axis=(1, 2))
    return np.divide(outside, inside, out=np.full(len(size), np.nan), where=inside > ROUNDING)


def _l1(a: np.ndarray, b: np.ndarray) -> Floats:
    return np.abs(a.astype(np.float64) - b).mean(axis=(1, 2))


__all__ = ["COLUMNS", "Examination", "spill"]
