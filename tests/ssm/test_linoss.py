"""The spiking LinOSS block: against a loop of its equations, its steps, its gate and its operations."""

import numpy as np
import pytest
import torch

from silif_plugins.ssm import SpikingLinOSS
from silif_plugins.ssm.linoss import ternary


def numbers(*tensors):
    return [tensor.detach().numpy() for tensor in tensors]


@pytest.mark.parametrize("mixing", ["spikes", "gate"])
def test_it_is_its_equations(mixing):
    """Oscillators, the direct path and both mixings, one sample after the other in numpy."""
    for seed in range(3):
        torch.manual_seed(seed)
        block = SpikingLinOSS(5, state_size=7, mixing=mixing).double()
        inputs = 2 * torch.randn(200, 2, 5, dtype=torch.float64)
        outputs, spikes = block(inputs)
        a = block.neurons.state_space().transition.detach().numpy()
        b1, b2 = numbers(*block.neurons.state_space()[4:6])
        into, out, skip, level, w, bias = numbers(
            block.input.weight, block.output.weight, block.skip, block.level, block.weights.weight, block.weights.bias
        )
        signs = np.sign(w) * (abs(w) > 0.05 * abs(w).max(1, keepdims=True))
        for sample in range(2):
            x = np.zeros((7, 2))
            for t in range(200):
                u = inputs[t, sample].numpy()
                x = np.einsum("nij,nj->ni", a, x) + np.stack([b1, b2], 1) * (into @ u)[:, None]
                s = (x[:, 0] > 1) * 1.0
                z = (out @ s + skip * u > level) * 1.0
                y = (w @ z + bias) * (signs @ z + bias)
                if mixing == "spikes":
                    y = (w @ z + bias > block.mixed_level.detach().numpy()) * 1.0
                assert np.array_equal(spikes[t, sample].detach().numpy(), np.concatenate([s, z]))
                assert np.allclose(outputs[t, sample].detach().numpy(), y, atol=1e-12)
        assert 0.02 < spikes.mean() < 0.98


@pytest.mark.parametrize("mixing", ["spikes", "gate"])
def test_steps_are_the_sequence_and_all_parameters_train(mixing):
    block, inputs, state = SpikingLinOSS(5, state_size=7, mixing=mixing), torch.randn(30, 2, 5), None
    outputs, spikes = block(inputs)
    for now, expected, fired in zip(inputs, outputs, spikes, strict=True):
        got, seen, state = block.step(now, state)
        torch.testing.assert_close(got, expected)
        assert torch.equal(seen, fired)
    outputs.square().sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in block.parameters())


def test_ternary():
    assert ternary(torch.zeros(2, 3)).tolist() == [[0.0] * 3] * 2
    assert ternary(torch.tensor([[-1.0, 0.049, 0.051], [9.0, -0.4, -0.5]])).tolist() == [[-1, 0, 1], [1, 0, -1]]


def test_operations_in_full():
    block = SpikingLinOSS(5, state_size=7)
    assert float(block.operations(10, torch.tensor(20.0))) == 10 * (35 + 42 + 5) + 20 * 5


@pytest.mark.parametrize(
    ("options", "message"), [({"mixing": "sum"}, "mixing: got 'sum'"), ({"state_size": 0}, "state_size: got 0")]
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SpikingLinOSS(4, **options)
