"""Words of 64 bits for numba: which of 64 places a dropout keeps, and 64 words as the columns of a table of bits."""

# mypy: disable-error-code="untyped-decorator, misc"
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .spike_bits import WORD

GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Step and multipliers of SplitMix64."""

ALL = (1 << WORD) - 1
I64 = ir.IntType(WORD)
WORDS = ir.VectorType(I64, WORD)


def _splat(number: int) -> Any:
    return ir.Constant(WORDS, [ir.Constant(I64, number)] * WORD)


@intrinsic
def kept_word(typing_context: Any, first: Any, seed: Any, drop: Any) -> Any:
    """Which of 64 places from ``first`` on are kept where ``drop`` of 2³² are dropped, as bits of an integer.

    The finaliser of SplitMix64 on each place and the seed: a hash without state.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def spread(value: Any) -> Any:
            single = builder.insert_element(ir.Constant(WORDS, ir.Undefined), value, ir.IntType(32)(0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), WORD), None)
            return builder.shuffle_vector(single, ir.Constant(WORDS, ir.Undefined), lanes)

        def mixed(z: Any, shift: int) -> Any:
            return builder.xor(z, builder.lshr(z, _splat(shift)))

        first, seed, drop = args
        start = builder.add(builder.mul(first, I64(GOLDEN)), seed)
        steps = ir.Constant(WORDS, [ir.Constant(I64, i * GOLDEN & ALL) for i in range(WORD)])
        z = builder.add(spread(start), steps)
        z = builder.mul(mixed(z, 30), _splat(FIRST))
        z = builder.mul(mixed(z, 27), _splat(SECOND))
        z = builder.lshr(mixed(z, 31), _splat(32))
        return builder.bitcast(builder.icmp_unsigned(">=", z, spread(drop)), I64)

    return types.int64(types.int64, types.int64, types.int64), build


@intrinsic
def transpose(typing_context: Any, words: Any, index: Any) -> Any:
    """Transpose 64 words from an index on, as a table of bits in its place: bit r of word c becomes bit c of word r."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> None:
        address = builder.bitcast(builder.gep(args[0], [args[1]]), WORDS.as_pointer())
        table = builder.load(address)
        table.align = 8
        # Quarters of blocks of 2 j change places, with blocks ever smaller.
        for j in (32, 16, 8, 4, 2, 1):
            lower = sum(1 << bit for bit in range(WORD) if not bit & j)
            is_lower = [not lane & j for lane in range(WORD)]
            keeps = ir.Constant(WORDS, [ir.Constant(I64, lower if low else lower ^ ALL) for low in is_lower])
            takes = ir.Constant(WORDS, [ir.Constant(I64, lower ^ ALL if low else lower) for low in is_lower])
            lanes = ir.Constant(
                ir.VectorType(ir.IntType(32), WORD), [ir.Constant(ir.IntType(32), lane ^ j) for lane in range(WORD)]
            )
            other = builder.shuffle_vector(table, ir.Constant(WORDS, ir.Undefined), lanes)
            chosen = ir.Constant(
                ir.VectorType(ir.IntType(1), WORD), [ir.Constant(ir.IntType(1), int(low)) for low in is_lower]
            )
            moved = builder.select(chosen, builder.shl(other, _splat(j)), builder.lshr(other, _splat(j)))
            table = builder.or_(builder.and_(table, keeps), builder.and_(moved, takes))
        builder.store(table, address).align = 8

    return types.void(words, types.intp), build
