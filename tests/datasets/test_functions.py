"""Data by the name of a function: called with its options, and only where its user has named it."""

import sys
from unittest import mock

import numpy as np
import pytest

from silif_plugins.datasets import SOURCES, DataError, is_function, load, register_function

MODULE = '''
import numpy as np
from silif_plugins.datasets import Recordings

calls = []

def frames(gain=1, number=10):
    """Frames that hold the gain."""
    calls.append(gain)
    x, y = np.full((number, 5, 2), gain), np.arange(number) % 2
    return {"train": (x, y), "test": (x[:4], y[:4])}

def events(channels: int = 4):
    made = Recordings([[0.1]] * 10, [[1]] * 10, [0, 1] * 5, classes="ab", num_channels=channels)
    return {"train": made, "test": made, "valid": made}

def broken(gain=1):
    return {}["key"]

def wrong():
    return {"train": (np.ones((2, 3, 4)), [0])}

def needs(folder): ...

def takes(*any): ...

number = 5
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's, there for one test."""
    (tmp_path / "mine_for_tests.py").write_text(MODULE)
    (tmp_path / "broken_for_tests.py").write_text("import numpy\n1 / 0\n")
    (tmp_path / "asks_for_tests.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with mock.patch.dict(SOURCES):
        yield "mine_for_tests"
    for name in ("mine_for_tests", "broken_for_tests", "asks_for_tests"):
        sys.modules.pop(name, None)


def test_a_function_is_a_data_set(module):
    with pytest.raises(ValueError, match=r"got 'mine_for_tests:frames', the name of a function: code runs only if you"):
        load("mine_for_tests:frames", "train")
    assert module not in sys.modules
    source = register_function("mine_for_tests:frames")
    assert register_function("mine_for_tests:frames") is source
    assert source.defaults == {"gain": 1, "number": 10}
    dataset = load("mine_for_tests:frames", "train", gain=3)
    assert dataset.frames.unique().tolist() == [3]
    assert sys.modules[module].calls == [3]
    with pytest.raises(ValueError, match=r"gian: got 3, but for mine_for_tests:frames it must be None"):
        load("mine_for_tests:frames", "train", gian=3)
    with pytest.raises(ValueError, match=r"split: got 'valid', but mine_for_tests:frames has train, test"):
        load("mine_for_tests:frames", "valid")
    register_function("mine_for_tests:events")
    dataset = load("mine_for_tests:events", "valid", channels=6, pool=2, steps=30)
    assert (dataset.num_channels, dataset.steps) == (3, 30)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine_for_tests:framez", "mine_for_tests has no function framez; did you mean frames?"),
        ("mine_for_tests:number", "mine_for_tests has no function number"),
        ("mine_for_tests:needs", "mine_for_tests:needs: its argument folder is no option; every one must have a n"),
        ("mine_for_tests:takes", "mine_for_tests:takes: its argument *any is no option"),
        ("mine_for_test:frames", "there is no module mine_for_test, neither here nor installed"),
        ("no.such:frames", "there is no module no, neither here nor installed"),
        ("broken_for_tests:load", "broken_for_tests:load: raised ZeroDivisionError: division by zero (line 2 of"),
        ("asks_for_tests:load", "No module named 'no_such_module'"),
        ("frames", "data: got 'frames'; a function is named MODULE:FUNCTION"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_named(name, says, module):
    with pytest.raises((ValueError, ModuleNotFoundError)) as raised:
        register_function(name)
    assert says in str(raised.value)


def test_errors_in_the_function_are_told_with_their_line(module):
    register_function("mine_for_tests:broken")
    line = MODULE.splitlines().index('    return {}["key"]') + 1
    with pytest.raises(ValueError, match=rf"broken: raised KeyError: 'key' \(line {line} of .*mine_for_tests.py\)"):
        load("mine_for_tests:broken", "train")
    register_function("mine_for_tests:wrong")
    with pytest.raises(DataError, match="mine_for_tests:wrong: data: got the splits train, but train and test must"):
        load("mine_for_tests:wrong", "train")


def test_names_of_functions_are_told_from_folders():
    assert is_function("my_module.data:load")
    for name in ("C:/data", "C:\\data", "a:b:c", "a.b", ":load", "mod:", "1a:b", "mod:a.b"):
        assert not is_function(name)
    assert np.all([is_function(name) is False for name in SOURCES])
