"""One person's counterfactual, asked of a finished run: images, variables, warnings, a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.counterfactuals import CausalGraph
from spinecast.errors import error
from spinecast.files import write_bytes, write_json, write_table, write_text
from spinecast.report.figures.stamped import difference_png, grey_png
from spinecast.run import RunFolder
from spinecast.stages.arrays import write_pixels
from spinecast.stages.cohort import read_cohort
from spinecast.stages.counterfactual_goods import Folders, Goods, open_goods
from spinecast.stages.counterfactual_page import counterfactual_page
from spinecast.stages.person_answer import PersonAnswer, written

Value = float | str


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    do
        Variable to the value it is set to, in the graph's units and levels.
    person, visit
        Whose scan, and of which visit.
    particles
        Draws of what the scan leaves open.
    seed
        Of the draws.
    """

    do: Mapping[str, Value]
    person: str
    visit: int = 0
    particles: int = 32
    seed: int = 1


def parse_do(words: Sequence[str], graph: CausalGraph) -> dict[str, Value]:
    """Return interventions written ``age=75``.

    Raises
    ------
    RunError
        SC-706 for anything else than NAME=VALUE, or a variable named twice.
    ModelError
        SC-410 for an unknown variable, SC-414 for a number that is none.
    """
    do: dict[str, Value] = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not (name and equals and value) or name in do:
            raise error("SC-706", expected="NAME=VALUE, each name once", got=repr(word),
                        where="--do")  # fmt: skip
        do[name] = value if graph[name].levels else _number(value, name)
    if not do:
        raise error("SC-706", expected="--do NAME=VALUE", got="none", where="--do")
    return do


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise error("SC-414", expected="a number", got=repr(text), where=f"do({name})") from None


def answer_person(
    run: RunFolder,
    out: Path,
    *,
    do: Sequence[str],
    person: str,
    visit: int = 0,
    particles: int = 32,
    seed: int = 1,
) -> PersonAnswer:
    """Answer a question about one person of a finished run and write the answer to ``out``.

    ``do`` holds interventions as of :func:`parse_do`, the rest is as of :class:`Question`.

    ``before.png``, ``after.png``, ``difference.png``, ``spread.npy`` and the images as
    ``.npy`` in full precision; ``variables.csv``, ``answer.json`` and ``index.html``.

    Raises
    ------
    RunError
        SC-703 for a run that is not finished, SC-706 for a person or visit without a scan.
    ModelError
        SC-414 for an impossible value.
    """
    folders = Folders.of(_Finished(run))
    goods = open_goods(folders)
    question = Question(parse_do(do, goods.scm.graph), person, visit, particles, seed)
    trained = run.record["options"].get("networks") != "weights"
    simulated = read_cohort(folders.images).simulated
    answer = ask(goods, question, simulated=simulated, trained=trained)
    _write(out, answer, question)
    return answer


class _Finished(dict[str, Path]):
    """Finished stage folders by name, looked up when asked for."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self._run = run

    def __missing__(self, name: str) -> Path:
        return self._run.stage_path(name)


def ask(goods: Goods, question: Question, *, simulated: bool, trained: bool = True) -> PersonAnswer:
    """Answer a question with what a run fitted; ``trained`` says whether networks too."""
    row = _row_of(goods.index, question)
    answer = goods.answer(
        next(iter(goods.backbones)),
        row,
        [dict(question.do)],
        particles=question.particles,
        seed=question.seed,
    )
    before, after = goods.images(row)[0], answer.images.mean[0, 0]
    table = _variables(goods, row, answer.variables[0], set_by=question.do)
    read = goods.judge.read(np.stack([before, after]))
    for place, column in enumerate(("read_before", "read_after")):
        table[column] = table["variable"].map(
            dict(zip(goods.judge.parents, read[place], strict=True))
        )
    known = row.iloc[0]
    label = f"{question.person}, visit {question.visit}"
    return PersonAnswer(
        label=label,
        before=before,
        after=after,
        spread=answer.images.spread[0, 0],
        variables=table,
        split=str(known["split"]),
        trained=trained,
        simulated=simulated,
    )


def _row_of(index: pd.DataFrame, question: Question) -> pd.DataFrame:
    own = index[index["person_id"].astype(str) == question.person]
    rows = own[own["visit"] == question.visit].head(1)
    if rows.empty:
        visits = ", ".join(str(v) for v in sorted(own["visit"].unique()))
        got = f"{question.person!r}, visit {question.visit}"
        expected = f"a visit with a scan: {visits}" if visits else "a person of the run with a scan"
        raise error("SC-706", expected=expected, got=got, where="--person, --visit")
    return rows.reset_index(drop=True)


def _variables(
    goods: Goods, before: pd.DataFrame, after: pd.DataFrame, *, set_by: Mapping[str, Value]
) -> pd.DataFrame:
    graph, support = goods.scm.graph, goods.scm.support
    follows = graph.descendants(*set_by) - set(set_by)
    rows = []
    for name in graph.order:
        low, high = support.get(name, (np.nan, np.nan))
        value = after[name].iloc[0]
        moved = name in set_by or name in follows
        rows.append(
            {
                "variable": name,
                "unit": graph[name].unit,
                "before": before[name].iloc[0],
                "after": value,
                "how": "set" if name in set_by else "follows" if name in follows else "stays",
                "training_low": low,
                "training_high": high,
                "outside": moved and name in support and not low <= float(value) <= high,
            }
        )
    return pd.DataFrame(rows)


def _write(out: Path, answer: PersonAnswer, question: Question) -> None:
    out.mkdir(parents=True, exist_ok=True)
    difference = answer.after - answer.before
    limit = max(float(np.quantile(np.abs(difference), 0.995)), 0.01)
    known = {"simulated": answer.simulated}
    write_bytes(out / "before.png", grey_png(answer.before, generated=False, **known))
    write_bytes(out / "after.png", grey_png(answer.after, generated=True, **known))
    write_bytes(out / "difference.png", difference_png(difference, limit=limit, **known))
    for name in ("before", "after", "spread"):
        write_pixels(out / f"{name}.npy", getattr(answer, name))
    write_table(out / "variables.csv", answer.variables)
    write_json(
        out / "answer.json",
        {
            "question": asdict(question),
            "split": answer.split,
            "simulated": answer.simulated,
            "difference_limit": limit,
            "sentences": answer.sentences(),
        },
    )
    asked = ", ".join(f"{name} = {written(value)}" for name, value in question.do.items())
    write_text(
        out / "index.html",
        counterfactual_page(answer, asked=asked, particles=question.particles),
    )


__all__ = ["PersonAnswer", "Question", "answer_person", "ask", "parse_do"]
