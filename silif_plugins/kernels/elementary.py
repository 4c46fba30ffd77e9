"""Exponentials, sines and cosines of vectors of neurons, to about one unit in the last place.

The usual way: a multiple of log 2, or of a quarter turn, is taken off in parts of few digits, so that nothing is lost,
and a polynomial does the rest, nearly the best of its degree: the one through Chebyshev's nodes.
"""

# mypy: disable-error-code="untyped-decorator, misc"
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.polynomial import Chebyshev, Polynomial

_BELOW = {math.log(2): 2.319046813846299e-17, math.pi / 2: 6.123233995736766e-17}
"""What the nearest float64 of log 2 and π/2 lack."""

_PARTS: dict[float, dict[int, tuple[int, ...]]] = {
    math.log(2): {32: (15,), 64: (32,)},
    math.pi / 2: {32: (11, 11), 64: (20, 20)},
}
"""Binary digits of the parts, so that their products with the whole numbers that occur are exact: to 2^9 and 2^21 times
log 2, 2^13 and 2^33 times π / 2."""


def _through_nodes(function: Callable[[Any], Any], low: float, high: float, degree: int) -> list[float]:
    """Coefficients of the polynomial that has a function's values at Chebyshev's nodes of an interval."""
    nodes = Chebyshev.interpolate(function, degree, [low, high])
    return [float(coefficient) for coefficient in nodes.convert(kind=Polynomial).coef]


def _alternating(first: int, last: int) -> list[float]:
    """Every second coefficient of the Taylor series of sine and cosine."""
    return [(-1) ** (i // 2) / math.factorial(i) for i in range(first, last + 1, 2)]


_HALF, _SQUARE = math.log(2) / 2 * 1.01, (math.pi / 4 * 1.01) ** 2

_EXPONENTIAL = {
    32: _through_nodes(lambda x: np.expm1(x) / x, -_HALF, _HALF, 5),
    64: [1 / math.factorial(i) for i in range(1, 14)],
}
_SINE = {32: _through_nodes(lambda x: np.sin(np.sqrt(x)) / np.sqrt(x), 0, _SQUARE, 3), 64: _alternating(1, 17)}
_COSINE = {32: _through_nodes(lambda x: np.cos(np.sqrt(x)), 0, _SQUARE, 4), 64: _alternating(0, 18)}
"""(e^x - 1) / x, and sin(x) / x and cos(x) over x², by the bits of a number: in float64 the Taylor series, whose
coefficients are known to the last digit."""

_SMALLEST = {32: -87.0, 64: -708.0}
"""Below it an exponential is no normal number."""

_FORMAT = {32: (23, 127), 64: (52, 1023)}
"""Digits and offset of the exponent of a number."""


class _Code:
    """Instructions on vectors of one type."""

    def __init__(self, builder: Any, kind: Any, vector: Any) -> None:
        self.builder, self.type, self.bits = builder, vector, kind.dtype.bitwidth

    def number(self, value: float) -> Any:
        return ir.Constant(self.type, [value] * self.type.count)

    def call(self, name: str, *args: Any) -> Any:
        symbol = f"llvm.{name}.v{self.type.count}f{self.bits}"
        function_type = ir.FunctionType(self.type, [self.type] * len(args))
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function_type, symbol), args)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        return self.call("fmuladd", x, y, z)

    def integers(self) -> Any:
        return ir.VectorType(ir.IntType(self.bits), self.type.count)

    def polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        """The sum of coefficients times powers of x, from that of 1 on."""
        result = self.number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = self.fma(result, x, self.number(coefficient))
        return result

    def reduced(self, x: Any, unit: float) -> tuple[Any, Any]:
        """How many times a unit is in x, to the nearest whole number, and what is left."""
        count = self.call("rint", self.builder.fmul(x, self.number(1 / unit)))
        rest, below = unit, _BELOW[unit]
        for digits in _PARTS[unit][self.bits]:
            scale = 2.0 ** (digits - math.frexp(rest)[1])
            part = math.floor(rest * scale) / scale
            x, rest = self.fma(count, self.number(-part), x), rest - part
        return count, self.fma(count, self.number(-(rest + below)), x)

    def exponential(self, x: Any) -> tuple[Any, Any]:
        """e^r - 1 and 2^k of e^x = 2^k e^r."""
        least = self.number(_SMALLEST[self.bits])
        x = self.builder.select(self.builder.fcmp_ordered(">", x, least), x, least)
        power, rest = self.reduced(x, math.log(2))
        series = self.polynomial(rest, _EXPONENTIAL[self.bits])
        digits, offset = _FORMAT[self.bits]
        kind = self.integers()
        whole = self.builder.add(self.builder.fptosi(power, kind), ir.Constant(kind, [offset] * kind.count))
        shifted = self.builder.shl(whole, ir.Constant(kind, [digits] * kind.count))
        return self.builder.fmul(rest, series), self.builder.bitcast(shifted, self.type)

    def sine_and_cosine(self, x: Any) -> tuple[Any, Any]:
        quarter, rest = self.reduced(x, math.pi / 2)
        square = self.builder.fmul(rest, rest)
        sine = self.builder.fmul(rest, self.polynomial(square, _SINE[self.bits]))
        cosine = self.polynomial(square, _COSINE[self.bits])
        kind = self.integers()
        whole = self.builder.fptosi(quarter, kind)
        one, two, zero = (ir.Constant(kind, [value] * kind.count) for value in (1, 2, 0))
        is_odd = self.builder.icmp_signed("!=", self.builder.and_(whole, one), zero)
        sine, cosine = self.builder.select(is_odd, cosine, sine), self.builder.select(is_odd, sine, cosine)
        return self.signed(sine, self.builder.and_(whole, two)), self.signed(
            cosine, self.builder.and_(self.builder.add(whole, one), two)
        )

    def signed(self, x: Any, flag: Any) -> Any:
        """-x where an integer has its second bit."""
        flip = self.builder.shl(flag, ir.Constant(flag.type, [self.bits - 2] * flag.type.count))
        return self.builder.bitcast(self.builder.xor(self.builder.bitcast(x, flag.type), flip), self.type)


@intrinsic
def exp(typing_context: Any, x: Any) -> Any:
    """e^x; never less than the smallest normal number."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(builder, x, args[0].type)
        series, power = code.exponential(args[0])
        return code.fma(power, series, power)

    return x(x), build


@intrinsic
def expm1(typing_context: Any, x: Any) -> Any:
    """e^x - 1, with all digits near 0."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(builder, x, args[0].type)
        series, power = code.exponential(args[0])
        return code.fma(power, series, builder.fsub(power, code.number(1.0)))

    return x(x), build


@intrinsic
def sincos(typing_context: Any, x: Any) -> Any:
    """The sine and the cosine of x."""
    kind = types.UniTuple(x, 2)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, kind, _Code(builder, x, args[0].type).sine_and_cosine(args[0]))

    return kind(x), build
