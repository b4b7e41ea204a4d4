"""Networks run where they run fastest, and say the same there."""

import threading
import time

import numpy as np
import pytest
import torch

from spinecast.counterfactuals import SamplingSettings, generate_follow_up
from spinecast.models import backbones
from spinecast.models.device import best_device, taking_turns
from spinecast.models.diffx_config import TINY
from spinecast.models.latent_diffusion import build_pair
from spinecast.models.pair_alignment import align
from spinecast.models.prompts import Attributes
from spinecast.scores.predict import AGE, FittedScorer, load_scorer, save_scorer, score_images


def most_at_once(device: str) -> int:
    """Return how many of four threads were inside together."""
    inside, most = [], []

    def work():
        with taking_turns(torch.device(device)):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(most)


def test_threads_take_turns_on_an_accelerator_and_share_the_processor():
    assert most_at_once("cuda") == 1
    assert most_at_once("cpu") == 4


def test_the_processor_serves_where_there_is_no_accelerator():
    assert best_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def films(n: int) -> np.ndarray:
    return np.random.default_rng(1).random((n, *TINY.autoencoder.image_shape), dtype=np.float32)


@pytest.mark.gpu
def test_drawings_and_scores_of_a_gpu_are_those_of_the_processor(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    pair = build_pair(TINY)
    pair.autoencoder.measure_scale(films(8))
    known = [Attributes(age=70, sex="F")] * 3
    settings = SamplingSettings(steps=2, guidance_scale=2)

    def drawn(device):
        return generate_follow_up(
            pair.to(device), films(3), known, horizons=np.array([1.0, 10]), settings=settings
        ).images

    np.testing.assert_allclose(drawn("cuda"), drawn("cpu"), atol=0.02)

    scorer = FittedScorer(backbones.build_scorer(backbones.TINY).eval(), AGE, backbones.TINY)
    save_scorer(tmp_path, scorer, name="age")
    there, here = (load_scorer(tmp_path, "age", device=place) for place in ("cuda", "cpu"))
    np.testing.assert_allclose(
        score_images(there, films(5)), score_images(here, films(5)), atol=5e-3
    )
    given = torch.from_numpy(films(4))
    torch.testing.assert_close(
        align(given[:2].cuda(), given[2:].cuda()).cpu(),
        align(given[:2], given[2:]),
        atol=0.05,
        rtol=0,
    )
