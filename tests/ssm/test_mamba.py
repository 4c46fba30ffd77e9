"""The Mamba block against a loop, its own steps, and mambapy."""

import math

import pytest
import torch
from torch.nn import functional

from silif_plugins.ssm import MambaBlock


def loop(block, inputs):
    """Sample by sample, step by step, from the equations and the block's numbers."""
    conv, bias, taps = block.conv1d.weight.squeeze(1), block.conv1d.bias, block.conv1d.weight.shape[-1]
    outputs = torch.zeros_like(inputs)
    for b in range(inputs.shape[1]):
        state, seen = torch.zeros(block.inner, block.state_size, dtype=inputs.dtype), []
        for t in range(len(inputs)):
            both = block.in_proj.weight @ inputs[t, b]
            seen.append(both[: block.inner])
            x = bias.clone()
            for back in range(min(taps, t + 1)):
                x = x + conv[:, taps - 1 - back] * seen[t - back]
            x = x / (1 + torch.exp(-x))
            projected = block.x_proj.weight @ x
            dt = torch.log1p(torch.exp(block.dt_proj.weight @ projected[: block.rank] + block.dt_proj.bias))
            writes = projected[block.rank : block.rank + block.state_size]
            reads = projected[block.rank + block.state_size :]
            for n in range(block.state_size):
                state[:, n] = torch.exp(-dt * torch.exp(block.A_log[:, n])) * state[:, n] + dt * writes[n] * x
            y = state @ reads + block.D * x
            z = both[block.inner :]
            outputs[t, b] = block.out_proj.weight @ (y * z / (1 + torch.exp(-z)))
    return outputs


@pytest.mark.parametrize("options", [{}, {"expand": 1, "conv": 2, "chunk": 3}, {"state_size": 3, "chunk": 100}])
def test_it_is_the_loop(options):
    torch.manual_seed(0)
    block, inputs = MambaBlock(6, **{"state_size": 4, **options}).double(), torch.randn(15, 2, 6, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block(inputs)[0], loop(block, inputs))


def test_steps_are_the_sequence_with_their_gradients():
    torch.manual_seed(0)
    block, inputs = MambaBlock(8, state_size=5).double(), torch.randn(20, 3, 8, dtype=torch.float64)
    state, steps = None, []
    for now in inputs:
        output, _, state = block.step(now, state)
        steps.append(output)
    whole, stepped = block(inputs)[0], torch.stack(steps)
    torch.testing.assert_close(whole, stepped)
    wanted = list(block.parameters())
    for one, other in zip(
        torch.autograd.grad(whole.square().sum(), wanted),
        torch.autograd.grad(stepped.square().sum(), wanted),
        strict=True,
    ):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("expand", [1, 2])
def test_it_is_mambapys(expand):
    mamba = pytest.importorskip("mambapy.mamba")
    torch.manual_seed(0)
    theirs = mamba.MambaBlock(mamba.MambaConfig(d_model=32, n_layers=1, d_state=8, expand_factor=expand)).double()
    ours = MambaBlock(32, state_size=8, expand=expand).double()
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items()
    }
    ours.load_state_dict(theirs.state_dict())
    inputs = torch.randn(40, 3, 32, dtype=torch.float64)
    torch.testing.assert_close(ours(inputs)[0], theirs(inputs.transpose(0, 1)).transpose(0, 1))


def test_it_begins_as_published():
    torch.manual_seed(0)
    block = MambaBlock(64, state_size=16, dt=(0.01, 5.0))
    steps = functional.softplus(block.dt_proj.bias)
    assert 0.0099 <= steps.min() < 0.05
    assert 1 < steps.max() <= 5.001
    torch.testing.assert_close(block.A_log[3].exp(), torch.arange(1.0, 17))
    assert block.dt_proj.weight.abs().max() <= 1 / math.sqrt(block.rank)


def test_what_makes_no_block():
    with pytest.raises(ValueError, match="state_size: got 0; it must be positive"):
        MambaBlock(4, state_size=0)
    with pytest.raises(ValueError, match="dt: got"):
        MambaBlock(4, dt=(0.0, 0.1))
