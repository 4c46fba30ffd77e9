"""Front ends by name: each one's own file adds it here."""

from __future__ import annotations

import dataclasses
from typing import Any

from ...hints import did_you_mean
from .base import FRONT_ENDS, FrontEnd


def register_front_end(kind: type[FrontEnd]) -> type[FrontEnd]:
    """Add a front end under its ``name``; a class decorator.

    Raises:
        ValueError: If the name is taken.
    """
    if kind.name in FRONT_ENDS:
        raise ValueError(f"name: got {kind.name!r}, but there is a front end of this name")
    FRONT_ENDS[kind.name] = kind
    return kind


def front_end(name: str, **settings: Any) -> FrontEnd:
    """Make a front end from its name and settings, such as those that `FrontEnd.settings` returns.

    Raises:
        ValueError: If there is none of this name, or a setting is unknown or out of its range.

    Examples:
        >>> front_end("log-mel", bands=40).settings()["bands"]
        40
        >>> front_end("cochlea", chanels=140)
        Traceback (most recent call last):
        ValueError: chanels: is no setting of the front end cochlea; did you mean channels?
    """
    if name not in FRONT_ENDS:
        known = ", ".join(FRONT_ENDS)
        raise ValueError(f"front_end: got {name!r}; it must be one of {known}{did_you_mean(str(name), FRONT_ENDS)}")
    known_settings = [entry.name for entry in dataclasses.fields(FRONT_ENDS[name])]
    for each in settings:
        if each not in known_settings:
            hint = did_you_mean(each, known_settings) or f"; they are {', '.join(known_settings)}"
            raise ValueError(f"{each}: is no setting of the front end {name}{hint}")
    return FRONT_ENDS[name](**settings)


def front_end_like(other: FrontEnd, name: str) -> FrontEnd:
    """Make a front end by its name, for the same sounds as another: of its rate, step and length.

    Raises:
        ValueError: If there is none of this name.

    Examples:
        >>> front_end_like(front_end("cochlea", rate=8000), "log-mel").rate
        8000
    """
    if name == other.name:
        return other
    return front_end(name, rate=other.rate, step=other.step, max_time=other.max_time)
