"""A world whose truth is known: people, their spines, and the images of them."""

from spinecast.simulation.hospital import HospitalFolder, write_hospital_folder
from spinecast.simulation.lives import Lives, draw_lives, state_at
from spinecast.simulation.presets import PRESETS, HazardModel, Preset, find_preset
from spinecast.simulation.spine_state import Fracture, SpineState
from spinecast.simulation.world import World, open_world

__all__ = [
    "PRESETS",
    "Fracture",
    "HazardModel",
    "HospitalFolder",
    "Lives",
    "Preset",
    "SpineState",
    "World",
    "draw_lives",
    "find_preset",
    "open_world",
    "state_at",
    "write_hospital_folder",
]
