"""Which parameters of neurons lie beyond their clamps, where they no longer learn."""

from __future__ import annotations

import torch

from ..neurons import Neuron
from ..surrogate import resolve


def clamped(neuron: Neuron) -> dict[str, float]:
    """Return the share of each trained parameter's values that a clamp holds: no gradient reaches them.

    Nothing of the model is known but how it moves: a value is held if it does not change what follows a state in which
    no field is zero.

    Args:
        neuron: The population.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> neuron = SiLIF(4, a=torch.tensor([-0.1, 0.2, 0.5, 1.7]))
        >>> clamped(neuron)["a"], clamped(neuron)["b"]
        (0.5, 0.0)
    """
    parameters = dict(neuron.named_parameters())
    if not parameters:
        return {}
    with torch.enable_grad():
        dynamics = neuron.dynamics()
        rest = dynamics.rest((1, *neuron.size))
        # Fields that are different, and not 0: else the changes of two coefficients could cancel.
        state = type(rest)(*(torch.full_like(field, 0.5 + 0.17 * i) for i, field in enumerate(rest)))
        held = {name: torch.ones_like(value, dtype=torch.bool) for name, value in parameters.items()}
        for current in (0.37, 37.0):  # one that does not fire, and one that does: some parameters act by spikes alone
            after = dynamics.step(torch.full_like(rest[0], current), state, resolve("atan"))
            total = torch.stack([(1 + 0.31 * i) * field.sum() for i, field in enumerate(after)]).sum()
            gradients = torch.autograd.grad(total, list(parameters.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    held[name] &= gradient == 0
    return {name: float(each.double().mean()) for name, each in held.items()}
