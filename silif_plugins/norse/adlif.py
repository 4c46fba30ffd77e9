"""AdLIF and cAdLIF, which SiLIF is compared with, in Norse."""

from __future__ import annotations

from .. import neurons
from .forms import FORMS, Forms
from .named import NamedCell, NamedLayer, NamedRecurrent, NamedRecurrentCell


class AdLIFCell(NamedCell):
    """AdLIF neurons for one time step; arguments as :class:`silif_plugins.norse.AdLIF`.

    Examples:
        >>> import torch
        >>> z, state = AdLIFCell(128)(torch.rand(8, 128))
    """

    model = neurons.AdLIF


class AdLIF(NamedLayer):
    """Adaptive leaky integrate-and-fire neurons over a sequence, with decays trained directly.

        w[t] = β w[t-1] + a v[t-1] + b z[t-1]
        v[t] = α (v[t-1] - z[t-1]) + (1-α) (I[t] - w[t]),   z[t] = H(v[t] - threshold)

    Half of its range is unstable; :class:`CAdLIF` mends it. Source: Bittar and Garner (2022).

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate: no decay.
        record_states: Whether to return the states of all steps instead of the last.
        **options: Arguments of :class:`silif_plugins.neurons.AdLIF`, whose decays count in steps.

    Examples:
        >>> import torch
        >>> import norse.torch as snn
        >>> network = snn.SequentialState(torch.nn.Linear(140, 128), AdLIF(128, a=0.1))
        >>> z, state = network(torch.rand(100, 8, 140))   # [T, B, inputs]
        >>> z.shape, state[1].w.shape
        (torch.Size([100, 8, 128]), torch.Size([8, 128]))
    """

    model = neurons.AdLIF


class AdLIFRecurrentCell(NamedRecurrentCell):
    """A recurrent population for one step; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = AdLIFRecurrentCell(140, 128)(torch.rand(8, 140))
    """

    model = neurons.AdLIF


class AdLIFRecurrent(NamedRecurrent):
    """A population of AdLIF neurons that drive each other, over a sequence.

    Args:
        input_size: Number of inputs.
        hidden_size: Number of neurons.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate: no decay.
        input_weights: [hidden, inputs]. A tensor is copied, an ``nn.Parameter`` is used itself.
        recurrent_weights: [hidden, hidden] (to, from), likewise.
        autapses: Whether neurons drive themselves.
        record_states: Whether to return the states of all steps instead of the last.
        **options: Arguments of :class:`silif_plugins.neurons.AdLIF`.

    Examples:
        >>> import torch
        >>> z, state = AdLIFRecurrent(140, 128)(torch.rand(100, 8, 140))
        >>> z.shape
        torch.Size([100, 8, 128])
    """

    model = neurons.AdLIF


class CAdLIFCell(NamedCell):
    """cAdLIF neurons for one time step; arguments as :class:`silif_plugins.norse.AdLIF`.

    Examples:
        >>> import torch
        >>> z, state = CAdLIFCell(128)(torch.rand(8, 128))
    """

    model = neurons.CAdLIF


class CAdLIF(NamedLayer):
    """Constrained AdLIF over a sequence; arguments as :class:`silif_plugins.norse.AdLIF`.

    The coupling a is kept positive, which makes every neuron stable. Source: Deckers et al. (2024).

    Examples:
        >>> import torch
        >>> from silif_plugins.dynamics import is_stable
        >>> bool(is_stable(CAdLIF(128).neuron.state_space()).all())
        True
    """

    model = neurons.CAdLIF


class CAdLIFRecurrentCell(NamedRecurrentCell):
    """A recurrent population for one step; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = CAdLIFRecurrentCell(140, 128)(torch.rand(8, 140))
    """

    model = neurons.CAdLIF


class CAdLIFRecurrent(NamedRecurrent):
    """A recurrent population over a sequence; arguments as :class:`silif_plugins.norse.AdLIFRecurrent`.

    Examples:
        >>> import torch
        >>> z, state = CAdLIFRecurrent(140, 128)(torch.rand(100, 8, 140))
    """

    model = neurons.CAdLIF


FORMS[neurons.AdLIF] = Forms(AdLIFCell, AdLIF, AdLIFRecurrentCell, AdLIFRecurrent)
FORMS[neurons.CAdLIF] = Forms(CAdLIFCell, CAdLIF, CAdLIFRecurrentCell, CAdLIFRecurrent)
