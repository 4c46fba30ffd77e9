"""SiLIF in Norse: parameters, state and modules.

    w[t] = β w[t-1] + a v[t-1] + b z[t-1]
    v[t] = α (v[t-1] - z[t-1]) + (1-α) (I[t] - w[t]),   z[t] = H(v[t] - v_th)
    α = exp(-Δ/τ_u),  β = exp(-Δ/τ_w),  Δ = dt · exp(log_relative_dt)

Source: SiLIF paper, algorithm 1; v is its u. The input acts at once and the integration is exact for a constant
input, where Norse's own neurons take forward Euler steps.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import neurons
from ..dynamics import ResetMechanism, StateSpace
from ..neurons import COUPLING, SPIKE_COUPLING, Init, Learn, leak, silif_space
from .conversion import Place, absolute_log_dt, assign, check_unscaled, population, scaled, values_of
from .forms import FORMS, Forms
from .functional import NORSE_DT
from .modules import Cell, Layer, RecurrentCell, RecurrentLayer
from .parameters import BOXCAR, SUPER, Method

GENTLE_COUPLING = (0.0, 0.3)
"""Where a starts by default. Drawn from the paper's (0, 1), adaptation cancels a constant input before layers learn."""

GENTLE_SPIKE_COUPLING = (0.0, 0.5)
"""Where b starts by default; the paper's is (0, 2)."""


class SiLIFState(NamedTuple):
    r"""State of SiLIF neurons, with and without recurrence: the spikes of the last step drive the reset.

    Attributes:
        z: Spikes of the last step, [B, \*neurons].
        v: Membrane potential, [B, \*neurons].
        w: Adaptation, [B, \*neurons].

    Examples:
        >>> _, state = SiLIF()(torch.rand(100, 8, 128))
        >>> state = SiLIFState(*(field.detach() for field in state))   # cut the graph between two sequences
        >>> z, state = SiLIF()(torch.rand(100, 8, 128), state)
    """

    z: Tensor
    v: Tensor
    w: Tensor


