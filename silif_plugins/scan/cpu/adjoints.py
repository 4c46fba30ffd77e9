"""The adjoint of one step of two states, for kernels that go step by step."""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

from ...kernels.simd import fma, inlined, store


@inlined
def nine_at(load: Any, numbers: Any, i: Any, pitch: Any) -> Any:
    """Nine vectors at equal distances, by load1 or load2: coefficients."""
    first = load(numbers, i), load(numbers, i + pitch), load(numbers, i + 2 * pitch)
    second = load(numbers, i + 3 * pitch), load(numbers, i + 4 * pitch), load(numbers, i + 5 * pitch)
    third = load(numbers, i + 6 * pitch), load(numbers, i + 7 * pitch), load(numbers, i + 8 * pitch)
    return first + second + third


@inlined
def put_nine(numbers: Any, i: Any, pitch: Any, vectors: Any) -> None:
    """Write nine vectors at equal distances."""
    s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth = vectors
    store(numbers, i, s11)
    store(numbers, i + pitch, s12)
    store(numbers, i + 2 * pitch, s21)
    store(numbers, i + 3 * pitch, s22)
    store(numbers, i + 4 * pitch, sb1)
    store(numbers, i + 5 * pitch, sb2)
    store(numbers, i + 6 * pitch, sr1)
    store(numbers, i + 7 * pitch, sr2)
    store(numbers, i + 8 * pitch, sth)


@inlined
def step_back(p: Any, q: Any, coefficients: Any) -> Any:
    """Gradients of I[t], mem[t-1], ada[t-1] and R's factor from those of mem[t] and ada[t]."""
    a11, a12, a21, a22, b1, b2, r1, r2, _ = coefficients
    return fma(b1, p, b2 * q), fma(a11, p, a21 * q), fma(a12, p, a22 * q), fma(r1, p, r2 * q)


@inlined
def added(sums: Any, p: Any, q: Any, m: Any, a: Any, current: Any, reset: Any, through: Any) -> Any:
    """Sums of the coefficients' gradients, with those of a step; ``reset`` is R's factor, the spike or mem times it."""
    s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth = sums
    first = fma(p, m, s11), fma(p, a, s12), fma(q, m, s21), fma(q, a, s22), fma(p, current, sb1)
    second = fma(q, current, sb2), fma(p, reset, sr1), fma(q, reset, sr2), sth - through
    return first + second
