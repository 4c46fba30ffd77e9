"""Each tutorial as a notebook, made from the page itself; and beside the pages the files that they point to.

A notebook's first cell installs the package. Its code cells are the page's blocks, one for one; a line that prints a
figure for the page shows it instead. Tables that the page reads from committed results stand in it as text.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
BESIDE = {"examples": ("*.py",), "benchmarks/results": ("*.md", "*.json", "*.jsonl")}
"""Files of the repository that come with the pages, by their folder."""

BLOCK = re.compile(r"^```python([^\n]*)\n(.*?)^```\n?", re.DOTALL | re.MULTILINE)
SHOWN = "print(plots.svg(figure))"
INSTALLED = re.compile(r'pip install .*?"(?:silif_plugins|\.)\[([\w,]+)\]"((?: [\w-]+)*)')


def on_files(files: Files, *, config: Any) -> Files:
    """Add notebooks, examples and results to the files of the site."""
    from mkdocs.structure.files import File

    for page in sorted((ROOT / "docs" / "tutorials").glob("*.md")):
        if (made := notebook(page.read_text(encoding="utf-8"))) is not None:
            content = json.dumps(made, indent=1, ensure_ascii=False)
            files.append(File.generated(config, f"tutorials/{page.stem}.ipynb", content=content))
    for folder, patterns in BESIDE.items():
        for path in sorted(path for pattern in patterns for path in (ROOT / folder).glob(pattern)):
            name = f"{Path(folder).name}/{path.name}"
            files.append(File.generated(config, name, content=path.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Put a link to the notebook under the heading of a tutorial that has one."""
    if not page.file.src_uri.startswith("tutorials/") or not _visible(markdown):
        return markdown
    name = Path(page.file.src_uri).stem
    head, _, rest = markdown.partition("\n")
    return f"{head}\n\n[This page as a notebook]({name}.ipynb){{ download }}\n{rest}"


def notebook(page: str) -> dict[str, Any] | None:
    """Return a page as a notebook of version 4.5; None if it has no code that is shown."""
    if not _visible(page):
        return None
    extras, others = ("all", "") if (found := INSTALLED.search(page)) is None else found.groups()
    first = f'%pip install -q "silif_plugins[{extras}]"{others}\n\nfrom IPython.display import SVG'
    cells, place = [_cell("code", first)], 0
    hidden: dict[str, Any] = {}
    for block in BLOCK.finditer(page):
        cells += _words(page[place : block.start()])
        place = block.end()
        if _is_shown(block[1]):
            cells.append(_cell("code", block[2].rstrip().replace(SHOWN, "SVG(plots.svg(figure))")))
        elif "result=" not in block[1]:
            cells += _words(_printed(block[2], hidden))
    cells += _words(page[place:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _visible(page: str) -> bool:
    return any(_is_shown(options) for options, _ in BLOCK.findall(page))


def _is_shown(options: str) -> bool:
    return "exec" not in options or "source=" in options


def _printed(code: str, names: dict[str, Any]) -> str:
    """Return what a hidden block prints into the page."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.chdir(ROOT):
        exec(compile(code, "page", "exec"), names)
    return output.getvalue()


def _cell(kind: str, source: str) -> dict[str, Any]:
    extra = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **extra}


def _words(text: str) -> list[dict[str, Any]]:
    """Return text as a cell, or none: with dollars around equations, and without links that lead into the pages."""
    text = re.sub(r"\[(`[^`]+`)\]\[[\w.]*\]", r"\1", text)
    text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
    text = re.sub(r" \{#[\w.-]+\}$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\[|\\\]", "$$", re.sub(r"\\\(|\\\)", "$", text))
    return [_cell("markdown", text.strip())] if text.strip() else []
