from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg, optimize

from spinecast.errors import SpinecastError
from spinecast.genetics.conjugate_gradients import lanczos_spectra, solve_systems
from spinecast.genetics.reml import SampledLog, Spectrum, fit_h2


def relationship(n, m, seed, structured=True):
    z = np.random.default_rng(seed).standard_normal((n, m))
    if structured:
        z[:, : m // 3] += 2.0 * z[:, [0]]  # a direction that many variants share
    return z @ z.T / m


def exact_spectrum(k, columns):
    values, vectors = linalg.eigh(k)
    shares = (vectors.T @ columns).T ** 2
    return Spectrum(values[None], shares / shares.sum(axis=1, keepdims=True))


def test_every_column_is_solved_at_its_own_h2():
    k = relationship(90, 150, 1)
    rng = np.random.default_rng(2)
    right, h2 = rng.standard_normal((90, 5)), np.array([0.0, 0.2, 0.5, 0.8, 0.99])
    found = solve_systems(lambda v, _: k @ v, right, h2, tolerance=1e-10)
    for column, share in enumerate(h2):
        matrix = share * k + (1 - share) * np.eye(90)
        np.testing.assert_allclose(found[:, column], linalg.solve(matrix, right[:, column]), 1e-7)


def test_a_column_that_is_done_is_not_multiplied_again():
    k, asked = relationship(60, 90, 3), []

    def times(vectors, places):
        asked.append(places.copy())
        return k @ vectors

    right = np.random.default_rng(4).standard_normal((60, 3))
    right[:, 1] = 0.0
    found = solve_systems(times, right, np.array([0.0, 0.5, 0.9]), tolerance=1e-8)
    assert not found[:, 1].any()
    assert [1 in places for places in asked] == [False] * len(asked)
    assert sum(0 in places for places in asked) == 1  # h2 = 0 is the identity: one step
    assert sum(2 in places for places in asked) > 5


def test_easing_the_largest_eigenvectors_saves_steps_and_changes_no_solution():
    k = relationship(150, 300, 12)
    values, vectors = linalg.eigh(k)
    largest, h2 = vectors[:, -2:], np.array([0.3, 0.6])
    strengths = np.outer(values[-2:], h2) + 1 - h2
    asked = {True: 0, False: 0}

    def times(vectors, _):
        asked[eased] += 1
        return k @ vectors

    def ease(columns, places):
        return columns + largest @ ((1 / strengths[:, places] - 1) * (largest.T @ columns))

    right = np.random.default_rng(13).standard_normal((150, 2))
    found = {}
    for eased, settings in ((True, {"ease": ease}), (False, {})):
        found[eased] = solve_systems(times, right, h2, tolerance=1e-8, **settings)
    np.testing.assert_allclose(found[True], found[False], atol=1e-7)
    assert asked[True] < asked[False] - 2


def test_steps_that_run_out_are_an_error_with_the_residual():
    k = relationship(80, 90, 5)
    with pytest.raises(SpinecastError, match="SC-543"):
        solve_systems(lambda v, _: k @ v, np.ones((80, 1)), np.array([0.95]), most_steps=2)


@pytest.mark.parametrize("h2", [0.1, 0.5, 0.8])
def test_lanczos_steps_give_the_quadratic_form_and_the_logarithm_of_every_h2(h2):
    k = relationship(150, 300, 6)
    start = np.random.default_rng(7).standard_normal((150, 4))
    found = lanczos_spectra(lambda v, _: k @ v, start, tolerance=1e-9)
    exact = exact_spectrum(k, start)
    assert found.nodes.shape[1] < 100
    np.testing.assert_allclose(found.inverse_forms(h2), exact.inverse_forms(h2), rtol=1e-5)
    assert found.mean_log(h2) == pytest.approx(exact.mean_log(h2), rel=1e-5)


def test_a_column_whose_space_is_used_up_ends_without_harm():
    values, vectors = linalg.eigh(relationship(40, 60, 8))
    k = vectors @ np.diag(values) @ vectors.T
    start = np.column_stack([vectors[:, 3], vectors @ np.ones(40)])
    found = lanczos_spectra(lambda v, _: k @ v, start)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1.0)
    assert found.inverse_forms(0.5)[0] == pytest.approx(1 / (0.5 * values[3] + 0.5), rel=1e-8)


@pytest.mark.parametrize("structured", [False, True])
def test_what_is_known_takes_most_of_the_noise_out_of_the_sampled_determinant(structured):
    k, h2 = relationship(150, 450, 9, structured=structured), 0.5
    values, vectors = linalg.eigh(k)
    largest = vectors[:, -3:]
    truth = float(np.log(h2 * values + 1 - h2).mean())
    plain, steadied = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        probes, more = rng.standard_normal((150, 12)), rng.standard_normal((150, 96))
        rest, more = (one - largest @ (largest.T @ one) for one in (probes[:, 3:], more))
        more /= np.sqrt((more**2).sum(axis=0))
        known = SampledLog(
            values[-3:],
            exact_spectrum(k, rest),
            moments=np.stack(
                [(more * (k @ more)).sum(axis=0), ((k @ more) ** 2).sum(axis=0)], axis=1
            ),
            dimension=150,
            trace=float(np.trace(k)),
        )
        plain.append(exact_spectrum(k, probes).mean_log(h2) - truth)
        steadied.append(known(h2) - truth)
    assert np.std(steadied) < 0.3 * np.std(plain)
    assert abs(np.mean(steadied)) < 0.5 * np.std(steadied)


def test_h2_maximises_the_restricted_likelihood_written_out():
    k = relationship(70, 100, 10)
    rng = np.random.default_rng(11)
    design = np.column_stack([np.ones(70), rng.standard_normal((70, 2))])
    y = linalg.cholesky(0.6 * k + 0.4 * np.eye(70), lower=True) @ rng.standard_normal(70)

    def deviance(h2):
        v = h2 * k + (1 - h2) * np.eye(70)
        vx = linalg.solve(v, design)
        rest = linalg.solve(v, y) - vx @ linalg.solve(design.T @ vx, vx.T @ y)
        logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(design.T @ vx)[1]
        return 67 * np.log(y @ rest) + logs

    best = optimize.minimize_scalar(deviance, bounds=(0, 0.99), method="bounded")
    complement = linalg.null_space(design.T)
    inner = complement.T @ k @ complement
    spectrum = exact_spectrum(inner, complement.T @ y[:, None])
    logs = Spectrum(spectrum.nodes, np.full((1, 67), 1 / 67))
    found = fit_h2(spectrum, logs.mean_log, degrees=67)
    assert found.h2 == pytest.approx(best.x, abs=1e-4)
    step = 0.01
    curvature = (deviance(best.x + step) - 2 * deviance(best.x) + deviance(best.x - step)) / step**2
    assert found.standard_error == pytest.approx(np.sqrt(2 / curvature), rel=0.02)


def test_a_trait_without_genetics_has_no_h2_and_no_standard_error_at_the_border():
    spectrum = Spectrum(np.linspace(0.2, 3.0, 50)[None], np.linspace(3.0, 0.2, 50)[None] / 80)
    logs = Spectrum(spectrum.nodes, np.full((1, 50), 0.02))
    found = fit_h2(spectrum, logs.mean_log, degrees=50)
    assert found.h2 == 0.0
    assert np.isnan(found.standard_error)
