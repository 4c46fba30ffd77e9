"""Parameters beyond their clamps: no gradient reaches them."""

import pytest
import torch

from silif_plugins.diagnosis import clamped
from silif_plugins.neurons import NEURONS, CSiLIF, SiLIF


def test_values_outside_are_counted():
    neuron = SiLIF(5, a=torch.tensor([-1.0, 0.5, 0.0, 1.0, 2.0]), b=torch.tensor([3.0, 1.0, 1.0, 1.0, 1.0]))
    found = clamped(neuron)
    assert (found["a"], found["b"]) == (pytest.approx(0.4), pytest.approx(0.2))
    assert set(found) == {name for name, _ in neuron.named_parameters()}


def test_what_is_not_trained_is_not_asked():
    assert clamped(SiLIF(3, learn=False)) == {}
    assert set(clamped(CSiLIF(3, learn=("b",)))) == {"b"}


@pytest.mark.parametrize("name", NEURONS)
def test_no_neuron_starts_beyond_its_clamps(name):
    torch.manual_seed(0)
    assert not any(clamped(NEURONS[name](32)).values())
