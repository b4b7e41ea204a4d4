"""Forty futures of one patient: shared work against both networks in full for every draw.

Bound: the prompt network's pure forward pass, once a future and step. Ratios are medians of
alternating runs; run with `make bench`.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from spinecast.counterfactuals import SamplingSettings, generate_follow_up, generate_unshared
from spinecast.models.latent_diffusion import DEMO, build_pair
from spinecast.models.prompts import Attributes

HORIZONS, DRAWS, STEPS, ROUNDS = (1.0, 5.0, 10.0, 3.5), 10, 3, 5


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    pair = build_pair(DEMO, seed=0)
    image = np.random.default_rng(0).random((1, *DEMO.autoencoder.image_shape), dtype=np.float32)
    futures = len(HORIZONS) * DRAWS
    given = {
        "horizons": np.array([HORIZONS]),
        "draws": DRAWS,
        "settings": SamplingSettings(steps=STEPS),
    }
    people = [Attributes(age=71, sex="F")]
    latents = torch.randn(futures, *DEMO.autoencoder.latent_shape)
    context = pair.prompt.context(["An image of 72 years old female, 1 years later"] * futures)

    @torch.no_grad()
    def bound() -> None:
        for _ in range(STEPS):
            pair.prompt.unet(latents, torch.tensor(500), encoder_hidden_states=context)

    works = {
        "shared": lambda: generate_follow_up(pair, image, people, **given),
        "unshared": lambda: generate_unshared(pair, image, people, **given),
        "bound": bound,
    }
    taken = {name: [] for name in works}
    for number in range(ROUNDS + 1):
        for name, work in works.items():
            spent = seconds(work)
            if number:  # the first round warms up
                taken[name].append(spent)
    median = {name: float(np.median(values)) for name, values in taken.items()}
    ratio = np.median(np.array(taken["unshared"]) / np.array(taken["shared"]))
    print(f"{futures} futures of one film, {STEPS} steps, {torch.get_num_threads()} threads")
    for name, value in median.items():
        print(f"{name:10s} {value:7.3f} s")
    print(f"unshared / shared                    {ratio:5.2f}")
    print(f"shared / pure forward passes         {median['shared'] / median['bound']:5.2f}")


if __name__ == "__main__":
    main()
