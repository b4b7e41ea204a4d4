"""The causal graph of lumbar spine DXA, as published and with bone density added.

Zhang Y. et al. (Southampton): edges and standardised weights read from the graph figure
of the public repository, where they were estimated by PC-stable and a linear SEM.
"""

from __future__ import annotations

from types import MappingProxyType

from spinecast.counterfactuals.graph import CausalGraph, Node

#: Seven variables; the image is shaped by lumbar width, height and area only.
PUBLISHED = CausalGraph(
    (
        Node("sex", "binary", levels=("F", "M")),
        Node("age", "positive", "years"),
        Node("height", "positive", "cm", ("sex",)),
        Node("weight", "positive", "kg", ("sex", "height")),
        Node("lumbar_width", "positive", "mm", ("sex", "age", "height")),
        Node("lumbar_height", "positive", "mm", ("age", "height")),
        Node("lumbar_area", "positive", "cm2", ("sex", "lumbar_width", "lumbar_height")),
    ),
    image_parents=("lumbar_width", "lumbar_height", "lumbar_area"),
)

#: In standard deviations of both; sex counts 0 for women and 1 for men.
PUBLISHED_WEIGHTS = MappingProxyType(
    {
        ("sex", "height"): 1.439,
        ("sex", "lumbar_width"): 0.693,
        ("sex", "lumbar_area"): 0.002,
        ("sex", "weight"): 0.337,
        ("age", "lumbar_width"): 0.208,
        ("age", "lumbar_height"): -0.148,
        ("height", "lumbar_width"): 0.477,
        ("height", "lumbar_height"): 0.735,
        ("height", "weight"): 0.460,
        ("lumbar_width", "lumbar_area"): 0.665,
        ("lumbar_height", "lumbar_area"): 0.476,
    }
)

#: Ours: bone density joins, and age reaches the image directly, so that what ageing does
#: beside the size of the vertebrae (density, osteophytes) can appear in it.
WITH_DENSITY = CausalGraph(
    (*PUBLISHED.nodes, Node("bmd_spine", "positive", "g/cm2", ("age", "sex", "weight"))),
    image_parents=("lumbar_width", "lumbar_height", "lumbar_area", "bmd_spine", "age"),
)

#: Ours, for graph discovery: what can come before what. Area is measured over width and height,
#: so it comes after them.
TIERS = MappingProxyType(
    {
        "sex": 0,
        "age": 0,
        "height": 1,
        "weight": 2,
        "lumbar_width": 2,
        "lumbar_height": 2,
        "bmd_spine": 3,
        "lumbar_area": 3,
    }
)
