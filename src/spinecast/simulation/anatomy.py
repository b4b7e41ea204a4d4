"""One person's three-dimensional anatomy, laid down in mm.

Renderers (lateral radiograph first; AP density, CT and MR of the same shapes
later) read it and add nothing of their own. It is a pure function of the state
and the dice.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinecast.simulation.anatomy_dice import AnatomyDice, draw_anatomy_dice
from spinecast.simulation.pelvis import IliacWings, crest_rims, iliac_wings, sacral_back
from spinecast.simulation.posterior import osteophytes, posterior_elements
from spinecast.simulation.soft_tissue import SoftTissue, build_soft_tissue
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.thorax import ribs, shoulder_blades
from spinecast.simulation.tubes import Tubes, join, merge
from spinecast.simulation.vertebra import VertebralBodies, build_bodies
from spinecast.simulation.vessels import Aorta, aorta, plaques

__all__ = ["Anatomy", "AnatomyDice", "build_anatomy", "draw_anatomy_dice"]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Shapes of one person at one time; x to the back, y to the feet, z to the right, mm.

    Parameters
    ----------
    state
        What it was built from.
    bodies
        Vertebral bodies C3 to S4.
    bones
        Every long or flat bone, spur and plaque as tubes.
    wings
        Iliac wings.
    vessel
        The aorta.
    soft
        Outline, fat, muscle, lungs, heart, gas.
    seed
        Of the trabecular texture.
    """

    state: SpineState
    bodies: VertebralBodies
    bones: Tubes
    wings: IliacWings
    vessel: Aorta
    soft: SoftTissue
    seed: int


def build_anatomy(state: SpineState, dice: AnatomyDice) -> Anatomy:
    """Lay down the anatomy of one person at one time.

    Parameters
    ----------
    state
        What age, disease and life have made of the spine.
    dice
        The person's own shape, the same at every age.

    Returns
    -------
    Anatomy
        Equal for equal arguments.
    """
    bodies, _ = build_bodies(state, dice)
    wings = iliac_wings(bodies, state, dice)
    vessel = aorta(bodies, state, dice)
    bones = merge(
        [
            ribs(bodies, state, dice),
            join(shoulder_blades(bodies, state, dice)),
            posterior_elements(bodies, state, dice),
            osteophytes(bodies, state, dice),
            join([*sacral_back(bodies, state), *crest_rims(wings, state)]),
            plaques(vessel, state, dice),
        ]
    )
    soft = build_soft_tissue(bodies, state, dice)
    return Anatomy(state, bodies, bones, wings, vessel, soft, dice.seed)
