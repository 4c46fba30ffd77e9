"""What a misspelt name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return the end of an error message that names the closest known name, or nothing if none is close.

    Capitals, hyphens and underscores make no difference.

    Examples:
        >>> did_you_mean("--hiden_sizes", ["--hidden-sizes", "--seed"])
        '; did you mean --hidden-sizes?'
        >>> did_you_mean("GRU", ["LIF", "SiLIF"])
        ''
    """
    by_plain_name = {_plain(name): name for name in known}
    close = difflib.get_close_matches(_plain(given), by_plain_name, n=1)
    return f"; did you mean {by_plain_name[close[0]]}?" if close else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
