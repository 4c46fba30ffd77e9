"""Imports of packages that only some users need."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or say how to install it.

    Args:
        module: Name of the module.
        extra: The extra of this package that brings it.
        purpose: What it is needed for, as the start of the error message.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:  # installed, but one of its own imports is missing
            raise
        message = f'{purpose} needs {module}: pip install "silif_plugins[{extra}]"'
        raise ModuleNotFoundError(message, name=error.name) from error
