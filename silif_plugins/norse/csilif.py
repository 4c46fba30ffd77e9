"""C-SiLIF in Norse: parameters, state and modules.

    (v + i w)[t] = α ((v + i w)[t-1] - z[t-1]) + 2 b I[t],   z[t] = H(v[t] - v_th)
    α = exp(Δ (-exp(log_decay) + i ω)),  Δ = dt · exp(log_relative_dt)

Source: SiLIF paper, algorithm 2, with v + i w twice its u: the same spikes, two real states, no complex tensors.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from .. import neurons
from ..dynamics import ResetMechanism, StateSpace
from ..neurons import Init, Learn, csilif_space
from .conversion import Place, absolute_log_dt, assign, check_unscaled, population, scaled, values_of
from .forms import FORMS, Forms
from .functional import NORSE_DT
from .modules import Cell, Layer, RecurrentCell, RecurrentLayer
from .parameters import BOXCAR, SUPER, Method

PUBLISHED_TIMESTEPS = (0.01, 0.5)
"""Range of Δ in seconds from which the paper's code draws for SHD; its centre is the default of ``log_relative_dt``."""

ROTATION = 0.4
"""Largest |Im λ / Re λ| that neurons start with in the place of LIF: at 0, ω would have no gradient."""

CENTRAL_LOG_TIMESTEP = 0.5 * sum(map(math.log, PUBLISHED_TIMESTEPS))


class CSiLIFState(NamedTuple):
    r"""State of C-SiLIF neurons, with and without recurrence: the spikes of the last step drive the reset.

    Attributes:
        z: Spikes of the last step, [B, \*neurons].
        v: Membrane potential, the real part, [B, \*neurons].
        w: Imaginary part, [B, \*neurons].

    Examples:
        >>> _, state = CSiLIF()(torch.rand(100, 8, 128))
        >>> torch.equal(state.u.real, state.v / 2)
        True
    """

    z: Tensor
    v: Tensor
    w: Tensor

    @property
    def u(self) -> Tensor:
        """The paper's complex state, (v + i w) / 2."""
        return torch.complex(self.v, self.w) / 2


