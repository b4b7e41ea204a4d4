"""The deep image model and the reader that its counterfactuals are trained with."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tests.models.fitted_boxes import (
    DEEP,
    SHAPE,
    TWO_LEVEL,
    VALIDATION,
    fitted,
    new_model,
    people,
    reader,
    strangers,
)

from spinecast.errors import ModelError
from spinecast.models.deep_hvae import DEMO, PAPER, DeepHVAE
from spinecast.models.hvae_layers import FilmBlock
from spinecast.models.hvae_training import PAPER_DEEP
from spinecast.models.parent_reader import ParentReader, ReaderConfig


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_published_family_runs_at_its_size_without_being_built():
    with torch.device("meta"):
        model = DeepHVAE(PAPER)
        found = model.infer(model.look(torch.empty(2, 192, 192)), torch.empty(2, 3), rng=None)
    assert found.pixels.mean.shape == found.pixels.log_scale.shape == (2, 192, 192)
    sides = [z.shape[2] for z in found.latents]
    assert [sides.count(side) for side in (1, 6, 12, 24, 48, 96, 192)] == [2, 4, 8, 12, 8, 4, 0]
    assert all(a <= b for a, b in pairwise(sides))
    assert {z.shape[1] for z in found.latents} == {16}
    assert (PAPER_DEEP.kl_end, PAPER_DEEP.fit.skip_norm) == (5.0, 500.0)


def test_the_demo_is_small_enough_to_train_on_two_cores():
    from torch.utils.flop_counter import FlopCounterMode

    model = DeepHVAE(DEMO).eval()
    with FlopCounterMode(display=False) as counter:
        model.infer(model.look(torch.rand(1, 192, 192)), torch.zeros(1, 3), rng=rng())
    assert counter.get_total_flops() < 0.6e9


def test_sides_that_the_levels_do_not_divide_are_refused():
    with pytest.raises(ModelError, match="SC-407"):
        DeepHVAE(replace(DEMO, image_shape=(192, 200)))


def test_the_start_draws_the_cosine_code_of_the_image():
    model = new_model(DEEP).eval()
    images = torch.from_numpy(strangers().images[:4])
    with torch.no_grad():
        model.mean_image.copy_(images.mean(dim=0))
        found = model.infer(model.look(images), torch.zeros(4, 3), rng=None)
    rest = (images - images.mean(dim=0)).square().mean()
    assert float((found.pixels.mean - images).square().mean()) < 0.6 * float(rest)


def test_parents_matter_at_every_resolution():
    model, _ = fitted(DEEP)
    images = torch.from_numpy(strangers().images[:4])
    known = model.scale(torch.from_numpy(strangers().parents[:4]))
    with torch.no_grad():
        seen = model.look(images)
        before = model.infer(seen, known, rng=None)
    for number, level in enumerate(model.levels):
        deaf = copy.deepcopy(model)
        for block in deaf.levels[number].blocks:
            for film in (one for one in block.modules() if isinstance(one, FilmBlock)):
                if film.film is not None:
                    film.film.weight.data.zero_()
                    film.film.bias.data.zero_()
        with torch.no_grad():
            changed = deaf.infer(seen, known, rng=None)
            drawn = deaf.decode(before.latents, known, maps=before.maps).mean - before.pixels.mean
        assert float(drawn.abs().max()) > 1e-4
        if any(level.stochastic()):
            gaps = [a - b for a, b in zip(changed.means, before.means, strict=True)]
            assert max(float(gap.abs().max()) for gap in gaps) > 1e-4


def test_the_prior_knows_no_parents_and_the_posterior_does():
    model, _ = fitted(DEEP)
    first, second = (model.draw_prior(2, rng(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    images = torch.from_numpy(strangers().images[:2])
    with torch.no_grad():
        shapes = [z.shape for z in first]
        seen = model.look(images)
        a = model.infer(seen, torch.zeros(2, 3), rng=None)
        b = model.infer(seen, torch.ones(2, 3), rng=None)
    assert [z.shape for z in a.latents] == shapes
    assert any(not torch.equal(x, y) for x, y in zip(a.means, b.means, strict=True))


@pytest.mark.parametrize("config", [TWO_LEVEL, DEEP], ids=["two-level", "deep"])
def test_images_drawn_from_the_prior_show_the_parents_that_were_asked_for(config):
    model, _ = fitted(config)
    known = torch.tensor([[0.0, 0.0, -1.5], [0.0, 0.0, 1.5]]).repeat_interleave(8, dim=0)
    with torch.no_grad():
        drawn = model.decode(model.draw_prior(16, rng()), known).mean
    dim, bright = drawn[:8].mean(), drawn[8:].mean()
    assert float(bright / dim) > 1.15


def test_decoding_inferred_latents_is_what_inference_decoded():
    model, _ = fitted(DEEP)
    images = torch.from_numpy(strangers().images[:3])
    known = model.scale(torch.from_numpy(strangers().parents[:3]))
    with torch.no_grad():
        found = model.infer(model.look(images), known, rng=rng())
        again = model.decode(found.latents, known, maps=found.maps)
    assert torch.equal(found.pixels.mean, again.mean)
    assert torch.equal(found.pixels.log_scale, again.log_scale)


def test_fitting_lowers_the_evidence_bound():
    _, result = fitted(DEEP)
    history = result.history["validation"]
    assert history.iloc[-1] < history.iloc[0] - 0.05
    assert result.skipped == 0


def test_a_reader_reads_strangers_and_knows_how_well():
    found = reader()
    boxes = strangers()
    with torch.no_grad():
        error = found(torch.from_numpy(boxes.images)) - found.scale(torch.from_numpy(boxes.parents))
    assert float(error.abs().mean()) < 0.25
    spread = error.std(dim=0)
    assert torch.all((found.spread / spread - 1).abs() < 0.6)
    torch.testing.assert_close(found.slopes, torch.eye(3), atol=0.2, rtol=0)


def test_slopes_of_collinear_parents_stay_finite_and_predict_together():
    torch.manual_seed(0)
    small = ParentReader(ReaderConfig(SHAPE, (False, False, False), patch=2, widths=(4, 4)))
    _boxes, drawn = people()
    values = torch.randn(len(VALIDATION), 3, generator=rng(), dtype=torch.float64)
    values[:, 2] = values[:, 0] + values[:, 1] + 0.01 * values[:, 2]
    small.eval().calibrate(torch.from_numpy(drawn.read(VALIDATION)), values)
    assert float(small.slopes.abs().max()) < 1
