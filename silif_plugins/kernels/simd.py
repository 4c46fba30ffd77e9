"""Vectors of neurons for numba: one value is 16 float32 or 8 float64 (half of it where the processor has less).

Numba turns loops into vector instructions only when it can prove that arrays do not overlap, and a harmless
rewrite of a kernel can cost a factor of four. Here the vectors are explicit, so states stay in registers and
the speed does not depend on what the compiler finds out. Multiplication and addition are never contracted
unless :func:`fma` asks for it: results equal those of separate PyTorch operations to the last bit.
"""

# mypy: disable-error-code="untyped-decorator, misc"
from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from .compile import jitted
from .parts import PartCompiler

FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
"""What numba compiles for: this processor, or what NUMBA_CPU_FEATURES says."""

REGISTER_BYTES = 64 if "+avx512f" in FEATURES.split(",") else 32
"""Width of a vector. Processors with 16-byte registers work on two at a time."""

PART = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": PartCompiler,
}

compiled = jitted(**PART)
"""A function of a kernel."""

inlined = jitted(**PART, forceinline=True)
"""A function of a kernel that becomes part of its callers: what runs once a vector or an event."""

LINE_BYTES = 64
"""Width of a line of the caches."""

I32 = ir.IntType(32)


class Vector(types.Type):
    """As many real numbers as fit into ``registers`` vector registers."""

    def __init__(self, dtype: Any, registers: int) -> None:
        self.dtype = dtype
        self.registers = registers
        self.lanes = registers * REGISTER_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype}, {registers})")


class Mask(types.Type):
    """The result of comparing two vectors."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        element = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Mask) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.IntType(1), fe_type.lanes))


def _binary(symbol: Callable[..., Any], build: Callable[..., Any], *, compares: bool = False) -> None:
    """Teach numba an operator between two vectors of one type."""

    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                return signature(Mask(args[0].lanes) if compares else args[0], *args)
            return None

    infer_global(symbol)(Template)
    lower_builtin(symbol, Vector, Vector)(lambda context, builder, sig, args: build(builder, *args))


_binary(operator.add, ir.IRBuilder.fadd)
_binary(operator.sub, ir.IRBuilder.fsub)
_binary(operator.mul, ir.IRBuilder.fmul)
_binary(operator.truediv, ir.IRBuilder.fdiv)
_binary(operator.ne, lambda builder, x, y: builder.fcmp_unordered("!=", x, y), compares=True)
_binary(operator.eq, lambda builder, x, y: builder.fcmp_ordered("==", x, y), compares=True)
_binary(operator.gt, lambda builder, x, y: builder.fcmp_ordered(">", x, y), compares=True)
_binary(operator.le, lambda builder, x, y: builder.fcmp_ordered("<=", x, y), compares=True)


def _address(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.gep(pointer, [index])


def _element_bytes(kind: Any) -> int:
    return int(getattr(kind, "dtype", kind).bitwidth // 8)


@intrinsic
def element_bytes(typing_context: Any, numbers: Any) -> Any:
    """Bytes of a number, or of those at a pointer: a constant for the compiler."""
    return types.int64(numbers), lambda context, builder, sig, args: ir.IntType(64)(_element_bytes(sig.args[0]))


def _load(registers: int) -> Any:
    @intrinsic
    def load(typing_context: Any, numbers: Any, index: Any) -> Any:
        vector = Vector(numbers.dtype, registers)

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            address = _address(builder, *args)
            value = builder.load(builder.bitcast(address, context.get_value_type(vector).as_pointer()))
            value.align = _element_bytes(sig.args[0])
            return value

        return vector(numbers, types.intp), build

    return load


load1 = _load(1)
"""load1(numbers, index): one register of numbers from an index on."""

load2 = _load(2)
"""load2(numbers, index): two registers; where a chain of operations waits for itself, two chains run at once."""

WIDE = 16 if REGISTER_BYTES == 64 else 8
"""Registers that hold sums of a long row, among those that there are."""

load_wide = _load(WIDE)
"""load_wide(numbers, index): WIDE registers."""

load_half = _load(WIDE // 2)
"""load_half(numbers, index): half as many."""


@intrinsic
def store(typing_context: Any, numbers: Any, index: Any, value: Any) -> Any:
    """Write a vector from an index on."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        address = _address(builder, *args[:2])
        instruction = builder.store(args[2], builder.bitcast(address, args[2].type.as_pointer()))
        instruction.align = _element_bytes(sig.args[0])

    return types.void(numbers, types.intp, value), build


