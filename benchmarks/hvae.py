"""Time a training step and a counterfactual of the deep image model.

    OMP_NUM_THREADS=2 python benchmarks/hvae.py [--repeats 10]

At the size that a published deep hierarchical VAE was timed at: 2.04 million parameters,
images of 32 x 32, batches of 32, two cores. Prints both as ratios to its figures (below 1
is faster), beside the pure forward pass. The peer's figures are of another run of two
like cores, so a ratio near 1 says nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.models.deep_hvae import PAPER, DeepConfig, DeepHVAE, Level
from spinecast.models.fit_settings import FitSettings
from spinecast.models.hvae_training import HVAETraining, image_model_loss

PEER_STEP, PEER_COUNTERFACTUAL = 419.0, 204.0
SIDE, BATCH, PARENTS = 32, 32, 3

#: Every pixel a position and latents in every block, as the peer has them.
LIKE_PEER = replace(
    PAPER,
    image_shape=(SIDE, SIDE),
    levels=(
        Level(1, 32, 3, 2, 16),
        Level(2, 56, 3, 4, 16),
        Level(2, 80, 3, 4, 16),
        Level(2, 104, 3, 4, 16),
        Level(4, 128, 2, 2, 16),
    ),
    bottleneck=2,
    convolutions=1,
    noise_width=24,
)

#: The same number of parameters laid out as in our own sizes: pixels folded first.
FOLDED = replace(
    LIKE_PEER,
    patch=2,
    levels=(
        Level(1, 40, 1, 1, 0),
        Level(2, 80, 2, 2, 8),
        Level(2, 136, 3, 3, 16),
        Level(2, 156, 3, 3, 16),
    ),
    effects=True,
    linear_path=True,
    transport="transported",
)


def median_ms(job: Callable[[], object], repeats: int) -> float:
    """Return the median time of some repeats after two that do not count, in ms."""
    seconds = []
    for number in range(repeats + 2):
        before = time.perf_counter()
        job()
        if number >= 2:
            seconds.append(time.perf_counter() - before)
    return 1000 * float(np.median(seconds))


def measure(config: DeepConfig, repeats: int) -> dict[str, float]:
    """Return parameters in millions, and ms of a forward pass, a step and a counterfactual."""
    torch.manual_seed(0)
    model = DeepHVAE(config)
    rng = torch.Generator().manual_seed(0)
    images, known = torch.rand(BATCH, SIDE, SIDE), torch.randn(BATCH, PARENTS)
    loss = image_model_loss(HVAETraining(fit=FitSettings(max_steps=1), counterfactual=0.0), None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss(model, (images, known, torch.tensor(1.0)), rng).backward()
        optimizer.step()

    def forward() -> None:
        with torch.no_grad():
            model.infer(model.look(images), known, rng=rng)

    found = {"parameters": sum(p.numel() for p in model.parameters()) / 1e6}
    found |= {"forward": median_ms(forward, repeats), "step": median_ms(step, repeats)}
    mechanism = ImageMechanism(model, ("a", "b", "c"))
    parents = known.exp().double().numpy()

    def counterfactual() -> None:
        mechanism.generate(images.numpy(), parents, parents[None, ::-1], generator=rng)

    return found | {"counterfactual": median_ms(counterfactual, repeats)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, {BATCH} images of {SIDE} x {SIDE}")
    for name, config in (("like the peer", LIKE_PEER), ("folded (ours)", FOLDED)):
        found = measure(config, options.repeats)
        step, made = found["step"], found["counterfactual"]
        print(
            f"{name}: {found['parameters']:.2f} M parameters; forward {found['forward']:.0f} ms; "
            f"step {step:.0f} ms ({step / PEER_STEP:.2f} of the peer's); counterfactual "
            f"{made:.0f} ms ({made / PEER_COUNTERFACTUAL:.2f}), "
            f"{made / found['forward']:.2f} forward passes"
        )


if __name__ == "__main__":
    main()