class SiLIFParameters(NamedTuple):
    """Parameters of SiLIF neurons; every tensor broadcasts against the neurons.

    The defaults, shared by all neurons, are the centres of the ranges that :meth:`sample` draws from, at steps of 1 ms.
    Names are those of the core's parameters in every host, but for ``log_relative_dt``: a module has a ``dt``, and the
    core's ``log_dt`` is absolute.

    Norse's ``v_leak`` and ``v_reset`` have no fields. The potential is measured from the leak: of a LIF neuron it is
    v - v_leak, and ``v_th`` is its v_th - v_leak. A spike subtracts ``reset_scale`` from the potential, v_th - v_reset
    of a LIF neuron: where LIF jumps to v_reset, what exceeds the threshold is kept. :func:`from_lif` converts.

    Attributes:
        log_inv_tau_u: log(1/τ_u), τ_u in seconds: the membrane.
        log_inv_tau_w: log(1/τ_w), τ_w in seconds: the adaptation.
        log_relative_dt: log(Δ/dt): 0 where a neuron's timestep is exactly the module's ``dt``.
        a: Coupling from membrane to adaptation, clamped to [0, 1].
        b: Jump of the adaptation by a spike, clamped to [0, 2].
        v_th: Threshold.
        input_scale: Unit of current, not trained: the current is multiplied by it.
        reset_scale: Unit of spike, not trained: how much one takes from the potential, and of b gives to w.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate, as in Norse: no decay. By default 10 for "super", 1 for others.
        detach_reset: Whether the spikes that reset are constants for the gradient, as in Norse's recurrent LIF.
        reset_mechanism: What a spike does to the next step: ``"subtract"``, the neuron's own reset; ``"zero"``, that
            in proportion to the potential, which loses all; ``"none"``.

    Examples:
        >>> p = SiLIFParameters.sample(128)
        >>> p.a.shape
        torch.Size([128])
        >>> SiLIFParameters(v_th=torch.tensor(0.5), method="super", alpha=10.0).tau_mem_inv
        tensor(50.0000)
    """

    log_inv_tau_u: Tensor = torch.tensor(math.log(50.0))
    log_inv_tau_w: Tensor = torch.tensor(math.log(5.0))
    log_relative_dt: Tensor = torch.tensor(0.0)
    a: Tensor = torch.tensor(sum(GENTLE_COUPLING) / 2)
    b: Tensor = torch.tensor(sum(GENTLE_SPIKE_COUPLING) / 2)
    v_th: Tensor = torch.tensor(1.0)
    input_scale: Tensor = torch.tensor(1 / (1 - math.exp(-50.0 * NORSE_DT)))
    reset_scale: Tensor = torch.tensor(1.0)
    method: Method = SUPER
    alpha: float | None = None
    detach_reset: bool = False
    reset_mechanism: ResetMechanism = "subtract"

    @property
    def state_type(self) -> type[SiLIFState]:
        """The model's state tuple."""
        return SiLIFState

    @property
    def tau_mem_inv(self) -> Tensor:
        """1/τ_u in 1/s, under Norse's name."""
        return torch.as_tensor(self.log_inv_tau_u).exp()

    @property
    def tau_ada_inv(self) -> Tensor:
        """1/τ_w in 1/s, under Norse's name."""
        return torch.as_tensor(self.log_inv_tau_w).exp()

    def state_space(self, dt: float = NORSE_DT) -> StateSpace:
        """Return the coefficients of one step of ``dt`` seconds: :func:`silif_plugins.neurons.silif_space`, scaled."""
        log_inv_tau_u, log_inv_tau_w, log_relative_dt, a, b, v_th = map(torch.as_tensor, self[:6])
        space = silif_space(log_inv_tau_u, log_inv_tau_w, absolute_log_dt(log_relative_dt, dt), a, b, v_th)
        return scaled(space, self.input_scale, self.reset_scale)

    @classmethod
    def shared(cls, dt: float = NORSE_DT) -> SiLIFParameters:
        """Return the parameters by default, shared by all neurons, for modules of this ``dt``."""
        p = cls()
        return p._replace(input_scale=_unit_gain(p, dt))

    @classmethod
    def sample(
        cls,
        size: int | tuple[int, ...],
        *,
        dt: float = NORSE_DT,
        timestep: Init | None = None,
        tau_u: Init = (1 / 250, 1 / 10),
        tau_w: Init = (1 / 10, 1 / 2.5),
        a: Init = GENTLE_COUPLING,
        b: Init = GENTLE_SPIKE_COUPLING,
        v_th: float | Tensor = 1.0,
        input_scale: float | Tensor | None = None,
        reset_scale: float | Tensor = 1.0,
        method: Method = SUPER,
        alpha: float | None = None,
        detach_reset: bool = False,
        generator: torch.Generator | None = None,
    ) -> SiLIFParameters:
        """Draw the parameters of every neuron.

        Time constants are spread as in the SiLIF paper; the adaptation is gentler, and the input is not attenuated,
        so that layers fire, and learn, without normalisation. :meth:`paper` has the paper's own start.

        Each quantity is a number for all neurons, a range (low, high) to draw from, or a tensor.

        Args:
            size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
            dt: Timestep of the module in seconds.
            timestep: The neurons' own timesteps Δ in seconds; exactly ``dt`` by default.
            tau_u: Membrane time constant in seconds.
            tau_w: Adaptation time constant in seconds.
            a: Coupling from membrane to adaptation.
            b: Jump of the adaptation by a spike.
            v_th: Threshold.
            input_scale: What the current is multiplied by. By default each neuron's 1 / (1 - α): a unit of current
                in one step raises the potential by one, whatever the time constant starts as.
            reset_scale: What a spike takes from the potential.
            method: Surrogate.
            alpha: Sharpness of the surrogate.
            detach_reset: Whether the spikes that reset are constants for the gradient.
            generator: Source of randomness.

        Raises:
            ValueError: If a size or a range is not valid; the message says which.

        Examples:
            >>> p = SiLIFParameters.sample(128, dt=0.01)
            >>> torch.allclose(p.state_space(0.01).b1, torch.ones(128))
            True
        """
        neuron = neurons.SiLIF(
            size,
            dt=dt if timestep is None else timestep,
            tau_u=tau_u,
            tau_w=tau_w,
            a=a,
            b=b,
            threshold=v_th,
            generator=generator,
        )
        p = cls.from_neuron(neuron, dt=dt)._replace(method=method, alpha=alpha, detach_reset=detach_reset)
        if timestep is None:  # exactly zero, whatever the rounding of the logarithms
            p = p._replace(log_relative_dt=torch.zeros_like(p.log_relative_dt))
        return p._replace(
            input_scale=_unit_gain(p, dt) if input_scale is None else torch.as_tensor(input_scale),
            reset_scale=torch.as_tensor(reset_scale),
        )

    @classmethod
    def paper(cls, size: int | tuple[int, ...], **options: Any) -> SiLIFParameters:
        """Draw the parameters as the SiLIF paper does, with its boxcar surrogate.

        Strong adaptation, and an input attenuated by 1 - α: it asks for a normalised input, batch normalisation in
        the paper.

        Args:
            size: Number of neurons, or shape of the population.
            **options: Arguments of :meth:`sample`, which take precedence.

        Examples:
            >>> SiLIFParameters.paper(128, dt=0.004).method
            'boxcar'
        """
        start = {"a": COUPLING, "b": SPIKE_COUPLING, "input_scale": 1.0, "method": BOXCAR}
        return cls.sample(size, **{**start, **options})

    @staticmethod
    def in_place_of(place: Place) -> dict[str, Any]:
        """Return the arguments of :meth:`sample` that start as one of Norse's neurons does."""
        start: dict[str, Any] = {"tau_u": 1 / place.rate, "a": 0.0, "b": 0.0, "input_scale": place.gain}
        if place.adaptation is not None:
            jump, recovery = place.adaptation
            start |= {"tau_w": 1 / recovery, "b": (jump / place.reset).clamp(*SPIKE_COUPLING)}
        return start

    @classmethod
    def from_neuron(cls, neuron: neurons.SiLIF, *, dt: float = NORSE_DT) -> SiLIFParameters:
        """Take over the parameters of the core's neurons, which SpArch's network and the snnTorch plugin hold.

        The values are copies. ``log_relative_dt`` becomes log(Δ/dt), equal up to its last digit, and equal with
        ``dt=1.0``; everything else is equal. Scales are 1; the surrogate, which is no part of a neuron, is the default.

        Args:
            neuron: The core's neurons, with timesteps Δ in seconds.
            dt: Timestep of the Norse module in seconds.

        Raises:
            ValueError: If the neurons were made with ``log=False``: host them by ``NeuronLayer``.
        """
        values = values_of(neuron, cls._fields[:5], dt)
        one = torch.ones_like(neuron.threshold)
        return cls()._replace(**values, v_th=neuron.threshold.detach().clone(), input_scale=one, reset_scale=one)

    def to_neuron(self, *, dt: float = NORSE_DT, learn: Learn = True) -> neurons.SiLIF:
        """Return the core's neurons with copies of these parameters and, bit for bit, the same dynamics.

        Args:
            dt: Timestep of the Norse module in seconds.
            learn: Which of their parameters train.

        Raises:
            ValueError: If a scale is not 1, as it is in :meth:`paper`: the core's neurons have none.

        Examples:
            >>> p = SiLIFParameters.paper(4)
            >>> torch.equal(p.to_neuron().state_space().a11, p.state_space().a11)
            True
        """
        check_unscaled(self.input_scale, self.reset_scale)
        neuron = neurons.SiLIF(population(self[:6]), threshold=self.v_th, learn=learn)
        return assign(neuron, dict(zip(self._fields[:5], self[:5], strict=True)), dt)


