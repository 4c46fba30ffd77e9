"""The one idea: a spiking neuron is a two-state linear system with a reset."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.utils._pytree as pytree
from torch import Tensor

from ..surrogate import SpikeFunction


class State(NamedTuple):
    """What a neuron remembers from one time step to the next.

    Attributes:
        mem: Membrane potential, [B, *neurons]; the first state of the system.
        ada: Adaptation (the imaginary part for oscillating neurons), [B, *neurons]; the second state.
        spk: Spikes of the last step, [B, *neurons]; they drive the reset of the next one.

    Examples:
        >>> state = State.zeros((8, 128))
        >>> state.mem.shape
        torch.Size([8, 128])
    """

    mem: Tensor
    ada: Tensor
    spk: Tensor

    @classmethod
    def zeros(
        cls,
        shape: tuple[int, ...],
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """Return the state at rest: no potential, no adaptation, no spike before."""
        return cls(*(torch.zeros(shape, dtype=dtype, device=device) for _ in cls._fields))


# Without a name torch.export.save cannot write a model that takes or returns it.
pytree._register_namedtuple(State, serialized_type_name=f"{State.__module__}.State")


class StateSpace(NamedTuple):
    r"""Coefficients of spiking neurons in state-space form, one value per neuron.

    With x = (mem, ada), input current I and spikes s:

        x[t] = A x[t-1] + B I[t] + R s[t-1]
        s[t] = H(mem[t] - threshold)

    A is ((a11, a12), (a21, a22)), B is (b1, b2), R is (r1, r2). The membrane is the first state, which
    loses nothing: :meth:`from_readout` brings any readout c·x into this form by a change of basis.
    (SiLIF paper, section 3.2 and equation 3: the mapping of neurons to state space models.)

    Every field broadcasts against [\*neurons].

    Examples:
        >>> lif = StateSpace.of(a11=0.9, b1=0.1, r1=-0.9)   # u = 0.9 (u - s) + 0.1 I
        >>> lif.transition
        tensor([[0.9000, 0.0000],
                [0.0000, 0.0000]])
    """

    a11: Tensor
    a12: Tensor
    a21: Tensor
    a22: Tensor
    b1: Tensor
    b2: Tensor
    r1: Tensor
    r2: Tensor
    threshold: Tensor

    @classmethod
    def of(
        cls,
        *,
        a11: Tensor | float = 0.0,
        a12: Tensor | float = 0.0,
        a21: Tensor | float = 0.0,
        a22: Tensor | float = 0.0,
        b1: Tensor | float = 0.0,
        b2: Tensor | float = 0.0,
        r1: Tensor | float = 0.0,
        r2: Tensor | float = 0.0,
        threshold: Tensor | float = 1.0,
    ) -> StateSpace:
        """Build from tensors and plain numbers; what is not given is zero, the threshold one."""
        values = (a11, a12, a21, a22, b1, b2, r1, r2, threshold)
        like = next((value for value in values if isinstance(value, Tensor)), torch.empty(()))
        return cls(
            *(
                value if isinstance(value, Tensor) else torch.tensor(value, dtype=like.dtype, device=like.device)
                for value in values
            )
        )

    @classmethod
    def from_readout(
        cls,
        transition: Tensor,
        input: Tensor,
        reset: Tensor,
        readout: Tensor,
        threshold: Tensor | float = 1.0,
    ) -> StateSpace:
        """Bring a system whose membrane is ``readout · x`` into membrane-first form.

        The new basis is (readout · x, x2), or (readout · x, x1) for neurons that read the second state more
        strongly; the spikes are the same.

        Args:
            transition: A, [*neurons, 2, 2].
            input: B, [*neurons, 2].
            reset: R, [*neurons, 2].
            readout: c, [*neurons, 2], not zero.
            threshold: Spiking threshold, [*neurons] or a number.

        Raises:
            ValueError: If the readout of a neuron is zero: it would have no membrane potential.
        """
        if not bool((readout != 0).any(dim=-1).all()):
            raise ValueError("readout: got a zero vector for some neuron; its membrane potential would be 0 forever")
        first, second = readout.new_tensor([1.0, 0.0]), readout.new_tensor([0.0, 1.0])
        reads_first = (readout[..., :1].abs() >= readout[..., 1:].abs()).expand_as(readout)
        basis = torch.stack([readout, torch.where(reads_first, second, first)], dim=-2)
        a = basis @ transition @ torch.linalg.inv(basis)
        b = (basis @ input.unsqueeze(-1)).squeeze(-1)
        r = (basis @ reset.unsqueeze(-1)).squeeze(-1)
        return cls.of(
            a11=a[..., 0, 0],
            a12=a[..., 0, 1],
            a21=a[..., 1, 0],
            a22=a[..., 1, 1],
            b1=b[..., 0],
            b2=b[..., 1],
            r1=r[..., 0],
            r2=r[..., 1],
            threshold=threshold,
        )

    @property
    def shape(self) -> torch.Size:
        """Shape of the population, [*neurons]: what the fields broadcast to."""
        shape = self.a11.shape
        if all(field.shape == shape for field in self):  # common, and cheaper
            return shape
        return torch.broadcast_tensors(*self)[0].shape  # torch.broadcast_shapes imports SymPy: half a second

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the dynamics; the state is kept in it."""
        return self.a11.dtype

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> State:
        """Return the state at rest, zeros."""
        return State.zeros(shape, dtype=dtype or self.dtype, device=device or self.a11.device)

    def step(self, current: Tensor, state: State, surrogate: SpikeFunction, *, detach_reset: bool = False) -> State:
        r"""Advance every neuron by one time step: the definition that everything faster equals.

        Args:
            current: Input current I[t], [B, \*neurons].
            state: The state at t-1.
            surrogate: Spike function of mem - threshold.
            detach_reset: Whether s[t-1] in R s[t-1] is a constant for the gradient.

        Returns:
            The state at t; its ``spk`` are the spikes of this step.
        """
        reset = state.spk.detach() if detach_reset else state.spk
        mem, ada = self.advance(current, state.mem, state.ada, reset)
        return State(mem, ada, surrogate(mem - self.threshold))

    def advance(self, current: Tensor, mem: Tensor, ada: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
        """Return both states of A x + B I + R s, the terms added from left to right."""
        return (
            self.a11 * mem + self.a12 * ada + self.b1 * current + self.r1 * reset,
            self.a21 * mem + self.a22 * ada + self.b2 * current + self.r2 * reset,
        )

    def without_reset(self) -> StateSpace:
        """Return the same neurons with R = 0."""
        return self._replace(r1=torch.zeros_like(self.r1), r2=torch.zeros_like(self.r2))

    @property
    def transition(self) -> Tensor:
        """The matrix A, [*neurons, 2, 2]."""
        entries = torch.broadcast_tensors(self.a11, self.a12, self.a21, self.a22)
        return torch.stack(entries, dim=-1).unflatten(-1, (2, 2))

    @property
    def readout(self) -> Tensor:
        """The vector c of the membrane potential c·x: (1, 0) in this form."""
        return self.a11.new_tensor([1.0, 0.0])

    def double(self) -> StateSpace:
        """Return the same system in float64."""
        return StateSpace(*(field.double() for field in self))


class PackedSpace(StateSpace):
    """A state space whose coefficients are at hand in one tensor, too.

    What is made of it, by ``_replace`` for example, has none.

    Attributes:
        packed: All fields, [9, *neurons]; None if there is no such tensor.
    """

    packed: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """Shape of the population."""
        return super().shape if self.packed is None else self.packed.shape[1:]
