"""How numba compiles what only kernels call: not by itself.

By default it optimises each function alone and makes machine code of it, which nothing would ever run: kernels are
linked with all that they call, and optimised as a whole. Leaving that out takes a fifth off the first call.
"""

# Numba has no types for mypy.
# mypy: disable-error-code="misc, no-untyped-call"
from __future__ import annotations

from typing import Any

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class PartCompiler(Compiler):
    """A ``pipeline_class`` of numba's ``njit``, for functions without wrappers.

    Attributes:
        as_ever: Whether numba is to compile as it does by default.
    """

    as_ever = False

    def __init__(self, typing: Any, target: Any, library: Any, *others: Any) -> None:
        if not self.as_ever:
            library = library or _Part(target.codegen(), "part")
            target = target.subtarget(get_executable=_without_code)
        super().__init__(typing, target, library, *others)


class _Part(JITCodeLibrary):
    """What numba makes of a function, only to be linked into others."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


def _without_code(library: Any, described: Any, environment: Any) -> Any:
    """Return what stands for the function in Python; its address is 0, as of each without a wrapper for Python."""
    library._ensure_finalized()
    return _dynfunc.make_function(described.lookup_module(), described.qualname, "", 0, environment, (library,))
