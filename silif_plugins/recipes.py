"""Recipes: training settings as files, shipped with the package or the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .neurons import canonical_name
from .optional import require

FOLDER = Path(__file__).parent / "recipe_files"


def names() -> list[str]:
    """Names of the shipped recipes, such as ``spoken-digits/silif``.

    Example:
        >>> "spoken-digits/silif" in names()
        True
    """
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))


def find(name_or_file: str) -> Path:
    """Find a recipe by the name of a shipped one, or by its path.

    Raises:
        ValueError: If there is neither; the message lists the shipped ones.
    """
    path = Path(name_or_file)
    if path.is_file():
        return path
    if name_or_file in names():
        return FOLDER / f"{name_or_file}.yaml"
    raise ValueError(f"recipe: got {name_or_file!r}; it must be a file or one of {', '.join(names())}")


def default_for(data: str, neuron: str) -> Path | None:
    """Return the shipped recipe for a neuron on a data set, or None.

    Example:
        >>> default_for("spoken-digits", "csilif").name
        'c-silif.yaml'
    """
    path = FOLDER / data / f"{canonical_name(neuron).lower()}.yaml"
    return path if path.is_file() else None


def read(path: Path) -> dict[str, Any]:
    """Read the settings of a recipe, after checking each.

    Raises:
        ValueError: If the file is not YAML, or a setting is unknown or not valid; the message names both.
    """
    from .training import TrainConfig

    yaml = require("yaml", extra="train", purpose="Reading recipes")
    try:
        settings = yaml.safe_load(path.read_text())
        if not isinstance(settings, dict):
            raise ValueError(f"got {type(settings).__name__}; it must hold settings as 'name: value'")
        TrainConfig.from_mapping(settings)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    return settings