def _unit_gain(p: SiLIFParameters, dt: float) -> Tensor:
    """Return 1 / (1 - α)."""
    return 1 / leak(p.log_inv_tau_u + absolute_log_dt(p.log_relative_dt, dt))


class SiLIFCell(Cell[SiLIFParameters, SiLIFState]):
    """SiLIF neurons for one time step, without recurrence; arguments as :class:`silif_plugins.norse.SiLIF`.

    The decays are computed anew at every step. Where the whole sequence is at hand, :class:`SiLIF` computes them
    once and is faster by far, with the same parameters.

    Examples:
        >>> cell = SiLIFCell(128)
        >>> state = None
        >>> for current in torch.randn(10, 8, 128):
        ...     z, state = cell(current, state)
        >>> z.shape, len(list(cell.parameters()))
        (torch.Size([8, 128]), 5)
    """

    parameters_type = SiLIFParameters


class SiLIF(Layer[SiLIFParameters, SiLIFState]):
    """SiLIF neurons over a sequence, without recurrence, by the sequence kernel where it applies.

    Set ``dt`` to the duration of a step of the data: time constants start at 4 to 100 ms, and Norse's default step is
    1 ms. A current of 1 in one step raises the potential by 1. With :meth:`SiLIFParameters.paper` the input is
    attenuated, and asks for a normalisation: the paper's boxcar surrogate has no gradient at all where the membrane
    stays further than 1/2 from the threshold.

    Args:
        p: Parameters, or the number of neurons, or the shape of the population, to draw them for every neuron by
            :meth:`SiLIFParameters.sample`. By default shared by all neurons, so that their number comes from the
            input.
        dt: Timestep in seconds.
        learn: True, False, or the names of the fields of ``p`` to train.
        record_states: Whether to return the states of all steps instead of the last.

    Raises:
        ValueError: If a field is NaN, a name unknown, or the shapes of the fields do not fit each other.

    Examples:
        >>> import norse.torch as snn
        >>> network = snn.SequentialState(
        ...     torch.nn.Linear(140, 128), SiLIF(128), torch.nn.Linear(128, 20), snn.LI()
        ... )
        >>> voltages, state = network(torch.rand(100, 8, 140))   # [T, B, inputs]
        >>> voltages.shape, state[1].w.shape
        (torch.Size([100, 8, 20]), torch.Size([8, 128]))
    """

    parameters_type = SiLIFParameters


