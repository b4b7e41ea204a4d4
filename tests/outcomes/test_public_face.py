from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import spinecast.outcomes as outcomes


@pytest.mark.parametrize("name", sorted(outcomes.__all__))
def test_every_public_name_is_documented_and_stays_itself_after_all_modules_are_loaded(name):
    for module in pkgutil.iter_modules(outcomes.__path__):
        importlib.import_module(f"spinecast.outcomes.{module.name}")
    thing = getattr(outcomes, name)
    assert callable(thing)
    assert inspect.getdoc(thing)
    assert name in dir(outcomes)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = outcomes.nonsense


def test_the_room_loads_neither_numba_nor_torch():
    program = (
        "import sys, spinecast.outcomes as o; [getattr(o, n) for n in o.__all__];"
        "assert not {'numba', 'torch', 'lifelines', 'sksurv'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_result_is_a_frozen_dataclass():
    for name in outcomes.__all__:
        thing = getattr(outcomes, name)
        if inspect.isclass(thing):
            assert thing.__dataclass_params__.frozen
            assert callable(thing.to_frame)
