"""The command line's own help as a page."""

import contextlib
import io
import os

from silif_plugins.cli import build_parser


def help_of(command: str) -> str:
    """Return what ``silif COMMAND --help`` prints, at a width that fits the page."""
    os.environ["COLUMNS"] = "100"
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        build_parser().parse_args([command, "--help"])
    return text.getvalue()
