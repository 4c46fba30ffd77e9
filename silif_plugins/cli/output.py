"""Results for people and for programs."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import dataclass
from typing import Any

WIDTH = 80


@dataclass(frozen=True)
class Answer:
    """What a command found.

    Attributes:
        data: For programs, printed as JSON; of a list each entry has a line.
        text: For people.
        then: The command that comes next.
        code: The exit code: 1 where what was asked is not so.
    """

    data: Any
    text: str
    then: str = ""
    code: int = 0


def show(answer: Answer, as_json: bool | None) -> None:
    """Print on stdout: JSON if it is asked for, or if it is not and stdout is no terminal."""
    if as_json if as_json is not None else not sys.stdout.isatty():
        print(to_json(answer.data))
        return
    print(answer.text)
    if answer.then:
        print(f"\nnext: {answer.then}")


def to_json(data: Any) -> str:
    """Write JSON, a list with a line for each entry.

    Examples:
        >>> print(to_json([{"seed": 0}, {"seed": 1}]))
        [
        {"seed": 0},
        {"seed": 1}
        ]
    """
    if isinstance(data, list):
        return "[\n" + ",\n".join(map(to_json, data)) + "\n]"
    return json.dumps(data, allow_nan=False)


def wrap(text: str, indent: str = "") -> str:
    """Break lines at 80 columns, those that follow the first with an indent; words such as paths stay whole."""
    lines = (
        textwrap.fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "\n".join(lines)


def note(text: str) -> None:
    """Say on stderr what a command does before it has a result."""
    print(wrap(text, "  "), file=sys.stderr)
