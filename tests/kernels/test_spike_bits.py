"""Spikes as bits, against spikes and gates as tensors."""

import pytest
import torch

from silif_plugins.dynamics import with_reset
from silif_plugins.kernels.spike_bits import WORD, open_gates, unpacked
from silif_plugins.neurons import LIF, SiLIF
from silif_plugins.scan import scan, scan_layer

pytest.importorskip("numba")

SHAPES = [(40, 3, 64), (17, 1, 128), (33, 5, 192), (1, 2, 64), (20, 32, 64), (5, 3, 576)]
"""[T, B, N], with tiles that end within a chunk, and that begin in the middle of a row."""


def run(neurons, current, **options):
    return scan_layer(neurons, current, backend="cpu", **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bits_are_spikes_and_gates(shape, padded, dtype):
    steps, batch, size = shape
    lengths = torch.randint(0, steps + 1, (batch,)) if padded else None
    neuron, current = SiLIF(size).to(dtype), 3 * torch.randn(shape, dtype=dtype)
    fired, packed = (run(neuron, current, lengths=lengths, as_bits=as_bits) for as_bits in (False, True))
    assert fired.bits is None
    spikes, gates, before = packed.bits.planes
    assert torch.equal(unpacked(spikes), fired.spikes.bool())
    assert torch.equal(unpacked(gates), fired.gate)
    each = fired.gate.view(-1, WORD).sum(1)
    assert torch.equal(before.flatten(), each.cumsum(0) - each)
    assert open_gates(packed.bits.planes) == len(packed.bits.open) == fired.gate.sum()
    assert packed.bits.events == fired.spikes.sum()
    assert torch.equal(packed.counts, fired.counts)


def test_spikes_as_bits_have_no_other_memory():
    fired = run(SiLIF(128), 3 * torch.randn(30, 4, 128), as_bits=True)
    assert fired.spikes.shape == (30, 4, 128)
    assert fired.spikes.untyped_storage().nbytes() < 100
    assert fired.bits.open.untyped_storage().nbytes() < 100
    assert fired.gate is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("counted", [False, True], ids=["open gates", "and all spikes"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_at_open_gates_is_that_of_the_spikes(shape, padded, counted, reset, dtype):
    steps, batch, size = shape
    neuron, lengths = SiLIF(size).to(dtype), torch.randint(0, steps + 1, (batch,)) if padded else None
    current, weights = 3 * torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
    affine = torch.stack([torch.randn(size, dtype=dtype) for _ in range(3)])
    gate, results = run(with_reset(neuron.dynamics(), reset), current, affine=affine, lengths=lengths).gate, []
    for as_bits in (False, True):
        given = current.clone().requires_grad_(), affine.clone().requires_grad_()
        dynamics = with_reset(neuron.dynamics(), reset)
        fired = run(dynamics, given[0], affine=given[1], lengths=lengths, as_bits=as_bits)
        loss = (fired.bits.open * weights.masked_select(gate)).sum() if as_bits else (fired.spikes * weights).sum()
        if counted:
            loss = loss + (fired.counts * weights[0, 0]).sum()
        results.append(torch.autograd.grad(loss, [*given, *neuron.parameters()]))
    for of_spikes, of_gates in zip(*results, strict=True):
        torch.testing.assert_close(of_gates, of_spikes)


@pytest.mark.parametrize(
    ("neuron", "options"),
    [
        (SiLIF(63), {}),
        (SiLIF(64), {"backend": "reference"}),
        (LIF(64), {"recurrent": torch.eye(64)}),
        (SiLIF(64), {"surrogate": lambda x: (x > 0).float()}),
        (SiLIF(64), {"surrogate": "atan"}),
        (SiLIF(64), {"return_states": True}),
    ],
    ids=["half a word", "reference", "recurrent", "callable surrogate", "no gates", "states"],
)
def test_without_bits_the_spikes_are_there(neuron, options):
    current = 3 * torch.randn(20, 2, neuron.size[0])
    fired = scan_layer(neuron, current, as_bits=True, **options)
    options.pop("backend", None)
    assert fired.bits is None
    assert torch.equal(fired.spikes, scan(neuron, current, **options)[0])


def test_no_steps():
    fired = run(SiLIF(64), torch.zeros(0, 2, 64), as_bits=True)
    assert fired.bits.planes.shape == (3, 0, 2, 1)
    assert len(fired.bits.open) == 0
    assert unpacked(fired.bits.planes[0]).shape == (0, 2, 64)


def test_a_transform_gets_no_bits():
    neuron = SiLIF(64)

    def spikes(current):
        fired = run(neuron, current, as_bits=True)
        assert fired.bits is None
        return fired.spikes

    torch.func.vmap(spikes)(torch.randn(2, 10, 3, 64))


def test_open_gates_of_a_full_word():
    planes = torch.tensor([0, -1, 70]).view(3, 1, 1, 1)
    assert open_gates(planes) == 134
    assert unpacked(planes[1]).all()
