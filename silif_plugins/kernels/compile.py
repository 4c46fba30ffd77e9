"""Compiling the kernels at their first use, and keeping them on disk.

Numba's own cache knows a kernel by the one file that it stands in, so it would go on with machine code of an older
helper or constant; it fails where a file of it is damaged or the disk is full; and whoever can write it has their code
run. So there is one of our own: keyed by all that the code is made of, checked before it is used, in a folder that is
the user's alone. Whatever is wrong with it, kernels are compiled anew.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import os
import pickle
import stat
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numba
import numpy as np
from numba import cfunc, from_dtype, njit, types
from numba.core import caching, ccallback, sigutils
from numba.core.runtime import rtsys

from ..files import write_file
from .parts import PartCompiler
from .threads import KERNEL

logger = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parents[1]

FOLDERS = ("kernels", "scan", "synapses")
"""Where kernels are, and all that they take functions and constants from."""

_KEPT = 256
"""Entries of the cache, of 77 KB on average; the oldest go first. A few versions of the package have as many."""

_alive: list[Any] = []
"""Numba's objects: machine code lives as long as they do."""


@contextlib.contextmanager
def _enabled() -> Iterator[None]:
    """Turn numba on where NUMBA_DISABLE_JIT turns it off, for other people's functions: ours cannot run as Python."""
    disabled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, 0
    try:
        yield
    finally:
        numba.config.DISABLE_JIT = disabled


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Let the garbage collector rest: a seventh of the time of compiling goes into looking at what stays anyway."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()  # both together: what is new counts as old, without a look at it
            gc.unfreeze()
        gc.enable()


def jitted(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator: numba's ``njit``, whatever NUMBA_DISABLE_JIT says."""

    def decorate(function: Callable[..., Any]) -> Any:
        with _enabled():
            return njit(**options)(function)

    return decorate


@cache
def machine_code(kernel: Callable[..., None], job: np.dtype[Any]) -> Any:
    """Return machine code of a kernel, a module's function of begin, end and a pointer to its job.

    The first call after an installation compiles for one or two seconds; later processes read the result from a folder
    ``silif_plugins-kernels`` in the user's cache folder (``NUMBA_CACHE_DIR`` moves it). Without such a folder, which
    must be the user's alone, every process compiles.
    """
    pointer: Any = types.CPointer
    signature = types.void(types.int64, types.int64, pointer(from_dtype(job)))
    with _enabled(), _no_collection():
        try:
            code: Any = ccallback.CFunc(
                kernel, sigutils.normalize_signature(signature), locals={}, options={"error_model": "numpy"}
            )
            code._cache = _Cache(name_of(kernel), job)
            code.compile()
        except Exception:  # a numba whose inner parts are others; a true error comes again
            logger.info("kernels: compiled without a cache", exc_info=True)
            PartCompiler.as_ever = True
            code = cfunc(signature, error_model="numpy")(kernel)
    _alive.append(code)
    return KERNEL(code.address)


def name_of(kernel: Callable[..., None]) -> str:
    """What files of a kernel are called: its module without the package's name, and its own."""
    return f"{kernel.__module__}.{kernel.__qualname__}".rpartition("silif_plugins.")[2]


class _Entry(NamedTuple):
    """Where machine code begins, by numba's name for it."""

    llvm_cfunc_wrapper_name: str


class _Loaded(NamedTuple):
    """What numba wants of a kernel that is compiled already."""

    library: Any
    fndesc: _Entry


class _Cache(caching.NullCache):  # type: ignore[misc]
    """Where numba looks for one kernel, and leaves it.

    A file of a SHA-256 and of a pickle, which holds machine code: hence the private folder. Numba's own cache also
    keeps types and global names, for which it imports its whole compiler: half a second in every process.
    """

    def __init__(self, name: str, job: np.dtype[Any]) -> None:
        self.name, self.job = name, job

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        codegen = target_context.codegen()
        path, key = self._place(codegen)
        if path is None or not path.exists():
            return None
        try:
            content = path.read_bytes()
            if content[:32] != _digest(key, content[32:]):
                raise ValueError("the checksum is not that of when it was written")
            machine, entry = pickle.loads(content[32:])
            rtsys.initialize(target_context)  # what machine code may call of numba's
            result = _Loaded(codegen.unserialize_library(machine), _Entry(entry))
            os.utime(path)
        except Exception as error:
            logger.info("%s: compiled anew (%s)", path, error)
            return None
        return result

    def save_overload(self, sig: Any, data: Any) -> None:
        path, key = self._place(data.codegen)
        if path is None or data.library.has_dynamic_globals:
            return
        try:
            content = pickle.dumps((data.library.serialize_using_object_code(), data.fndesc.llvm_cfunc_wrapper_name))
            write_file(path, _digest(key, content) + content)
            entries = sorted(path.parent.glob("*.nbc"), key=_written)
            for old in entries[:-_KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            logger.info("%s: cannot be written, the kernel is not cached (%s)", path, error)

    def _place(self, codegen: Any) -> tuple[Path | None, bytes]:
        """File and key; None for the file if there is no cache."""
        folder = cache_folder()
        if folder is None or not SOURCES or sources() != SOURCES:  # changed since they were imported
            return None, b""
        versions = (numba.__version__, llvmlite.__version__, np.__version__, sys.version)
        # What the code is for: operating system, processor and its features.
        key = _digest(SOURCES, repr((self.name, self.job.descr, versions, codegen.magic_tuple())).encode())
        return folder / f"{self.name}-{key.hex()[:32]}.nbc", key


def _written(entry: Path) -> int:
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:  # another process tidies up at the same time
        return 0


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def sources() -> bytes:
    """Return a digest of all that kernels are made of, and the package's version; empty if it cannot be read."""
    files = sorted(file for folder in FOLDERS for file in (_PACKAGE / folder).rglob("*.py"))
    files += _PACKAGE.glob("__init__.py")
    with contextlib.suppress(OSError):
        parts = [(file.relative_to(_PACKAGE).as_posix().encode(), file.read_bytes()) for file in files]
        return _digest(*(part for pair in parts for part in pair)) if parts else b""
    return b""


SOURCES = sources()


def cache_folder() -> Path | None:
    """Return the folder of the cache, made if need be; None if there can be none that is the user's alone."""
    try:
        parent = numba.config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        folder = Path(parent).expanduser() / "silif_plugins-kernels"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home
        logger.info("kernels are not cached (%s)", error)
        return None
    own = not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o077)
    if not own or not stat.S_ISDIR(status.st_mode):
        logger.warning("%s: kernels are not cached, since it is not a folder of yours alone (mode 0700)", folder)
        return None
    return folder
