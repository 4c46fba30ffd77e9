"""From parameters to coefficients as one node of the graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ..dynamics import PackedSpace, StateSpace
from ..kernels.operators import is_direct
from ..kernels.pointwise import CannotBeWritten, Program
from ..surrogate import in_forward_mode

LLVM = find_spec("llvmlite") is not None


def coefficients(function: Callable[..., StateSpace], *parameters: Tensor, **constants: Any) -> StateSpace:
    r"""Return ``function(*parameters, **constants)``, with a gradient that costs one kernel.

    Where nothing but autograd looks at what is computed, on the CPU, the operations of the function make one node of
    the graph: :class:`silif_plugins.kernels.pointwise.Program`. Values and gradients are the same to the last bit.

    Args:
        function: From parameters to coefficients, element by element.
        parameters: Tensors [\*neurons], and single numbers that do not train.
        constants: Other arguments by name, hashable.

    Returns:
        The coefficients; a :class:`silif_plugins.dynamics.PackedSpace` where they have that one node.

    Examples:
        >>> from silif_plugins.neurons.lif import lif_space
        >>> space = coefficients(lif_space, torch.tensor([0.9, 0.8], requires_grad=True), torch.tensor(1.0))
        >>> space.a11
        tensor([0.9000, 0.8187], grad_fn=...)
    """
    first = parameters[0]
    if (
        not LLVM
        or first.dtype not in (torch.float32, torch.float64)
        or not is_direct(*parameters)
        or in_forward_mode()
        or not all(_fits(parameter, first) for parameter in parameters)
    ):
        return function(*parameters, **constants)
    program = _program(function, len(parameters), first.dtype, tuple(constants.items()))
    if program is None:
        return function(*parameters, **constants)
    if not (torch.is_grad_enabled() and any(parameter.requires_grad for parameter in parameters)):
        return StateSpace(*program.run(*parameters)[0])
    packed: Tensor = _Coefficients.apply(function, constants, program, *parameters)  # type: ignore[no-untyped-call]
    arguments = {f"v{index}": tensor for index, tensor in enumerate(parameters) if not tensor.requires_grad}
    fields = [
        arguments.get(result, row) if isinstance(result, str) else result
        for result, row in zip(program.results, packed.unbind(), strict=True)
    ]
    space = PackedSpace(*fields)
    space.packed = packed
    return space


def _fits(parameter: Tensor, first: Tensor) -> bool:
    """Whether a parameter is one that the kernel reads: of the size of the first, or one number."""
    if parameter.dtype != first.dtype or not parameter.is_cpu or parameter.is_inference():
        return False
    if parameter.shape == first.shape:
        return parameter.is_contiguous()
    return parameter.dim() == 0 and not parameter.requires_grad


@cache
def _program(
    function: Callable[..., StateSpace], count: int, dtype: torch.dtype, constants: tuple[tuple[str, Any], ...]
) -> Program | None:
    """Return the program of a function; None if it has no kernel."""
    try:
        return Program(function, count, dtype, **dict(constants))
    except CannotBeWritten:
        return None


class _Coefficients(torch.autograd.Function):
    """The coefficients in one tensor, [9, *neurons]."""

    @staticmethod
    def forward(ctx: Any, function: Any, constants: Any, program: Program, *parameters: Tensor) -> Tensor:
        results, saved = program.run(*parameters)
        shape = parameters[0].shape
        ctx.function, ctx.constants, ctx.program = function, constants, program
        ctx.parameters = [(parameter, parameter._version) for parameter in parameters]
        ctx.save_for_backward(*saved)
        return torch.stack([result if result.shape == shape else result.expand(shape) for result in results])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[3:]
        if not torch.is_grad_enabled():
            return None, None, None, *ctx.program.gradients(ctx.saved_tensors, grads[0], needed)
        # Someone wants to differentiate again: by the function itself, and the gradient of this step alone.
        if any(parameter._version != version for parameter, version in ctx.parameters):
            raise RuntimeError("a parameter has been modified by an inplace operation since: no second derivative")
        parameters = [parameter.view_as(parameter) for parameter, _ in ctx.parameters]
        fields = ctx.function(*parameters, **ctx.constants)
        packed = torch.stack([field.expand(grads[0].shape[1:]) for field in fields])
        wanted = [parameter for parameter, needs in zip(parameters, needed, strict=True) if needs]
        found = iter(torch.autograd.grad(packed, wanted, grads[0], create_graph=True, allow_unused=True))
        return None, None, None, *[next(found) if needs else None for needs in needed]
