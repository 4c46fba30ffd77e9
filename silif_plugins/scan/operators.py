"""Functions as PyTorch operators, so that compilers and transforms take them as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

Function = TypeVar("Function", bound=Callable[..., Any])


def operator(name: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a function of tensors, which it leaves as they are, an operator ``silif_plugins::name``.

    It is what ``torch.library.custom_op`` does, but for the import of PyTorch's compiler at the first call, which costs
    every process a second.
    """

    def define(function: Callable[..., Any]) -> Any:
        qualified = f"silif_plugins::{name}"
        torch.library.define(qualified, torch.library.infer_schema(function, mutates_args=()))
        torch.library.impl(qualified, "default", function)
        return getattr(torch.ops.silif_plugins, name).default

    return define


def shapes_of(operator: Any) -> Callable[[Function], Function]:
    """Make a function what compilers run instead of an operator: it makes empty tensors of the results' shapes."""

    def register(function: Function) -> Function:
        torch.library.register_fake(operator, function)
        return function

    return register
