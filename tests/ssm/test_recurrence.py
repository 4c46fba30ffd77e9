"""The recurrence in chunks against a loop, values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.ssm import linear_recurrence
from silif_plugins.ssm.recurrence import reverse_recurrence


def loop(decay, inputs):
    state, states = torch.zeros_like(inputs[:1].sum(0)), []
    for a, b in zip(decay, inputs, strict=True):
        state = a * state + b
        states.append(state)
    return torch.stack(states) if states else inputs


@settings(max_examples=40, deadline=None)
@given(steps=st.integers(0, 40), chunk=st.none() | st.integers(1, 45), seed=st.integers(0, 99))
def test_chunks_are_the_loop(steps, chunk, seed):
    torch.manual_seed(seed)
    decay, inputs = torch.randn(2, steps, 3, 2, dtype=torch.float64).unbind()
    torch.testing.assert_close(linear_recurrence(decay, inputs, chunk=chunk), loop(decay, inputs))
    backwards = loop(decay.flip(0), inputs.flip(0)).flip(0)
    torch.testing.assert_close(reverse_recurrence(decay, inputs, chunk=chunk), backwards)


@pytest.mark.parametrize("chunk", [1, 4, 7, 30])
def test_gradients_are_those_of_the_loop(chunk):
    decay, inputs = torch.rand(2, 23, 2, 3, dtype=torch.float64).requires_grad_().unbind()
    weights = torch.randn(23, 2, 3, dtype=torch.float64)
    got = torch.autograd.grad((linear_recurrence(decay, inputs, chunk=chunk) * weights).sum(), (decay, inputs))
    expected = torch.autograd.grad((loop(decay, inputs) * weights).sum(), (decay, inputs))
    torch.testing.assert_close(got, expected)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r"decay: got shape \(3, 1\); it must be that of inputs, \(4, 1\)"):
        linear_recurrence(torch.zeros(3, 1), torch.zeros(4, 1))
    with pytest.raises(ValueError, match="chunk: got 0"):
        linear_recurrence(torch.zeros(3, 1), torch.zeros(3, 1), chunk=0)
