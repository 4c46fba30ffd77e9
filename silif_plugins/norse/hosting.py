"""Any neuron of the core, or of one's own, in Norse."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from torch import Tensor

from ..dynamics import Dynamics, ResetMechanism, StateSpace
from ..neurons import Neuron
from .modules import Cell, Layer, RecurrentCell, RecurrentLayer
from .parameters import SUPER, Method


class NeuronState(NamedTuple):
    r"""State of a hosted neuron of two states.

    A neuron with another state of its own has a tuple of its own: z, v, and the other fields by their names, as ``x1``
    to ``xn``.

    Attributes:
        z: Spikes of the last step, [B, \*neurons].
        v: Membrane potential, [B, \*neurons].
        w: Second state: adaptation, or the imaginary part of oscillating neurons, [B, \*neurons].

    Examples:
        >>> import torch
        >>> from silif_plugins.neurons import LIF
        >>> _, state = NeuronLayer(LIF(128))(torch.rand(100, 8, 128))
        >>> state.v.shape, state.w.abs().max().item()   # LIF neurons have no second state
        (torch.Size([8, 128]), 0.0)
    """

    z: Tensor
    v: Tensor
    w: Tensor


class NeuronParameters(NamedTuple):
    """Parameters of a hosted neuron: the neuron itself, which holds its own, and the surrogate.

    Attributes:
        neuron: The neuron.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate.
        detach_reset: Whether the spikes that reset are constants for the gradient.
        reset_mechanism: What a spike does to the next step: ``"subtract"``, the neuron's own reset; ``"zero"``, that
            in proportion to the potential, which loses all; ``"none"``.

    Examples:
        >>> from silif_plugins.neurons import RF
        >>> layer = NeuronLayer(RF(128))
        >>> layer.p = layer.p._replace(method="triangle", alpha=0.3)
        >>> layer.p.neuron is layer.neuron
        True
    """

    neuron: Neuron
    method: Method = SUPER
    alpha: float | None = None
    detach_reset: bool = False
    reset_mechanism: ResetMechanism = "subtract"

    @property
    def state_type(self) -> type[NeuronState]:
        """The state tuple."""
        return NeuronState

    @property
    def v_th(self) -> Tensor:
        """Threshold."""
        return self.neuron.threshold

    def state_space(self, dt: float = math.nan) -> StateSpace:
        """Return the neuron's coefficients; it has its own timestep, so that ``dt`` means nothing to it."""
        return self.neuron.state_space()

    def dynamics(self) -> Dynamics[Any]:
        """Return how the neuron moves, which need not be a state space."""
        return self.neuron.dynamics()


class NeuronCell(Cell[NeuronParameters, NeuronState]):
    """Any neuron of :mod:`silif_plugins.neurons` for one time step, without recurrence.

    Args:
        neuron: The neurons. They become the submodule ``neuron``, with their parameters and their own timestep:
            the module has no ``dt``.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate.

    Raises:
        TypeError: If ``neuron`` is none.
        ValueError: If there is no such surrogate.

    Examples:
        >>> import torch
        >>> from silif_plugins import neurons
        >>> z, state = NeuronCell(neurons.AdLIF(128))(torch.randn(8, 128))
        >>> state.w.shape
        torch.Size([8, 128])
    """

    parameters_type = NeuronParameters

    def __init__(self, neuron: Neuron, method: Method = SUPER, alpha: float | None = None) -> None:
        super().__init__(hosted(neuron, method, alpha), dt=math.nan)


class NeuronLayer(Layer[NeuronParameters, NeuronState]):
    """Any neuron of :mod:`silif_plugins.neurons` over a sequence, without recurrence.

    A model of one's own is a subclass of :class:`silif_plugins.neurons.Neuron`: its parameters and the state
    space that they define. Here it then steps, trains, and sits in ``SequentialState`` like Norse's own. So does one
    with any other dynamics, such as FiTS-TS; its state has z, v, and its further states.

    Args:
        neuron: The neurons. They become the submodule ``neuron``, with their parameters and their own timestep:
            the module has no ``dt``.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate.
        record_states: Whether to return the states of all steps instead of the last.

    Raises:
        TypeError: If ``neuron`` is none.
        ValueError: If there is no such surrogate.

    Examples:
        >>> import torch
        >>> import norse.torch as snn
        >>> from silif_plugins.dynamics import StateSpace
        >>> from silif_plugins.neurons import Neuron
        >>> class Damped(Neuron):
        ...     "An oscillator whose damping is trained: position and velocity, kicked back by its spikes."
        ...     def __init__(self, size):
        ...         super().__init__(size)
        ...         self.register_values(True, damping=torch.full(self.size, 0.1))
        ...     def state_space(self):
        ...         return StateSpace.of(a11=1.0, a12=0.2, a21=-0.2, a22=1 - self.damping.clamp(0.1, 1.0),
        ...                              b2=1.0, r2=-1.0, threshold=self.threshold)
        >>> network = snn.SequentialState(torch.nn.Linear(140, 64), NeuronLayer(Damped(64)))
        >>> z, state = network(torch.rand(100, 8, 140))
        >>> z.shape, [name for name, _ in network.named_parameters()]
        (torch.Size([100, 8, 64]), ['0.weight', '0.bias', '1.neuron.damping'])
    """

    parameters_type = NeuronParameters

    def __init__(
        self, neuron: Neuron, method: Method = SUPER, alpha: float | None = None, record_states: bool = False
    ) -> None:
        super().__init__(hosted(neuron, method, alpha), dt=math.nan, record_states=record_states)


