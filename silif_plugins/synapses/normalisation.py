"""A connection and a batch norm that makes no pass over currents of its own, or one each way.

What normalises, an affine function of each neuron's current, is left to whoever reads the currents,
:func:`silif_plugins.scan.scan_layer`. That returns its gradient, of which those of mean and variance are made. A
SpikeLinear takes mean and variance of rows that it has just written, and adds their gradients to the currents' where
it reads these; with delays that is a pass over the currents each way.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from ..kernels.jobs import run_job
from ..kernels.memory import empty
from ..kernels.operators import differentiable_function
from ..kernels.products import product
from ..kernels.spike_bits import SpikeBits, unpacked
from .connection import transmit
from .dropout import drawn_seed
from .events import (
    activity,
    count,
    drop,
    fits_kernels,
    gate_break_even,
    run,
    run_backward,
    run_forward,
    strips,
    widened,
)
from .learnable_delay import DelayedModule
from .linear import SpikeLinear, by_events

TASKS = 32
"""Parts of the rows whose moments are taken one by one: results do not depend on the number of threads."""

PIECE = 1024
"""Rows of a dense product that are looked at while they are in the cache."""


class Unscaled(NamedTuple):
    """Currents before their normalisation, and what that is.

    Attributes:
        current: [T, B, N].
        affine: Mean, scale and shift of each neuron, [3, N]: the normalised current is scale (current - mean) + shift.
        events: Number of inputs that are not zero, of all, float64; None if they were not counted.
    """

    current: Tensor
    affine: Tensor
    events: Tensor | None


def can_normalise(connection: nn.Module, norm: nn.Module, inputs: Tensor) -> bool:
    """Whether :func:`normalised` can stand for two modules.

    They must be a SpikeLinear, exactly that and without hooks, or a connection with delays, and ``nn.BatchNorm1d``,
    exactly that and without hooks, on the CPU, in float32 or float64, and run as they are: neither compiled, traced nor
    transformed, without autocast and derivatives in forward mode.
    """
    if type(norm) is not nn.BatchNorm1d or _are_watched(norm):
        return False
    if not (_counts_itself(connection) or isinstance(connection, DelayedModule)):
        return False
    tensors = [inputs, *connection.parameters(), *norm.parameters()]
    tensors += [each for each in (norm.running_mean, norm.running_var) if each is not None]
    return fits_kernels(*tensors) and all(type(each) in (Tensor, nn.Parameter) for each in tensors)


def normalised(
    connection: nn.Module,
    norm: nn.BatchNorm1d,
    inputs: Tensor,
    gate: Tensor | None = None,
    valid: Tensor | None = None,
    bits: SpikeBits | None = None,
) -> Unscaled:
    r"""Run ``norm(connection(inputs))`` up to the normalisation itself.

    Outputs, gradients and running statistics are those of the two modules, with mean and variance summed in float64:
    what PyTorch loses over many rows, or where means are large, is kept.

    Args:
        connection: The weights, and delays if there are any.
        norm: What follows; its statistics are over steps and samples.
        inputs: [T, B, inputs].
        gate: Which inputs' gradients are wanted, booleans [T, B, inputs]; all by default.
        valid: Which steps count in the statistics, booleans [T, B]; all by default.
        bits: The inputs as bits, if :func:`silif_plugins.scan.scan_layer` gave them so: a SpikeLinear reads these, in
            place of inputs and gate, and gives its gradient to the spikes at open gates.

    Raises:
        ValueError: If there is but one row to take a variance of, the shapes do not fit, or a connection with delays
            gets bits.

    Examples:
        >>> linear, norm = SpikeLinear(20, 5), nn.BatchNorm1d(5)
        >>> inputs = (torch.rand(100, 8, 20) < 0.1).float()
        >>> current, (mean, scale, shift), events = normalised(linear, norm, inputs)
        >>> result = scale * (current - mean) + shift
        >>> result.mean((0, 1)).abs().max() < 1e-5, (result.std((0, 1)) - 1).abs().max() < 1e-3
        (tensor(True), tensor(True))
    """
    counted = None if valid is None else valid.reshape(-1).contiguous()
    events: Tensor | None = None
    if _counts_itself(connection):
        current, moments, number, events = _by_rows(connection, inputs, gate, counted, bits)
    elif bits is not None:
        raise ValueError(f"bits: got spikes as bits; a {type(connection).__name__} does not read them")
    else:
        current, moments, number = Moments.apply(  # type: ignore[no-untyped-call]
            transmit(connection, inputs, gate).contiguous(), counted
        )
    if norm.training or norm.running_mean is None or norm.running_var is None:
        if number <= 1:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; a batch norm in training needs several rows")
        if norm.training:
            _follow(norm, moments.detach(), int(number))
    else:
        moments = torch.stack([norm.running_mean, norm.running_var]).double()
    affine = Affine.apply(moments, norm.weight, norm.bias, norm.eps, inputs.dtype)  # type: ignore[no-untyped-call]
    return Unscaled(current, affine, events)


def _counts_itself(connection: nn.Module) -> TypeGuard[SpikeLinear]:
    """Whether a connection can take the moments of what it writes, and count its inputs."""
    return type(connection) is SpikeLinear and not _are_watched(connection)


def _by_rows(
    linear: SpikeLinear, inputs: Tensor, gate: Tensor | None, counted: Tensor | None, bits: SpikeBits | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return currents [T, B, N], their moments [2, N], of how many rows, and how many inputs are not zero."""
    if inputs.shape[-1] != linear.in_features:
        raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; its last dimension must be {linear.in_features}")
    rows = inputs.reshape(-1, inputs.shape[-1])
    open_ = None if gate is None or bits is not None else gate.reshape(rows.shape).contiguous()
    dropout = linear.dropout if linear.training else 0.0
    seed = drawn_seed(dropout, linear.generator)
    share = None if bits is None else bits.events / max(1, rows.numel())
    sparse = by_events(rows, linear.weight, linear.events, dropout, share)
    if bits is None:
        rows = rows.contiguous()
    else:  # the gradient goes to open gates, and kernels read the bits
        rows = rows.detach() if sparse else unpacked(bits.planes[0]).view(rows.shape).to(rows.dtype)
    as_bits: tuple[Tensor | None, Tensor | None] = (None, None) if bits is None else (bits.open, bits.planes)
    y, *found = LinearMoments.apply(  # type: ignore[no-untyped-call]
        rows, *as_bits, linear.weight, linear.bias, open_, counted, dropout, seed, sparse
    )
    return y.view(*inputs.shape[:-1], -1), *found


