"""Functions that only kernels call are linked into these, whatever calls what."""

import gc

import numpy as np
import pytest
from numba import carray, config
from numba.core import ccallback

from silif_plugins.kernels import compile as compiling
from silif_plugins.kernels.parts import PartCompiler
from silif_plugins.kernels.simd import compiled, inlined

JOB = np.dtype([("factor", np.int64), ("result", np.int64)])


@inlined
def square(x):
    return x * x


@compiled
def of_squares(count, factor):
    found = 0
    for k in range(count):
        found += int(factor * square(k) + square(0.5))  # square is compiled for two types
    return found


def kernel(begin, end, call):
    job = carray(call, 1)[0]
    job.result = of_squares(end - begin, job.factor) + square(job.factor)


def run():
    job = np.array((7, 0), JOB)
    compiling.machine_code.__wrapped__(kernel, JOB)(2, 6, job.ctypes.data)
    return int(job["result"])


EXPECTED = 7 * (0 + 1 + 4 + 9) + 49


@pytest.fixture
def no_cache(monkeypatch):
    monkeypatch.setattr(compiling, "cache_folder", lambda: None)


def test_parts_of_parts(no_cache):
    assert run() == EXPECTED


def test_a_numba_that_is_otherwise_inside(no_cache, monkeypatch):
    """Where it cannot leave out what nobody needs, it compiles as ever."""

    def broken(self, *arguments, **others):
        raise AttributeError("no such thing in this version")

    for function in (square, of_squares):
        function.recompile()  # nothing is left of what was compiled before
        function.overloads.clear()
        function._reset_overloads()
    monkeypatch.setattr("silif_plugins.kernels.parts._Part.__init__", broken)
    monkeypatch.setattr(PartCompiler, "as_ever", False)
    assert run() == EXPECTED
    assert PartCompiler.as_ever


def test_the_garbage_collector_goes_on(no_cache):
    assert gc.isenabled()
    run()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_the_user_has_frozen_stays_so(no_cache):
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        run()
        assert gc.get_freeze_count() >= 0.99 * frozen > 0
    finally:
        gc.unfreeze()


def test_a_garbage_collector_at_rest_stays_so(no_cache):
    gc.disable()
    try:
        run()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_cache_holds_whole_kernels(tmp_path, monkeypatch):
    compiled_anew, compile_anew = [], ccallback.CFunc._compile_uncached

    def count(self):
        compiled_anew.append(self.__name__)
        return compile_anew(self)

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(ccallback.CFunc, "_compile_uncached", count)
    assert run() == EXPECTED
    assert run() == EXPECTED
    assert compiled_anew == ["kernel"]  # the second one was read
