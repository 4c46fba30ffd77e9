"""The cache of machine code: right code always, kept when it can be, and no trouble when it cannot."""

import ast
import errno
import logging
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numba import carray, config
from numba.core import ccallback

import silif_plugins
from silif_plugins.kernels import compile as compiling

JOB = np.dtype([("factor", np.int64), ("result", np.int64)])


def kernel(begin, end, call):
    job = carray(call, 1)[0]
    job.result = job.factor * (end - begin)


def other(begin, end, call):
    job = carray(call, 1)[0]
    job.result = job.factor + end + begin


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "numba"))
    return tmp_path / "numba" / "silif_plugins-kernels"


@pytest.fixture
def compiled(monkeypatch):
    """Names of the functions that were compiled, not read from the cache."""
    names, original = [], ccallback.CFunc._compile_uncached

    def count(self):
        names.append(self.__name__)
        return original(self)

    monkeypatch.setattr(ccallback.CFunc, "_compile_uncached", count)
    return names


def run(function=kernel):
    """Compile or read a kernel as a new process does, and run it: 7 * (5 - 2)."""
    job = np.array((7, 0), JOB)
    compiling.machine_code.__wrapped__(function, JOB)(2, 5, job.ctypes.data)
    return int(job["result"])


def test_compiled_once(folder, compiled):
    assert [run() for _ in range(3)] == [21] * 3
    assert run(other) == 14
    assert compiled == ["kernel", "other"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "flipped", "flipped checksum", "of another kernel"])
def test_a_damaged_entry_is_compiled_anew(damage, folder, compiled):
    run(other)
    (foreign,) = folder.iterdir()
    run()
    (entry,) = set(folder.iterdir()) - {foreign}
    content = entry.read_bytes()
    at = 3 if damage == "flipped checksum" else len(content) // 2
    entry.write_bytes(
        {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "garbage": random.Random(0).randbytes(len(content)),
            "of another kernel": foreign.read_bytes(),
        }.get(damage, content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
    )
    assert run() == 21
    assert run() == 21
    assert compiled == ["other", "kernel", "kernel"]
    assert entry.read_bytes()[32:] != foreign.read_bytes()[32:]


@pytest.mark.parametrize("what", ["SOURCES", "numba", "processor"])
def test_code_of_other_sources_or_versions_is_not_used(what, folder, compiled, monkeypatch):
    run()
    if what == "SOURCES":
        monkeypatch.setattr(compiling, "SOURCES", b"edited")
        monkeypatch.setattr(compiling, "sources", lambda: b"edited")
    elif what == "processor":
        from numba.core.codegen import CPUCodegen

        monkeypatch.setattr(CPUCodegen, "magic_tuple", lambda self: ("another",))
    else:
        monkeypatch.setattr(compiling.numba, "__version__", "9.9")
    assert run() == 21
    assert compiled == ["kernel", "kernel"]


def test_sources_that_changed_since_they_were_imported_are_not_kept(folder, compiled, monkeypatch):
    """After a git pull under a running program what is on disk is not what it runs."""
    monkeypatch.setattr(compiling, "sources", lambda: b"pulled")
    assert run() == run() == 21
    assert compiled == ["kernel", "kernel"]
    assert not list(folder.iterdir())


def test_an_edit_of_any_source_of_kernels_is_seen(tmp_path, monkeypatch):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "scan").mkdir()
    (tmp_path / "synapses").mkdir()
    monkeypatch.setattr(compiling, "_PACKAGE", tmp_path)
    assert compiling.sources() == b""
    digests = set()
    for name in ("scan/fused.py", "kernels/simd.py", "synapses/event_kernels.py", "__init__.py"):
        for text in ("CHUNK = 16", "CHUNK = 32"):
            (tmp_path / name).write_text(text)
            digests.add(compiling.sources())
    (tmp_path / "scan" / "fused.py").rename(tmp_path / "scan" / "other.py")
    assert len(digests | {compiling.sources()}) == 9


