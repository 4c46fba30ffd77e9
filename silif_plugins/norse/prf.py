"""PRF, the parallel resonate-and-fire neuron, in Norse."""

from __future__ import annotations

from .. import neurons
from .forms import FORMS, Forms
from .named import NamedCell, NamedLayer, NamedRecurrent, NamedRecurrentCell


class PRFCell(NamedCell):
    """PRF neurons for one time step; arguments as :class:`silif_plugins.norse.PRF`.

    Examples:
        >>> import torch
        >>> z, state = PRFCell(128, threshold=0.1)(torch.rand(8, 128))
    """

    model = neurons.PRF


class PRF(NamedLayer):
    """Parallel resonate-and-fire neurons over a sequence, which have no reset.

        v[t] = exp(Δ (-1/τ + i ω)) v[t-1] + Δ I[t],   z[t] = H(Re v[t] - threshold)

    with ``v`` = Re v and ``w`` = Im v; see :class:`silif_plugins.neurons.PRF`.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate: no decay.
        record_states: Whether to return the states of all steps instead of the last.
        **options: Arguments of :class:`silif_plugins.neurons.PRF`, such as ``dt``.

    Examples:
        >>> import torch
        >>> z, state = PRF(128, threshold=0.1)(torch.rand(100, 8, 128))
    """

    model = neurons.PRF


class PRFRecurrentCell(NamedRecurrentCell):
    """A recurrent population for one step; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = PRFRecurrentCell(140, 128, threshold=0.1)(torch.rand(8, 140))
    """

    model = neurons.PRF


class PRFRecurrent(NamedRecurrent):
    """A recurrent population over a sequence; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = PRFRecurrent(140, 128, threshold=0.1)(torch.rand(100, 8, 140))
    """

    model = neurons.PRF


FORMS[neurons.PRF] = Forms(PRFCell, PRF, PRFRecurrentCell, PRFRecurrent)
