"""The room's door: its names are there, taught, and cost nothing until they are used."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

from spinecast import genetics


@pytest.mark.parametrize("name", sorted(genetics.__all__))
def test_every_name_of_the_door_is_found_and_taught_after_all_modules_are_loaded(name):
    for module in pkgutil.iter_modules(genetics.__path__):
        importlib.import_module(f"spinecast.genetics.{module.name}")
    found = getattr(genetics, name)
    assert found.__name__ == name
    assert inspect.getdoc(found)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="shoe_size"):
        genetics.shoe_size  # noqa: B018


def test_the_room_opens_without_numba():
    code = "import sys, spinecast.genetics; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
