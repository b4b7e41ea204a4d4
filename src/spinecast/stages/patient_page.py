"""The page of one patient: futures with difference maps, scores, survival, warnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spinecast.report import Section, render_page
from spinecast.report.figures.strips import draw_draws, draw_strip
from spinecast.report.figures.survival import draw_survival
from spinecast.report.goods import CurveData, DrawsData, StripData
from spinecast.stages.risk_reference import PlacedPatient


def patient_page(
    sentences: Sequence[str],
    baseline: np.ndarray,
    futures: np.ndarray,
    *,
    copy: np.ndarray,
    survival: PlacedPatient | None,
    horizons: Sequence[float] = (1.0, 5.0, 10.0),
) -> str:
    """Return one self-contained HTML page.

    Parameters
    ----------
    sentences
        Results and warnings in plain words; escaped on the page.
    baseline, copy
        The film and the networks' copy of it, (rows, columns) in [0, 1].
    futures
        (horizons, draws, rows, columns).
    survival
        Of the patient, by the reference model; None leaves the curve out.
    """
    strip = StripData(
        label="this patient",
        baseline=baseline,
        reconstruction=copy,
        horizons=tuple(horizons),
        generated=tuple(drawn[0] for drawn in futures),
    )
    last = DrawsData(label="this patient", horizon=horizons[-1], draws=futures[-1])
    sections = [
        Section(title="Result", anchor="result", markup=" ".join(f"{s}." for s in sentences)),
        Section(
            title="Drawn futures",
            anchor="futures",
            figures=(draw_strip(strip, simulated=False), draw_draws(last, simulated=False)),
            note="A drawn future is a sample of what the training films make likely. "
            "It foretells nobody's fracture.",
        ),
    ]
    if survival is not None:
        curve = CurveData(label="this patient", x=survival.times, y=survival.survival)
        sections.append(
            Section(
                title="Survival free of fracture",
                anchor="survival",
                figures=(draw_survival([curve], ylabel="free of fracture", simulated=False),),
                note="By a Cox model of people whom the weights' networks had not seen, in a world "
                f"without death from other causes; it used {', '.join(survival.covariates)}.",
            )
        )
    meta = {"study": "followup-xray", "use": "research only, not a medical device"}
    return render_page("One patient", sections, simulated=False, meta=meta)
