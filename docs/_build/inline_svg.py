"""Drawings of the repository become part of their page: their ink is then that of its scheme, light or dark.

Alone, as in the README, they follow what the system prefers, by a style sheet that colours the whole drawing; a page
leaves it out.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

IMAGE = re.compile(r'<img alt="([^"]*)" src="([\w./-]+\.svg)"[^>]*>')
THEME = re.compile(r"<style>svg\{color.*?</style>")


def on_page_content(content: str, *, page: Page, config: Any, **_: Any) -> str:
    """Put the text of each SVG file in the place of its image, under the words that describe it."""
    folder = (Path(config["docs_dir"]) / page.file.src_uri).parent

    def drawing(image: re.Match[str]) -> str:
        text = (folder / image[2]).read_text(encoding="utf-8")
        text = THEME.sub("", text[text.index("<svg") :]).strip()
        words = html.escape(html.unescape(image[1]), quote=True)
        return text.replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1)

    return IMAGE.sub(drawing, content)
