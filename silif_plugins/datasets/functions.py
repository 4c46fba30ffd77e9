"""Data sets by the name of a function that makes them, ``MODULE:FUNCTION``, for the command line.

Such a name is code that runs. So one that stands in a checkpoint, a run or a recipe does nothing until its user has
named it too: on the command line, or by `register_function`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..hints import did_you_mean
from .errors import DataError
from .frames import FrameDataset
from .own_data import own_source
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


@dataclass(frozen=True)
class FunctionSource(DataSource):
    """What a function makes: it is called when the data are needed, with the options that it has as arguments."""

    def settled(self, options: Mapping[str, Any]) -> tuple[DataSource, dict[str, Any]]:
        """Call the function; return what it made, and the options that are left for that."""
        own = {name: value for name, value in options.items() if name in self.defaults}
        assert self.load is not None
        try:
            made = self.load(**own)
        except Exception as error:
            raise _told(self.name, error) from error
        try:
            source = own_source(made, self.name)
        except DataError as error:
            raise DataError(f"{self.name}: {error.field}", error.problem, error.path) from error
        return source, {name: value for name, value in options.items() if name not in own}

    def frames(self, split: str, root: Root | None = None, **options: Any) -> FrameDataset:
        """Call the function, and take a split of what it makes."""
        source, left = self.settled(options)
        return source.frames(split, root, **left)


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
    return register_source(FunctionSource(name, f"what {name} returns", load=function))


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