@intrinsic
def stream(typing_context: Any, numbers: Any, index: Any, value: Any) -> Any:
    """Write one register around the caches; the address must be a multiple of its width.

    A plain store first reads the line that it fills: for an output larger than the caches, half as many bytes again.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        address = _address(builder, *args[:2])
        instruction = builder.store(args[2], builder.bitcast(address, args[2].type.as_pointer()))
        instruction.align = REGISTER_BYTES
        instruction.set_metadata("nontemporal", builder.module.add_metadata([I32(1)]))

    return types.void(numbers, types.intp, value), build


@intrinsic
def fence(typing_context: Any) -> Any:
    """Make streamed stores visible to other threads."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        builder.fence("seq_cst")

    return types.void(), build


@intrinsic
def expand(typing_context: Any, numbers: Any, index: Any, mask: Any, like: Any) -> Any:
    """A vector of the type of ``like``: numbers from an index on in the lanes whose bits are set, 0 in the others."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(sig.args[3])
        lanes = ir.VectorType(ir.IntType(1), kind.count)
        pointer = _address(builder, *args[:2])
        name = f"llvm.masked.expandload.v{kind.count}f{sig.args[3].dtype.bitwidth}"
        function_type = ir.FunctionType(kind, [pointer.type, lanes, kind])
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        picked = builder.bitcast(builder.trunc(args[2], ir.IntType(kind.count)), lanes)
        return builder.call(function, [pointer, picked, ir.Constant(kind, None)])

    return like(numbers, types.intp, types.int64, like), build


def _prefetch(registers: int) -> Any:
    @intrinsic
    def prefetch(typing_context: Any, numbers: Any, index: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
            first = builder.bitcast(_address(builder, *args), ir.IntType(8).as_pointer())
            function_type = ir.FunctionType(ir.VoidType(), [first.type, I32, I32, I32])
            function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
            for offset in range(0, registers * REGISTER_BYTES, LINE_BYTES):
                builder.call(function, [builder.gep(first, [I32(offset)]), I32(0), I32(2), I32(1)])

        return types.void(numbers, types.intp), build

    return prefetch


prefetch1 = _prefetch(1)
"""prefetch1(numbers, index): ask for the cache lines of one register, into the second cache; from any address."""

prefetch2 = _prefetch(2)
"""prefetch2(numbers, index): the same of two registers."""


@intrinsic
def accumulate(typing_context: Any, numbers: Any, index: Any, value: Any) -> Any:
    """Add a vector to float64 numbers from an index on."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        kind = ir.VectorType(ir.DoubleType(), value.lanes)
        address = builder.bitcast(_address(builder, *args[:2]), kind.as_pointer())
        before = builder.load(address)
        before.align = 8
        added = args[2] if args[2].type == kind else builder.fpext(args[2], kind)
        builder.store(builder.fadd(before, added), address).align = 8

    return types.void(numbers, types.intp, value), build


@intrinsic
def widened(typing_context: Any, x: Any) -> Any:
    """A vector in float64, with as many lanes."""
    wide = Vector(types.float64, x.registers * 64 // x.dtype.bitwidth)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(wide)
        return args[0] if args[0].type == kind else builder.fpext(args[0], kind)

    return wide(x), build


@intrinsic
def load_like(typing_context: Any, numbers: Any, index: Any, like: Any) -> Any:
    """Numbers from an index on, as a vector of the type of ``like``."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(like)
        value = builder.load(builder.bitcast(_address(builder, *args[:2]), kind.as_pointer()))
        value.align = _element_bytes(sig.args[0])
        return value

    return like(numbers, types.intp, like), build


@intrinsic
def ones(typing_context: Any, number: Any) -> Any:
    """How many bits of an integer are 1."""
    return types.int64(number), lambda context, builder, sig, args: builder.ctpop(args[0])


@intrinsic
def splat(typing_context: Any, like: Any, number: Any) -> Any:
    """A vector of the type of ``like`` with one number in every lane."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(sig.args[0])
        undefined = ir.Constant(kind, ir.Undefined)
        number = context.cast(builder, args[1], sig.args[1], sig.args[0].dtype)
        first = builder.insert_element(undefined, number, I32(0))
        return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, kind.count), None))

    return like(like, number), build