class CSiLIFParameters(NamedTuple):
    """Parameters of C-SiLIF neurons; every tensor broadcasts against the neurons.

    The defaults, shared by all neurons, are the centres of the ranges that :meth:`sample` draws from.

    Attributes:
        log_decay: log(-Re λ), λ in 1/s.
        omega: Im λ, the angular frequency in rad/s.
        log_relative_dt: log(Δ/dt): 0 where a neuron's timestep is exactly the module's ``dt``.
        b: Input gate.
        v_th: Threshold.
        input_scale: Unit of current, not trained: the current is multiplied by it.
        reset_scale: Unit of spike, not trained: how much one takes from v before the rotation.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate, as in Norse: no decay. By default 10 for "super", 1 for others.
        detach_reset: Whether the spikes that reset are constants for the gradient, as in Norse's recurrent LIF.
        reset_mechanism: What a spike does to the next step: ``"subtract"``, the neuron's own reset; ``"zero"``, that
            in proportion to the potential, which loses all; ``"none"``.

    Examples:
        >>> p = CSiLIFParameters.sample(128)
        >>> p.omega.shape
        torch.Size([128])
    """

    log_decay: Tensor = torch.tensor(math.log(0.5))
    omega: Tensor = torch.tensor(math.pi)
    log_relative_dt: Tensor = torch.tensor(CENTRAL_LOG_TIMESTEP - math.log(NORSE_DT))
    b: Tensor = torch.tensor(0.5)
    v_th: Tensor = torch.tensor(1.0)
    input_scale: Tensor = torch.tensor(1.0)
    reset_scale: Tensor = torch.tensor(1.0)
    method: Method = SUPER
    alpha: float | None = None
    detach_reset: bool = False
    reset_mechanism: ResetMechanism = "subtract"

    @property
    def state_type(self) -> type[CSiLIFState]:
        """The model's state tuple."""
        return CSiLIFState

    def state_space(self, dt: float = NORSE_DT) -> StateSpace:
        """Return the coefficients of one step of ``dt`` seconds: :func:`silif_plugins.neurons.csilif_space`, scaled."""
        log_decay, omega, log_relative_dt, b, v_th = map(torch.as_tensor, self[:5])
        space = csilif_space(log_decay, omega, absolute_log_dt(log_relative_dt, dt), b, v_th)
        return scaled(space, self.input_scale, self.reset_scale)

    @classmethod
    def shared(cls, dt: float = NORSE_DT) -> CSiLIFParameters:
        """Return the parameters by default, shared by all neurons, for modules of this ``dt``."""
        return cls(log_relative_dt=torch.tensor(CENTRAL_LOG_TIMESTEP - math.log(dt)))

    @classmethod
    def sample(
        cls,
        size: int | tuple[int, ...],
        *,
        dt: float = NORSE_DT,
        timestep: Init | None = None,
        decay: Init | None = None,
        omega: Init | None = None,
        b: Init = (0.0, 1.0),
        init: Literal["s4d-lin", "uniform"] = "s4d-lin",
        v_th: float | Tensor = 1.0,
        input_scale: float | Tensor = 1.0,
        reset_scale: float | Tensor = 1.0,
        method: Method = SUPER,
        alpha: float | None = None,
        detach_reset: bool = False,
        generator: torch.Generator | None = None,
    ) -> CSiLIFParameters:
        """Draw the parameters of every neuron as the SiLIF paper does; the surrogate is Norse's.

        Each quantity is a number for all neurons, a range (low, high) to draw from, or a tensor.

        Args:
            size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
            dt: Timestep of the module in seconds, to which ``log_relative_dt`` is made relative.
            timestep: The neurons' own timesteps Δ in seconds. They spread the neurons' frequencies, and need not
                be near ``dt``: the paper draws them from 0.01 to 0.5 s for data at 4 ms.
            decay: -Re λ in 1/s.
            omega: Angular frequency Im λ in rad/s.
            b: Input gate.
            init: ``"s4d-lin"`` or ``"uniform"``: see :class:`silif_plugins.neurons.CSiLIF`.
            v_th: Threshold.
            input_scale: What the current is multiplied by.
            reset_scale: What a spike takes from v.
            method: Surrogate.
            alpha: Sharpness of the surrogate.
            detach_reset: Whether the spikes that reset are constants for the gradient.
            generator: Source of randomness.

        Raises:
            ValueError: If a size or a range is not valid; the message says which.
        """
        neuron = neurons.CSiLIF(
            size, dt=timestep, decay=decay, omega=omega, b=b, threshold=v_th, init=init, generator=generator
        )
        return cls.from_neuron(neuron, dt=dt)._replace(
            input_scale=torch.as_tensor(input_scale),
            reset_scale=torch.as_tensor(reset_scale),
            method=method,
            alpha=alpha,
            detach_reset=detach_reset,
        )

    @classmethod
    def paper(cls, size: int | tuple[int, ...], **options: Any) -> CSiLIFParameters:
        """Draw the parameters as the SiLIF paper does, with its boxcar surrogate.

        Args:
            size: Number of neurons, or shape of the population.
            **options: Arguments of :meth:`sample`, which take precedence.

        Examples:
            >>> CSiLIFParameters.paper(128).method
            'boxcar'
        """
        return cls.sample(size, **{"method": BOXCAR, **options})

    @staticmethod
    def in_place_of(place: Place) -> dict[str, Any]:
        """Return the arguments of :meth:`sample` that start as one of Norse's neurons does, but for an adaptation."""
        spread = torch.rand(place.size) if place.size else 0.5
        return {
            "input_scale": place.gain * place.leak,
            "timestep": place.dt,
            "decay": place.rate,
            "omega": ROTATION * place.rate * spread,
            "b": 0.5,
        }

    @classmethod
    def from_neuron(cls, neuron: neurons.CSiLIF, *, dt: float = NORSE_DT) -> CSiLIFParameters:
        """Take over the parameters of the core's neurons, which SpArch's network and the snnTorch plugin hold.

        The values are copies. ``log_relative_dt`` becomes log(Δ/dt), equal up to its last digit, and equal with
        ``dt=1.0``; everything else is equal. Scales are 1; the surrogate, which is no part of a neuron, is the default.

        Args:
            neuron: The core's neurons, with timesteps Δ in seconds.
            dt: Timestep of the Norse module in seconds.

        Raises:
            ValueError: If the neurons were made with ``log=False`` or ``half_reset=False``: host them by
                ``NeuronLayer``.
        """
        if not neuron.half_reset:
            raise ValueError("neuron: got half_reset=False, which has no parameter; host it as it is, by NeuronLayer")
        values = values_of(neuron, cls._fields[:4], dt)
        one = torch.ones_like(neuron.threshold)
        return cls()._replace(**values, v_th=neuron.threshold.detach().clone(), input_scale=one, reset_scale=one)

    def to_neuron(self, *, dt: float = NORSE_DT, learn: Learn = True) -> neurons.CSiLIF:
        """Return the core's neurons with copies of these parameters and, bit for bit, the same dynamics.

        Args:
            dt: Timestep of the Norse module in seconds.
            learn: Which of their parameters train.

        Raises:
            ValueError: If a scale is not 1: the core's neurons have none.

        Examples:
            >>> p = CSiLIFParameters.sample(4)
            >>> torch.equal(p.to_neuron().state_space().a11, p.state_space().a11)
            True
        """
        check_unscaled(self.input_scale, self.reset_scale)
        neuron = neurons.CSiLIF(population(self[:5]), threshold=self.v_th, learn=learn)
        return assign(neuron, dict(zip(self._fields[:4], self[:4], strict=True)), dt)


