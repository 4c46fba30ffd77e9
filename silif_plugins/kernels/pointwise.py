"""A function of vectors, element by element, as a program whose gradient is one kernel.

A function from parameters to coefficients is some twenty operations of PyTorch's on some hundred numbers: what autograd
does with them takes longer than a short sequence of neurons. Here the function runs once on tensors that note what is
done with them. The program that results is PyTorch's operations without autograd; its gradient is a kernel that goes
back over it for each element, with autograd's formulas in autograd's order, so that it is the same to the last bit.
There is one definition, the function, and no derivative of it by hand.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "clamp": lambda x, low, high: x.clamp(low, high),
}
"""What the kernel computes again: operations whose result is the nearest number, whoever computes them."""

GRADIENTS: dict[str, Callable[..., tuple[Any, ...]]] = {
    "add": lambda g, result, x, y: (g, g),
    "sub": lambda g, result, x, y: (g, -g),
    "mul": lambda g, result, x, y: (g * y, g * x),
    "div": lambda g, result, x, y: (g / y, -g * (result / y)),
    "neg": lambda g, result, x: (-g,),
    "clamp": lambda g, result, x, low, high: (x.choose(low, high, g),),
    "exp": lambda g, result, x: (g * result,),
    "expm1": lambda g, result, x: (g * (result + 1.0),),
    "log": lambda g, result, x: (g / x,),
    "cos": lambda g, result, x, sine: (g * -sine,),
    "sin": lambda g, result, x, cosine: (g * cosine,),
}
"""What the gradient g of a result adds to those of its operands."""

TAKEN: dict[str, tuple[int | None, ...]] = {
    "add": (),
    "sub": (),
    "neg": (),
    "mul": (0, 1),
    "div": (None, 1),
    "clamp": (0,),
    "exp": (None,),
    "expm1": (None,),
    "log": (0,),
    "cos": (),
    "sin": (),
}
"""Which operands a gradient takes, None for the result: what autograd keeps."""

PARTNERS = {"cos": "sin", "sin": "cos"}
"""What else of the same operand a gradient takes: the function must compute that, too."""

OPERANDS = {name: 3 if name == "clamp" else 2 if name in ("add", "sub", "mul", "div") else 1 for name in GRADIENTS}

NAMES = {"true_divide": "div", "divide": "div", "negative": "neg", "subtract": "sub", "rsub": "sub"}
NAMES |= {"multiply": "mul", "clip": "clamp"}
"""Other names of operations."""


class CannotBeWritten(Exception):
    """A function does what no kernel of this kind can; the message says what."""


class Line(NamedTuple):
    """An operation: its name, and what it takes, earlier lines as "v0", "v1" and so on and numbers as they are."""

    name: str
    operands: tuple[str | float, ...]


class _Notes(TorchFunctionMode):
    """Notes what is computed with given numbers: a mode, since hosts disable subclasses of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self.places: dict[int, str] = {}
        self._alive: list[Tensor] = []

    def note(self, value: Tensor, name: str, *operands: str | float) -> Tensor:
        """Write down a line, and whose result it is."""
        self.places[id(value)] = f"v{len(self.lines)}"
        self._alive.append(value)
        self.lines.append(Line(name, operands))
        return value

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute, and note how."""
        options = dict(kwargs or {})
        result = func(*args, **options)
        taken = [*args, *options.values()]
        # A shape or a data type is no line, nor is a constant.
        if not isinstance(result, Tensor) or not any(id(value) in self.places for value in taken):
            return result
        given = func.__name__.strip("_")
        name = NAMES.get(given, given)
        if name == "clamp":
            low, high = (*args[1:], None, None)[:2]
            low, high = options.pop("min", low), options.pop("max", high)
            args = args[0], -math.inf if low is None else low, math.inf if high is None else high
            if isinstance(low, Tensor) or isinstance(high, Tensor):
                raise CannotBeWritten("it takes bounds that are tensors")
        if name not in OPERANDS or options or len(args) != OPERANDS[name]:
            raise CannotBeWritten(f"it calls {given}")
        operands = [self._operand(arg) for arg in args]
        if id(result) in self.places:  # such as the same tensor again
            raise CannotBeWritten(f"it calls {given}, which gives what it was given")
        return self.note(result, name, *(operands[::-1] if given == "rsub" else operands))

    def _operand(self, value: Any) -> str | float:
        if id(value) in self.places:
            return self.places[id(value)]
        if isinstance(value, Tensor) and value.dim():
            raise CannotBeWritten("it takes a tensor that is not among its arguments")
        return float(value)


class Program:
    """A function of tensors of one size, operation by operation.

    Args:
        function: To be called with tensors, and with the constants by name; it returns a sequence of tensors.
        count: How many tensors it takes.
        dtype: Their data type, float32 or float64.
        constants: Its other arguments, by name.

    Raises:
        CannotBeWritten: If the function does something else than the operations that have ``GRADIENTS``.

    Examples:
        >>> program = Program(lambda x, y: (x * y.exp(), torch.tensor(2.0)), 2, torch.float32)
        >>> results, saved = program.run(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]))
        >>> results
        (tensor([1., 2.]), tensor(2.))
        >>> program.gradients(saved, torch.ones(2, 2), (True, True))
        [tensor([1., 1.]), tensor([1., 2.])]
    """

    def __init__(
        self, function: Callable[..., Sequence[Tensor]], count: int, dtype: torch.dtype, **constants: Any
    ) -> None:
        self.count, self.dtype = count, dtype
        notes = _Notes()
        tensors = [notes.note(torch.tensor(0.5, dtype=dtype), "argument", float(i)) for i in range(count)]
        with torch.no_grad(), notes:
            results = function(*tensors, **constants)
        self.lines = notes.lines
        self.results = [notes.places.get(id(result), result) for result in results]
        # What is computed twice is computed once; its gradient still comes in two parts, which autograd adds up.
        self.computed: dict[Line, str] = {}
        self.same: dict[str, str] = {}
        for index, line in enumerate(self.lines):
            self.same[f"v{index}"] = self.computed.setdefault(self._resolved(line), f"v{index}")
        self.saved = self._kept()
        self.run: Callable[..., tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = self._written()
        self._kernels: dict[tuple[bool, ...], Any] = {}

    def _resolved(self, line: Line) -> Line:
        return line._replace(operands=tuple(self.same[o] if isinstance(o, str) else o for o in line.operands))

    def _kept(self) -> list[str]:
        """What the gradient takes and cannot compute from the rest.

        What autograd does not keep is not kept here, either: parameters that are only added may change meanwhile.
        """
        taken: set[str] = set()
        for line, place in self.computed.items():
            operands = [line.operands[k] if k is not None else place for k in TAKEN.get(line.name, ())]
            taken |= {operand for operand in operands if isinstance(operand, str)}
            if line.name in PARTNERS:
                partner = self.computed.get(line._replace(name=PARTNERS[line.name]))
                if partner is None:
                    raise CannotBeWritten(f"it takes the {line.name} and not the {PARTNERS[line.name]} of something")
                taken.add(partner)
        known: set[str] = set()
        kept = []
        for line, place in self.computed.items():
            has_all = all(operand in known for operand in line.operands if isinstance(operand, str))
            if line.name in ARITHMETIC and has_all:
                known.add(place)
            elif place in taken:
                known.add(place)
                kept.append(place)
        return kept

    def _written(self) -> Any:
        """Return a function of the arguments to the results, and to what their gradient takes of what is between."""
        body = []
        for (name, operands), place in self.computed.items():
            if name == "sub" and not isinstance(operands[0], str):
                name, operands = "rsub", operands[::-1]
            if name != "argument":
                body.append(f"    {place} = torch.{name}({', '.join(map(str, operands))})")
        results = (self.same[x] if isinstance(x, str) else f"results[{i}]" for i, x in enumerate(self.results))
        body.append(f"    return ({', '.join(results)},), ({''.join(f'{x}, ' for x in self.saved)})")
        space: dict[str, Any] = {"torch": torch, "results": self.results, "inf": math.inf}
        exec("\n".join([f"def run({', '.join(f'v{i}' for i in range(self.count))}):", *body]), space)
        return space["run"]

    def back(self, saved: Sequence[Any], grads: Sequence[Any]) -> list[Any]:
        """Go back over the lines for one element, with numbers of any kind.

        Args:
            saved: What :meth:`run` has saved.
            grads: Gradients of the results.

        Returns:
            Those of the arguments; None where a result does not depend on one.
        """
        values: dict[Any, Any] = dict(zip(self.saved, saved, strict=True))
        for (name, operands), place in self.computed.items():
            taken = [values.get(operand, operand) for operand in operands]
            if place not in values and name in ARITHMETIC and not any(isinstance(value, str) for value in taken):
                values[place] = ARITHMETIC[name](*taken)
        sums: dict[str, Any] = {}

        def add(place: str, grad: Any) -> None:
            sums[place] = sums[place] + grad if place in sums else grad

        for result, grad in zip(self.results, grads, strict=True):
            if isinstance(result, str):
                add(result, grad)
        for index in reversed(range(self.count, len(self.lines))):
            place, line = f"v{index}", self._resolved(self.lines[index])
            if place in sums:
                taken = [values.get(operand, operand) for operand in line.operands]
                if line.name in PARTNERS:
                    taken.append(values[self.computed[line._replace(name=PARTNERS[line.name])]])
                parts = GRADIENTS[line.name](sums[place], values.get(self.same[place]), *taken)
                for operand, part in zip(self.lines[index].operands, parts, strict=False):
                    if isinstance(operand, str):
                        add(operand, part)
        return [sums.get(f"v{index}") for index in range(self.count)]

    def gradients(self, saved: Sequence[Tensor], grad: Tensor, needed: tuple[bool, ...]) -> list[Tensor | None]:
        r"""Return the gradients of the arguments that are needed, None for the others.

        Args:
            saved: What :meth:`run` has saved, in memory without gaps; or single numbers.
            grad: Gradients of the results, [results, \*size].
            needed: Which arguments' are wanted: arguments of the full size.
        """
        if needed not in self._kernels:
            from .machine import pointwise_kernel

            self._kernels[needed] = pointwise_kernel(self, needed)
        grad = grad.contiguous()
        size = grad.numel() // len(self.results)
        out = [grad.new_empty(grad.shape[1:]) if needs else None for needs in needed]
        numbers = [size, grad.data_ptr()]
        for tensor in saved:
            numbers += tensor.data_ptr(), int(tensor.numel() == size)
        numbers += [0 if tensor is None else tensor.data_ptr() for tensor in out]
        self._kernels[needed](struct.pack(f"{len(numbers)}q", *numbers))
        return out