@intrinsic
def select(typing_context: Any, mask: Any, yes: Any, no: Any) -> Any:
    """``yes`` in the lanes where the mask holds, ``no`` elsewhere."""
    return yes(mask, yes, no), lambda context, builder, sig, args: builder.select(*args)


@intrinsic
def bits(typing_context: Any, mask: Any) -> Any:
    """A mask as an integer, lane i as bit i."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(mask.lanes)), ir.IntType(64))

    return types.int64(mask), build


@intrinsic
def lowest(typing_context: Any, number: Any) -> Any:
    """Place of the lowest bit of an integer other than 0."""
    return types.int64(number), lambda context, builder, sig, args: builder.cttz(args[0], ir.IntType(1)(1))


@intrinsic
def store_bytes(typing_context: Any, numbers: Any, index: Any, mask: Any) -> Any:
    """Write a mask as bytes from an index on, one 0 or 1 a lane."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        value = builder.zext(args[2], ir.VectorType(ir.IntType(8), mask.lanes))
        address = _address(builder, *args[:2])
        builder.store(value, builder.bitcast(address, value.type.as_pointer())).align = 1

    return types.void(numbers, types.intp, mask), build


@intrinsic
def transpose_block(
    typing_context: Any, source: Any, first: Any, pitch: Any, target: Any, to: Any, target_pitch: Any
) -> Any:
    """Write as many rows as a register has lanes, ``pitch`` apart from ``first`` on, as columns elsewhere."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        source, first, pitch, target, to, target_pitch = args
        lanes = REGISTER_BYTES // _element_bytes(sig.args[0])
        kind = ir.VectorType(context.get_value_type(sig.args[0].dtype), lanes)
        rows = []
        for i in range(lanes):
            place = builder.add(first, builder.mul(pitch, ir.IntType(64)(i)))
            row = builder.load(builder.bitcast(_address(builder, source, place), kind.as_pointer()))
            row.align = _element_bytes(sig.args[0])
            rows.append(row)
        step = 1
        while step < lanes:  # rows and lanes change places, pairs of both ever further apart
            for i in (i for i in range(lanes) if not i & step):
                upper = [lane if not lane & step else lanes + lane - step for lane in range(lanes)]
                lower = [lane + step if not lane & step else lanes + lane for lane in range(lanes)]
                pair = rows[i], rows[i + step]
                for at, places in ((i, upper), (i + step, lower)):
                    mask = ir.Constant(ir.VectorType(I32, lanes), [I32(place) for place in places])
                    rows[at] = builder.shuffle_vector(*pair, mask)
            step *= 2
        for i, row in enumerate(rows):
            place = builder.add(to, builder.mul(target_pitch, ir.IntType(64)(i)))
            instruction = builder.store(row, builder.bitcast(_address(builder, target, place), kind.as_pointer()))
            instruction.align = _element_bytes(sig.args[0])

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), build


@intrinsic
def store_mask(typing_context: Any, numbers: Any, index: Any, mask: Any) -> Any:
    """Write a mask of at least 8 lanes from a byte on, lane i as bit i."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        value = builder.bitcast(args[2], ir.IntType(mask.lanes))
        builder.store(value, builder.bitcast(_address(builder, *args[:2]), value.type.as_pointer())).align = 1

    return types.void(numbers, types.intp, mask), build


@intrinsic
def byte_bits(typing_context: Any, numbers: Any, index: Any) -> Any:
    """Which of 16 bytes from an index on are not zero, as bits of an integer."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _address(builder, *args)
        value = builder.load(builder.bitcast(address, ir.VectorType(ir.IntType(8), 16).as_pointer()))
        value.align = 1
        mask = builder.icmp_unsigned("!=", value, ir.Constant(value.type, None))
        return builder.zext(builder.bitcast(mask, ir.IntType(16)), ir.IntType(64))

    return types.int64(numbers, types.intp), build


@intrinsic
def total(typing_context: Any, x: Any) -> Any:
    """The sum over the lanes of a vector, in any order."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[0].type
        name = f"llvm.vector.reduce.fadd.v{x.lanes}f{x.dtype.bitwidth}"
        function_type = ir.FunctionType(kind.element, [kind.element, kind])
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        return builder.call(function, [kind.element(0.0), args[0]], fastmath=("reassoc",))

    return x.dtype(x), build


