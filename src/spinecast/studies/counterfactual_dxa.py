"""S1: counterfactual spine DXA by a structural causal model with a hierarchical VAE.

Zhang Y, Harvey NC, Fuggle NR, Attar R. CHVAE (University of Southampton): public code and
the numbers it reports. "Code" marks values read there; the others are "not reported; ours".
"""

from dataclasses import replace

from spinecast.images.radiograph import Preparation
from spinecast.run import Stage, Study
from spinecast.stages import lazy
from spinecast.stages.counterfactual_settings import (
    CausalSettings,
    CounterfactualSettings,
    JudgingSettings,
)
from spinecast.stages.settings import CohortSettings, TrainingSettings

SIZES = ("lumbar_width", "lumbar_height", "lumbar_area")

# Of one measurement: bone density as of Shepherd et al., J Clin Densitom 2006;9:31; area of
# about 1 % likewise; width and height are not reported: ours.
PRECISION = {
    "lumbar_width": 0.0075, "lumbar_height": 0.0075, "lumbar_area": 0.0107, "bmd_spine": 0.012,
}  # fmt: skip

PAPER = CounterfactualSettings(
    # code: window of 0 to 252, 192 x 192; it does not keep the aspect, this does
    preparation=Preparation(shape=(192, 192), equalisation="none", window=(0.0, 252.0)),
    networks="paper",
    # code: 2,000 epochs of batches of 16 of 2,994 scans, encoder's rate, no decay
    two_level=TrainingSettings(
        steps=374_000, batch_size=16, learning_rate=3e-4, warmup=0, ema=0.0, weight_decay=0.0
    ),
    # the deep family as its public code trains it on images of this side; length: as above
    deep=TrainingSettings(
        steps=187_000, batch_size=32, learning_rate=1e-3, warmup=100, ema=0.999, weight_decay=0.05
    ),
    reader=TrainingSettings(steps=20_000, batch_size=32, learning_rate=1e-3, warmup=100),
    judge=TrainingSettings(steps=20_000, batch_size=32, learning_rate=1e-3, warmup=100),
    cohort=CohortSettings(view="AP", fractions=(0.8, 0.1, 0.1), folds=2),  # code: 80/10/10
    causal=CausalSettings(graph="published"),  # its figure; bone density is no variable
    judging=JudgingSettings(
        particles=32,  # code
        follow_up_particles=32,
        ages=(50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0),  # its figure
        roi_columns=0.4,  # code: the central 40 % of the width
        axiom_people=1_000,
        pooled=SIZES,
        precision=PRECISION,
    ),
)

# Not reported; ours: what two processor cores can do in three quarters of an hour.
DEMO = replace(
    PAPER,
    preparation=Preparation(shape=(192, 192), equalisation="none", window=(0.0, 255.0)),
    networks="demo",
    two_level=TrainingSettings(
        steps=2_000, batch_size=16, learning_rate=2e-3, warmup=50, ema=0.99, weight_decay=0.0
    ),
    deep=TrainingSettings(
        steps=2_000, batch_size=16, learning_rate=2e-3, warmup=50, ema=0.99, weight_decay=0.0
    ),
    reader=TrainingSettings(
        steps=1_000, batch_size=32, learning_rate=2e-3, warmup=50, ema=0.99, weight_decay=0.01
    ),
    judge=TrainingSettings(
        steps=1_000, batch_size=32, learning_rate=2e-3, warmup=50, ema=0.99, weight_decay=0.01
    ),
    causal=CausalSettings(graph="with_density"),
    judging=replace(PAPER.judging, follow_up_particles=4, axiom_people=80),
)

# Any images of one kind with a table of attributes and a graph file of the user's own.
PICTURES = replace(
    DEMO,
    preparation=Preparation(shape=(192, 192), equalisation="none"),
    modalities=(),
    cohort=replace(DEMO.cohort, view="", keep_unknown=True),
    judging=replace(DEMO.judging, pooled=(), precision={}),
)

# Makes weights to ship: on people whom no other run contains (another seed's), as long as a
# demo from scratch.
WEIGHTS = replace(DEMO, cohort=replace(DEMO.cohort, fractions=(0.92, 0.04, 0.04)))

# For tests; ours.
TINY = replace(
    DEMO,
    preparation=Preparation(shape=(48, 48), equalisation="none", window=(0.0, 255.0)),
    networks="tiny",
    two_level=replace(DEMO.two_level, steps=60, warmup=5, ema=0.9),
    deep=replace(DEMO.deep, steps=60, warmup=5, ema=0.9),
    reader=replace(DEMO.reader, steps=60, batch_size=16, warmup=5, ema=0.9),
    judge=replace(DEMO.judge, steps=60, batch_size=16, warmup=5, ema=0.9),
    cohort=replace(DEMO.cohort, fractions=(0.6, 0.2, 0.2)),
    causal=CausalSettings(graph="with_density", steps=60, resamples=50, discovery_resamples=3),
    judging=replace(
        DEMO.judging, particles=8, follow_up_particles=2, plus_years_people=6, axiom_people=6,
        gallery=2, ages=(50.0, 65.0, 80.0), bootstrap=40,
    ),
)  # fmt: skip

STUDY = Study(
    name="counterfactual-dxa",
    title="Counterfactual spine DXA",
    citation="Zhang Y, Harvey NC, Fuggle NR, Attar R. CHVAE: counterfactual spine DXA.",
    presets={
        "demo": DEMO, "tiny": TINY, "pictures": PICTURES, "weights": WEIGHTS, "paper": PAPER,
    },
    inputs="AP spine DXA (BMD), or any images with --graph",
    stages=(
        Stage("cohort", lazy("cohort:make_cohort"), options=("map",)),
        Stage("images", lazy("scans:make_scans"), needs=("cohort",),
              settings=("preparation", "cohort", "modalities", "causal"),
              options=("map", "graph")),
        Stage("mechanisms", lazy("mechanisms:make_mechanisms"), needs=("images",),
              settings=("causal",), options=("graph", "discover")),
        Stage("image_models", lazy("image_models:make_image_models"),
              needs=("images", "mechanisms"),
              settings=("networks", "two_level", "deep", "reader", "causal"),
              options=("networks", "weights", "graph")),
        Stage("judges", lazy("image_models:make_judges"), needs=("images",),
              settings=("networks", "judge", "causal"),
              options=("networks", "weights", "graph")),
        Stage("counterfactuals", lazy("counterfactuals:make_counterfactuals"),
              needs=("images", "mechanisms", "image_models", "judges"), settings=("judging",)),
        Stage("agreement", lazy("morphometry_agreement:make_agreement"),
              needs=("judges", "counterfactuals"), settings=("judging",)),
        Stage("report", lazy("counterfactual_report:make_report"),
              needs=("cohort", "images", "mechanisms", "image_models", "judges",
                     "counterfactuals", "agreement")),
    ),
    publishes={
        "estimates.csv": ("report", "estimates.csv"),
        "recovery.csv": ("report", "recovery.csv"),
        "headline.json": ("report", "headline.json"),
        "flow.json": ("images", "flow.json"),
        "report/index.html": ("report", "index.html"),
    },
)  # fmt: skip