class CSiLIFCell(Cell[CSiLIFParameters, CSiLIFState]):
    """C-SiLIF neurons for one time step, without recurrence; arguments as :class:`silif_plugins.norse.SiLIF`.

    Examples:
        >>> cell = CSiLIFCell(128)
        >>> z, state = cell(torch.randn(8, 128))
        >>> z, state = cell(torch.randn(8, 128), state)
        >>> [name for name, _ in cell.named_parameters()]
        ['log_decay', 'omega', 'log_relative_dt', 'b']
    """

    parameters_type = CSiLIFParameters


class CSiLIF(Layer[CSiLIFParameters, CSiLIFState]):
    """C-SiLIF neurons over a sequence, without recurrence; arguments as :class:`silif_plugins.norse.SiLIF`.

    Examples:
        >>> z, state = CSiLIF(128)(torch.randn(100, 8, 128))   # [T, B, neurons]
        >>> z.shape, state.v.shape
        (torch.Size([100, 8, 128]), torch.Size([8, 128]))
    """

    parameters_type = CSiLIFParameters


class CSiLIFRecurrentCell(RecurrentCell[CSiLIFParameters, CSiLIFState]):
    """A recurrent population for one step; arguments as :class:`silif_plugins.norse.SiLIFRecurrent`.

    Examples:
        >>> z, state = CSiLIFRecurrentCell(140, 128)(torch.rand(8, 140))
        >>> z.shape
        torch.Size([8, 128])
    """

    parameters_type = CSiLIFParameters


class CSiLIFRecurrent(RecurrentLayer[CSiLIFParameters, CSiLIFState]):
    """A recurrent population over a sequence; arguments as :class:`silif_plugins.norse.SiLIFRecurrent`.

    Examples:
        >>> z, state = CSiLIFRecurrent(140, 128)(torch.rand(100, 8, 140))   # [T, B, inputs]
        >>> z.shape, state.v.shape
        (torch.Size([100, 8, 128]), torch.Size([8, 128]))
    """

    parameters_type = CSiLIFParameters


FORMS[neurons.CSiLIF] = Forms(CSiLIFCell, CSiLIF, CSiLIFRecurrentCell, CSiLIFRecurrent)
