"""Numbers of a page's own tables, for figures beside them: they stand once, where people read and change them."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1]
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def numbers(page: str, index: int) -> dict[str, dict[str, float]]:
    """Return a table of numbers: by row, then by column.

    Args:
        page: Path below docs/.
        index: Which of the page's tables, from 0.
    """
    table = TABLE.findall((DOCS / page).read_text(encoding="utf-8"))[index]
    head, _, *rows = (
        [cell.strip().replace("`", "") for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
    )
    return {row[0]: dict(zip(head[1:], map(float, row[1:]), strict=True)) for row in rows}


def turned(table: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return a table with its columns as rows."""
    return {
        column: {row: cells[column] for row, cells in table.items()}
        for column in next(iter(table.values()))
    }
