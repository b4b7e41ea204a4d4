"""used + skipped + quarantined = given, or the run stops."""

from __future__ import annotations

import pytest

from spinecast.cohort.ledger import Ledger, check_identity, count_by_code, count_of
from spinecast.errors import CohortError


def filled() -> Ledger:
    ledger = Ledger()
    ledger.give("images.csv", 5)
    ledger.quarantine("images.csv", 3, code="SC-110", reason="no file")
    ledger.quarantine("images.csv", 4, code="SC-110", reason="no file")
    ledger.skip("images.csv", 6, code="SC-308", reason="repeat")
    return ledger


def test_a_ledger_that_adds_up_passes():
    filled().check("images.csv", used=2)


@pytest.mark.parametrize("used", [0, 1, 3, 5])
def test_a_row_lost_or_counted_twice_is_sc318_with_all_counts(used):
    with pytest.raises(CohortError) as caught:
        filled().check("images.csv", used=used)
    assert caught.value.code == "SC-318"
    assert f"{used} used + 1 skipped + 2 quarantined" in caught.value.message


def test_tables_of_similar_names_are_counted_apart():
    ledger = filled()
    ledger.give("images.csv.old", 1)
    ledger.check("images.csv.old", used=1)
    ledger.check("images.csv", used=2)


def test_totals_are_by_code_and_by_table():
    ledger = filled()
    assert count_by_code(ledger.quarantined) == {"SC-110": 2}
    assert count_of(ledger.quarantined, "images") == 2
    assert count_of(ledger.skipped, "people") == 0
    assert list(Ledger().quarantined.columns) == ["source", "code", "reason"]


def test_an_empty_identity_holds():
    check_identity(given=0, used=0, skipped=0, quarantined=0, where="nothing")
