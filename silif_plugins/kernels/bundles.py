"""Bundles: several vectors at once, such as the states of a neuron, with operations that are written out.

A bundle is a tuple of vectors. How many there are is known when a kernel is compiled: nothing of it is left in the
machine code, and states stay in registers. A transition matrix is a bundle, too, of its entries row by row: n x n of
them for n states, or 2n, those of n / 2 blocks of two states on the diagonal.
"""

# mypy: disable-error-code="untyped-decorator, misc"
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import REGISTER_BYTES, Vector


def _many(builder: Any, kind: Any, value: Any, count: int) -> Sequence[Any]:
    """The vectors of a bundle; of a single vector as many copies as asked for."""
    vectors: Sequence[Any] = (
        cgutils.unpack_tuple(builder, value, count) if isinstance(kind, types.UniTuple) else [value] * count
    )
    return vectors


def _fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    bits = REGISTER_BYTES * 8 // x.type.count
    name = f"llvm.fmuladd.v{x.type.count}f{bits}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(x.type, [x.type] * 3), name)
    return builder.call(function, [x, y, z])


def _each(build: Callable[..., Any]) -> Callable[..., Any]:
    """Return the code of an operation on each vector; where some arguments are bundles, the others serve for all."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        count = sig.return_type.count
        columns = [_many(builder, kind, value, count) for kind, value in zip(sig.args, args, strict=True)]
        return context.make_tuple(
            builder, sig.return_type, [build(builder, *each) for each in zip(*columns, strict=True)]
        )

    return code


def _bundle(*kinds: Any) -> Any:
    return next(kind for kind in kinds if isinstance(kind, types.UniTuple))


@intrinsic
def plus(typing_context: Any, x: Any, y: Any) -> Any:
    """X + y, each."""
    return _bundle(x, y)(x, y), _each(lambda builder, x, y: builder.fadd(x, y))


@intrinsic
def times(typing_context: Any, x: Any, y: Any) -> Any:
    """X * y, each."""
    return _bundle(x, y)(x, y), _each(lambda builder, x, y: builder.fmul(x, y))


@intrinsic
def fused(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """X * y + z, each, in one instruction where the processor has it."""
    return _bundle(x, y, z)(x, y, z), _each(_fma)


@intrinsic
def chosen(typing_context: Any, mask: Any, yes: Any, no: Any) -> Any:
    """``yes`` in the lanes where the mask holds, ``no`` elsewhere, each."""
    return _bundle(yes, no)(mask, yes, no), _each(lambda builder, *each: builder.select(*each))


def mapping(function: Any) -> Any:
    """Return ``each(x, others)``: a function of each vector of a bundle and of what the tuple ``others`` holds.

    Of a function that returns a tuple it makes a tuple of bundles.
    """

    @intrinsic
    def each(typing_context: Any, x: Any, others: Any) -> Any:
        callee = types.Dispatcher(function)
        signature = callee.get_call_type(typing_context, (x.dtype, *others), {})
        found, count = signature.return_type, x.count
        several = isinstance(found, types.UniTuple)
        kind = types.UniTuple(found.dtype if several else found, count)
        result = types.UniTuple(kind, found.count) if several else kind

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            code, more = context.get_function(callee, signature), cgutils.unpack_tuple(builder, args[1])
            context.add_linking_libs(getattr(code, "libs", ()))
            results = [code(builder, (vector, *more)) for vector in cgutils.unpack_tuple(builder, args[0])]
            if not several:
                return context.make_tuple(builder, kind, results)
            columns = zip(*(cgutils.unpack_tuple(builder, each) for each in results), strict=True)
            return context.make_tuple(builder, result, [context.make_tuple(builder, kind, each) for each in columns])

        return result(x, others), build

    return each


def _sum(builder: Any, pairs: Any, *, fused: bool, total: Any = None) -> Any:
    """The sum of products from left to right, each of them rounded, or added as fast as it goes."""
    for one, other in pairs:
        if fused and total is not None:
            total = _fma(builder, one, other, total)
        else:
            product = builder.fmul(one, other)
            total = product if total is None else builder.fadd(total, product)
    return total


def _columns(matrix: Sequence[Any], x: Sequence[Any]) -> list[Any]:
    """The columns of a matrix that has as many rows as a bundle has vectors."""
    width = len(matrix) // len(x)
    return [matrix[first::width] for first in range(width)]


def _rows(matrix: Sequence[Any], x: Sequence[Any]) -> list[Any]:
    """The rows of a matrix that has as many columns as a bundle has vectors."""
    return [matrix[first : first + len(x)] for first in range(0, len(matrix), len(x))]


def _product(lines: Callable[..., Any], *, fused: bool) -> Callable[..., Any]:
    """Return the code of a product of a matrix, or its transpose, and a bundle; added to another bundle, if given."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        *given, matrix, x = (cgutils.unpack_tuple(builder, arg) for arg in args)
        begins = given[0] if given else [None] * sig.return_type.count
        pairs = zip(lines(matrix, x), begins, strict=True)
        sums = [_sum(builder, zip(line, x, strict=True), fused=fused, total=total) for line, total in pairs]
        return context.make_tuple(builder, sig.return_type, sums)

    return build


