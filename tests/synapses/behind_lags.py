"""What the tests of linear layers behind lags share."""

import torch

from silif_plugins.synapses.channel_filter import plainly_spread
from silif_plugins.synapses.dropout import dropped


def operands(shape, dtype, made_taps, rate):
    """Window, weight, taps and bias of steps, past, batch, inputs, outputs, lags; and a gradient of the result."""
    torch.manual_seed(0)
    steps, past, batch, inputs, outputs, lags = shape
    window = torch.randn(past + steps, batch, inputs) * (torch.rand(past + steps, batch, inputs) < rate)
    made = (window, torch.randn(outputs, inputs), made_taps(lags, inputs), torch.randn(outputs))
    return [each.to(dtype) for each in made], torch.randn(steps, batch, outputs, dtype=dtype)


def plain(window, weight, taps, bias, steps, dropout=0.0, seed=0):
    return torch.nn.functional.linear(plainly_spread(dropped(window, dropout, seed), taps, steps), weight, bias)


def with_gradients(function, inputs, grad):
    inputs = [each.detach().clone(memory_format=torch.preserve_format).requires_grad_() for each in inputs]
    outputs = function(*inputs)
    return outputs, *torch.autograd.grad(outputs, inputs, grad.to(outputs))
