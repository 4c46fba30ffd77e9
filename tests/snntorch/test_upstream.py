"""snnTorch's own tests of Leaky and Synaptic, run over our neurons.

They are not part of this repository: set SNNTORCH_TESTS to the ``tests`` folder of a checkout of snnTorch. Each of its
files is loaded with another ``snn``, in which Leaky and Synaptic make our neurons; its tests and fixtures are as they
are.
"""

import importlib.util
import inspect
import os
import types
from pathlib import Path

import pytest
import snntorch as snn
import torch._dynamo as dynamo

from silif_plugins.snntorch import CSiLIF, SiLIF

FOLDER = Path(os.environ.get("SNNTORCH_TESTS", ""))
pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("SNNTORCH_TESTS"), reason="SNNTORCH_TESTS is not set to the tests folder of snnTorch"
    ),
    pytest.mark.filterwarnings("ignore"),
]

OURS = {"SiLIF": SiLIF, "CSiLIF": CSiLIF}
STANDS_FOR = {
    "test_snntorch/test_leaky.py": ("Leaky",),
    "test_snntorch/test_synaptic.py": ("Synaptic",),
    "test_snntorch.py": ("Leaky", "Synaptic"),
}
"""Upstream's files, and the classes that ours stand for in each."""

OTHER_NUMBERS = {
    "TestLeaky.test_leaky": "asserts that the membrane is beta times the last one plus the input",
    "TestSynaptic.test_synaptic": "asserts Synaptic's own decays of syn and mem",
}
"""Tests that assert another model's numbers; ours are held against the core's in test_dynamics.py."""


def in_place_of(cls):
    """Return a class that is made with the host's arguments: one neuron, whose parameters serve inputs of any size."""

    class Substitute(cls):
        def __init__(self, beta, alpha=None, **options):
            super().__init__(1, **options)

    return Substitute


def load(file, cls):
    """Load a file of upstream's with a ``snn`` of its own."""
    spec = importlib.util.spec_from_file_location(f"upstream_{Path(file).stem}_{cls.__name__}", FOLDER / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.snn = types.SimpleNamespace(**{**vars(snn), **dict.fromkeys(STANDS_FOR[file], in_place_of(cls))})
    return module


def names_of_tests(file):
    """Yield the names of the tests of a file; one that says that the file is missing, if it is."""
    if not (FOLDER / file).is_file():
        yield None
        return
    module = load(file, SiLIF)
    for name, value in vars(module).items():
        if inspect.isclass(value) and name.startswith("Test"):
            yield from (f"{name}.{test}" for test in vars(value) if test.startswith("test_"))
        elif inspect.isfunction(value) and name.startswith("test_"):
            yield name


CASES = (
    [
        pytest.param(file, name, ours, id=f"{ours}-{file}-{name}")
        for ours in OURS
        for file in STANDS_FOR
        for name in names_of_tests(file)
    ]
    if os.environ.get("SNNTORCH_TESTS")
    else [pytest.param(None, None, None, id="all")]
)


class Fixtures:
    """Upstream's fixtures, which pytest would find in its own modules: each made once for a test."""

    def __init__(self, module):
        self.module = module
        self.made = {}

    def call(self, function):
        names = [name for name in inspect.signature(function).parameters if name != "self"]
        return function(**{name: self.get(name) for name in names})

    def get(self, name):
        if name not in self.made:
            fixture = getattr(self.module, name)
            self.made[name] = self.call(getattr(fixture, "_fixture_function", None) or fixture.__wrapped__)
        return self.made[name]


@pytest.mark.parametrize(("file", "name", "ours"), CASES)
def test_upstream(file, name, ours, request):
    if name is None:
        pytest.fail(f"no {file} in {FOLDER}: SNNTORCH_TESTS must be the tests folder of snnTorch")
    if name in OTHER_NUMBERS:
        request.applymarker(pytest.mark.xfail(strict=True, reason=OTHER_NUMBERS[name]))
    dynamo.reset()
    module = load(file, OURS[ours])
    scope, _, test = name.rpartition(".")
    function = getattr(getattr(module, scope)() if scope else module, test)
    Fixtures(module).call(function)
