"""S5-RF, resonate-and-fire in the form of S5, in Norse."""

from __future__ import annotations

from .. import neurons
from .forms import FORMS, Forms
from .named import NamedCell, NamedLayer, NamedRecurrent, NamedRecurrentCell


class S5RFCell(NamedCell):
    """S5-RF neurons for one time step; arguments as :class:`silif_plugins.norse.S5RF`.

    Examples:
        >>> import torch
        >>> z, state = S5RFCell(128, threshold=0.1)(torch.rand(8, 128))
    """

    model = neurons.S5RF


class S5RF(NamedLayer):
    """Resonate-and-fire neurons in the form of S5 over a sequence, which have no reset.

        x[t] = exp(Δ λ) x[t-1] + (exp(Δ λ) - 1) / λ I[t],   z[t] = H(Re x[t] - threshold)

    with ``v`` = Re x and ``w`` = Im x; see :class:`silif_plugins.neurons.S5RF`.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate: no decay.
        record_states: Whether to return the states of all steps instead of the last.
        **options: Arguments of :class:`silif_plugins.neurons.S5RF`, such as ``dt``.

    Examples:
        >>> import torch
        >>> z, state = S5RF(128, threshold=0.1)(torch.rand(100, 8, 128))
    """

    model = neurons.S5RF


class S5RFRecurrentCell(NamedRecurrentCell):
    """A recurrent population for one step; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = S5RFRecurrentCell(140, 128, threshold=0.1)(torch.rand(8, 140))
    """

    model = neurons.S5RF


class S5RFRecurrent(NamedRecurrent):
    """A recurrent population over a sequence; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = S5RFRecurrent(140, 128, threshold=0.1)(torch.rand(100, 8, 140))
    """

    model = neurons.S5RF


FORMS[neurons.S5RF] = Forms(S5RFCell, S5RF, S5RFRecurrentCell, S5RFRecurrent)
