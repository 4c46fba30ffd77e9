"""What a neuron must tell to run over time: a state at rest, and a step from one state to the next."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ..surrogate import SpikeFunction


class NeuronState(Protocol):
    r"""A NamedTuple of what a neuron remembers, each field a tensor [B, \*neurons].

    It has as many fields as it needs. Two of them every neuron has: the membrane potential ``mem``, and ``spk``, the
    spikes of the step that led to this state.
    """

    @property
    def mem(self) -> Tensor:
        """Membrane potential."""

    @property
    def spk(self) -> Tensor:
        """Spikes of the last step."""

    @property
    def _fields(self) -> tuple[str, ...]: ...


StateT = TypeVar("StateT", bound=Any)
"""The NamedTuple of a neuron's state."""


class Dynamics(Protocol[StateT]):
    r"""How spiking neurons move, one or more states each: all that :func:`silif_plugins.scan.scan` asks of them.

    A class of your own need not inherit from it. Chunks, lengths, recurrent weights, traces of all states and the
    layers of SpArch's network work with every one; the fused kernels run :class:`StateSpace` and :class:`HardReset`.

    Examples:
        A neuron with a threshold that every spike raises, three states in all:

        >>> from typing import NamedTuple
        >>> from silif_plugins.scan import scan
        >>> class Tired(NamedTuple):
        ...     mem: Tensor
        ...     raised: Tensor
        ...     spk: Tensor
        >>> class Tiring:
        ...     "u[t] = 0.9 u[t-1] (1 - s[t-1]) + I[t],  s[t] = H(u[t] - 1 - q[t]),  q[t] = 0.9 q[t-1] + s[t-1]"
        ...     threshold, shape, dtype = None, torch.Size([4]), torch.float32
        ...     def rest(self, shape, *, dtype=None, device=None):
        ...         return Tired(*(torch.zeros(shape, dtype=dtype, device=device) for _ in Tired._fields))
        ...     def step(self, current, state, surrogate, *, detach_reset=False):
        ...         spk = state.spk.detach() if detach_reset else state.spk
        ...         raised = 0.9 * state.raised + spk
        ...         mem = 0.9 * state.mem * (1 - spk) + current
        ...         return Tired(mem, raised, surrogate(mem - 1 - raised))
        >>> spikes, state = scan(Tiring(), torch.full((6, 1, 4), 1.5))
        >>> spikes[:, 0, 0], type(state).__name__
        (tensor([1., 0., 1., 0., 1., 0.]), 'Tired')
    """

    @property
    def shape(self) -> torch.Size:
        r"""Shape of the population, [\*neurons]; what a layer broadcasts may be 1 there."""

    @property
    def dtype(self) -> torch.dtype:
        """Data type in which the state is kept."""

    @property
    def threshold(self) -> Tensor | None:
        """What the membrane is compared with, if that is fixed; None where it moves."""

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> StateT:
        r"""Return the state of neurons that nothing has reached yet, each field of shape [B, \*neurons]."""

    def step(self, current: Tensor, state: StateT, surrogate: SpikeFunction, *, detach_reset: bool = False) -> StateT:
        r"""Advance by one time step.

        Args:
            current: Input current I[t], [B, \*neurons], in the data type of the state.
            state: The state at t-1.
            surrogate: Spike function of mem - threshold.
            detach_reset: Whether the spikes of ``state`` are constants for the gradient where they reset.

        Returns:
            The state at t; its ``spk`` are the spikes of this step.
        """