@intrinsic
def gathered(typing_context: Any, matrix: Any, x: Any) -> Any:
    """Mᵀ x of a matrix of any width, row by row: products rounded, and added from left to right."""
    return types.UniTuple(x.dtype, matrix.count // x.count)(matrix, x), _product(_columns, fused=False)


@intrinsic
def fused_gathered(typing_context: Any, matrix: Any, x: Any) -> Any:
    """Mᵀ x, as fast as it goes."""
    return types.UniTuple(x.dtype, matrix.count // x.count)(matrix, x), _product(_columns, fused=True)


@intrinsic
def spread(typing_context: Any, matrix: Any, x: Any) -> Any:
    """M x of a matrix of any height, row by row: products rounded, and added from left to right."""
    return types.UniTuple(x.dtype, matrix.count // x.count)(matrix, x), _product(_rows, fused=False)


@intrinsic
def with_spread(typing_context: Any, y: Any, matrix: Any, x: Any) -> Any:
    """Y + M x, as fast as it goes."""
    return y(y, matrix, x), _product(_rows, fused=True)


@intrinsic
def thinned(typing_context: Any, like: Any, x: Any) -> Any:
    """Every second vector, or every one: as many as a tuple has elements."""
    kind = types.UniTuple(x.dtype, len(like))

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, kind, cgutils.unpack_tuple(builder, args[1])[:: x.count // kind.count])

    return kind(like, x), build


@intrinsic
def with_thinned(typing_context: Any, x: Any, y: Any) -> Any:
    """X, with y added to every second of its vectors, or to every one."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values, more = (cgutils.unpack_tuple(builder, arg) for arg in args)
        step = x.count // y.count
        values = [builder.fadd(one, more[i // step]) if i % step == 0 else one for i, one in enumerate(values)]
        return context.make_tuple(builder, x, values)

    return x(x, y), build


@intrinsic
def total(typing_context: Any, x: Any) -> Any:
    """The sum of all vectors."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result, *others = cgutils.unpack_tuple(builder, args[0])
        for other in others:
            result = builder.fadd(result, other)
        return result

    return x.dtype(x), build


@intrinsic
def largest(typing_context: Any, x: Any) -> Any:
    """The largest of all vectors, lane by lane."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result, *others = cgutils.unpack_tuple(builder, args[0])
        for other in others:
            result = builder.select(builder.fcmp_ordered(">", other, result), other, result)
        return result

    return x.dtype(x), build


@intrinsic
def repeat(typing_context: Any, like: Any, value: Any) -> Any:
    """A vector as many times as a tuple has elements."""
    kind = types.UniTuple(value, len(like))

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, kind, [args[1]] * kind.count)

    return kind(like, value), build


def _row(states: int, entries: int, row: int) -> list[tuple[int, int]]:
    """Column, and place among the entries, of what stands in a row of a transition matrix."""
    if entries == states * states:
        return [(column, row * states + column) for column in range(states)]
    first = row - row % 2
    return [(first + column, 2 * row + column) for column in range(2)]


@intrinsic
def applied(typing_context: Any, matrix: Any, x: Any) -> Any:
    """A x: the products of each row rounded and added from left to right."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, values = (cgutils.unpack_tuple(builder, arg) for arg in args)
        places = [_row(x.count, matrix.count, i) for i in range(x.count)]
        rows = [_sum(builder, [(a[place], values[j]) for j, place in row], fused=False) for row in places]
        return context.make_tuple(builder, x, rows)

    return x(matrix, x), build


@intrinsic
def applied_back(typing_context: Any, matrix: Any, x: Any) -> Any:
    """Aᵀ x, as fast as it goes."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, values = (cgutils.unpack_tuple(builder, arg) for arg in args)
        columns: list[Any] = [None] * x.count
        for i in range(x.count):
            for j, place in _row(x.count, matrix.count, i):
                before = columns[j]
                if before is None:
                    columns[j] = builder.fmul(a[place], values[i])
                else:
                    columns[j] = _fma(builder, a[place], values[i], before)
        return context.make_tuple(builder, x, columns)

    return x(matrix, x), build


@intrinsic
def with_outer(typing_context: Any, matrix: Any, x: Any, y: Any) -> Any:
    """A + x yᵀ, for all entries of A row by row."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, left, right = (cgutils.unpack_tuple(builder, arg) for arg in args)
        pairs = [(one, other) for one in left for other in right]
        entries = [_fma(builder, *pair, entry) for pair, entry in zip(pairs, a, strict=True)]
        return context.make_tuple(builder, matrix, entries)

    return matrix(matrix, x, y), build


def _address(builder: Any, where: Sequence[Any], place: int) -> Any:
    pointer, index, stride = where
    shift = builder.mul(stride, ir.Constant(stride.type, place))
    return builder.gep(pointer, [builder.add(index, shift)])


@intrinsic
def load(typing_context: Any, like: Any, numbers: Any, index: Any, stride: Any) -> Any:
    """Vectors of one register, as many as a tuple has elements, from an index on and ``stride`` numbers apart."""
    vector = Vector(numbers.dtype, 1)
    kind = types.UniTuple(vector, len(like))

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = context.get_value_type(vector).as_pointer()
        values = []
        for place in range(kind.count):
            value = builder.load(builder.bitcast(_address(builder, args[1:], place), pointer))
            value.align = numbers.dtype.bitwidth // 8
            values.append(value)
        return context.make_tuple(builder, kind, values)

    return kind(like, numbers, types.intp, types.intp), build


@intrinsic
def store(typing_context: Any, numbers: Any, index: Any, stride: Any, values: Any) -> Any:
    """Write a bundle from an index on, its vectors ``stride`` numbers apart."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        for place, value in enumerate(cgutils.unpack_tuple(builder, args[3])):
            address = builder.bitcast(_address(builder, args[:3], place), value.type.as_pointer())
            builder.store(value, address).align = numbers.dtype.bitwidth // 8

    return types.void(numbers, types.intp, types.intp, values), build


@intrinsic
def stream(typing_context: Any, numbers: Any, index: Any, stride: Any, values: Any) -> Any:
    """The same around the caches; every address must be a multiple of a register's width."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        for place, value in enumerate(cgutils.unpack_tuple(builder, args[3])):
            address = builder.bitcast(_address(builder, args[:3], place), value.type.as_pointer())
            instruction = builder.store(value, address)
            instruction.align = REGISTER_BYTES
            instruction.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))

    return types.void(numbers, types.intp, types.intp, values), build


@intrinsic
def accumulate(typing_context: Any, numbers: Any, index: Any, stride: Any, values: Any) -> Any:
    """Add a bundle to float64 numbers from an index on, ``stride`` numbers apart."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        kind = ir.VectorType(ir.DoubleType(), values.dtype.lanes)
        for place, value in enumerate(cgutils.unpack_tuple(builder, args[3])):
            address = builder.bitcast(_address(builder, args[:3], place), kind.as_pointer())
            before = builder.load(address)
            before.align = 8
            added = value if value.type == kind else builder.fpext(value, kind)
            builder.store(builder.fadd(before, added), address).align = 8

    return types.void(numbers, types.intp, types.intp, values), build
