"""The two-level image model, and what both image models share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.boxes import Drawn, draw_people
from tests.models.fitted_boxes import (
    DEEP,
    FIT,
    ROWS,
    TRAINING,
    TWO_LEVEL,
    fitted,
    new_model,
    people,
)
from torch.nn import functional as F

from spinecast.errors import CohortError, ModelError
from spinecast.images.fidelity import middle_columns
from spinecast.models import hvae_training
from spinecast.models.fit_settings import FitSettings
from spinecast.models.hvae import DEMO, PAPER, TwoLevelHVAE
from spinecast.models.hvae_layers import (
    ParentScale,
    Pixels,
    abduct_noise,
    apply_noise,
    carry,
    gaussian_kl,
    negative_log_likelihood,
    without_grain,
)
from spinecast.models.hvae_training import (
    PAPER as PAPER_TRAINING,
)
from spinecast.models.hvae_training import (
    HVAETraining,
    dependence,
    fit_image_model,
    image_model_loss,
    laplacian,
)
from spinecast.models.image_model import repeat_rows
from spinecast.models.parent_effects import ParentEffects, displace, displace_exactly


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_published_sizes_give_images_of_the_published_shape():
    model = TwoLevelHVAE(PAPER).eval()
    with torch.no_grad():
        found = model.infer(
            model.look(torch.rand(1, 192, 192, generator=rng())), torch.zeros(1, 3), rng=rng()
        )
    assert [tuple(z.shape) for z in found.latents] == [(1, 50), (1, 100)]
    assert found.pixels.mean.shape == (1, 192, 192)
    assert model.decoder.start == (128, 12, 12)
    assert float(model.log_scale.detach()) == -5
    assert PAPER_TRAINING.particles == 2
    assert PAPER_TRAINING.kl_warmup * PAPER_TRAINING.fit.max_epochs == 900


def test_the_demo_is_small_enough_to_train_on_two_cores():
    from torch.utils.flop_counter import FlopCounterMode

    model = TwoLevelHVAE(DEMO).eval()
    with FlopCounterMode(display=False) as counter:
        model.infer(model.look(torch.rand(1, 192, 192)), torch.zeros(1, 3), rng=rng())
    assert counter.get_total_flops() < 0.6e9


def test_images_that_cannot_be_halved_so_often_are_refused():
    with pytest.raises(ModelError, match="SC-407"):
        TwoLevelHVAE(replace(PAPER, image_shape=(100, 192)))
    with pytest.raises(ModelError, match="SC-404"):
        new_model(TWO_LEVEL).look(torch.zeros(1, 32, 64))


def test_parents_are_standardised_as_logarithms():
    scale = ParentScale((True, False))
    values = torch.tensor([[30.0, 50.0], [40.0, 60.0], [50.0, 75.0]], dtype=torch.float64)
    scale.measure(values)
    found = scale(values)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.std(dim=0), torch.ones(2), atol=1e-5, rtol=0)
    # equal ratios are equal steps
    steps = scale(torch.tensor([[10.0, 0.0], [20.0, 0.0], [40.0, 0.0]]))[:, 0].diff()
    assert float(steps[0]) == pytest.approx(float(steps[1]), rel=1e-5)


@pytest.mark.parametrize("bad", [[-1.0, 5.0], [0.0, 5.0], [float("nan"), 5.0], [3.0]])
def test_parents_that_have_no_logarithm_are_refused(bad):
    with pytest.raises(CohortError, match="SC-305"):
        ParentScale((True, False))(torch.tensor([bad]))


def test_a_displacement_looks_pixels_up_where_it_says():
    ramp = torch.arange(8.0).repeat(1, 8, 1)
    field = torch.zeros(1, 2, 8, 8)
    field[:, 1] = 1.5
    torch.testing.assert_close(displace(ramp, field)[0, 3, :5], torch.arange(5.0) + 1.5)
    field[:, 1], field[:, 0] = 0, -2
    torch.testing.assert_close(displace(ramp.mT, field)[0, 2:, 3], torch.arange(6.0))


def test_no_displacement_is_the_same_image_bit_for_bit():
    images = torch.rand(2, 17, 23, generator=rng())
    assert torch.equal(displace_exactly(images, torch.zeros(2, 2, 17, 23)), images)
    pixels = Pixels(images, torch.tensor(0.0), torch.rand(2, 2, 17, 23), torch.rand(2, 17, 23))
    assert torch.equal(carry(images, pixels, pixels), images)


def test_effects_are_read_off_the_image_and_its_mirror_and_learnt_from_either():
    effects = ParentEffects(3, image_shape=(48, 64)).eval()
    torch.nn.init.normal_(effects.coefficients.weight, generator=rng())
    images, parents = torch.randn(4, 48, 64, generator=rng()), torch.ones(4, 3)
    read = effects.read(images)
    field, gain = effects(read, parents)
    mirrored_field, mirrored_gain = effects(effects.read(images.flip(2)), parents)
    torch.testing.assert_close(mirrored_field[:, 0].flip(2), field[:, 0])
    torch.testing.assert_close(-mirrored_field[:, 1].flip(2), field[:, 1])
    torch.testing.assert_close(mirrored_gain.flip(2), gain)
    once = effects.train().read(images.repeat_interleave(2, dim=0))
    torch.testing.assert_close((once[::2] + once[1::2]) / 2, read)
    assert (once[::2] - once[1::2]).abs().amax() > 1e-3


def test_average_parents_have_no_effects_whatever_was_learnt():
    effects = ParentEffects(3, image_shape=(48, 36))
    torch.nn.init.normal_(effects.coefficients.weight, generator=rng())
    maps = effects.read(torch.randn(2, 48, 36, generator=rng()))
    assert maps.shape == (2, 3, 3, 12, 9)
    field, gain = (part.detach() for part in effects(maps, torch.zeros(2, 3)))
    assert float(field.abs().max()) == float(gain.abs().max()) == 0
    twice, _ = effects(maps, torch.full((2, 3), 2.0))
    once, _ = effects(maps, torch.ones(2, 3))
    torch.testing.assert_close(twice, 2 * once)
    assert float(once.detach().abs().max()) > 0


def test_likelihood_and_divergence_are_those_of_torch():
    from torch.distributions import Laplace, Normal, kl_divergence

    images, mean = torch.rand(3, 8, 8, generator=rng()), torch.rand(3, 8, 8, generator=rng(1))
    log_scale = torch.full((3, 8, 8), -1.5)
    pixels = Pixels(mean, log_scale)
    for name, family in (("laplace", Laplace), ("gaussian", Normal)):
        expected = -family(mean, log_scale.exp()).log_prob(images).sum(dim=(1, 2))
        found = negative_log_likelihood(images, pixels, likelihood=name)
        torch.testing.assert_close(found, expected)
    a, b, c, d = (torch.randn(3, 5, generator=rng(s)) for s in range(4))
    expected = kl_divergence(Normal(a, b.exp()), Normal(c, d.exp())).sum(dim=1)
    torch.testing.assert_close(gaussian_kl((a, b), (c, d)), expected)


def test_noise_put_back_gives_the_image_and_follows_the_anatomy_where_asked():
    images, mean = torch.rand(2, 16, 16, generator=rng()), torch.rand(2, 16, 16, generator=rng(1))
    still = Pixels(mean, torch.tensor(-2.0), torch.zeros(2, 2, 16, 16), torch.zeros(2, 16, 16))
    noise = abduct_noise(images, still)
    torch.testing.assert_close(apply_noise(noise, still), images, atol=1e-6, rtol=0)
    torch.testing.assert_close(apply_noise(noise, still, before=still), images, atol=1e-6, rtol=0)
    wave = torch.sin(torch.arange(16.0) * 0.25).repeat(2, 16, 1)
    field = torch.zeros(2, 2, 16, 16)
    field[:, 1] = 2
    moved = Pixels(torch.zeros(2, 16, 16), torch.tensor(0.0), field, torch.zeros(2, 16, 16))
    before = Pixels(torch.zeros(2, 16, 16), torch.tensor(0.0), field * 0, torch.zeros(2, 16, 16))
    found = apply_noise(wave, moved, before=before)
    torch.testing.assert_close(found[:, :, 3:11], wave[:, :, 5:13], atol=0.05, rtol=0)


def test_a_share_of_what_the_network_redraws_is_taken_over():
    images, mean = torch.rand(2, 16, 16, generator=rng()), torch.rand(2, 16, 16, generator=rng(1))
    field, gain = torch.zeros(2, 2, 16, 16), torch.zeros(2, 16, 16)
    before = Pixels(mean, torch.tensor(-2.0), field, gain)
    after = Pixels(mean + 0.2, torch.tensor(-2.0), field, gain + 0.1)
    noise = abduct_noise(images, before)
    found = [apply_noise(noise, after, before=before, redraw=share) for share in (0.0, 0.5, 1.0)]
    torch.testing.assert_close(found[1], (found[0] + found[2]) / 2)
    torch.testing.assert_close(found[2] - found[0], after.mean - mean * np.exp(0.1))


def test_grain_stays_and_edges_do_not():
    step = torch.zeros(1, 40, 40)
    step[:, :, 20:] = 1.0
    grain = 0.02 * torch.randn(1, 40, 40, generator=rng())
    found = without_grain(step + grain)
    # beside the edge it is still an edge; away from it the grain is mostly gone
    assert float((found - step)[:, :, 19:21].abs().mean()) < 0.05
    assert float((found - step)[:, 5:35, 5:15].std()) < 0.5 * float(grain.std())


def test_the_middle_of_the_columns_is_the_region_of_interest():
    assert middle_columns(192, 0.4) == slice(57, 134)
    assert middle_columns(10, 1.0) == slice(0, 10)
    plane = torch.arange(6.0)[:, None] + 2 * torch.arange(6.0)
    assert float(laplacian(plane[None]).abs().max()) == 0


def test_dependence_tells_latents_that_carry_parents_from_those_that_do_not():
    parents = torch.randn(400, 2, generator=rng())
    free = torch.randn(400, 6, generator=rng(1))
    carried = torch.cat([parents, parents], dim=1)
    assert float(dependence((free,), parents)) < 0.02
    assert float(dependence((carried,), parents)) > 0.8


def test_particles_are_repeated_rows():
    (found,) = repeat_rows([torch.tensor([1, 2])], 2)
    assert found.tolist() == [1, 1, 2, 2]


def test_several_particles_and_the_warm_up_enter_the_loss():
    model = new_model(TWO_LEVEL)
    _boxes, drawn = people()
    batch = torch.from_numpy(drawn.read(ROWS[:8])), torch.randn(8, 3, generator=rng())
    plain = HVAETraining(fit=FIT, counterfactual=0.0)
    late = image_model_loss(plain, None)(model, (*batch, torch.tensor(1.0)), rng())
    early = image_model_loss(plain, None)(model, (*batch, torch.tensor(0.0)), rng())
    assert float(late.detach()) > float(early.detach())
    two = image_model_loss(replace(plain, particles=2), None)
    assert float(two(model, (*batch, torch.tensor(1.0)), rng()).detach()) != float(late.detach())


def test_a_counterfactual_term_needs_a_reader():
    boxes, drawn = people()
    with pytest.raises(ModelError, match="SC-407"):
        fit_image_model(new_model(TWO_LEVEL), drawn, ROWS, parents=boxes.parents, training=TRAINING)


def test_fitting_lowers_the_loss_and_uses_the_latents():
    model, result = fitted(TWO_LEVEL)
    assert result.history["validation"].iloc[-1] < result.history["validation"].iloc[0] - 0.05
    boxes, drawn = people()
    images = torch.from_numpy(drawn.read(ROWS[:64]))
    with torch.no_grad():
        known = model.scale(torch.from_numpy(boxes.parents[:64]))
        found = model.infer(model.look(images), known, rng=None)
    plain = F.mse_loss(model.mean_image.expand_as(images), images)
    assert float(F.mse_loss(found.pixels.mean, images)) < 0.75 * float(plain)
    assert float(found.kl.mean()) > 2


class PulledPlugError(Exception):
    pass


@pytest.mark.parametrize("config", [TWO_LEVEL, DEEP], ids=["two-level", "deep"])
def test_a_training_cut_short_goes_on_to_equal_weights(config, tmp_path, monkeypatch):
    boxes = draw_people(32, seed=5)
    short = replace(FIT, max_steps=6, batch_size=8, checkpoint_every_minutes=0.0)
    training = replace(TRAINING, fit=short, counterfactual=0.0)
    calls = []

    def run(folder, dies_at=None):
        def dying(chosen, given, **rest):
            loss = image_model_loss(chosen, given, **rest)

            def one(module, batch, generator):
                calls.append(1)
                if len(calls) == dies_at:
                    raise PulledPlugError
                return loss(module, batch, generator)

            return one

        calls.clear()
        monkeypatch.setattr(hvae_training, "image_model_loss", dying)
        return fit_image_model(
            new_model(config), Drawn(boxes), np.arange(32), parents=boxes.parents,
            training=training, folder=tmp_path / folder,
        ).state  # fmt: skip

    with pytest.raises(PulledPlugError):
        run("cut", dies_at=4)
    resumed = run("cut")
    assert len(calls) == 3
    whole = run("whole")
    assert len(calls) == 6
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_toy_people_are_a_pure_function_of_parents_and_dice():
    boxes = draw_people(3, seed=4)
    np.testing.assert_array_equal(boxes.images, boxes.under(boxes.parents))
    wider = boxes.parents * np.array([1.2, 1, 1])
    assert (boxes.under(wider).mean(axis=(1, 2)) > boxes.images.mean(axis=(1, 2))).all()


def test_paper_training_settings_are_valid():
    assert isinstance(PAPER_TRAINING.fit, FitSettings)
