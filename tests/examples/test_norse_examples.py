"""The Norse examples run for every neuron, learn, and differ in the neuron line alone."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("norse")
pytest.importorskip("sklearn")

import torch

from silif_plugins.norse import SiLIF, SiLIFRecurrent

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = {
    "norse_digits": ["--epochs", "1", "--samples", "128", "--steps", "8"],
    "norse_spoken_digits": ["--epochs", "1", "--samples", "64", "--hidden", "16"],
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("neuron", ["lif", "silif", "csilif"])
@pytest.mark.parametrize("name", SHORT)
def test_short_run(name, neuron, capsys):
    accuracy = load(name).main(["--neuron", neuron, *SHORT[name]])
    printed = capsys.readouterr().out
    assert 0.0 <= accuracy <= 1.0
    assert f"{neuron} epoch 1: loss" in printed
    assert f"test accuracy {accuracy:.3f}" in printed


@pytest.mark.parametrize("name", SHORT)
def test_runs_repeat(name):
    module = load(name)
    assert module.main(SHORT[name]) == module.main(SHORT[name])


@pytest.mark.parametrize("name", SHORT)
def test_networks_differ_in_the_neurons_alone(name):
    module = load(name)
    build = (lambda n: module.network(n, 8)) if name == "norse_digits" else (lambda n: module.Listener(n, 140, 16, 20))
    ours = next(type(m) for m in build("silif").modules() if isinstance(m, (SiLIF, SiLIFRecurrent)))
    kinds = {n: [type(m) for m in build(n).modules()] for n in module.NEURONS}
    first = [kind is ours for kind in kinds["silif"]]
    for types in kinds.values():
        assert len(types) == len(first)
        assert all(
            is_neuron or kind is same for is_neuron, kind, same in zip(first, types, kinds["silif"], strict=True)
        )


@pytest.mark.slow
@pytest.mark.parametrize("neuron", ["lif", "silif", "csilif"])
def test_digits_are_learned(neuron):
    assert load("norse_digits").main(["--neuron", neuron, "--epochs", "8"]) > 0.8


@pytest.mark.slow
def test_spoken_digits_are_learned_better_than_by_lif():
    torch.manual_seed(0)
    module = load("norse_spoken_digits")
    accuracy = {n: module.main(["--neuron", n, "--epochs", "8"]) for n in ("lif", "silif", "csilif")}
    assert accuracy["silif"] > accuracy["lif"] > 0.3
    assert accuracy["csilif"] > accuracy["lif"]
