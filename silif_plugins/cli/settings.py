"""Settings of a run as options: read as people type them, shown with the defaults that are used."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import json
import re
from collections.abc import Collection, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..datasets import sources_in_words
from ..training import TrainConfig
from .parser import Parser

_WORDS = {"true": True, "false": False, "none": None, "null": None}


def add_settings(parser: Parser, defaults: Mapping[str, Any], *, without: Collection[str] = ()) -> None:
    """Add an option for every setting of TrainConfig.

    Args:
        parser: Gets the options; those that are not given are not in what it parses.
        defaults: What is used where an option is not given, for its help.
        without: Settings that get no option.
    """
    descriptions = _descriptions()
    shown = {**dataclasses.asdict(TrainConfig()), **defaults}
    for name, kind in get_type_hints(TrainConfig).items():
        if name in without:
            continue
        default = "" if shown[name] in (None, {}) else f" Default: {_typed(shown[name])}."
        words: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": (descriptions[name] + default).replace("%", "%%"),
        }
        if kind is bool:
            words["action"] = argparse.BooleanOptionalAction
        else:
            words["type"], words["metavar"] = functools.partial(read, kind), _metavar(kind)
        if get_origin(kind) is dict:
            words["action"] = _Collect
        parser.add(f"--{name.replace('_', '-')}", **words)


def given_settings(settings: argparse.Namespace, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of TrainConfig that stand on the command line."""
    names = [entry.name for entry in dataclasses.fields(TrainConfig) if entry.name not in without]
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
    if get_origin(kind) in (Union, UnionType):
        options = get_args(kind)
        if NoneType in options and text.lower() in ("none", "null"):
            return None
        (kind,) = (option for option in options if option is not NoneType)
    if get_origin(kind) is tuple:
        return tuple(read(get_args(kind)[0], each) for each in listed(text))
    if get_origin(kind) is dict:
        return _read_names(text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return text


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


def _metavar(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (option for option in get_args(kind) if option is not NoneType)
    if get_origin(kind) is tuple:
        return "N,N"
    if get_origin(kind) is dict:
        return "NAME=VALUE"
    if get_origin(kind) is Literal:
        return "NAME"
    return {int: "N", float: "X", str: "NAME"}[kind]


def _descriptions() -> dict[str, str]:
    """What the docstring of TrainConfig says of each setting."""
    text = (inspect.getdoc(TrainConfig) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    descriptions = {name: " ".join(words.split()) for name, words in found}
    return {**descriptions, "data": f"{descriptions['data'].removesuffix('.')}: {sources_in_words()}."}
