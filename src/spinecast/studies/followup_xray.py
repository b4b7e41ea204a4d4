"""S2: follow-up radiographs by a language-guided pair of latent diffusion models.

Cho S. W. Diff-X and VERTE-X (dissertation, Yonsei University, 2023). Values marked
"not reported; ours" are not in the paper; the others carry their source.
"""

from dataclasses import replace

from spinecast.images.radiograph import Preparation
from spinecast.run import Stage, Study
from spinecast.stages import lazy
from spinecast.stages.settings import (
    CohortSettings,
    FollowUpSettings,
    GenerationSettings,
    RiskSettings,
    TrainingSettings,
)

PAPER = FollowUpSettings(
    preparation=Preparation(shape=(512, 512), equalisation="clahe"),  # Diff-X: 512 x 512; CLAHE
    networks="paper",  # Stable Diffusion structure; EfficientNet-B4
    # lengths and batches of the generator: not reported; ours, such that one card of 80 GB
    # holds them in 32-bit floats. Rate: Stable Diffusion's 1e-4
    autoencoder=TrainingSettings(steps=200_000, batch_size=4, learning_rate=1e-4),
    structure=TrainingSettings(steps=200_000, batch_size=32, learning_rate=1e-4),
    prompt=TrainingSettings(steps=200_000, batch_size=16, learning_rate=1e-4),
    scorer=TrainingSettings(  # public VERTE-X code: Adam 1e-4, batch 30, at most 100 epochs
        steps=18_500, batch_size=30, learning_rate=1e-4, ema=0.0
    ),
    cohort=CohortSettings(
        minimum_age=50.0,  # exclusions of the flow chart
        require_follow_up=True,  # films 28 days or more after index: immortal-time bias
        fractions=(0.6, 0.2, 0.2),  # 5,568 / 1,856 / 1,852
        endpoint="any_fracture",
    ),
    generation=GenerationSettings(
        horizons=(1.0, 5.0, 10.0),
        draws=10,  # "10 seeds"
        steps=50,  # not reported; Plug-and-Play's
        guidance_scale=7.5,  # not reported; Plug-and-Play's
        say_years=False,  # prompt: "An image of [age+t] years old [male|female]"
    ),
    risk=RiskSettings(threshold_baseline=0.5, threshold_generated=0.6, frax_threshold=20.0),
    training_mode="separate",  # two separately trained models
)

# Not reported; ours: what two processor cores can do.
DEMO = FollowUpSettings(
    preparation=Preparation(shape=(192, 96), equalisation="clahe"),
    networks="demo",
    autoencoder=TrainingSettings(steps=200, batch_size=16, learning_rate=1e-3, warmup=10, ema=0.95),
    structure=TrainingSettings(steps=1_000, batch_size=16, learning_rate=2e-3, ema=0.99),
    prompt=TrainingSettings(steps=4_000, batch_size=16, learning_rate=2e-3, ema=0.99),
    scorer=TrainingSettings(
        steps=800, batch_size=32, learning_rate=3e-3, warmup=30, ema=0.98, weight_decay=0.02
    ),
    # guidance: drawings then age as fast as real spines do, on training and validation people
    generation=GenerationSettings(steps=2, guidance_scale=3.75),
)

# Makes the shipped weights: one network a task, on as many people as a source has.
WEIGHTS = replace(
    DEMO,
    structure=replace(DEMO.structure, steps=2_000, batch_size=32),
    prompt=replace(DEMO.prompt, steps=3_400, batch_size=64),
    scorer=replace(DEMO.scorer, steps=4_000),
    cohort=CohortSettings(fractions=(0.92, 0.04, 0.04), folds=1),
)

# For tests; ours.
TINY = FollowUpSettings(
    preparation=Preparation(shape=(64, 32), equalisation="clahe"),
    networks="tiny",
    autoencoder=TrainingSettings(steps=40, batch_size=8, learning_rate=3e-3, warmup=5, ema=0.9),
    structure=TrainingSettings(steps=20, batch_size=8, learning_rate=2e-3, warmup=5, ema=0.9),
    prompt=TrainingSettings(steps=30, batch_size=8, learning_rate=2e-3, warmup=5, ema=0.9),
    scorer=TrainingSettings(steps=40, batch_size=16, learning_rate=5e-3, warmup=5, ema=0.9),
    cohort=CohortSettings(folds=2),
    generation=GenerationSettings(draws=2, steps=2, gallery=2),
    risk=RiskSettings(bootstrap=30),
)

# DEMO for films without age, sex, dates or view: nothing is filled in, one horizon: the next film.
FILMS = replace(
    DEMO,
    autoencoder=replace(DEMO.autoencoder, steps=100),
    structure=replace(DEMO.structure, steps=300),
    prompt=replace(DEMO.prompt, steps=800),
    cohort=CohortSettings(view="", keep_unknown=True, fractions=(0.6, 0.1, 0.3)),
    generation=replace(
        DEMO.generation,
        guidance_scale=1.0,  # the sentence says nothing that could be exaggerated
        horizons=(),
        say_years=False,
        splits=("train", "validation", "test"),
        gallery=24,
    ),
)

STUDY = Study(
    name="followup-xray",
    title="Follow-up radiographs, fracture scores and risk groups",
    citation="Cho SW. Diff-X and VERTE-X risk. Dissertation, Yonsei University, 2023.",
    presets={"demo": DEMO, "tiny": TINY, "films": FILMS, "weights": WEIGHTS, "paper": PAPER},
    inputs="lateral spine radiographs (DX, CR)",
    stages=(
        Stage("cohort", lazy("cohort:make_cohort"), options=("map",)),
        Stage("images", lazy("cohort:make_images"), needs=("cohort",),
              settings=("preparation", "cohort"), options=("map",)),
        Stage("generator", lazy("networks:make_generator"), needs=("images",),
              settings=("networks", "autoencoder", "structure", "prompt", "training_mode",
                        "training_people"),
              options=("networks", "weights")),
        Stage("scorers", lazy("networks:make_scorers"), needs=("images", "generator"),
              settings=("networks", "scorer", "training_people"),
              options=("networks", "weights")),
        Stage("scores", lazy("scores:make_scores"), needs=("images", "scorers")),
        Stage("follow_up", lazy("follow_up:make_follow_up"),
              needs=("images", "generator", "scorers"), settings=("generation",)),
        Stage("agreement", lazy("agreement:make_agreement"),
              needs=("images", "scores", "follow_up"), settings=("risk",)),
        Stage("risk", lazy("risk:make_risk"), needs=("images", "scores", "follow_up"),
              settings=("risk", "generation")),
        Stage("report", lazy("report:make_report"),
              needs=("cohort", "images", "generator", "scorers", "scores", "follow_up",
                     "agreement", "risk")),
    ),
    publishes={
        "estimates.csv": ("report", "estimates.csv"),
        "recovery.csv": ("report", "recovery.csv"),
        "headline.json": ("report", "headline.json"),
        "flow.json": ("images", "flow.json"),
        "report/index.html": ("report", "index.html"),
    },
)  # fmt: skip
