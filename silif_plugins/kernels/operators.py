"""Functions as PyTorch operators, so that compilers and transforms take them as they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import torch
from torch import Tensor, nn

Function = TypeVar("Function", bound=Callable[..., Any])


def operator(name: str, arguments: type[Any] | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Make a function of tensors, which it leaves as they are, an operator ``silif_plugins::name``.

    It is what ``torch.library.custom_op`` does, but for the import of PyTorch's compiler at the first call, which costs
    every process a second.

    Args:
        name: The operator's.
        arguments: A NamedTuple, which the function takes; its fields are the arguments of the operator.
    """

    def define(function: Callable[..., Any]) -> Any:
        qualified = f"silif_plugins::{name}"
        flat = function if arguments is None else _taking(arguments, function)
        torch.library.define(qualified, torch.library.infer_schema(flat, mutates_args=()))
        torch.library.impl(qualified, "default", flat)
        return getattr(torch.ops.silif_plugins, name).default

    return define


def shapes_of(operator: Any, arguments: type[Any] | None = None) -> Callable[[Function], Function]:
    """Make a function what compilers run instead of an operator: it makes empty tensors of the results' shapes."""

    def register(function: Function) -> Function:
        torch.library.register_fake(operator, function if arguments is None else _taking(arguments, function))
        return function

    return register


def _taking(arguments: type[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the fields of a NamedTuple that calls one of the tuple."""

    def flat(*values: Any) -> Any:
        return function(arguments(*values))

    kind, hints = inspect.Parameter.POSITIONAL_OR_KEYWORD, get_type_hints(arguments)
    parameters = [inspect.Parameter(field, kind, annotation=hints[field]) for field in arguments._fields]
    result = get_type_hints(function).get("return")
    flat.__signature__ = inspect.Signature(parameters, return_annotation=result)  # type: ignore[attr-defined]
    return flat


def check_operands(
    like: Tensor, dtype: torch.dtype | None = None, /, **operands: tuple[Tensor | None, tuple[int, ...]]
) -> None:
    """Raise TypeError unless operands have their shapes, and the data type (unless given) and device of ``like``.

    Kernels read memory by its address: they would take the bytes of another data type for numbers.
    """
    dtype = dtype or like.dtype
    for name, (tensor, shape) in operands.items():
        if tensor is not None and (tensor.dtype != dtype or tensor.shape != shape or tensor.device != like.device):
            got = f"{tensor.dtype} of shape {tuple(tensor.shape)} on {tensor.device}"
            raise TypeError(f"{name}: got {got}; it must be {dtype} of shape {tuple(shape)} on {like.device}")


def is_recorded() -> bool:
    """Whether a compiler or tracer records what is called: it takes operators, but no autograd.Function."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


def is_direct(*tensors: Tensor | None) -> bool:
    """Whether tensors are plain memory, and nobody looks at operators: no compiler, tracer, transform or mode.

    Then a function may be called in the place of its operator.
    """
    return (
        all(type(tensor) is Tensor or tensor is None or type(tensor) is nn.Parameter for tensor in tensors)
        and not is_recorded()
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._len_torch_dispatch_stack()
    )


def is_exporting() -> bool:
    """Whether ``torch.export`` records what is called, for readers who have no operators of ours."""
    asked = getattr(torch.compiler, "is_exporting", None)  # PyTorch 2.6 has none
    return asked is not None and bool(asked())


def differentiable_function(function: Callable[..., Any], save: Callable[..., None], differentiate: Any) -> Any:
    """An autograd.Function of an operator: torch.func cannot differentiate a custom operator itself."""

    class Function(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Any) -> Any:
            return function(*inputs)

        setup_context = staticmethod(save)
        backward = staticmethod(differentiate)

    # PyTorch asks for it at every call, and inspect takes longer to find it than a short sequence to run.
    Function.forward.__signature__ = inspect.signature(Function.forward)  # type: ignore[attr-defined]
    return Function


def one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """A vmap rule: run the operator for each element and stack the results."""

    def rule(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        runs = [
            function(*(a if dim is None else a.select(dim, i) for a, dim in zip(args, in_dims, strict=True)))
            for i in range(info.batch_size)
        ]
        if isinstance(runs[0], Tensor):
            return torch.stack(runs), 0
        return tuple(torch.stack(results) for results in zip(*runs, strict=True)), (0,) * len(runs[0])

    return rule
