"""RF, the resonate-and-fire neuron, in Norse."""

from __future__ import annotations

from .. import neurons
from .forms import FORMS, Forms
from .named import NamedCell, NamedLayer, NamedRecurrent, NamedRecurrentCell


class RFCell(NamedCell):
    """RF neurons for one time step; arguments as :class:`silif_plugins.norse.RF`.

    Examples:
        >>> import torch
        >>> z, state = RFCell(128, dt=0.05)(torch.rand(8, 128))
    """

    model = neurons.RF


class RF(NamedLayer):
    """Resonate-and-fire neurons over a sequence, integrated by Euler's method with a fixed timestep of their own.

        u[t] = u[t-1] + Δ ((x + i y) u[t-1] + I[t]) - z[t-1],   z[t] = H(Re u[t] - threshold)

    with ``v`` = Re u and ``w`` = Im u. The input enters as Δ I: see :class:`silif_plugins.neurons.RF` on the choice of
    Δ. Source: the published code of the SiLIF paper, after Izhikevich (2001).

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate: no decay.
        record_states: Whether to return the states of all steps instead of the last.
        **options: Arguments of :class:`silif_plugins.neurons.RF`, such as ``dt``.

    Examples:
        >>> import torch
        >>> z, state = RF(128, dt=0.05)(torch.rand(100, 8, 128))   # [T, B, neurons]
        >>> z.shape, state.v.shape
        (torch.Size([100, 8, 128]), torch.Size([8, 128]))
    """

    model = neurons.RF


class RFRecurrentCell(NamedRecurrentCell):
    """A recurrent population for one step; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = RFRecurrentCell(140, 128, dt=0.05)(torch.rand(8, 140))
    """

    model = neurons.RF


class RFRecurrent(NamedRecurrent):
    """A recurrent population over a sequence; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = RFRecurrent(140, 128, dt=0.05)(torch.rand(100, 8, 140))
    """

    model = neurons.RF


FORMS[neurons.RF] = Forms(RFCell, RF, RFRecurrentCell, RFRecurrent)
