"""Options as signatures and docstrings name them: their types, defaults and descriptions, and whether a value fits."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import inspect
import operator
import re
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from ..neurons import Neuron, canonical_name
from ..surrogate import SpikeFunction, resolve


class Option(NamedTuple):
    """What may be given under a name.

    Attributes:
        kind: Its type, as far as files and command lines can hold it: text, numbers, booleans, lists, values by name.
        default: What it is if it is not given.
        description: One sentence or more.
        check: Spells a value as it is known, or raises ValueError.
    """

    kind: Any
    default: Any
    description: str = ""
    check: Callable[[Any], Any] | None = None

    def checked(self, name: str, value: Any) -> Any:
        """Return the value as the option takes it: lists as tuples, integers as the numbers that they stand for.

        Raises:
            ValueError: If it is of another type, or refused; the message names it.

        Examples:
            >>> Option(tuple[int, ...], ()).checked("hidden_sizes", [64, 64])
            (64, 64)
            >>> Option(int, 3).checked("epochs", "many")
            Traceback (most recent call last):
            ValueError: epochs: got 'many'; it must be an integer
        """
        expect(_fits(value, self.kind), name, repr(value), _words(self.kind))
        if self.check is not None and value is not None:
            value = self.check(value)
        if isinstance(value, list | tuple):
            return tuple(map(float, value)) if self.kind == tuple[float, ...] else tuple(value)
        if isinstance(value, Mapping):
            return dict(value)
        return float(value) if self.kind is float else value


def expect(fine: bool, name: str, value: object, allowed: str) -> None:
    """Raise ValueError unless a value is fine; the message names it and what is allowed."""
    if not fine:
        raise ValueError(f"{name}: got {value}; it must be {allowed}")


def of_function(
    function: Callable[..., Any], *, without: Collection[str] = (), defaults: Mapping[str, Any] | None = None
) -> dict[str, Option]:
    """Return the options of a function or class, from its signature and the ``Args`` of its docstring.

    Args:
        function: It names every option; one that is annotated as the class of a neuron takes its name.
        without: Arguments that are no options.
        defaults: Values in the place of the signature's.

    Raises:
        ValueError: If an argument has no default, or can be given neither in a file nor on a command line.

    Examples:
        >>> def net(num_inputs: int, *, width: int = 8, name: str | None = None): ...
        >>> of_function(net, without=["num_inputs"])["width"][:2]
        (<class 'int'>, 8)
    """
    defaults = defaults or {}
    hints = get_type_hints(getattr(function, "__init__") if isinstance(function, type) else function)  # noqa: B009
    descriptions = _descriptions(function, "Args")
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in without or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotation, default = hints.get(name, Any), defaults.get(name, parameter.default)
        if (kind := _plain(annotation)) is None:
            raise ValueError(f"{name}: is annotated as {annotation}; no file can hold that")
        if default is parameter.empty:
            raise ValueError(f"{name}: has no default; every option must have one")
        found[name] = Option(kind, default, descriptions.get(name, ""), _check(annotation))
    if unknown := sorted(defaults.keys() - found.keys()):
        raise ValueError(f"defaults: got {unknown[0]}; {function.__name__} has {', '.join(found)}")
    return found


def of_dataclass(kind: type, *, without: Collection[str] = ()) -> dict[str, Option]:
    """Return the options that a dataclass has as fields, described by the ``Attributes`` of its docstring."""
    hints, descriptions = get_type_hints(kind), _descriptions(kind, "Attributes")
    found = {}
    for entry in dataclasses.fields(kind):
        if entry.name not in without:
            default = entry.default if entry.default_factory is dataclasses.MISSING else entry.default_factory()
            found[entry.name] = Option(hints[entry.name], default, descriptions[entry.name])
    return found


def _descriptions(described: Callable[..., Any], section: str) -> dict[str, str]:
    """What a section of a docstring says of each name."""
    text = (inspect.getdoc(described) or "").partition(f"{section}:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {name: " ".join(words.replace("`", "").split()) for name, words in found}


def _plain(annotation: Any) -> Any:
    """Return the part of a type that files and command lines can hold; None if there is none."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal or annotation in (str, int, float, bool, Any, NoneType):
        return annotation
    if origin in (Union, UnionType):
        kept = [kind for kind in map(_plain, parts) if kind is not None]
        if names := [name for kind in kept if get_origin(kind) is Literal for name in get_args(kind)]:
            kept = [kind for kind in kept if get_origin(kind) is not Literal] + [Literal[tuple(names)]]
        return functools.reduce(operator.or_, kept) if set(kept) - {NoneType} else None
    if origin in (list, tuple, collections.abc.Sequence):
        kind = _plain(parts[0]) if parts else Any
        return None if kind is None else tuple[kind, ...]  # type: ignore[valid-type]
    if origin in (dict, collections.abc.Mapping):
        kind = _plain(parts[1])
        return None if kind is None else dict[str, kind]  # type: ignore[valid-type]
    return None


def _check(annotation: Any) -> Callable[[Any], Any] | None:
    """What takes the name of something, beside the thing itself, takes only names that are known."""
    parts = get_args(annotation)
    if type[Neuron] in parts:
        return canonical_name
    return _surrogate if SpikeFunction in parts else None


def _surrogate(name: str) -> str:
    resolve(name)
    return name


def _fits(value: object, kind: Any) -> bool:
    """Whether a value, perhaps read from JSON or YAML, is of an option's type."""
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return value in parts
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and all(_fits(each, parts[0]) for each in value)
    if get_origin(kind) is dict:
        return isinstance(value, Mapping) and all(_fits(k, str) and _fits(v, parts[1]) for k, v in value.items())
    if parts:  # a union
        return any(_fits(value, each) for each in parts)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return kind is Any or isinstance(value, kind)


def _words(kind: Any) -> str:
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(parts)}"
    if get_origin(kind) is tuple:
        return {int: "a list of integers", float: "a list of numbers"}.get(parts[0], "a list")
    if get_origin(kind) is dict:
        return "values by their names"
    if parts:
        return ", or ".join(map(_words, parts))
    return {int: "an integer", float: "a number", str: "text", bool: "true or false", NoneType: "none"}[kind]