class NeuronRecurrentCell(RecurrentCell[NeuronParameters, NeuronState]):
    """A population of any neurons of :mod:`silif_plugins.neurons` that drive each other, for one time step.

    Args:
        input_size: Number of inputs.
        neuron: The neurons, of one dimension.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate.
        input_weights: [hidden, inputs]. A tensor is copied, an ``nn.Parameter`` is used itself.
        recurrent_weights: [hidden, hidden] (to, from), likewise.
        autapses: Whether neurons drive themselves.

    Raises:
        TypeError: If ``neuron`` is none.
        ValueError: If the population has more than one dimension, or weights do not fit it.

    Examples:
        >>> import torch
        >>> from silif_plugins import neurons
        >>> z, state = NeuronRecurrentCell(140, neurons.RF(128))(torch.rand(8, 140))
        >>> z.shape
        torch.Size([8, 128])
    """

    parameters_type = NeuronParameters

    def __init__(
        self,
        input_size: int,
        neuron: Neuron,
        method: Method = SUPER,
        alpha: float | None = None,
        input_weights: Tensor | None = None,
        recurrent_weights: Tensor | None = None,
        autapses: bool = False,
    ) -> None:
        p = hosted(neuron, method, alpha)
        super().__init__(
            input_size,
            hidden_size(neuron),
            p,
            dt=math.nan,
            input_weights=input_weights,
            recurrent_weights=recurrent_weights,
            autapses=autapses,
        )


class NeuronRecurrent(RecurrentLayer[NeuronParameters, NeuronState]):
    """A population of any neurons of :mod:`silif_plugins.neurons` that drive each other, over a sequence.

    Args:
        input_size: Number of inputs.
        neuron: The neurons, of one dimension.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate.
        input_weights: [hidden, inputs]. A tensor is copied, an ``nn.Parameter`` is used itself.
        recurrent_weights: [hidden, hidden] (to, from), likewise.
        autapses: Whether neurons drive themselves.
        record_states: Whether to return the states of all steps instead of the last.

    Raises:
        TypeError: If ``neuron`` is none.
        ValueError: If the population has more than one dimension, or weights do not fit it.

    Examples:
        >>> import torch
        >>> from silif_plugins import neurons
        >>> z, state = NeuronRecurrent(140, neurons.CAdLIF(128))(torch.rand(100, 8, 140))
        >>> z.shape
        torch.Size([100, 8, 128])
    """

    parameters_type = NeuronParameters

    def __init__(
        self,
        input_size: int,
        neuron: Neuron,
        method: Method = SUPER,
        alpha: float | None = None,
        input_weights: Tensor | None = None,
        recurrent_weights: Tensor | None = None,
        autapses: bool = False,
        record_states: bool = False,
    ) -> None:
        p = hosted(neuron, method, alpha)
        super().__init__(
            input_size,
            hidden_size(neuron),
            p,
            dt=math.nan,
            input_weights=input_weights,
            recurrent_weights=recurrent_weights,
            autapses=autapses,
            record_states=record_states,
        )


def hosted(neuron: Neuron, method: Method, alpha: float | None) -> NeuronParameters:
    """Return the parameter tuple of a neuron after checking that it is one."""
    if not isinstance(neuron, Neuron):
        raise TypeError(f"neuron: got {type(neuron).__name__}; it must be a silif_plugins.neurons.Neuron")
    return NeuronParameters(neuron, method, alpha)


def hidden_size(neuron: Neuron) -> int:
    """Return the number of neurons of a recurrent population."""
    if isinstance(neuron, Neuron) and neuron.outputs > 1:
        raise ValueError(f"neuron: got one with {neuron.outputs} outputs; recurrence needs one")
    if len(neuron.size) != 1:
        raise ValueError(f"neuron: got a population of shape {neuron.size}; recurrence needs one dimension")
    return neuron.size[0]