def _are_watched(*modules: nn.Module) -> bool:
    """Whether somebody wants to see what goes in or out of modules."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    everywhere = any(getattr(hooks, f"_global{name}", None) for name in names)
    return everywhere or any(getattr(module, name) for module in modules for name in names)


def _follow(norm: nn.BatchNorm1d, moments: Tensor, number: int) -> None:
    """Update the running statistics as ``nn.BatchNorm1d`` does."""
    if norm.running_mean is None or norm.running_var is None:
        return
    momentum = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        momentum = 1 / float(norm.num_batches_tracked) if momentum is None else momentum
    share = 0.0 if momentum is None else momentum
    mean, variance = moments.to(norm.running_mean.dtype)
    norm.running_mean.mul_(1 - share).add_(mean, alpha=share)
    norm.running_var.mul_(1 - share).add_(variance, alpha=share * number / (number - 1))


def refuse(ctx: Any, *grads: Tensor) -> None:
    """Stand for a second derivative."""
    raise RuntimeError(
        "batch norm inside kernels can be differentiated once; use backend='reference' and events='never' for second "
        "derivatives"
    )


def affine_gradients(
    grad: Tensor, inverse: Tensor, weight: Tensor | None, off: Tensor, needs_moments: bool
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of moments, weight and bias from that of mean, scale and shift, [3, N]."""
    mean, scale, shift = grad.double()
    scale = scale + shift * off
    of_inverse = scale if weight is None else scale * weight
    moments = torch.stack([mean, of_inverse * inverse**3 * -0.5]) if needs_moments else None
    if weight is None:
        return moments, None, None
    return moments, (scale * inverse).to(grad.dtype), shift.to(grad.dtype)


AffineBackward = differentiable_function(affine_gradients, lambda ctx, inputs, output: None, refuse)


