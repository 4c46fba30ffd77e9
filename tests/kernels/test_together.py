"""Processes that begin together share the compiling."""

import errno
import subprocess
import sys
import textwrap

import pytest
import torch
from filelock import FileLock
from numba import config

from silif_plugins.kernels import together
from silif_plugins.kernels.compile import name_of
from silif_plugins.kernels.together import compile_together

PROCESS = """
import sys, time, torch, numpy as np
from pathlib import Path
from numba import carray
from numba.core import ccallback
from silif_plugins.kernels.together import compile_together
from silif_plugins.kernels.code import code_of_kernel

compiled, original = [], ccallback.CFunc._compile_uncached
def count(self):
    compiled.append(self.__name__)
    time.sleep(0.5)  # kernels of our own take about a second
    return original(self)
ccallback.CFunc._compile_uncached = count

def layout(real):
    return np.dtype([("x", real), ("y", real)])

def one(begin, end, call):
    job = carray(call, 1)[0]
    job.y = job.x + 1

def two(begin, end, call):
    job = carray(call, 1)[0]
    job.y = job.x * 2

def three(begin, end, call):
    job = carray(call, 1)[0]
    job.y = job.x - 3

here, there = map(Path, sys.argv[1:])
here.touch()
while not there.exists():  # both begin when both are there
    time.sleep(0.001)
kernels = one, two, three
compile_together([(kernel, torch.float32, layout) for kernel in kernels])
found = []
for kernel in kernels:
    code = code_of_kernel(kernel, torch.float32, layout)
    memory = code.pack([5.0, 0.0])
    code.run(memory, 1, 0)
    found.append(np.frombuffer(memory, np.float32)[1])
assert found == [6, 10, 2], found
print(*compiled)
"""


def test_each_kernel_is_compiled_by_one_process(tmp_path, monkeypatch):
    script = tmp_path / "process.py"
    script.write_text(textwrap.dedent(PROCESS))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    signs = [tmp_path / "first", tmp_path / "second"]
    processes = [
        subprocess.Popen([sys.executable, script, *order], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for order in (signs, signs[::-1])
    ]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    compiled = [out.split() for out, _ in told]
    assert sorted(compiled[0] + compiled[1]) == ["one", "three", "two"]
    assert all(compiled)  # neither has waited for the other to do all


def kernel(begin, end, call):
    """Do nothing."""


def layout(real):
    raise AssertionError("the kernel was compiled")


def test_another_process_that_takes_for_ever(tmp_path, monkeypatch):
    """After a while nobody waits: the first call compiles."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(together, "_PATIENCE", 0.05)
    folder = tmp_path / "silif_plugins-kernels"
    folder.mkdir(mode=0o700)
    with FileLock(folder / f"{name_of(kernel)}-float32.lock"):
        compile_together([(kernel, torch.float32, layout)])


def test_without_a_cache_nothing_is_done(monkeypatch):
    monkeypatch.setattr("silif_plugins.kernels.compile.cache_folder", lambda: None)
    compile_together([(kernel, torch.float32, layout)])


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "no locks"), NotImplementedError("no locks")])
def test_a_folder_without_locks(error, tmp_path, monkeypatch):
    def acquire(self, **options):
        raise error

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(FileLock, "acquire", acquire)
    compile_together([(kernel, torch.float32, layout)])
