"""What docs/concepts/which-number-to-trust.md prints is what the reader will get."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/concepts/which-number-to-trust.md"


def test_the_worked_examples_print_what_they_say():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert failed == 0
    assert tried >= 25
