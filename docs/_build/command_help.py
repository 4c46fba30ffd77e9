"""The command line's own help as a page."""

import os

from silif_plugins import cli


def sections() -> str:
    """Return a section of Markdown for each command."""
    return "\n\n".join(f"## silif {command}\n\n```text\n{help_of(command)}```" for command in cli.COMMANDS)


def help_of(command: str) -> str:
    """Return what ``silif COMMAND --help`` prints, at a width that fits the page."""
    os.environ["COLUMNS"] = "80"
    return cli.help_of(command)