class Affine(torch.autograd.Function):
    """Mean, scale and shift [3, N] of moments [2, N] in float64 and a batch norm's weight and bias.

    The mean is rounded, and shift makes up for it.
    """

    @staticmethod
    def forward(
        ctx: Any, moments: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, dtype: torch.dtype
    ) -> Tensor:
        """Return scale = weight / sqrt(variance + eps), shift = bias."""
        mean, inverse = moments[0], (moments[1] + eps).rsqrt()
        scale = inverse if weight is None else weight * inverse
        off = mean.to(dtype) - mean
        shift = off * scale if bias is None else off * scale + bias
        ctx.save_for_backward(inverse, weight, off)
        return torch.stack([mean, scale, shift]).to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of moments, weight and bias."""
        adjoint: Any = AffineBackward.apply if torch.is_grad_enabled() else affine_gradients
        return *adjoint(grad, *ctx.saved_tensors, ctx.needs_input_grad[0]), None, None


def linear_gradients(
    grad: Tensor | None,
    of_moments: Tensor | None,
    x: Tensor,
    at_gates: Tensor | None,
    planes: Tensor | None,
    weight: Tensor,
    gate: Tensor | None,
    valid: Tensor | None,
    y: Tensor,
    moments: Tensor,
    packed: Tensor | None,
    dropout: float,
    seed: int,
    sparse: bool,
    number: int,
    needs: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of x (or at gates), weight and bias; the arguments are those of :class:`LinearMoments`.

    Args:
        grad: Gradient of the product; None for zero.
        of_moments: That of the moments, likewise.
        x: [rows, inputs].
        at_gates: Those at open gates, if the gradient is wanted of these alone.
        planes: x, and its gates, as bits.
        weight: [outputs, inputs].
        gate: Which inputs' gradients are wanted.
        valid: Which rows count in the moments.
        y: The product.
        moments: Mean and variance, [2, outputs].
        packed: The weight as the kernels take it, if they took it so in the forward pass.
        dropout: Share of inputs that were dropped.
        seed: Which ones.
        sparse: Whether it went by events.
        number: How many rows count.
        needs: Which of the three are wanted.
    """
    needs_x, needs_weight, needs_bias = needs
    grad = torch.zeros_like(y) if grad is None else grad.contiguous()
    others: dict[str, Any] = {}
    grad_bias = grad.sum(0) if needs_bias else None
    if of_moments is not None:
        if grad_bias is not None:  # the deviations from the mean sum up to nothing
            grad_bias += of_moments[0].to(grad.dtype)
        others = _of_moments(of_moments, y, valid, moments, number)
    share = 1.0 if gate is None else activity(gate)
    if at_gates is not None:
        share = len(at_gates) / max(1, x.numel())
    gated = needs_x and share < gate_break_even(len(weight), dropout)
    grad_x, grad_weight = run_backward(
        grad,
        x,
        weight,
        gate if gated else None,
        dropout,
        seed,
        needs_weight=needs_weight and sparse,
        packed=packed,
        planes=planes,
        opened=len(at_gates) if gated and at_gates is not None else None,
        **others,
    )
    dense_x, dense_weight = needs_x and not gated, needs_weight and not sparse
    if dense_x:
        grad_x = empty(x, x.shape)
    if dense_weight:
        grad_weight = torch.zeros_like(weight)
    if dense_x or dense_weight:
        _add_dense(grad, x, weight, dropout, seed, grad_x if dense_x else None, dense_weight, grad_weight, others)
    if dense_x and at_gates is not None:
        assert planes is not None
        grad_x = grad_x.masked_select(unpacked(planes[1]).view(grad_x.shape))
    return grad_x if needs_x else None, grad_weight if needs_weight else None, grad_bias


LinearBackward = differentiable_function(linear_gradients, lambda ctx, inputs, output: None, refuse)


class Moments(torch.autograd.Function):
    """Currents as they are, and their moments over rows."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return y, its mean and variance [2, outputs] in float64, and of how many rows.

        Args:
            ctx: The context of the call.
            y: [T, B, outputs], contiguous.
            valid: Which rows count in the moments, [T * B]; all by default.
        """
        outputs = y.shape[-1]
        rows, sums = y.view(-1, outputs), _Sums(y, outputs, valid)
        sums.collect(rows, rows if sums.width == outputs else empty(y, (len(rows), sums.width)))
        moments, number, _ = sums.merged()
        ctx.save_for_backward(y, valid, moments)
        ctx.number = int(number)
        ctx.set_materialize_grads(False)
        count = torch.tensor(number)
        ctx.mark_non_differentiable(count)
        return y, moments, count

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, of_moments: Tensor | None, *_: Any) -> tuple[Tensor | None, None]:
        """Return the gradient of y."""
        adjoint: Any = MomentsBackward.apply if torch.is_grad_enabled() else whole_gradient
        return adjoint(grad, of_moments, *ctx.saved_tensors, ctx.number), None


