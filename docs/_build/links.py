"""Links that MkDocs does not look at: those to other sites are listed, and those of the texts beside docs/ checked.

Nothing is fetched, neither now nor by a browser that opens a page: a script, font or image of another site is an error.
"""

from __future__ import annotations

import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

TEXTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
MARKDOWN_LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"(?:https?:)?//")
LINK = ("a", "href")

log = logging.getLogger("mkdocs.hooks.links")
external: dict[str, set[str]] = {}


class Addresses(HTMLParser):
    """Collects the addresses of other sites that a page names, with the element and the attribute that do."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str, str]] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at an element's attributes."""
        for name, value in attrs:
            if name in ("href", "src", "srcset", "data", "poster") and value and ELSEWHERE.match(value):
                self.found.add((tag, name, value))


def on_pre_build(**_: Any) -> None:
    """Start anew, and read the texts of the repository."""
    external.clear()
    for text in TEXTS:
        for target in MARKDOWN_LINK.findall(Path(text).read_text(encoding="utf-8")):
            if ELSEWHERE.match(target):
                external.setdefault(target, set()).add(text)
            elif not target.startswith("#") and not Path(target.partition("#")[0]).exists():
                log.warning("%s: links to %s, which does not exist", text, target)


def on_post_page(output: str, *, page: Page, **_: Any) -> str:
    """Collect the links of a rendered page."""
    for tag, attribute, address in sorted(Addresses(output).found):
        if (tag, attribute) == LINK:
            external.setdefault(address, set()).add(page.file.src_uri)
        else:
            log.warning("%s: <%s> would load %s from another site", page.file.src_uri, tag, address)
    return output


def on_post_build(**_: Any) -> None:
    """List the links to other sites."""
    log.info("Links to other sites, not checked:")
    for address, places in sorted(external.items()):
        where = ", ".join(sorted(places)) if len(places) <= 3 else f"{len(places)} pages"
        log.info("  %s (%s)", address, where)
