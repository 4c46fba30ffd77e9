"""Machine code of the gradient of a :class:`.pointwise.Program`, made by LLVM in some hundredths of a second.

Numba would take seconds for it, since it infers the type of every variable.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import torch
from llvmlite import ir

if TYPE_CHECKING:
    from .pointwise import Program

I64 = ir.IntType(64)

_alive: list[Any] = []
"""LLVM's objects: machine code lives as long as they do."""


class Number:
    """A number of the kernel, with Python's operators."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _of(self, other: Number | float) -> Any:
        return other.value if isinstance(other, Number) else ir.Constant(self.value.type, other)

    def _by(self, operation: Callable[..., Any], *others: Number | float) -> Number:
        return Number(self.builder, operation(self.value, *map(self._of, others)))

    def __add__(self, other: Number | float) -> Number:
        return self._by(self.builder.fadd, other)

    def __sub__(self, other: Number | float) -> Number:
        return self._by(self.builder.fsub, other)

    def __rsub__(self, other: float) -> Number:
        return Number(self.builder, self.builder.fsub(self._of(other), self.value))

    def __mul__(self, other: Number | float) -> Number:
        return self._by(self.builder.fmul, other)

    def __truediv__(self, other: Number | float) -> Number:
        return self._by(self.builder.fdiv, other)

    def __neg__(self) -> Number:
        return self._by(self.builder.fneg)

    def clamp(self, low: float, high: float) -> Number:
        """The number within bounds; NaN stays NaN."""
        below = self.builder.fcmp_ordered("<", self.value, self._of(low))
        raised = self.builder.select(below, self._of(low), self.value)
        above = self.builder.fcmp_ordered(">", raised, self._of(high))
        return Number(self.builder, self.builder.select(above, self._of(high), raised))

    def choose(self, low: float, high: float, other: Number) -> Number:
        """The other one where this is within bounds, 0 elsewhere."""
        above = self.builder.fcmp_ordered(">=", self.value, self._of(low))
        below = self.builder.fcmp_ordered("<=", self.value, self._of(high))
        within = self.builder.and_(above, below)
        return Number(self.builder, self.builder.select(within, other.value, self._of(0.0)))


def pointwise_kernel(program: Program, needed: tuple[bool, ...]) -> Callable[[bytes], None]:
    """Return a function of the numbers that :meth:`.pointwise.Program.gradients` packs."""
    real = ir.FloatType() if program.dtype == torch.float32 else ir.DoubleType()
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64.as_pointer()]), "gradient")
    start, loop, body, end = (function.append_basic_block() for _ in range(4))
    builder = ir.IRBuilder(start)

    def number_at(index: int) -> Any:
        return builder.load(builder.gep(function.args[0], [I64(index)]))

    def pointer_at(index: int) -> Any:
        return builder.inttoptr(number_at(index), real.as_pointer())

    size, grad, saved = number_at(0), pointer_at(1), len(program.saved)
    given = [(pointer_at(2 + 2 * k), number_at(3 + 2 * k)) for k in range(saved)]
    out = [pointer_at(2 + 2 * saved + k) if needs else None for k, needs in enumerate(needed)]
    builder.branch(loop)
    builder.position_at_end(loop)
    i = builder.phi(I64)
    i.add_incoming(I64(0), start)
    builder.cbranch(builder.icmp_signed("<", i, size), body, end)
    builder.position_at_end(body)

    def load(pointer: Any, index: Any) -> Number:
        return Number(builder, builder.load(builder.gep(pointer, [index])))

    values = [load(pointer, builder.mul(i, stride)) for pointer, stride in given]
    rows = [load(grad, builder.add(builder.mul(size, I64(k)), i)) for k in range(len(program.results))]
    for pointer, result in zip(out, program.back(values, rows), strict=True):
        if pointer is not None:
            value = real(0.0) if result is None else result.value
            builder.store(value, builder.gep(pointer, [i]))
    i.add_incoming(builder.add(i, I64(1)), body)
    builder.branch(loop)
    builder.position_at_end(end)
    builder.ret_void()
    return _compiled(str(module))


def _compiled(text: str) -> Callable[[bytes], None]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    engine.finalize_object()
    _alive.append(engine)
    kernel: Callable[[bytes], None] = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(engine.get_function_address("gradient"))
    return kernel
