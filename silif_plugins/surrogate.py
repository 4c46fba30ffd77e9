"""Spike functions: a step forward, a surrogate gradient backward.

Every class here is a picklable callable x = mem - threshold -> spikes in x's data type, with strict H(x > 0).
Wherever a ``surrogate`` is asked for, :func:`resolve` also accepts a name of :data:`SURROGATES`, the name of a
Norse method (``"norse:tanh"``), and any callable, such as those of ``snntorch.surrogate``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SpikeFunction = Callable[[Tensor], Tensor]
"""A function of mem - threshold, elementwise: spikes forward, a surrogate gradient backward."""


def is_above(x: Tensor, level: float) -> Tensor:
    """Return H(x > level) in x's data type, without a gradient.

    Examples:
        >>> is_above(torch.tensor([-1.0, 0.0, 0.5]), 0.0)
        tensor([0., 0., 1.])
    """
    if (x.requires_grad and torch.is_grad_enabled()) or not is_plain():
        return (x > level).to(x.dtype)
    return torch.gt(x, level, out=torch.empty_like(x))  # no booleans on the way: a third of the time


def is_plain() -> bool:
    """Whether operations run as they are written: no compiler, tracer or transform rewrites them."""
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch._C._are_functorch_transforms_active()
    )


def in_forward_mode() -> bool:
    """Whether derivatives in forward mode are asked for (dual numbers, ``torch.func.jvp``): the kernels have none."""
    return torch.autograd.forward_ad._current_level >= 0


class _Spike(torch.autograd.Function):
    """H(x > 0) with the derivative of a Surrogate in its place."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, surrogate: Surrogate) -> Tensor:
        return is_above(x, 0.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Surrogate], output: Tensor) -> None:
        x, ctx.surrogate = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad_outputs[0] * ctx.surrogate.derivative(x), None


class _DualSpike(_Spike):
    """The same with a derivative in forward mode: torch.compile takes no function that has one."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Surrogate], output: Tensor) -> None:
        _Spike.setup_context(ctx, inputs, output)
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return tangents[0] * ctx.surrogate.derivative(x)


class Surrogate:
    """A spike function defined by the derivative that stands in for that of the step.

    Examples:
        >>> class Wide(Surrogate):
        ...     def derivative(self, x):
        ...         return (x.abs() < 2).to(x.dtype)
        >>> x = torch.tensor([-1.0, 1.0], requires_grad=True)
        >>> Wide()(x).sum().backward()
        >>> x.grad
        tensor([1., 1.])
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Return spikes, 1 where x > 0 and 0 elsewhere, in x's data type."""
        function = _DualSpike if in_forward_mode() else _Spike
        spikes: Tensor = function.apply(x, self)  # type: ignore[no-untyped-call]
        return spikes

    def derivative(self, x: Tensor) -> Tensor:
        """Return what stands for dH/dx at x = mem - threshold."""
        raise NotImplementedError


@dataclass(frozen=True)
class Boxcar(Surrogate):
    """1 on (-half_width, half_width], 0 elsewhere: the paper's surrogate (section 4.1, after DECOLLE).

    Examples:
        >>> x = torch.tensor([-0.5, -0.4, 0.5, 0.6], requires_grad=True)
        >>> Boxcar()(x)
        tensor([0., 0., 1., 1.], grad_fn=...)
        >>> Boxcar()(x).sum().backward(); x.grad
        tensor([0., 1., 1., 0.])
    """

    half_width: float = 0.5

    def derivative(self, x: Tensor) -> Tensor:
        """Return the boxcar."""
        return is_above(x, -self.half_width) - is_above(x, self.half_width)


@dataclass(frozen=True)
class ATan(Surrogate):
    """(alpha/2) / (1 + (π alpha x / 2)²): snnTorch's default surrogate.

    Examples:
        >>> ATan(2.0).derivative(torch.tensor([0.0]))
        tensor([1.])
    """

    alpha: float = 2.0

    def derivative(self, x: Tensor) -> Tensor:
        """Return the derivative of the scaled arc tangent."""
        return (self.alpha / 2) / (1 + (math.pi / 2 * self.alpha * x) ** 2)


@dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """1 / (1 + slope |x|)²: SuperSpike (Zenke and Ganguli, 2018), snnTorch's fast sigmoid.

    Examples:
        >>> FastSigmoid(1.0).derivative(torch.tensor([1.0]))
        tensor([0.2500])
    """

    slope: float = 25.0

    def derivative(self, x: Tensor) -> Tensor:
        """Return the derivative of the fast sigmoid."""
        return 1 / (1 + self.slope * x.abs()) ** 2


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """slope σ(slope x) (1 - σ(slope x)), σ being the logistic function: snnTorch's sigmoid, without its overflow.

    Examples:
        >>> Sigmoid(4.0).derivative(torch.tensor([-1000.0, 0.0, 1000.0]))
        tensor([0., 1., 0.])
    """

    slope: float = 25.0

    def derivative(self, x: Tensor) -> Tensor:
        """Return the derivative of the logistic function of slope x."""
        soft = torch.sigmoid(self.slope * x)
        return self.slope * soft * (1 - soft)


@dataclass(frozen=True)
class Triangle(Surrogate):
    """height * max(0, 1 - |x| / half_width): a derivative of bounded support without jumps.

    Examples:
        >>> Triangle().derivative(torch.tensor([0.0, 0.5, 2.0]))
        tensor([1.0000, 0.5000, 0.0000])
    """

    height: float = 1.0
    half_width: float = 1.0

    def derivative(self, x: Tensor) -> Tensor:
        """Return the triangle."""
        return self.height * (1 - x.abs() / self.half_width).clamp(min=0)


@dataclass(frozen=True)
class NorseMethod:
    """A surrogate of Norse by its method name, with Norse's own meaning of alpha.

    Args:
        method: ``"super"``, ``"triangle"``, ``"tanh"``, ``"circ"``, ``"heavi_erfc"`` or ``"heaviside"``, as in
            ``norse.torch.functional.threshold.threshold``.
        alpha: Its sharpness.

    Raises:
        ImportError: When called, if Norse is not installed.
        ValueError: When called, by Norse, if it has no such method.

    Examples:
        >>> NorseMethod("tanh", 10.0)(torch.tensor([-0.1, 0.1]))  # doctest: +SKIP
        tensor([0., 1.])
    """

    method: str
    alpha: float = 100.0

    def __call__(self, x: Tensor) -> Tensor:
        """Return spikes by Norse's threshold function."""
        try:
            from norse.torch.functional.threshold import threshold
        except ImportError as error:
            raise ImportError('Norse is not installed: pip install "silif_plugins[norse]"') from error
        spikes: Tensor = threshold(x, self.method, self.alpha)
        return spikes


SURROGATES: dict[str, type[Surrogate]] = {
    "boxcar": Boxcar,
    "atan": ATan,
    "fast_sigmoid": FastSigmoid,
    "super": FastSigmoid,
    "sigmoid": Sigmoid,
    "triangle": Triangle,
}
"""Surrogates by name, with the defaults of their classes."""


def resolve(surrogate: str | SpikeFunction | None) -> SpikeFunction:
    """Turn what a user gives as a surrogate into a spike function; None is the paper's boxcar.

    Args:
        surrogate: A name of :data:`SURROGATES`, ``"norse:METHOD"``, or a callable of mem - threshold.

    Raises:
        ValueError: If there is no surrogate of this name.
        TypeError: If it is neither a name nor a callable, or a class instead of an object.

    Examples:
        >>> resolve("atan")
        ATan(alpha=2.0)
        >>> resolve("norse:tanh")
        NorseMethod(method='tanh', alpha=100.0)
    """
    if surrogate is None:
        return Boxcar()
    if isinstance(surrogate, str):
        if surrogate.startswith("norse:"):
            return NorseMethod(surrogate.removeprefix("norse:"))
        if surrogate in SURROGATES:
            return SURROGATES[surrogate]()
        raise ValueError(f"surrogate: got {surrogate!r}; it must be one of {', '.join(SURROGATES)} or 'norse:METHOD'")
    if isinstance(surrogate, type):
        name = surrogate.__name__
        raise TypeError(f"surrogate: got the class {name}; give an object, such as {name}()")
    if callable(surrogate):
        return surrogate
    raise TypeError(f"surrogate: got {type(surrogate).__name__}; it must be a name or a callable")
