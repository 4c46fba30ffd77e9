"""What all neuron models share: a size, a threshold, and parameters that become a state space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..dynamics import Dynamics, Flow, StateSpace
from ..scan import scan
from .sampling import Learn, has_values, trained


class Neuron(nn.Module):
    """A population of spiking neurons: trainable parameters and the state space that they define.

    Called with currents it runs them over time; what it takes and returns is that of :func:`silif_plugins.scan.scan`.
    A new model is a subclass with its parameters, their initialisation and :meth:`state_space`; or, if it is not linear
    between its spikes, with :meth:`dynamics` of its own.

    Args:
        size: Number of neurons, or the shape of the population, such as (C, 1, 1) after a convolution.
        threshold: Membrane potential above which the neuron fires.

    Raises:
        ValueError: If a size is not positive or the threshold is NaN.

    Examples:
        >>> class Perfect(Neuron):
        ...     "A perfect integrator with gain g."
        ...     def __init__(self, size):
        ...         super().__init__(size)
        ...         self.register_values(True, gain=torch.ones(self.size))
        ...     def state_space(self):
        ...         return StateSpace.of(a11=1.0, b1=self.gain, r1=-1.0, threshold=self.threshold)
        >>> neuron = Perfect(10)
        >>> spikes, state = neuron(torch.full((3, 2, 10), 0.6))     # [T, B, N]
        >>> spikes[:, 0, 0]
        tensor([0., 1., 0.], grad_fn=...)
    """

    threshold: Tensor

    normalised: ClassVar[bool] = False
    """Whether the input is scaled by 1 - α: a constant current I brings the membrane to at most I."""

    xavier: ClassVar[bool] = False
    """Whether the paper's code draws the input weights by Xavier's uniform rule, not by PyTorch's default."""

    own_surrogate: ClassVar[str | None] = None
    """Name of the spike function that takes the place of the paper's boxcar where none is given."""

    outputs: int = 1
    """Outputs of each neuron; where there are several, spikes have one more dimension."""

    graded: bool = False
    """Whether spikes have other values than 0 and 1."""

    published_names: ClassVar[Mapping[str, str]] = {}
    """What the paper's published code calls the parameters, and we; empty for a model that it does not have."""

    def __init__(self, size: int | Sequence[int], *, threshold: float | Tensor = 1.0) -> None:
        super().__init__()
        self.size = (size,) if isinstance(size, int) else tuple(size)
        if not self.size or min(self.size) < 1:
            raise ValueError(f"size: got {size}; it must be one or more positive numbers")
        threshold = torch.as_tensor(threshold, dtype=torch.get_default_dtype())
        if has_values(threshold) and bool(threshold.isnan().any()):
            raise ValueError("threshold: got NaN; it must be a number, or inf for a neuron that never fires")
        self.register_buffer("threshold", threshold, persistent=False)

    def state_space(self) -> StateSpace:
        """Return the coefficients that the parameters define; differentiable.

        Raises:
            NotImplementedError: If the model is not linear between its spikes: it has :meth:`dynamics` alone.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no state space; run it by scan(neuron, current) or in SpArchNet"
        )

    @classmethod
    def has_state_space(cls) -> bool:
        """Whether the model is linear between its spikes and resets by R s[t-1]: what the hosts can run.

        Examples:
            >>> from silif_plugins.neurons import BRF, SiLIF
            >>> SiLIF.has_state_space(), BRF.has_state_space()
            (True, False)
        """
        return cls.state_space is not Neuron.state_space

    def dynamics(self) -> Dynamics[Any]:
        """Return how the neurons move, which is their state space unless a model says otherwise."""
        return self.state_space()

    def flow(self) -> Flow:
        """Return how the neurons move over any duration, for ``scan(..., dt=...)``.

        Raises:
            NotImplementedError: If the model has none; SiLIF and C-SiLIF have.
        """
        raise NotImplementedError(f"{type(self).__name__} has no flow; SiLIF and C-SiLIF have")

    def forward(self, current: Tensor, state: Any = None, **options: Any) -> tuple[Tensor, ...]:
        r"""Run over time: ``scan(self, current, state, **options)``, see :func:`silif_plugins.scan.scan`.

        Args:
            current: Input currents, [T, B, \*size].
            state: State before the first step; at rest by default.
            **options: ``surrogate``, ``lengths``, ``return_states`` and the others.

        Returns:
            The spikes, [T, B, \*size], and the state after the last step.
        """
        result: tuple[Tensor, ...] = scan(self, current, state, **options)
        return result

    @property
    def timestep(self) -> Tensor | None:
        """Duration of a step in seconds, which broadcasts to [*neurons]; None for neurons that count in steps."""
        return None

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> Any:
        """Draw the random initial state of the published code: mem, ada and spk from U[0, 1).

        Its spikes are not binary and its draws come from the CPU's generator, in the order of the state's fields, as
        published (SSM-inspired-LIF, models/snns.py). The paper does not mention it; zeros are the default everywhere.

        Args:
            batch: The leading dimensions of the state: (B,).
            generator: Source of randomness on the CPU; PyTorch's global one by default.
        """
        shape = (*batch, *self.size)
        rest = self.dynamics().rest(shape)
        return type(rest)(*(torch.rand(part.shape, generator=generator).to(self.threshold) for part in rest))

    def extra_repr(self) -> str:
        """Say the size, and the threshold where it is one number."""
        threshold = (
            f", threshold={self.threshold.item():g}"
            if self.threshold.numel() == 1 and has_values(self.threshold)
            else ""
        )
        return f"{self.size[0] if len(self.size) == 1 else self.size}{threshold}"

    def register_values(self, learn: Learn, **values: Tensor) -> None:
        """Register the model's values: parameters where ``learn`` says so, buffers elsewhere.

        Buffers are in the state_dict and moved by ``.to()`` like parameters; they do not train.

        Args:
            learn: True for all, False for none, or the names of those that train.
            **values: Initial values by name, each [*neurons].

        Raises:
            ValueError: If ``learn`` names a value that is not there.
        """
        chosen = trained(learn, values)
        for name, value in values.items():
            if name in chosen:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)


def hostable(neuron: object) -> Neuron:
    """Return a neuron that the layers of a host library can run.

    Raises:
        TypeError: If it is no :class:`Neuron`, or one without a state space.

    Examples:
        >>> from silif_plugins.neurons import BRF
        >>> hostable(BRF(4))
        Traceback (most recent call last):
        TypeError: neuron: got BRF, which has no state space; run it by scan, in SpArchNet, or by AnyNeuron
    """
    if not isinstance(neuron, Neuron):
        raise TypeError(f"neuron: got {type(neuron).__name__}; it must be a silif_plugins.neurons.Neuron")
    if not neuron.has_state_space():
        name = type(neuron).__name__
        raise TypeError(f"neuron: got {name}, which has no state space; run it by scan, in SpArchNet, or by AnyNeuron")
    return neuron
