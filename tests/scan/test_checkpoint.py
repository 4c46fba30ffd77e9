"""Chunks that are run again in backward: the same results and gradients, from less memory."""

import pytest
import torch

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan


def run(chunks, lengths, backend, detach_reset, steps=50):
    torch.manual_seed(0)
    neuron = SiLIF(6).double()
    current = (6 * torch.randn(steps, 3, 6, dtype=torch.float64)).requires_grad_()
    spikes, last, states = scan(
        neuron.state_space(),
        current,
        lengths=lengths,
        return_states=True,
        backend=backend,
        checkpoint_chunks=chunks,
        detach_reset=detach_reset,
    )
    loss = (spikes * torch.linspace(0, 1, 6)).sum() + last.mem.sum() + states.ada.square().sum()
    return [spikes, *last, *states, *torch.autograd.grad(loss, [current, *neuron.parameters()])]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("lengths", [None, torch.tensor([50, 0, 23])], ids=["full", "lengths"])
@pytest.mark.parametrize("chunks", [1, 7, 50, 80])
@pytest.mark.parametrize("detach_reset", [False, True])
def test_equals_one_piece(detach_reset, chunks, lengths, backend):
    runs = [run(pieces, lengths, backend, detach_reset) for pieces in (None, chunks)]
    for index, (one, other) in enumerate(zip(*runs, strict=True)):
        if index < 7:
            assert torch.equal(one, other)
        else:  # sums in another order
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_keeps_less():
    kept = {}
    space, current = SiLIF(6).state_space(), torch.randn(400, 2, 6).requires_grad_()
    for chunks in (None, 20):
        seen = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, seen=seen: seen.setdefault(t.untyped_storage().data_ptr(), t), lambda t: t
        ):
            scan(space, current, backend="reference", checkpoint_chunks=chunks)
        kept[chunks] = sum(tensor.untyped_storage().nbytes() for tensor in seen.values())
    assert kept[20] < kept[None] / 5


def test_no_chunks_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        scan(SiLIF(6).state_space(), torch.zeros(9, 1, 6), checkpoint_chunks=0)


def test_an_empty_sequence():
    spikes, last = scan(SiLIF(6).state_space(), torch.zeros(0, 1, 6), checkpoint_chunks=3)
    assert spikes.shape == (0, 1, 6)
    assert last.mem.shape == (1, 6)
