"""The page of error codes says what the code says."""

from __future__ import annotations

from pathlib import Path

from spinecast.error_codes import CODES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"


def test_every_code_stands_on_the_page_with_its_title_and_remedy() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| SC-")
    ]
    listed = {row[0]: row[1:] for row in rows}
    assert set(listed) == set(CODES)
    for code, (title, meaning, remedy) in listed.items():
        assert title == CODES[code].title
        assert meaning == CODES[code].meaning
        assert remedy == CODES[code].remedy.replace("|", "/")
