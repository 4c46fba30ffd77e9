"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out in columns: two spaces between them, left aligned, no trailing blanks.

    Examples:
        >>> print(table([("name", "size"), ("lif1", "128")]))
        name  size
        lif1  128
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