class SiLIFRecurrentCell(RecurrentCell[SiLIFParameters, SiLIFState]):
    """A recurrent population for one step; arguments as :class:`silif_plugins.norse.SiLIFRecurrent`.

    Examples:
        >>> z, state = SiLIFRecurrentCell(140, 128)(torch.rand(8, 140))
        >>> z.shape
        torch.Size([8, 128])
    """

    parameters_type = SiLIFParameters


class SiLIFRecurrent(RecurrentLayer[SiLIFParameters, SiLIFState]):
    """A population of SiLIF neurons that drive each other, over a sequence.

    Args:
        input_size: Number of inputs.
        hidden_size: Number of neurons.
        p: Parameters; by default drawn for every neuron by :meth:`SiLIFParameters.sample`.
        dt: Timestep in seconds.
        learn: True, False, or the names of the fields of ``p`` to train; the weights train in any case.
        input_weights: [hidden, inputs]. A tensor is copied, an ``nn.Parameter`` is used itself.
        recurrent_weights: [hidden, hidden] (to, from), likewise.
        autapses: Whether neurons drive themselves. If not, the diagonal does not act; it is never written to in a
            tensor that was given.
        record_states: Whether to return the states of all steps instead of the last.

    Raises:
        ValueError: If a field is NaN, a name unknown, or a shape does not fit.

    Examples:
        >>> z, state = SiLIFRecurrent(140, 128)(torch.rand(100, 8, 140))   # [T, B, inputs]
        >>> z.shape, state.v.shape
        (torch.Size([100, 8, 128]), torch.Size([8, 128]))
    """

    parameters_type = SiLIFParameters


FORMS[neurons.SiLIF] = Forms(SiLIFCell, SiLIF, SiLIFRecurrentCell, SiLIFRecurrent)
