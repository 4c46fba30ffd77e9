"""Rows in columns, for terminals and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], *, markdown: bool = False) -> str:
    """Lay rows out in columns, left aligned; the first row is the head.

    Args:
        rows: Cells, as many in each row.
        markdown: Whether it is a table of Markdown; else there are two spaces between the columns.

    Examples:
        >>> rows = [("name", "size"), ("lif1", "128")]
        >>> print(table(rows))
        name  size
        lif1  128
        >>> print(table(rows, markdown=True))
        | name | size |
        |------|------|
        | lif1 | 128  |
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    if not markdown:
        return "\n".join("  ".join(row).rstrip() for row in padded)
    lines = [f"| {' | '.join(row)} |" for row in padded]
    lines.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    return "\n".join(lines)
