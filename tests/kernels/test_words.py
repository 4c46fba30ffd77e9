"""Words of bits against Python's integers."""

import random

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from silif_plugins.kernels.simd import numbers_at  # noqa: E402
from silif_plugins.kernels.spike_bits import WORD  # noqa: E402
from silif_plugins.kernels.words import ALL, FIRST, GOLDEN, SECOND, kept_word, transpose  # noqa: E402


@numba.njit
def kept(first, seed, drop):
    return kept_word(first, seed, drop)


@numba.njit
def transposed(address, index):
    transpose(numbers_at(address, np.int64(0)), index)


def is_kept(place, seed, drop):
    z = (place * GOLDEN + seed) & ALL
    z = ((z ^ (z >> 30)) * FIRST) & ALL
    z = ((z ^ (z >> 27)) * SECOND) & ALL
    return (z ^ (z >> 31)) >> 32 >= drop


@pytest.mark.parametrize("drop", [0, 1 << 30, 1 << 31, (1 << 32) - 1])
@pytest.mark.parametrize(("first", "seed"), [(0, 0), (12345, -7), (2**40 + 1, 2**62 + 3)])
def test_a_word_of_a_dropout(first, seed, drop):
    word = kept(first, seed, drop) & ALL
    assert word == sum(is_kept(first + i, seed, drop) << i for i in range(WORD))


def test_transposition():
    table = np.array([random.Random(0).getrandbits(64) for _ in range(3 * WORD)], np.uint64)
    before = table.copy()
    transposed(table.ctypes.data, WORD)
    bits = [[int(word) >> i & 1 for i in range(WORD)] for word in before[WORD : 2 * WORD]]
    assert [[int(word) >> i & 1 for i in range(WORD)] for word in table[WORD : 2 * WORD]] == [
        *map(list, zip(*bits, strict=True))
    ]
    assert (table[:WORD] == before[:WORD]).all()
    assert (table[2 * WORD :] == before[2 * WORD :]).all()
