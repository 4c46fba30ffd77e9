"""The command line's own help as a page."""

import contextlib
import io
import os

from silif_plugins.cli import COMMANDS, build_parser


def sections() -> str:
    """Return a section of Markdown for each command."""
    return "\n\n".join(f"## silif {command}\n\n```text\n{help_of(command)}```" for command in COMMANDS)


def help_of(command: str) -> str:
    """Return what ``silif COMMAND --help`` prints, at a width that fits the page."""
    os.environ["COLUMNS"] = "88"
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        build_parser().parse_args([command, "--help"])
    return "".join(each for each in text.getvalue() if each.isprintable() or each == "\n")
