"""Numbers in tables stay on one line with their spread and their unit, however narrow the screen."""

import re
from typing import Any

CELL = re.compile(r"<td[^>]*>.*?</td>", re.DOTALL)
INSIDE = re.compile(r"(?<=[\dk]) (?=[±%])|(?<=±) (?=\d)")


def on_page_content(content: str, **_: Any) -> str:
    """Put spaces that do not break into the cells of a rendered page."""
    return CELL.sub(lambda cell: INSIDE.sub("\u00a0", cell[0]), content)
