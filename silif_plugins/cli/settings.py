"""Settings of a run as options: read as people type them, shown with the defaults that are used."""

from __future__ import annotations

import argparse
import functools
import json
import re
from collections.abc import Collection, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..datasets import sources_in_words
from ..neurons import NEURONS, RECURRENT
from ..training import DEFAULT_NETWORK, every_setting, settings_of
from .parser import Parser

_WORDS = {"true": True, "false": False, "none": None, "null": None}


def add_settings(
    parser: Parser, defaults: Mapping[str, Any], *, network: str = DEFAULT_NETWORK, without: Collection[str] = ()
) -> None:
    """Add an option for every setting of a run, whatever its network; the help shows those of the one it has.

    Args:
        parser: Gets the options; those that are not given are not in what it parses.
        defaults: What is used where an option is not given, for its help.
        network: Whose options the help shows.
        without: Settings that get no option.
    """
    shown = settings_of(network)
    for name, option in every_setting().items():
        if name in without:
            continue
        kind = _bare(option.kind)
        used = defaults.get(name, shown.get(name, option).default)
        default = "" if used in (None, {}) else f" Default: {_typed(used)}."
        words: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": (option.description + _known(name) + default).replace("%", "%%")
            if name in shown
            else argparse.SUPPRESS,
        }
        if kind is bool:
            words["action"] = argparse.BooleanOptionalAction
        else:
            words["type"], words["metavar"] = functools.partial(read, option.kind), _metavar(kind)
        if get_origin(kind) is dict:
            words["action"] = _Collect
        parser.add(f"--{name.replace('_', '-')}", **words)


def _known(name: str) -> str:
    """Return what may be given for a setting that is a name in a register."""
    if name == "data":
        return f" Known are {sources_in_words()}."
    return f" One of {', '.join((*NEURONS, *RECURRENT))}." if name == "neuron" else ""


def given_settings(settings: argparse.Namespace, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of a run that stand on the command line."""
    names = [name for name in every_setting() if name not in without]
    return {name: getattr(settings, name) for name in names if hasattr(settings, name)}


def merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over others; arguments by name (of a neuron, of augmentations) join those that are there.

    Examples:
        >>> merged({"epochs": 3, "augment": {"drop": 0.1}}, {"augment": {"time_jitter": 0.01}})
        {'epochs': 3, 'augment': {'drop': 0.1, 'time_jitter': 0.01}}
    """
    joined = {
        name: {**base[name], **value}
        for name, value in given.items()
        if isinstance(value, dict) and isinstance(base.get(name), dict)
    }
    return {**base, **given, **joined}


def read(kind: Any, text: str) -> Any:
    """Read a value as people type it; what cannot be read stays text, which TrainConfig refuses with the reason.

    Examples:
        >>> read(tuple[int, ...], "64,64"), read(tuple[int, ...], "[64, 64]"), read(int | None, "none")
        ((64, 64), (64, 64), None)
        >>> read(dict[str, Any], "dt=0.05,half_reset=true"), read(dict[str, float], "{drop: 1e-1}")
        ({'dt': 0.05, 'half_reset': True}, {'drop': 0.1})
        >>> read(int, "many")
        'many'
    """
    if NoneType in get_args(kind) and text.lower() in ("none", "null"):
        return None
    kind = _bare(kind)
    if get_origin(kind) is tuple:
        return tuple(read(get_args(kind)[0], each) for each in listed(text))
    if get_origin(kind) is dict:
        return _read_names(text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return _read_any(text) if kind is Any else text


def listed(text: str) -> list[str]:
    """Read a list, with or without brackets.

    Examples:
        >>> listed("LIF,SiLIF"), listed("[LIF, SiLIF]"), listed("128")
        (['LIF', 'SiLIF'], ['LIF', 'SiLIF'], ['128'])
    """
    return [each.strip(" '\"") for each in text.strip("[]() ").split(",") if each.strip()]


def _read_names(text: str) -> Any:
    """Read ``name=value,name=value``; JSON, or ``{name: value}`` as in a recipe, is the same with other signs."""
    values = {}
    for part in re.split(r""",\s*(?=["']?\w+["']?\s*[=:])""", text.strip("{} ")):
        name, sign, value = re.fullmatch(r"([^=:]*)([=:]?)(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
        if not sign:
            return text
        values[name.strip(" '\"")] = _read_any(value.strip())
    return values


def _read_any(text: str) -> Any:
    """Read a value of any type: a number, true, false, none, a list, or else text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for load in (json.loads, float):
        try:
            return load(text)
        except ValueError:
            continue
    return text.strip("'\"")


class _Collect(argparse.Action):
    """An option that may be repeated: what is given by name adds up."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: Any, option_string: object = None
    ) -> None:
        before = getattr(namespace, self.dest, {})
        whole = {**before, **values} if isinstance(before, dict) and isinstance(values, dict) else values
        setattr(namespace, self.dest, whole)


def _typed(value: Any) -> str:
    """Write a value as one would type it."""
    if isinstance(value, list | tuple):
        return ",".join(map(_typed, value))
    if isinstance(value, dict):
        return ",".join(f"{name}={json.dumps(each)}" for name, each in value.items())
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def described(settings: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """Write settings in a line, as they would be typed.

    Examples:
        >>> described({"neuron": "RF", "learning_rate": 0.3, "neuron_options": {"dt": 0.05}}, without=["neuron"])
        'learning_rate 0.3, neuron_options dt=0.05'
    """
    return ", ".join(f"{name} {_typed(value)}" for name, value in settings.items() if name not in without)


def _bare(kind: Any) -> Any:
    """Leave none out of what may be given; of several other types it may be any."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    kinds = [each for each in get_args(kind) if each is not NoneType]
    return kinds[0] if len(kinds) == 1 else Any


def _metavar(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return "N,N" if get_args(kind)[0] in (int, float) else "NAME,NAME"
    if get_origin(kind) is dict:
        return "NAME=VALUE"
    if get_origin(kind) is Literal:
        return "NAME"
    return {int: "N", float: "X", str: "NAME", Any: "VALUE"}[kind]
