"""The loop as one operator of a graph gives what the defining loop gives."""

import pytest
import torch

from silif_plugins.dynamics import HardReset
from silif_plugins.neurons import BRF, CSiLIF, SiLIF
from silif_plugins.scan import scan

NEURONS = {
    "SiLIF": lambda: SiLIF(4),
    "C-SiLIF": lambda: CSiLIF(4),
    "a state of its own": lambda: BRF(4),
    "hard reset": lambda: HardReset(SiLIF(4).state_space()),
}


@pytest.mark.parametrize("kind", NEURONS)
@pytest.mark.parametrize("option", ["plain", "lengths", "recurrent"])
@torch.no_grad()
def test_equals_the_reference(kind, option):
    torch.manual_seed(0)
    neurons, current = NEURONS[kind](), 20 * torch.rand(25, 3, 4)
    options = {
        "plain": {},
        "lengths": {"lengths": torch.tensor([25, 7, 1])},
        "recurrent": {"recurrent": torch.randn(4, 4)},
    }[option]
    expected = scan(neurons, current, backend="reference", return_states=True, **options)
    got = scan(neurons, current, backend="graph", return_states=True, **options)
    for a, b in zip([got[0], *got[1], *got[2]], [expected[0], *expected[1], *expected[2]], strict=True):
        torch.testing.assert_close(a, b)
    assert torch.equal(got[0], expected[0])
    assert expected[0].any()


@torch.no_grad()
def test_goes_on_from_a_state():
    neurons, current = SiLIF(4), 20 * torch.rand(25, 3, 4)
    whole, end = scan(neurons, current, backend="graph")
    first, middle = scan(neurons, current[:9], backend="graph")
    second, last = scan(neurons, current[9:], middle, backend="graph")
    assert torch.equal(torch.cat([first, second]), whole)
    assert all(torch.equal(a, b) for a, b in zip(end, last, strict=True))
