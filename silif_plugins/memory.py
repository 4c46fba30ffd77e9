"""Refusing what cannot fit into memory before it is begun, instead of being killed in the middle of it."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path


def memory() -> float:
    """Return how many bytes this process can have at most, as far as the system says.

    It is the least of what the machine has and of what the container and the process may take.

    Examples:
        >>> memory() > 1e8
        True
    """
    limits = [math.inf]
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not on Windows
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(ValueError, OSError):  # "max" is no number
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    with contextlib.suppress(ImportError):
        import resource

        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    return min(limit for limit in limits if limit > 0)  # no limit is -1


def excess(size: int) -> str | None:
    """Say that so many bytes cannot be had, as part of an error message; None if they perhaps can.

    Examples:
        >>> excess(1_000) is None
        True
        >>> excess(10**18)
        'would take 931322575 GiB of memory, but this process can have ...'
    """
    most = memory()
    if size <= most:
        return None
    return f"would take {size / 2**30:.0f} GiB of memory, but this process can have {most / 2**30:.0f}"
