"""Data sets by the name of a function that makes them, ``MODULE:FUNCTION``, for the command line.

Such a name is code that runs. So one that stands in a checkpoint, a run or a recipe does nothing until its user has
named it too: on the command line, or by `register_function`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import traceback
from collections.abc import Callable
from typing import Any

from ..hints import did_you_mean
from .own_data import MadeSource
from .register import SOURCES, register_source
from .source import DataSource, Root

_NAME = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


def is_function(name: Root) -> bool:
    """Whether a name of data is one of a function.

    Examples:
        >>> is_function("my.module:load"), is_function("spoken-digits"), is_function("C:/data")
        (True, False, False)
    """
    return _NAME.fullmatch(str(name)) is not None


def register_function(name: str) -> DataSource:
    """Import a function that returns data, and make it a data set of that name.

    The function returns what `own_source` takes: a mapping of ``"train"``, ``"test"`` and perhaps ``"valid"``, or the
    whole. Its arguments, which need defaults, are the data set's options.

    Args:
        name: ``MODULE:FUNCTION``; the module is imported.

    Raises:
        ValueError: If it is not such a name, or the module has no such function.
        ModuleNotFoundError: If there is no such module.

    Examples:
        >>> register_function("sklearn.datasets:load_digitz")
        Traceback (most recent call last):
        ValueError: data: got 'sklearn.datasets:load_digitz', but sklearn.datasets has no function load_digitz; did you
        mean load_digits?
    """
    if name in SOURCES:
        return SOURCES[name]
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ValueError(f"data: got {name!r}; a function is named MODULE:FUNCTION, such as my.module:load")
    module_name, function_name = parts.groups()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        hint = " (without .py: it is a module)" if module_name.endswith(".py") else ""
        problem = f"data: got {name!r}, but there is no module {error.name}, neither here nor installed{hint}"
        raise ModuleNotFoundError(problem, name=error.name) from error
    except Exception as error:
        raise _told(name, error) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [each for each in vars(module) if callable(getattr(module, each))]
        hint = did_you_mean(function_name, known)
        raise ValueError(f"data: got {name!r}, but {module_name} has no function {function_name}{hint}")
    _check_arguments(name, function)

    @functools.wraps(function)
    def make(**options: Any) -> Any:
        try:
            return function(**options)
        except Exception as error:
            raise _told(name, error) from error

    return register_source(MadeSource(name, f"what {name} returns", load=make))


def _check_arguments(name: str, function: Callable[..., Any]) -> None:
    for each in inspect.signature(function).parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY) or each.default is each.empty:
            raise ValueError(
                f"{name}: its argument {each} is no option; every one must have a name and a default, such as gain=1.0"
            )


def _told(name: str, error: Exception) -> ValueError:
    """Say where a user's code has failed."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return ValueError(f"{name}: raised {type(error).__name__}: {error} (line {last.lineno} of {last.filename})")
