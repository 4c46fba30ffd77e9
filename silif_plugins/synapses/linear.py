"""A linear layer for spikes: it computes what spikes touch, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..kernels.operators import is_exporting, is_recorded
from ..kernels.products import product
from ..surrogate import in_forward_mode, is_plain
from .dropout import drawn_seed, dropped, dropped_there
from .events import SpikeLinearFunction, activity, break_even, fits_kernels, spike_linear_forward
from .taps import differentiable

Events = Literal["auto", "always", "never"]


def spike_linear(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    gate: Tensor | None = None,
    dropout: float = 0.0,
    events: Events = "auto",
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Return ``functional.linear(spikes, weight, bias)``, computed from the spikes that are there.

    Forward adds the weights of the inputs that are not zero, and the gradient of the weights likewise: exact for
    any input, spikes or counts, to rounding. The gradient of the input is computed where ``gate`` is true, and may be
    zero elsewhere: exact for everything before the neurons, if it comes from
    :func:`silif_plugins.scan.scan_with_gate` and the spikes' gradients are used for nothing else.
    The inputs are kept for backward, and a byte per input for the gate. What is not finite stays so, but where it meets
    a zero: a product with events leaves that out, the dense one makes it NaN.

    Args:
        spikes: [\*, inputs], of any real data type: they are taken in that of the weight.
        weight: [outputs, inputs].
        bias: [outputs].
        gate: Booleans [\*, inputs], or numbers that are not zero: which inputs' gradients are wanted. All of them by
            default, by a dense product.
        dropout: Share of inputs that are dropped; the others are scaled by 1 / (1 - dropout). Which ones follows
            from one draw of ``generator``, whatever path computes it on the CPU; other devices draw by themselves.
        events: ``"always"``; ``"never"``, the dense product; ``"auto"``, what is faster by the share of inputs that
            are not zero, on a sample of 64 rows: events below 30 % for 20 outputs, 59 % for 512, and nearly always with
            dropout (:func:`silif_plugins.synapses.events.break_even`), on the CPU in float32 or float64. In traces and
            transforms of ``torch.func``, and for derivatives in forward mode, it is the dense product.
        generator: Source of randomness on the CPU, also for the seed of another device; PyTorch's global ones by
            default.

    Raises:
        ValueError: If the shapes do not fit, ``dropout`` is not in [0, 1), or ``events`` is not one of those listed
            or asked for where it cannot be had.
        TypeError: If the spikes are complex.

    Examples:
        >>> spikes = (torch.rand(100, 8, 64) < 0.02).float()
        >>> weight, bias = torch.randn(32, 64), torch.randn(32)
        >>> torch.allclose(spike_linear(spikes, weight, bias), functional.linear(spikes, weight, bias), atol=1e-5)
        True
    """
    if spikes.dim() == 0 or spikes.shape[-1] != weight.shape[1]:
        raise ValueError(f"spikes: got shape {tuple(spikes.shape)}; its last dimension must be {weight.shape[1]}")
    if gate is not None and gate.shape != spikes.shape:
        raise ValueError(f"gate: got shape {tuple(gate.shape)}; it must be that of the spikes, {tuple(spikes.shape)}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout: got {dropout}; it must be at least 0 and below 1")
    spikes = as_weight(spikes, weight)
    # Elsewhere a mask from the CPU would travel there in every step.
    if events != "always" and spikes.device.type not in ("cpu", "meta"):
        return functional.linear(dropped_there(spikes, dropout, generator), weight, bias)
    seed = drawn_seed(dropout, generator)
    if not by_events(spikes, weight, events, dropout):
        return functional.linear(dropped(spikes, dropout, seed), weight, bias)
    rows = spikes.reshape(-1, spikes.shape[-1]).contiguous()
    open_ = None
    if gate is not None:
        open_ = (gate if gate.dtype == torch.bool else gate != 0).reshape(rows.shape).contiguous()
    forward = spike_linear_forward if is_recorded() else SpikeLinearFunction.apply
    y: Tensor = forward(rows, weight, bias, open_, dropout, seed)
    return y.view(*spikes.shape[:-1], weight.shape[0])


def dense_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Return ``functional.linear(x, weight, bias)`` by the products of `silif_plugins.kernels.products`.

    Args:
        x: [\*, inputs].
        weight: [outputs, inputs].
        bias: [outputs].

    Examples:
        >>> x, weight = torch.rand(7, 3, 5), torch.rand(2, 5)
        >>> torch.allclose(dense_linear(x, weight), functional.linear(x, weight))
        True
    """
    if x.dtype == torch.float32 and type(weight) in (Tensor, nn.Parameter) and fits_kernels(x, weight) and x.numel():
        dense: Callable[..., Tensor] = _Dense.apply
        return dense(x, weight, bias)
    return functional.linear(x, weight, bias)


class _Dense(torch.autograd.Function):
    """Three products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        y = product(x.reshape(-1, x.shape[-1]), weight).view(*x.shape[:-1], len(weight))
        return y if bias is None else y.add_(bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable(functional.linear, grad, x, weight, bias)
        rows = grad.reshape(-1, grad.shape[-1])
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            product(rows, weight.t()).view(x.shape) if needs_x else None,
            product(rows.t(), x.reshape(-1, x.shape[-1]).t()) if needs_weight else None,
            rows.sum(0) if needs_bias else None,
        )


