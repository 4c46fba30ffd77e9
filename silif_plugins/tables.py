"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of words as text, every column as wide as its longest word.

    Args:
        rows: Rows of equal length; the first has the headings.

    Raises:
        ValueError: If rows differ in length.

    Examples:
        >>> print(columns([("name", "size"), ("1", "128"), ("hidden", "20")]))
        name    size
        1       128
        hidden  20
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
