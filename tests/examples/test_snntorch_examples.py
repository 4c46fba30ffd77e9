"""The snnTorch examples run with every neuron, and learn what they promise."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("snntorch")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "examples"
NEURONS = ("leaky", "silif", "csilif")
SHORT = {
    "mlp": ["--epochs", "1", "--steps", "5", "--hidden", "16"],
    "cnn": ["--epochs", "1", "--steps", "4", "--samples", "128"],
    "regression": ["--iterations", "2", "--steps", "20", "--hidden", "8"],
}


def example(name):
    spec = importlib.util.spec_from_file_location(f"snntorch_{name}", FOLDER / f"snntorch_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("name", SHORT)
def test_a_short_run(name, neuron, capsys):
    result = example(name).main([*SHORT[name], "--neuron", neuron])
    assert 0 < result < 10
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(neuron) for line in lines)
    assert f"{result:.3f}" in lines[-1]


@pytest.mark.parametrize("name", SHORT)
def test_the_neurons_differ_in_one_line(name):
    """The table has one line for each, and nothing else of the script asks which neuron it is."""
    source = (FOLDER / f"snntorch_{name}.py").read_text()
    for neuron in NEURONS:
        lines = [line for line in source.splitlines() if f'"{neuron}"' in line and "default" not in line]
        assert len(lines) == 1
        assert "lambda size" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_digits_are_learnt(name, neuron):
    assert example(name).main(["--neuron", neuron]) > 0.87


@pytest.mark.slow
def test_a_second_state_carries_the_rhythm():
    errors = {neuron: example("regression").main(["--neuron", neuron]) for neuron in NEURONS}
    assert errors["silif"] < errors["leaky"] / 2
    assert errors["csilif"] < errors["leaky"] / 2
    assert max(errors["silif"], errors["csilif"]) < 0.25
