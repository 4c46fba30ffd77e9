"""Modules of a network are swapped for others, in place, under their names; below the hosts, which know what for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from .tables import table


class Replacement(NamedTuple):
    """A neuron that was replaced.

    Attributes:
        name: Its name in the network.
        old: The module that was there.
        new: The module that is there now.
    """

    name: str
    old: nn.Module
    new: Any


class Replacements(tuple[Replacement, ...]):
    """All neurons that were replaced; printed, a table of them.

    Attributes:
        left: Names of the neurons that the sample does not reach, so that they stay as they are.
        described: What the table says of a new neuron beside its name and the number of its trained parameters, such
            as its size, by the heads of the columns.

    Examples:
        >>> Replacements([Replacement("fc", nn.Identity(), nn.Linear(2, 3))], left=["out"])
        name  was       is      parameters
        fc    Identity  Linear  9
        out: not reached by the sample, left as it is
    """

    left: tuple[str, ...]
    described: Callable[[Any], Mapping[str, str]]

    def __new__(
        cls,
        made: Iterable[Replacement] = (),
        left: Iterable[str] = (),
        described: Callable[[Any], Mapping[str, str]] = lambda new: {},
    ) -> Self:
        """Return the record."""
        self = super().__new__(cls, made)
        self.left, self.described = tuple(left), described
        return self

    def __str__(self) -> str:
        """Return the table."""
        rows = []
        for name, old, new in self:
            trained = sum(p.numel() for p in new.parameters() if p.requires_grad)
            kinds = {"name": name, "was": type(old).__name__, "is": type(new).__name__}
            rows.append({**kinds, **self.described(new), "parameters": str(trained)})
        lines = [table([list(rows[0]), *(list(row.values()) for row in rows)])] if rows else []
        return "\n".join([*lines, *(f"{name}: not reached by the sample, left as it is" for name in self.left)])

    __repr__ = __str__


def swap(net: nn.Module, made: Iterable[Replacement]) -> None:
    """Put the new modules in the places of the old ones, under every name that these have: modules may be shared."""
    by_old = {old: new for _, old, new in made}
    for parent in list(net.modules()):
        for child, layer in list(parent._modules.items()):
            if layer in by_old:
                setattr(parent, child, by_old[layer])


def input_shapes(net: nn.Module, modules: Collection[nn.Module], sample: Any) -> dict[nn.Module, torch.Size]:
    """Return the shape of the first input of every module that a sample reaches, from one run without gradients.

    Args:
        net: The network.
        modules: Of these.
        sample: An input of the network, or a tuple of its inputs.
    """
    shapes: dict[nn.Module, torch.Size] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shapes[module] = inputs[0].shape

    hooks = [module.register_forward_pre_hook(note) for module in modules]
    try:
        with torch.no_grad():
            net(*(sample if isinstance(sample, tuple) else (sample,)))
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put all modules of a network into evaluation mode, and each back to its own."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
