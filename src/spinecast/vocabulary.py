"""The words that values come in, and the units that numbers come in.

Kept apart from :mod:`spinecast.terms` so that a new spelling is one line here.
Keys are canonical values; words are compared in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _codes(groups: Mapping[str, tuple[str, ...]]) -> MappingProxyType[str, str]:
    return MappingProxyType({word: value for value, words in groups.items() for word in words})


SEX = _codes(
    {
        "F": ("f", "female", "w", "woman", "women", "frau", "weiblich", "femme", "여", "여성"),
        "M": ("m", "male", "man", "men", "mann", "männlich", "homme", "남", "남성"),
    }
)
VIEW = _codes(
    {
        "LATERAL": ("lateral", "lat", "ll", "rl", "left lateral", "right lateral", "seitlich"),
        "AP": ("ap", "pa", "frontal", "anteroposterior", "posteroanterior"),
        "SAGITTAL": ("sagittal", "sag"),
        "AXIAL": ("axial", "ax", "transverse"),
    }
)
REGION = _codes(
    {
        "TL": ("tl", "t-l", "thoracolumbar"),
        "TLS": ("tls", "t-l-s", "thoracolumbosacral"),
        "LS": ("ls", "l-s", "lumbosacral", "lumbar", "lspine"),
        "WHOLE": ("whole", "whole spine", "full spine"),
        "CTL": ("ctl", "c-t-l", "cervicothoracolumbar"),
    }
)
ENDPOINT = _codes(
    {
        "vertebral_fracture": ("vertebral_fracture", "vf", "vertebral", "vertebral fracture"),
        "non_vertebral_fracture": (
            "non_vertebral_fracture",
            "nvf",
            "non_vertebral",
            "nonvertebral",
            "non-vertebral fracture",
        ),
        "any_fracture": ("any_fracture", "fracture", "any fracture", "any"),
        "death": ("death", "dead", "mortality", "all-cause death"),
    }
)
ORIGIN = _codes({"acquired": ("acquired", "real"), "generated": ("generated", "synthetic")})

LENGTHS = MappingProxyType({"cm": 1.0, "m": 100.0, "mm": 0.1, "in": 2.54})
MASSES = MappingProxyType({"kg": 1.0, "lb": 0.45359237, "lbs": 0.45359237, "g": 0.001})
TIMES = MappingProxyType(
    {"years": 1.0, "y": 1.0, "yr": 1.0, "months": 1 / 12, "days": 1 / 365.25, "d": 1 / 365.25}
)
DENSITIES = MappingProxyType({"g/cm2": 1.0, "mg/cm2": 0.001})
SPACINGS = MappingProxyType({"mm": 1.0, "cm": 10.0, "um": 0.001, "m": 1000.0})
YES_NO = _codes(
    {
        "1": ("1", "1.0", "yes", "y", "true", "t", "ja", "j", "oui", "예"),
        "0": ("0", "0.0", "no", "n", "false", "f", "nein", "non", "아니오"),
    }
)
UNKNOWN = frozenset({"", "na", "n/a", "nan", "null", "none", ".", "-", "?", "unknown", "missing"})
