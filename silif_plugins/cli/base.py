"""Where the settings come from that are not on the command line: a recipe, a run, or a checkpoint."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets import SOURCES, check_data, is_function, register_function, resolve
from ..paper import recipes
from ..training import DEFAULT_NETWORK, TrainConfig, check_device, load_checkpoint
from .settings import described


class Base(NamedTuple):
    """Settings, and what they are from.

    Attributes:
        settings: Settings of TrainConfig; those that are not there have its defaults.
        source: What they are from, for people; empty for the defaults.
        recipe: The name of the recipe that was asked for, if it is a shipped one.
    """

    settings: dict[str, Any]
    source: str = ""
    recipe: str | None = None

    def told(self, given: Collection[str]) -> str:
        """Say what they are from, and which of them are not given otherwise and differ from the defaults."""
        if not self.source:
            return "no recipe but the defaults"
        changes = described(self.settings, without=["neuron", "data", *given])
        return f"{self.source} ({changes})" if changes else self.source


def of_recipe(name_or_file: str, given: Mapping[str, Any]) -> Base:
    """Return the settings of a recipe; of a data set, those for the neuron that is given.

    Raises:
        ValueError: If there is no such recipe.
    """
    if name_or_file in SOURCES:
        neuron = given.get("neuron", TrainConfig().settings()["neuron"])
        if (path := recipes.default_for(name_or_file, neuron)) is None:
            raise ValueError(f"recipe: got {name_or_file!r}, which has none for {neuron}; see 'silif recipes'")
        name_or_file = str(path)
    if name_or_file in ("true", "false"):
        raise ValueError(
            f"recipe: got {name_or_file!r}; settings that are yes or no are written --published, --no-published"
        )
    recipe = recipes.describe(recipes.find(name_or_file))
    return Base(recipe.settings, f"recipe {recipe.name}", recipe.name if recipe.name in recipes.names() else None)


def of_neuron(given: Mapping[str, Any]) -> Base:
    """Return the settings of the shipped recipe for a neuron on a data set, if there is one; they are of one network.

    Raises:
        ValueError: If there is no such neuron.
    """
    if given.get("architecture", DEFAULT_NETWORK) != DEFAULT_NETWORK:
        return _of_network(given["architecture"], given.get("data", TrainConfig().data))
    data, neuron = (given.get(name, TrainConfig().settings()[name]) for name in ("data", "neuron"))
    if data not in SOURCES:
        with contextlib.suppress(ValueError, OSError):  # who asks for the data is told
            data = resolve(data)[0].name
    path = recipes.default_for(data, neuron)
    if path is None:
        return Base({})
    recipe = recipes.describe(path)
    return Base(recipe.settings, f"recipe {recipe.name}")


def _of_network(name: str, data: str) -> Base:
    """Return the settings of the shipped recipe for a network other than the default one, if there is one."""
    if (path := recipes.for_network(data, name)) is None:
        return Base({"architecture": name})
    recipe = recipes.describe(path)
    return Base(recipe.settings, f"recipe {recipe.name}")


def of_checkpoint(path: str) -> Base:
    """Return the settings that a network was trained with, to train it further.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        CheckpointError: If it is damaged.
    """
    file = Path(path) / "best.safetensors" if Path(path).is_dir() else Path(path)
    config = TrainConfig.from_mapping(load_checkpoint(file)[1].get("config"))
    settings = json.loads(config.to_json())
    del settings["seed"], settings["init"], settings["device"]
    return Base(_changed(settings), f"checkpoint {path}")


def of_run(folder: Path) -> Base | None:
    """Return the settings of the run that a folder holds, if it holds one.

    Raises:
        ValueError: If the file of its settings is damaged.
    """
    file = folder / "config.json"
    if not file.is_file():
        return None
    try:
        settings = json.loads(file.read_text())
        for name in ("versions", "data_set"):
            settings.pop(name, None)
        config = TrainConfig.from_mapping(settings)
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{file}: damaged ({error}); without it, give the recipe and the settings of the run"
        ) from error
    return Base(_changed(json.loads(config.to_json())), "the settings that it has")


def _changed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is as by default, but for neuron and data."""
    defaults = json.loads(TrainConfig(architecture=settings["architecture"]).to_json())
    defaults["architecture"] = DEFAULT_NETWORK
    return {name: value for name, value in settings.items() if value != defaults[name] or name in ("neuron", "data")}


def check(config: TrainConfig, source: Base, named: str | None = None) -> None:
    """Raise if device or data are not there, before anything is said or done.

    Args:
        config: The settings.
        source: Where they come from.
        named: The data as the command line names them; None if it does not.

    Raises:
        ValueError: If this machine has no such device, or there is no such data set.
        FileNotFoundError: If the user must get the data first; the message says how.
    """
    check_device(config.device)
    use(named)
    check_data(config.data, wanted=source.settings.get("data"))


def use(data: str | None) -> None:
    """Make a data set of a function, MODULE:FUNCTION, that the command line names: only then is it code to run.

    Raises:
        ValueError: If there is no such function.
        ModuleNotFoundError: If there is no such module.
    """
    if data is None or not is_function(data):
        return
    if "" not in sys.path and os.getcwd() not in sys.path:  # as python -m has it
        sys.path.insert(0, os.getcwd())
    register_function(data)
