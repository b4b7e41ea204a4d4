"""The page of one person's counterfactual: the scan, the drawing, what was set and what follows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spinecast.report import Section, render_page
from spinecast.report.digits import MISSING, write_number
from spinecast.report.figures.strips import Panel, draw_panels, strip_caption
from spinecast.report.parts import Figure, Table
from spinecast.report.tables import frame_table
from spinecast.report.templating import render
from spinecast.stages.person_answer import PersonAnswer


def counterfactual_page(answer: PersonAnswer, *, asked: str, particles: int) -> str:
    """Return one self-contained HTML page.

    Parameters
    ----------
    answer
        Of one person.
    asked
        The intervention in words, ``age = 75``.
    particles
        Draws behind the mean and the spread.
    """
    sections = [
        Section(
            title="Answer",
            anchor="answer",
            markup=render("list.html.j2", text="", items=answer.sentences()),
        ),
        Section(
            title=f"do({asked})",
            anchor="images",
            figures=(_figure(answer, asked=asked, particles=particles),),
            note="What this person's scan would have shown, were the causal graph right. Nobody's "
            "future, and no measurement.",
        ),
        Section(
            title="Variables",
            anchor="variables",
            markup="“Set” by the intervention, “follows” from it by the causal model, or “stays” "
            "to the last digit. Read off: by a predictor that the drawings were not made with.",
            tables=(_table(answer.variables),),
            note="Numbers that follow have one answer each, as the person's own noise is kept; the "
            "draws are of what the scan leaves open. That the graph may be wrong is in neither.",
        ),
    ]
    meta = {"facts": {"study": "counterfactual-dxa", "use": "research only, not a medical device"}}
    return render_page(answer.label, sections, simulated=answer.simulated, meta=meta)


def _figure(answer: PersonAnswer, *, asked: str, particles: int) -> Figure:
    panels = [
        Panel("the scan", answer.before),
        Panel(
            f"do({asked})",
            answer.after,
            generated=True,
            difference=answer.after - answer.before,
            spread=answer.spread,
        ),
    ]
    content, limit = draw_panels(
        panels, title=answer.label, against="scan", simulated=answer.simulated
    )
    return Figure(
        content,
        alt=f"Scan of {answer.label} and the drawing of it under do({asked}); beneath it the "
        "difference and the standard deviation over draws.",
        caption=f"{strip_caption(limit, 'the scan')} Last row: standard deviation over "
        f"{particles} draws.",
    )


def _table(variables: pd.DataFrame) -> Table:
    rows = [
        {
            "variable": str(row["variable"]).replace("_", " "),
            "unit": row["unit"] or MISSING,
            "before": _cell(row["before"]),
            "after": _cell(row["after"]),
            "how": row["how"],
            "range in training": _range(row["training_low"], row["training_high"]),
            "outside": "OUTSIDE" if row["outside"] else "",
            "read off the scan": _cell(row["read_before"]),
            "read off the drawing": _cell(row["read_after"]),
        }
        for row in variables.to_dict("records")
    ]
    marks = ["bad" if outside else "" for outside in variables["outside"]]
    return frame_table(pd.DataFrame(rows), marks=marks)


def _cell(value: object) -> str:
    if isinstance(value, float | int | np.number):
        return write_number(float(value))
    return str(value)


def _range(low: float, high: float) -> str:
    return f"{write_number(low)} to {write_number(high)}" if np.isfinite(low) else MISSING