def as_weight(spikes: Tensor, weight: Tensor) -> Tensor:
    """Return spikes in the data type of the weight; autocast chooses for floating-point ones itself."""
    if spikes.is_complex():
        raise TypeError(f"spikes: got {spikes.dtype}; they must be real")
    if spikes.dtype == weight.dtype or (spikes.is_floating_point() and torch.is_autocast_enabled(spikes.device.type)):
        return spikes
    return spikes.to(weight.dtype)


def by_events(spikes: Tensor, weight: Tensor, events: str, dropout: float, share: float | None = None) -> bool:
    """Whether to go by events; ``share`` is that of the inputs that are not zero, if it is known."""
    if events not in ("auto", "always", "never"):
        raise ValueError(f"events: got {events!r}; it must be 'auto', 'always' or 'never'")
    possible = (
        spikes.device.type == "cpu"
        and spikes.dtype == weight.dtype
        and weight.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not in_forward_mode()
        and type(weight) in (Tensor, nn.Parameter)  # others, such as quantised ones, are not plain memory
    )
    if events == "always" and not possible:
        raise ValueError(
            "events: 'always' needs spikes and plain weights on the CPU, both float32 or float64, no autocast, "
            "no derivatives in forward mode"
        )
    if events == "auto" and possible:
        if is_exporting():  # for readers that do not have this package
            return False
        if torch.compiler.is_compiling():  # a graph cannot depend on how many spikes there are
            return True
        if not is_plain():  # nor can a trace, which others read, or a transform
            return False
        active = activity(spikes.detach().reshape(-1, spikes.shape[-1])) if share is None else share
        return active < break_even(weight.shape[0], dropout)
    return events == "always"


class _LinearType(type):
    """Makes tables that have ``nn.Linear`` as a key find SpikeLinear there, as if it were that.

    PyTorch looks up by exact type which layers it quantises, and would leave SpikeLinear out without a word.
    """

    def __eq__(cls, other: object) -> bool:
        return cls is other or (other is nn.Linear and cls.__dict__.get("_is_linear", False))

    def __hash__(cls) -> int:
        return hash(nn.Linear) if cls.__dict__.get("_is_linear", False) else type.__hash__(cls)


class SpikeLinear(nn.Linear, metaclass=_LinearType):
    """An ``nn.Linear`` for spikes, event-driven and exact; see :func:`spike_linear`.

    Its parameters and state_dict are those of ``nn.Linear``: one loads the other's. What PyTorch does to every
    ``nn.Linear``, such as ``torch.ao.quantization.quantize_dynamic(net, {nn.Linear})``, it does to this one too.

    Args:
        in_features: Number of inputs.
        out_features: Number of outputs.
        bias: Whether to add a bias.
        dropout: Share of inputs that are dropped in training: ``nn.Dropout`` before the layer, at no cost.
        events: ``"auto"``, ``"always"`` or ``"never"``.
        generator: Source of the dropout's randomness.
        options: ``device`` and ``dtype``, as for ``nn.Linear``.

    Raises:
        ValueError: If an option is not valid.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> from silif_plugins.scan import scan_with_gate
        >>> layer, neuron = SpikeLinear(64, 10), SiLIF(64)
        >>> spikes, _, gate = scan_with_gate(neuron.state_space(), 3 * torch.randn(100, 8, 64))
        >>> layer(spikes, gate).shape
        torch.Size([100, 8, 10])
    """

    takes_gate = True
    _is_linear = True  # of this class alone: a subclass may compute something else

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dropout: float = 0.0,
        events: Events = "auto",
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> None:
        super().__init__(in_features, out_features, bias, **options)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: got {dropout}; it must be at least 0 and below 1")
        if events not in ("auto", "always", "never"):
            raise ValueError(f"events: got {events!r}; it must be 'auto', 'always' or 'never'")
        self.dropout, self.events, self.generator = dropout, events, generator

    def forward(self, input: Tensor, gate: Tensor | None = None) -> Tensor:
        r"""Return outputs [\*, out_features] from spikes [\*, in_features]; ``gate`` as for :func:`spike_linear`."""
        return spike_linear(
            input,
            self.weight,
            self.bias,
            gate=gate,
            dropout=self.dropout if self.training else 0.0,
            events=self.events,
            generator=self.generator,
        )

    def extra_repr(self) -> str:
        """Add what differs from ``nn.Linear``."""
        return f"{super().extra_repr()}, dropout={self.dropout:g}, events={self.events!r}"
