"""One scorer fitted once for all tests that only look at it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def fracture_scorer():
    from pictures import CONFIG, SETTINGS, columns_of_blocks

    from spinecast.scores.fitting import ScorerRows, fit_scorer
    from spinecast.scores.predict import VERTEBRAL_FRACTURE

    images, label, _ = columns_of_blocks(320, seed=1)
    return fit_scorer(
        images,
        label,
        task=VERTEBRAL_FRACTURE,
        config=CONFIG,
        settings=SETTINGS,
        rows=ScorerRows(np.arange(240), np.arange(240, 320)),
    )
