"""A neuron of the core with any state, in snnTorch."""

from __future__ import annotations

from typing import Any

import snntorch as snn
import torch
from torch import Tensor

from ..diagnosis import SilenceWatch
from ..dynamics import Dynamics, ResetMechanism, with_reset
from ..neurons import Neuron
from ..scan import scan, step
from ..surrogate import SpikeFunction
from .registration import register_weakly
from .surrogates import spike_function

REMEDY = "a lower threshold of the neuron, or a batch norm before it"
"""What wakes a silent layer."""


class AnyNeuron(snn.Leaky):  # type: ignore[misc]
    r"""A population of the core, whatever its state is, as a neuron of snnTorch.

    :class:`Spiking` is for neurons of two states, and has more of snnTorch's options; this is for the others, such as
    FiTS-TS, BRF or General-Reset, and your own. It returns ``spk, state`` as ``snn.Leaky`` returns ``spk, mem``; the
    state is the neuron's NamedTuple, with ``state.mem`` in it. ``snntorch.utils.reset`` and
    :func:`silif_plugins.snntorch.reset` bring one that keeps its state to rest.
    There is no quantised state, no inhibition and no NIR for it, and ``over_time`` does not run it: ``sequence`` does.

    Args:
        neuron: The population. Do not share one between two layers.
        spike_grad: Surrogate of mem - threshold, as in :class:`Spiking`; by default snnTorch's ``"atan"``.
        init_hidden: Keep the state in the module; the spikes alone are returned.
        reset_mechanism: ``"subtract"``, the neuron's own reset, ``"zero"`` or ``"none"``, for linear systems alone.
        output: Return the state beside the spikes with ``init_hidden=True`` too.
        sequence: Run over time in one call: [T, B, \*size] in and out. Every call starts at rest, or at the state
            that is passed. The state that is returned is the last one, or with ``output`` those of all steps.
        detach_reset: Cut off the gradient that flows through the spike that resets, as snnTorch's own neurons do.

    Raises:
        TypeError: If ``neuron`` is not a :class:`silif_plugins.neurons.Neuron`.
        ValueError: If an option has a value that it does not know, or the neurons do not have such a reset.

    Examples:
        >>> from silif_plugins.neurons import FITSTS
        >>> lif, state = AnyNeuron(FITSTS(10)), None
        >>> for cur in torch.rand(3, 2, 10):
        ...     spk, state = lif(cur, state)
        >>> state._fields
        ('mem', 'x1', 'x2', 'x3', 'spk')
        >>> lif = AnyNeuron(FITSTS(10), init_hidden=True)
        >>> for cur in torch.rand(3, 2, 10):
        ...     spk = lif(cur)
    """

    neuron: Neuron

    def __init__(
        self,
        neuron: Neuron,
        *,
        spike_grad: str | SpikeFunction | None = None,
        init_hidden: bool = False,
        reset_mechanism: ResetMechanism = "subtract",
        output: bool = False,
        sequence: bool = False,
        detach_reset: bool = False,
    ) -> None:
        if not isinstance(neuron, Neuron):
            raise TypeError(f"neuron: got {type(neuron).__name__}; it must be a silif_plugins.neurons.Neuron")
        # Not the initialisers of Leaky and LIF: they would put beta into the state_dict.
        super(snn.LIF, self).__init__(
            threshold=neuron.threshold,
            spike_grad=spike_function(spike_grad),
            init_hidden=init_hidden,
            reset_mechanism=reset_mechanism,
            output=output,
        )
        self.neuron, self.sequence, self.detach_reset = neuron, sequence, detach_reset
        self._state: Any = None
        self._silence = SilenceWatch(REMEDY)
        self.dynamics()  # refuses a reset that the neurons do not have
        register_weakly(self)

    @property
    def mem(self) -> Tensor:
        """The membrane that the last call left; no elements for a neuron at rest."""
        mem: Tensor = torch.zeros(0) if self._state is None else self._state.mem
        return mem

    @mem.setter
    def mem(self, mem: Tensor) -> None:
        """Bring it to rest, the only state of which the membrane tells all."""
        if bool(mem.any()):
            raise ValueError("mem: got one that is not at rest; a state of this neuron has more parts, pass it whole")
        self._state = None

    def dynamics(self) -> Dynamics[Any]:
        """Return how the neurons move."""
        return with_reset(self.neuron.dynamics(), self.reset_mechanism)

    def reset_mem(self) -> None:
        """Bring the neurons to rest; None, which this returns, is that state."""
        self._state = None

    def reset(self) -> None:
        """Do the same, as other libraries call it."""
        self.reset_mem()

    def init_leaky(self) -> None:
        """Do the same, for code that is written for ``snn.Leaky``."""
        self.reset_mem()

    def forward(self, input_: Tensor, state: Any = None) -> Any:
        r"""Run the neurons for one step, or with ``sequence=True`` for many.

        Args:
            input_: Input current, [B, \*size]; [T, B, \*size] for a sequence.
            state: What the last call returned. By default a step continues from the state that the last one left with
                ``init_hidden=True``, and starts at rest without, as a sequence does.

        Returns:
            ``spk, state``; ``spk`` alone with ``init_hidden=True`` and without ``output``.

        Raises:
            TypeError: If a state is passed with ``init_hidden=True``, or one of another neuron.
            ValueError: If the state or the input does not fit the neurons.
        """
        if state is not None and self.init_hidden:
            raise TypeError("with init_hidden=True the neuron keeps its state: pass none, or leave init_hidden out")
        options: dict[str, Any] = {"surrogate": self.spike_grad, "detach_reset": self.detach_reset}
        if self.sequence:
            spk, last, *states = scan(self.dynamics(), input_, state, return_states=self.output, **options)
            shown = states[0] if states else last
            self._silence(self, spk)
        else:
            before = self._state if self.init_hidden else state
            spk, last = step(self.dynamics(), input_, before, **options)
            shown = last
            self._silence(self, spk, begins=before is None)
        self._state = last
        return spk if self.init_hidden and not self.output else (spk, shown)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the history of the state out of copies and pickles, which cannot hold it."""
        kept = self.__dict__.copy()
        if (state := kept["_state"]) is not None:
            kept["_state"] = type(state)(*(field.detach() for field in state))
        return kept

    def extra_repr(self) -> str:
        """Say the reset mechanism."""
        return f"reset_mechanism={self.reset_mechanism!r}, init_hidden={self.init_hidden}"

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Load, and follow the reset mechanism that was saved; snnTorch loads its number alone."""
        super()._load_from_state_dict(*args, **kwargs)
        self._reset_mechanism = list(self.reset_dict)[int(self.reset_mechanism_val)]
