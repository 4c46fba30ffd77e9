"""Elementary functions of vectors, against NumPy's in float64."""

import numpy as np
import pytest
from numba import carray

from silif_plugins.kernels import elementary
from silif_plugins.kernels.compile import machine_code
from silif_plugins.kernels.simd import REGISTER_BYTES, load1, numbers_at, store


def kernel(begin, end, call):
    job = carray(call, 1)[0]
    x, results = numbers_at(job.x, job.like), numbers_at(job.results, job.like)
    for i in range(0, job.count, job.lanes):
        value = load1(x, i)
        sine, cosine = elementary.sincos(value)
        store(results, i, elementary.exp(value))
        store(results, job.count + i, elementary.expm1(value))
        store(results, 2 * job.count + i, sine)
        store(results, 3 * job.count + i, cosine)


def results(x):
    real, count = x.dtype, len(x)
    layout = np.dtype([(name, np.int64) for name in ("x", "results", "count", "lanes")] + [("like", real)])
    found = np.zeros((4, count), real)
    job = np.array((x.ctypes.data, found.ctypes.data, count, REGISTER_BYTES // real.itemsize, 0.0), layout)
    machine_code(kernel, layout)(0, 1, job.ctypes.data)
    return found


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_all_digits(real):
    generator = np.random.default_rng(0)
    magnitude = 10.0 ** generator.uniform(-12, 1.9 if real == np.float32 else 2.8, 1 << 14)
    x = (magnitude * generator.choice([-1, 1], len(magnitude))).astype(real)
    exponential, less_one, _, _ = results(x)
    true = x.astype(np.float64)
    eps = np.finfo(real).eps
    negative = x < 0
    np.testing.assert_allclose(exponential[negative], np.exp(true[negative]), rtol=3 * eps)
    np.testing.assert_allclose(less_one[negative], np.expm1(true[negative]), rtol=3 * eps)
    angles = (generator.uniform(-1, 1, 1 << 14) * (1e3 if real == np.float32 else 1e6)).astype(real)
    _, _, sine, cosine = results(angles)
    true = angles.astype(np.float64)
    np.testing.assert_allclose(sine, np.sin(true), rtol=0, atol=2 * eps)
    np.testing.assert_allclose(cosine, np.cos(true), rtol=0, atol=2 * eps)
    small = (10.0 ** generator.uniform(-10, -1, 1 << 14)).astype(real)
    np.testing.assert_allclose(results(small)[2], np.sin(small.astype(np.float64)), rtol=3 * eps)


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_ends(real):
    x = np.zeros(REGISTER_BYTES, real)
    x[1], x[2] = -1e30, -1e4
    exponential, less_one, sine, cosine = results(x)
    assert exponential[0] == cosine[0] == 1
    assert less_one[0] == sine[0] == 0
    assert (exponential[1:3] < 1e-37).all()
    assert (less_one[1:3] == -1).all()
