"""Dropout by the kernel: the choice of the event-driven layer, and its own adjoint."""

import pytest
import torch

from silif_plugins.synapses import AxonalLinear, DelayedLinear
from silif_plugins.synapses.dropout import dropped


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7, 3, 5), (4, 2, 200), (130,)], ids=str)
def test_spikes_and_gradients_are_those_of_one_mask(shape, dtype):
    spikes = torch.where(torch.rand(shape) < 0.3, torch.randn(shape), 0).to(dtype).requires_grad_()
    mask, gate = dropped(torch.ones(shape, dtype=dtype), 0.4, 7), torch.rand(shape) < 0.5
    torch.testing.assert_close(mask.unique(), torch.tensor([0, 1 / 0.6], dtype=dtype))
    grad = torch.randn(shape, dtype=dtype)
    for given in (None, gate):
        result = dropped(spikes, 0.4, 7, given)
        torch.testing.assert_close(result, spikes * mask)
        expected = grad * mask if given is None else grad * mask * gate
        torch.testing.assert_close(torch.autograd.grad(result, spikes, grad)[0], expected)
    plain = torch.func.vmap(lambda each: dropped(each, 0.4, 7))(spikes.detach().unsqueeze(0))
    torch.testing.assert_close(plain[0], result.detach())


def test_it_can_be_differentiated_twice():
    spikes = torch.rand(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: dropped(x, 0.5, 3).pow(3), spikes)


@pytest.mark.parametrize("kind", [AxonalLinear, DelayedLinear])
def test_a_gate_leaves_gradients_out(kind):
    layer, gate = kind(30, 8, 5, dropout=0.3), torch.rand(20, 2, 30) < 0.2
    inputs, found = (torch.rand(20, 2, 30) < 0.2).float().requires_grad_(), []
    for given in (None, gate):
        torch.manual_seed(2)
        found.append(torch.autograd.grad(layer(inputs, given).square().sum(), [inputs, *layer.parameters()]))
    torch.testing.assert_close(found[1][0], found[0][0] * gate)
    assert all(torch.equal(*pair) for pair in zip(found[0][1:], found[1][1:], strict=True))
