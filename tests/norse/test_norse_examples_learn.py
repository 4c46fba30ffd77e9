"""Norse's own examples, with their neurons swapped for ours, learn where they learn with LIF."""

import importlib.util
import os
from pathlib import Path

import pytest

pytest.importorskip("norse")
pytest.importorskip("sklearn")

FILE = Path(__file__).parents[2] / "benchmarks" / "norse_examples.py"
OURS = ("SiLIF", "C-SiLIF", "SiLIF by replace", "C-SiLIF by replace")


def load():
    if not FILE.exists():
        pytest.skip("the benchmarks are not here: they are part of a checkout, not of the installed package")
    spec = importlib.util.spec_from_file_location("norse_examples", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_learns(example, neuron, steps):
    module = load()
    found = module.examples()
    if example not in found:
        pytest.skip("NORSE_SOURCE names no checkout of Norse, whose notebooks are not installed with it")
    before, after = (module.train(found[example], name, seed=0, steps=steps) for name in ("as it is", neuron))
    assert after.input_gradient > 0
    assert before.rate / 2 < after.rate < 0.6
    assert 1 - after.last / after.first >= 0.8 * (1 - before.last / before.first)
    assert after.accuracy >= min(before.accuracy, 0.8)


@pytest.mark.parametrize("neuron", OURS)
def test_speech_commands(neuron):
    assert_learns("speech commands, LIF", neuron, 40)


@pytest.mark.slow
@pytest.mark.parametrize("neuron", OURS)
@pytest.mark.parametrize("example", ["speech commands, LSNN", "cartpole, LIF", "cartpole, LSNN", "parameters.ipynb"])
def test_other_examples(example, neuron):
    assert_learns(example, neuron, 40)


def test_notebook_is_found_where_a_checkout_is():
    source = os.environ.get("NORSE_SOURCE")
    if not source:
        pytest.skip("NORSE_SOURCE names no checkout of Norse")
    assert "parameters.ipynb" in load().examples()