def whole_gradient(
    grad: Tensor | None,
    of_moments: Tensor | None,
    y: Tensor,
    valid: Tensor | None,
    moments: Tensor,
    number: int,
) -> Tensor | None:
    """Return the gradient of y from its own and that of its moments; the arguments are those of `linear_gradients`."""
    if of_moments is None:
        return grad
    rows = y.view(-1, y.shape[-1])
    given = torch.zeros_like(rows) if grad is None else grad.reshape(rows.shape)
    told = _of_moments(of_moments, rows, valid, moments, number)
    return _with_moments(given, rows.shape[-1], told).reshape(y.shape)


MomentsBackward = differentiable_function(whole_gradient, lambda ctx, inputs, output: None, refuse)


class LinearMoments(torch.autograd.Function):
    """``x Wᵀ + bias`` and its moments over rows; by events, or dense in pieces of rows."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        at_gates: Tensor | None,
        planes: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        gate: Tensor | None,
        valid: Tensor | None,
        dropout: float,
        seed: int,
        sparse: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the product, mean and variance [2, outputs] in float64, of how many rows, and the inputs' events.

        Args:
            ctx: The context of the call.
            x: [rows, inputs], contiguous.
            at_gates: Those at open gates, if the gradient is wanted of these alone.
            planes: x, and its gates, as bits, if they are there so.
            weight: [outputs, inputs].
            bias: [outputs].
            gate: Which inputs' gradients are wanted, [rows, inputs]; all by default.
            valid: Which rows count in the moments, [rows]; all by default.
            dropout: Share of inputs that are dropped.
            seed: Which ones.
            sparse: Whether to go by events.
        """
        outputs = weight.shape[0]
        sums = _Sums(x, outputs, valid)
        packed = strips(weight, sums.width) if sparse else None
        if sparse:
            y = run_forward(x, weight, bias, dropout, seed, tasks=TASKS, packed=packed, planes=planes, **sums.told)
        else:
            y = _dense(x, weight, bias, dropout, seed, sums)
        moments, number, found = sums.merged()
        events = torch.tensor(found, dtype=torch.float64) if sparse else count(x)
        packed = packed if gate is not None or at_gates is not None else None
        ctx.save_for_backward(x, at_gates, planes, weight, gate, valid, y, moments, packed)
        ctx.options = dropout, seed, sparse, int(number), bias is not None
        ctx.set_materialize_grads(False)
        counted = torch.tensor(number)
        ctx.mark_non_differentiable(counted, events)
        return y, moments, counted, events

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, of_moments: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, of what is at gates, of weight and bias."""
        *options, has_bias = ctx.options
        needs_x, at_gates, _, needs_weight, needs_bias = ctx.needs_input_grad[:5]
        needs = needs_x or at_gates, needs_weight, needs_bias and has_bias
        adjoint: Any = LinearBackward.apply if torch.is_grad_enabled() else linear_gradients
        of_x, *others = adjoint(grad, of_moments, *ctx.saved_tensors, *options, needs)
        both = (None, of_x) if at_gates else (of_x, None)
        return *both, None, *others, None, None, None, None, None


class _Sums:
    """Memory for the moments of rows, and how many there are, of each task."""

    def __init__(self, like: Tensor, outputs: int, valid: Tensor | None) -> None:
        from .event_kernels import padded

        self.outputs, self.width, self.dtype = outputs, padded(outputs, like.element_size()), like.dtype
        self.numbers = torch.zeros(TASKS, 2, dtype=torch.int64)
        self.moments = torch.zeros(TASKS, 2, self.width, dtype=torch.float64)
        self.valid = valid

    @property
    def told(self) -> dict[str, Any]:
        """What a kernel is told of them."""
        return {"numbers": self.numbers, "moments": self.moments, "valid": self.valid}

    def collect(self, rows: Tensor, y: Tensor, piece: slice = slice(None)) -> None:
        """Copy rows [_, outputs] to y [_, width], unless they are the same, and add them: a piece of all."""
        from . import event_kernels as kernels

        told = {**self.told, "y": y, "valid": None if self.valid is None else self.valid[piece]}
        run(kernels.collect, rows, self.width, 0.0, 0, tasks=TASKS, **told)

    def merged(self) -> tuple[Tensor, int, int]:
        """Return mean and variance [2, outputs], of how many rows, and how many inputs were events."""
        from . import event_kernels as kernels

        sizes = {"outputs": self.width, "tasks": TASKS}
        run_job(kernels.merge, kernels.job_dtype, self.dtype, 1, 0, **sizes, numbers=self.numbers, moments=self.moments)
        events, number = self.numbers[0].tolist()
        return self.moments[0, :, : self.outputs], number, events


def _seed_of(seed: int, rows: int, inputs: int) -> int:
    """The seed with which rows from one on are dropped as they are among all of them; see the kernels' hash."""
    shifted = (seed + rows * inputs * 0x9E3779B97F4A7C15) % 2**64
    return shifted - 2**64 if shifted >= 2**63 else shifted


