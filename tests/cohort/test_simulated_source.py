"""The simulated source keeps the promise of every source, and says that it is simulated."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.cohort import CohortSource, HasTruth, open_cohort
from spinecast.cohort.sources.simulated import bright_bone
from spinecast.errors import SpinecastError
from spinecast.simulation.lateral import RenderedImage


@pytest.fixture(scope="module")
def source():
    return open_cohort("simulated:tiny", seed=3)


@pytest.fixture(scope="module")
def cohort(source):
    return source.load()


def test_it_is_a_source_with_truth(source):
    assert isinstance(source, CohortSource)
    assert isinstance(source, HasTruth)
    assert source.truth().coefficients["bmd"] > 0


def test_it_says_that_it_is_simulated_and_enriched(source, cohort):
    assert source.simulated
    assert cohort.simulated
    assert cohort.name == "simulated:tiny"
    assert any("SIMULATED" in note and "enriched" in note for note in cohort.notes)


def test_nothing_is_refused(cohort):
    assert cohort.quarantine.empty
    assert cohort.skipped.empty
    assert len(cohort.people) == 60


def test_an_image_agrees_with_its_row_of_the_index(source, cohort):
    for row in cohort.images.iloc[:4].itertuples():
        image = source.open_image(row.image_id)
        assert image.pixels.dtype == np.float32
        assert image.view == row.view == "LATERAL"
        assert (image.modality, image.region) == (row.modality, row.region)
        assert image.manufacturer == row.manufacturer
        if image.spacing is None:
            assert np.isnan(row.spacing_row)
        else:
            assert image.spacing == pytest.approx((row.spacing_row, row.spacing_column))


def test_bone_is_bright_whatever_the_maker_stores():
    stored = np.array([[0, 100], [1000, 1023]], np.uint16)
    for flipped in (False, True):
        image = RenderedImage(stored, (1.0, 1.0), flipped, "FUJIFILM Corporation", "TL", 10)
        np.testing.assert_allclose(bright_bone(image), image.brightness() * 1023, atol=1e-3)


@pytest.mark.parametrize("image_id", ["P00000-V0-7", "P99999-V0-0"])
def test_an_unknown_image_is_an_error_with_a_code(source, image_id):
    with pytest.raises(SpinecastError, match=r"SC-110|SC-311"):
        source.open_image(image_id)


@pytest.mark.parametrize("image_id", ["nonsense", "", "P-V0-0", "Pabc"])
def test_a_name_that_is_no_image_is_an_error_with_a_code(source, image_id):
    with pytest.raises(SpinecastError, match=r"SC-110|SC-311"):
        source.open_image(image_id)


def test_an_unknown_preset_is_an_error_with_a_code():
    with pytest.raises(SpinecastError, match="SC-702"):
        open_cohort("simulated:gigantic")