def test_kernels_take_nothing_from_sources_that_are_not_looked_at():
    """By their imports, and those of the modules that they import functions and constants from."""
    package = Path(silif_plugins.__file__).parent
    waiting = {file for folder in compiling.FOLDERS for file in (package / folder).rglob("*kernels.py")}
    seen = set()
    assert len(waiting) >= 2
    while waiting:
        file = waiting.pop()
        seen.add(file)
        assert file.relative_to(package).parts[0] in compiling.FOLDERS, f"{file}: is not part of the key"
        if "numba" not in file.read_text():  # only constants are taken from it
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level and file.stem != "compile":
                base = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                waiting |= {each for each in (base.with_suffix(".py"), base / "__init__.py") if each.exists()} - seen
    assert {file.stem for file in seen} >= {"kernels", "simd", "tiles", "layout", "event_kernels"}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no modes of folders")
@pytest.mark.parametrize("whose", ["writable by others", "readable by others", "another user's", "a link", "a file"])
def test_a_folder_that_is_not_the_users_alone_is_not_used(whose, folder, compiled, monkeypatch, tmp_path, caplog):
    """What is in it would be run."""
    folder.parent.mkdir()
    if whose == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif whose == "a file":
        folder.touch(mode=0o600)
    else:
        folder.mkdir()
        folder.chmod({"writable by others": 0o722, "readable by others": 0o755}.get(whose, 0o700))
    if whose == "another user's":
        user = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with caplog.at_level(logging.WARNING):
        assert run() == run() == 21
    assert compiled == ["kernel", "kernel"]
    assert "is not a folder of yours alone" in caplog.text
    assert whose == "a file" or not list(folder.iterdir())


def test_a_full_disk_is_no_error(folder, compiled, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert run() == 21
    assert not list(folder.iterdir())


def test_no_place_for_a_folder_is_no_error(folder, compiled):
    folder.parent.touch()  # a file
    assert run() == 21


def test_a_numba_with_other_inner_parts_compiles_without_a_cache(folder, compiled, monkeypatch):
    monkeypatch.setattr(ccallback.CFunc, "compile", _only_public(ccallback.CFunc.compile))
    assert run() == 21
    assert not folder.exists() or not list(folder.iterdir())


def _only_public(original):
    def compile(self):
        if isinstance(self._cache, compiling._Cache):
            raise AttributeError("CFunc has no _cache any more")
        return original(self)

    return compile


def test_the_oldest_entries_go(folder, monkeypatch):
    monkeypatch.setattr(compiling, "_KEPT", 2)
    run()
    for age in (100, 50, 10):
        path = folder / f"scan.old-{age}.nbc"
        path.touch()
        os.utime(path, (path.stat().st_mtime - age, path.stat().st_mtime - age))
    run(other)
    assert len(list(folder.iterdir())) == 2
    assert not list(folder.glob("scan.old-*"))


def test_an_entry_that_another_process_deletes_is_no_fault(folder, caplog):
    caplog.set_level("INFO", logger="silif_plugins")
    run()
    (folder / "scan.gone.nbc").symlink_to(folder / "deleted meanwhile")  # listed, but no file
    run(other)
    assert "cannot be written" not in caplog.text


@pytest.mark.slow
def test_numba_disable_jit_is_for_other_functions(tmp_path):
    code = """
        import torch
        from numba import njit
        from silif_plugins.neurons import SiLIF
        from silif_plugins.scan import scan
        from silif_plugins.synapses import spike_linear

        torch.manual_seed(0)
        space, current = SiLIF(8).state_space(), torch.randn(50, 2, 8) * 5
        assert torch.equal(scan(space, current, backend="cpu")[0], scan(space, current, backend="reference")[0])
        weight, spikes = torch.randn(6, 8), (torch.rand(50, 8) < 0.05).float()
        torch.testing.assert_close(spike_linear(spikes, weight, events="always"), spikes @ weight.t())
        assert njit(abs_of := lambda x: abs(x)) is abs_of
    """
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