def _dropped(x: Tensor, dropout: float, seed: int, start: int) -> Tensor:
    """Rows of x from ``start`` on, after dropout."""
    return drop(x, dropout, _seed_of(seed, start, x.shape[1]))


def _dense(x: Tensor, weight: Tensor, bias: Tensor | None, dropout: float, seed: int, sums: _Sums) -> Tensor:
    """Compute x Wᵀ + bias in pieces of rows and take their moments."""
    outputs, width = weight.shape[0], sums.width
    y = empty(x, (x.shape[0], width))
    for start in range(0, x.shape[0], PIECE):
        piece = slice(start, start + PIECE)
        part = product(_dropped(x[piece], dropout, seed, start), weight)
        if bias is not None:
            part += bias
        sums.collect(part, y[piece], piece)
    return y if width == outputs else y[:, :outputs].contiguous()


def _of_moments(
    grad: Tensor, y: Tensor, valid: Tensor | None, moments: Tensor, number: int
) -> dict[str, Tensor | None]:
    """Return what a kernel is told of the gradient of moments [2, outputs] of y [rows, outputs]."""
    numbers = torch.stack([moments[0], 2 / number * grad[1], grad[0] / number]).to(y.dtype)
    return {"y": y, "centre": numbers[0], "slope": numbers[1], "offset": numbers[2], "valid": valid}


def _with_moments(grad: Tensor, outputs: int, told: dict[str, Tensor | None], piece: slice = slice(None)) -> Tensor:
    """Return the whole gradient of a piece of rows [_, outputs], of which ``grad`` comes from the currents."""
    from . import event_kernels as kernels

    width = kernels.padded(outputs, grad.element_size())
    tile = empty(grad, (len(grad), width))
    tensors: dict[str, Any] = {"grad_y": widened(grad, width, outputs), "tiles": tile}
    for name, each in told.items():
        part = each[piece] if each is not None and name in ("y", "valid") else each
        tensors[name] = None if part is None else widened(part, width, outputs)
    run(kernels.combine, grad, width, 0.0, 0, **tensors)
    return tile if width == outputs else tile[:, :outputs]


def _add_dense(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    dropout: float,
    seed: int,
    grad_x: Tensor | None,
    needs_weight: bool,
    grad_weight: Tensor,
    others: dict[str, Tensor | None],
) -> None:
    """Write the gradient of x, and add to that of the weight, by dense products of pieces of rows."""
    from . import event_kernels as kernels

    transposed = weight.t().contiguous()
    for start in range(0, x.shape[0], PIECE):
        piece = slice(start, start + PIECE)
        whole = _with_moments(grad[piece], weight.shape[0], others, piece) if others else grad[piece]
        if grad_x is not None:
            result = product(whole, transposed)
            if dropout:
                seed_here = _seed_of(seed, start, x.shape[1])
                run(kernels.drop, result, 16, dropout, seed_here, y=grad_x[piece])
            else:
                grad_x[piece] = result
        if needs_weight:
            grad_weight += product(whole.t(), _dropped(x[piece], dropout, seed, start).t())