@intrinsic
def products(typing_context: Any, x: Any, y: Any) -> Any:
    """One register of sums of the products of two vectors, lane by lane of their registers."""
    one = Vector(x.dtype, 1)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(one)

        def register(value: Any, k: int) -> Any:
            places = ir.Constant(ir.VectorType(I32, kind.count), [I32(k * kind.count + i) for i in range(kind.count)])
            return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), places)

        function_type = ir.FunctionType(kind, [kind] * 3)
        name = f"llvm.fmuladd.v{kind.count}f{x.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        sums: list[Any] = []  # two chains: one would wait for itself
        for k in range(x.registers):
            p, q = (register(value, k) for value in args)
            if k < 2:
                sums.append(builder.fmul(p, q))
            else:
                sums[k % 2] = builder.call(function, [p, q, sums[k % 2]])
        return builder.fadd(*sums) if len(sums) > 1 else sums[0]

    return one(x, y), build


@intrinsic
def store_totals(typing_context: Any, numbers: Any, index: Any, a: Any, b: Any, c: Any, d: Any, overwrites: Any) -> Any:
    """Write the sums over the lanes of four vectors from an index on, or add them to what is there."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        def picked(first: Any, second: Any, lanes: list[int]) -> Any:
            places = ir.Constant(ir.VectorType(I32, len(lanes)), [I32(lane) for lane in lanes])
            return builder.shuffle_vector(first, second, places)

        def folded(first: Any, second: Any, size: int) -> Any:
            """Add the halves of groups of so many lanes of two vectors."""
            starts = range(0, 2 * first.type.count, size)
            lower = [start + i for start in starts for i in range(size // 2)]
            return builder.fadd(picked(first, second, lower), picked(first, second, [i + size // 2 for i in lower]))

        def halved(x: Any) -> Any:
            half = x.type.count // 2
            lower = list(range(half))
            return builder.fadd(picked(x, x, lower), picked(x, x, [half + i for i in lower]))

        p, q, r, s = (halved(x) for x in args[2:6])
        lanes = p.type.count
        first, second = folded(p, q, lanes), folded(r, s, lanes)
        if lanes == 2:  # four numbers in a register are added up by now
            x = picked(first, second, list(range(4)))
        else:
            x, size = folded(first, second, lanes // 2), lanes // 4
            while size > 1:  # places of a group change within it
                x, size = builder.fadd(x, picked(x, x, [i ^ (size // 2) for i in range(lanes)])), size // 2
            x = picked(x, x, [k * (lanes // 4) for k in range(4)])
        address = builder.bitcast(_address(builder, *args[:2]), x.type.as_pointer())
        before = builder.load(address)
        before.align = _element_bytes(sig.args[0])
        zero = ir.Constant(x.type, None)
        value = builder.fadd(builder.select(args[6], zero, before), x)
        builder.store(value, address).align = _element_bytes(sig.args[0])

    return types.void(numbers, types.intp, a, b, c, d, types.boolean), build


@intrinsic
def fma(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """Multiply and add: x * y + z, in one instruction and with one rounding where the processor has it."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[0].type
        name = f"llvm.fmuladd.v{x.lanes}f{x.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, args)

    return x(x, y, z), build


@intrinsic
def magnitude(typing_context: Any, x: Any) -> Any:
    """|x|, lane by lane."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[0].type
        name = f"llvm.fabs.v{x.lanes}f{x.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
        return builder.call(function, args)

    return x(x), build


@intrinsic
def numbers_at(typing_context: Any, address: Any, like: Any) -> Any:
    """The memory at an address as numbers of the type of ``like``.

    A pointer, without a known end. Numba counts the references to arrays, which costs more than a short loop.
    """
    pointer = types.CPointer(like)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(types.intp, like), build


@intrinsic
def address_of(typing_context: Any, numbers: Any) -> Any:
    """The address of the first number at a pointer."""
    return types.int64(numbers), lambda context, builder, sig, args: builder.ptrtoint(args[0], ir.IntType(64))


@intrinsic(prefer_literal=True)
def stack_numbers(typing_context: Any, size: Any, like: Any) -> Any:
    """``size`` bytes (a constant) of uninitialised memory for numbers like ``like``, gone when the kernel returns."""
    pointer = types.CPointer(types.unliteral(like))

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.get_data_type(pointer.dtype)
        memory = cgutils.alloca_once(builder, number, size=size.literal_value // _element_bytes(pointer))
        memory.align = REGISTER_BYTES
        return memory

    return pointer(size, like), build
