"""The command line's own help, folded, for its page."""

import html
import os

from silif_plugins import cli


def options(command: str) -> str:
    """Return what ``silif COMMAND --help`` prints, at a width that fits the page, as HTML that opens on demand."""
    os.environ["COLUMNS"] = "80"
    text = html.escape(cli.help_of(command).strip())
    return f"<details><summary>All of silif {command}</summary><pre><code>{text}</code></pre></details>"
