"""Logarithms to base 2 from the bits of a number and a table of 65 values, so that all machines agree."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

LOG_BITS = 16
"""Bits after the point of a logarithm."""
TABLE_BITS = 6
TABLE = [round((1 << LOG_BITS) * math.log2(1 + i / (1 << TABLE_BITS))) for i in range((1 << TABLE_BITS) + 1)]
REST_BITS = 17
"""Bits of a mantissa below those that choose a place of the table."""


def log2(mantissa: Integers, exponent: Integers) -> Integers:
    """Return the logarithms of (1 + mantissa / 2^23) 2^exponent, numbers such as float32 has them.

    The table's 64 values are joined by straight lines: the error is below 6e-5.

    Examples:
        >>> log2(np.array([0, 1 << 22]), np.array([3, 1])).tolist()     # log2(8), log2(3) = 103872 / 65536
        [196608, 103872]
    """
    table = np.array(TABLE)
    place, rest = mantissa >> REST_BITS, mantissa & ((1 << REST_BITS) - 1)
    line = table[place] + (((table[place + 1] - table[place]) * rest) >> REST_BITS)
    return (exponent << LOG_BITS) + line


def logarithm_source() -> str:
    """Write the table and the function."""
    lines = ",\n".join("    " + ", ".join(map(str, TABLE[i : i + 8])) for i in range(0, len(TABLE), 8))
    return f"""\
/* log2(1 + i / {1 << TABLE_BITS}), {LOG_BITS} bits after the point */
static const uint32_t logarithms[{len(TABLE)}] = {{
{lines}
}};

/* Logarithm to base 2 of (1 + mantissa / 2^23) 2^exponent. */
static int32_t logarithm(uint32_t mantissa, int32_t exponent)
{{
    const uint32_t place = mantissa >> {REST_BITS}, rest = mantissa & {(1 << REST_BITS) - 1};
    const uint32_t line = logarithms[place] + ((logarithms[place + 1] - logarithms[place]) * rest >> {REST_BITS});
    return exponent * {1 << LOG_BITS} + (int32_t)line;
}}
"""
