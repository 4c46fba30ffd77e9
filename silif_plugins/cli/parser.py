"""A parser that takes options in any order and names mistakes in one line."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from typing import Any, NoReturn

from ..hints import did_you_mean


class UsageError(ValueError):
    """A command line that cannot be read."""


class Parser(argparse.ArgumentParser):
    """The options of one command. Each may be written with hyphens or underscores.

    Examples:
        >>> parser = Parser("train", "Train a network.")
        >>> parser.add("--batch-size", type=int)
        >>> parser.add("recipe", nargs="?")
        >>> parser.read(["--batch_size", "3", "mine.yaml"])
        Namespace(verbose=False, json=None, batch_size=3, recipe='mine.yaml')
        >>> parser.read(["--bach-size", "3"])
        Traceback (most recent call last):
        silif_plugins.cli.parser.UsageError: --bach-size: no such option of silif train; did you mean --batch-size?
    """

    def __init__(self, command: str, description: str, *, epilog: str = "") -> None:
        super().__init__(
            prog=f"silif {command}",
            usage=f"silif {command} [options]",
            description=description,
            epilog=epilog,
            formatter_class=_formatter,
            add_help=False,
            allow_abbrev=False,
        )
        self.options: list[str] = []
        self.add("--verbose", action="store_true", help="Log more to stderr.")
        self.add(
            "--json",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="Results as JSON, as in a pipe, or as on a terminal.",
        )

    def add(self, name: str, **words: Any) -> None:
        """Add an option, or a positional argument, which the usage then shows."""
        if not name.startswith("-"):
            many, optional = words.get("nargs") == "+", words.get("nargs") == "?"
            shown = f"{words['metavar']}{' ...' if many else ''}" if "metavar" in words else name.upper()
            assert self.usage is not None
            self.usage = self.usage.replace(" [options]", f" {f'[{shown}]' if optional else shown} [options]")
            self.add_argument(name, **words)
            return
        self.options.append(name)
        self.add_argument(name, **words)
        if "-" in name[2:]:
            hidden = {**words, "help": argparse.SUPPRESS}
            self.add_argument(f"--{name[2:].replace('-', '_')}", **hidden)

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse; positional arguments may stand anywhere between the options.

        Raises:
            UsageError: If an option is unknown, or lacks its value, or an argument is missing or too many.
        """
        settings, left = self.parse_known_intermixed_args(list(arguments))
        if left:
            unknown = next((each for each in left if each.startswith("-")), left[0]).partition("=")[0]
            if unknown.startswith("-"):
                hint = did_you_mean(unknown, self.options) or f"; {self.prog} --help lists them"
                raise UsageError(f"{unknown}: no such option of {self.prog}{hint}")
            raise UsageError(f"{unknown}: one argument too many for {self.prog}; usage: {self.usage}")
        return settings

    def error(self, message: str) -> NoReturn:
        """Raise, instead of printing the usage and leaving."""
        raise UsageError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=28, width=min(80, shutil.get_terminal_size().columns) - 1)
