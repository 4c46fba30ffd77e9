"""Spike functions: a step forward, a surrogate gradient backward.

Every class here is a picklable callable x = mem - threshold -> spikes in x's data type, with strict H(x > 0).
Wherever a ``surrogate`` is asked for, :func:`resolve` also accepts a name of :data:`SURROGATES`, a name with the prefix
of a host that registers its own (``"norse:tanh"``), and any callable, such as those of ``snntorch.surrogate``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from importlib import import_module
from importlib.util import find_spec
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
class Slayer(Surrogate):
    """scale (alpha/2) exp(-alpha |x|): that of SLAYER, with the values of SE-adLIF (Baronig et al., 2025).

    Examples:
        >>> Slayer().derivative(torch.tensor([0.0]))
        tensor([1.])
    """

    alpha: float = 5.0
    scale: float = 0.4

    def derivative(self, x: Tensor) -> Tensor:
        """Return the two-sided exponential."""
        return (self.scale * self.alpha / 2) * torch.exp(-self.alpha * x.abs())


@dataclass(frozen=True)
class DoubleGaussian(Surrogate):
    """scale ((1 + height) N(x; σ) - 2 height N(x; stretch σ)): a bell, and a wide one taken away from it.

    N is the normal density of mean 0. It is negative far from the threshold. Source: Higuchi et al. (2024), with the
    values of its published code, after Yin et al. (2021).

    Examples:
        >>> DoubleGaussian().derivative(torch.tensor([0.0, 2.0]))
        tensor([ 0.4388, -0.0158])
    """

    height: float = 0.15
    stretch: float = 6.0
    sigma: float = 0.5
    scale: float = 0.5

    def derivative(self, x: Tensor) -> Tensor:
        """Return the difference of the bells."""
        narrow, wide = _normal(x, self.sigma), _normal(x, self.stretch * self.sigma)
        return self.scale * ((1 + self.height) * narrow - 2 * self.height * wide)


@dataclass(frozen=True)
class MultiGaussian(Surrogate):
    """(1 + height) g(x; 0, σ) - height (g(x; σ, stretch σ) + g(x; -σ, stretch σ)), g(x; μ, σ) = exp(-((x-μ)/σ)²/2).

    A bell, and two wide ones beside it taken away. Source: Yin et al. (2021), without the factors of normal densities,
    as the published code of S5-RF has it.

    Examples:
        >>> MultiGaussian().derivative(torch.tensor([0.0, 2.0]))
        tensor([ 0.8541, -0.2380])
    """

    height: float = 0.15
    stretch: float = 6.0
    sigma: float = 0.5

    def derivative(self, x: Tensor) -> Tensor:
        """Return the difference of the bells."""
        wide = sum(
            torch.exp(-0.5 * ((x + mean) / (self.stretch * self.sigma)) ** 2) for mean in (-self.sigma, self.sigma)
        )
        return (1 + self.height) * torch.exp(-0.5 * (x / self.sigma) ** 2) - self.height * wide


def _normal(x: Tensor, sigma: float) -> Tensor:
    return torch.exp(-0.5 * (x / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


SURROGATES: dict[str, Callable[..., SpikeFunction]] = {
    "boxcar": Boxcar,
    "atan": ATan,
    "fast_sigmoid": FastSigmoid,
    "super": FastSigmoid,
    "sigmoid": Sigmoid,
    "triangle": Triangle,
    "slayer": Slayer,
    "double_gaussian": DoubleGaussian,
    "multi_gaussian": MultiGaussian,
}
"""Surrogates by name, with the defaults of their classes; :func:`register_surrogate` adds one."""

FAMILIES: dict[str, Callable[..., SpikeFunction]] = {}
"""Prefixes of names, such as ``"norse:"``, and what makes a surrogate of the rest of the name."""


def register_surrogate(name: str, factory: Callable[..., SpikeFunction]) -> None:
    """Make a surrogate known by a name, or many by a prefix, wherever a ``surrogate`` is asked for.

    Args:
        name: A name, or a prefix with its colon: ``"norse:"`` stands for every name that begins with it.
        factory: What makes the surrogate, best a frozen dataclass of numbers, which files can hold: called without
            arguments for a name, with the rest of the name for a prefix, and with its fields where a file has them.

    Raises:
        ValueError: If the name is taken by another surrogate.

    Examples:
        >>> @dataclass(frozen=True)
        ... class Wide(Surrogate):
        ...     half_width: float = 2.0
        ...     def derivative(self, x):
        ...         return (x.abs() < self.half_width).to(x.dtype)
        >>> register_surrogate("wide", Wide)
        >>> resolve("wide")
        Wide(half_width=2.0)
        >>> _ = SURROGATES.pop("wide")
    """
    known = FAMILIES if name.endswith(":") else SURROGATES
    taken = known.get(name, factory)
    if _origin(taken) != _origin(factory):  # that of a module that was loaded again is welcome
        raise ValueError(f"name: got {name!r}, which is {_origin(taken)} already; give another name")
    known[name] = factory


def named(name: str, **arguments: float) -> SpikeFunction:
    """Return the surrogate of a name.

    Args:
        name: A name that is registered, or one that begins with a registered prefix.
        **arguments: Fields of the surrogate that are not to have their defaults.

    Raises:
        ValueError: If there is no surrogate of this name, or it has no such field.

    Examples:
        >>> named("atan", alpha=3.0)
        ATan(alpha=3.0)
    """
    prefix, colon, rest = name.partition(":")
    family = FAMILIES.get(prefix + colon)
    if family is None and name not in SURROGATES:
        names = ", ".join([*SURROGATES, *(f"{prefix}NAME" for prefix in FAMILIES)])
        raise ValueError(f"surrogate: got {name!r}; it must be one of {names}")
    try:
        return SURROGATES[name](**arguments) if family is None else family(rest, **arguments)
    except TypeError as error:
        raise ValueError(f"surrogate: {name!r} takes no {', '.join(arguments)}: {error}") from error


def name_of(surrogate: SpikeFunction) -> tuple[str, dict[str, float]] | None:
    """Return the name and the fields from which :func:`named` makes a surrogate again; None if there are none.

    Examples:
        >>> name_of(FastSigmoid(10.0))
        ('fast_sigmoid', {'slope': 10.0})
        >>> name_of(torch.sigmoid)
    """
    if not is_dataclass(surrogate):
        return None
    arguments = asdict(surrogate)
    for name, made in SURROGATES.items():
        if type(surrogate) is made:
            return name, arguments
    for prefix, made in FAMILIES.items():
        if type(surrogate) is made:
            return prefix + str(arguments.pop(next(iter(arguments)))), arguments
    return None


def resolve(surrogate: str | SpikeFunction | None) -> SpikeFunction:
    """Turn what a user gives as a surrogate into a spike function; None is the paper's boxcar.

    Args:
        surrogate: A name of :data:`SURROGATES`; a name of a host's, such as ``"norse:tanh"``, whose prefix is the
            folder of this package that registers it, and is imported; or a callable of mem - threshold.

    Raises:
        ImportError: If the host of a prefix is not installed.
        ValueError: If there is no surrogate of this name.
        TypeError: If it is neither a name nor a callable, or a class instead of an object.

    Examples:
        >>> resolve("atan")
        ATan(alpha=2.0)
    """
    if surrogate is None:
        return Boxcar()
    if isinstance(surrogate, str):
        host, colon, _ = surrogate.partition(":")
        if colon and host + colon not in FAMILIES and host.isidentifier() and find_spec(f"{__package__}.{host}"):
            import_module(f"{__package__}.{host}")
        return named(surrogate)
    if isinstance(surrogate, type):
        name = surrogate.__name__
        raise TypeError(f"surrogate: got the class {name}; give an object, such as {name}()")
    if callable(surrogate):
        return surrogate
    raise TypeError(f"surrogate: got {type(surrogate).__name__}; it must be a name or a callable")


def _origin(factory: Callable[..., SpikeFunction]) -> str:
    return f"{factory.__module__}.{factory.__qualname__}" if hasattr(factory, "__qualname__") else repr(factory)


def derivative(surrogate: SpikeFunction, x: Tensor) -> Tensor:
    """The derivative of an elementwise function, by autograd."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        spikes = surrogate(x)
        if not spikes.requires_grad:
            return torch.zeros_like(x)
        (gradient,) = torch.autograd.grad(spikes.sum(), x)
    return gradient
