"""A record as the metadata of a NIR graph: numbers, strings and arrays under flat names, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .record import THRESHOLD, Record, Setting, broadcasts

PREFIX = "silif."
"""Start of the names of what is ours among a graph's metadata. Flat, for some readers take no groups there."""

VERSION = 1
"""Version of the record. A reader refuses those that it does not know."""

VALUE, SETTING, SURROGATE = "value.", "setting.", "surrogate."


def metadata_of(record: Record) -> dict[str, Any]:
    """Return what a file is to hold of a record; arrays keep their data type, bfloat16 as float32."""
    kept: dict[str, Any] = {
        "version": VERSION,
        "model": record.model,
        "size": np.array(record.size),
        "trained": ",".join(sorted(record.trained)),
        "timestep": record.timestep,
        "threshold": array_of(record.threshold),
        "input_scale": array_of(record.input_scale),
        "reset_scale": array_of(record.reset_scale),
        "resets": record.resets,
        "detach_reset": record.detach_reset,
        "autapses": record.autapses,
    }
    if record.own_threshold is not None:
        kept["own_threshold"] = array_of(record.own_threshold)
    kept |= {VALUE + name: array_of(value) for name, value in record.values.items()}
    kept |= {SETTING + name: value for name, value in record.settings.items()}
    if record.surrogate is not None:
        name, arguments = record.surrogate
        kept["surrogate"] = name
        kept |= {SURROGATE + argument: float(value) for argument, value in arguments.items()}
    return {PREFIX + name: value for name, value in kept.items()}


def record_of(metadata: dict[str, Any], shape: tuple[int, ...], where: str) -> Record | None:
    """Return the record in the metadata of a graph, None if there is none.

    Args:
        metadata: That of the graph.
        shape: Shape of the population in the graph, which the record's has to fit.
        where: What to call the graph in errors: its file and its node.

    Raises:
        ValueError: If the record is damaged, of another version, or of an unknown model.
    """
    held = {name.removeprefix(PREFIX): value for name, value in metadata.items() if str(name).startswith(PREFIX)}
    if not held:
        return None
    try:
        return _record(held, shape)
    except (ValueError, TypeError, RuntimeError) as error:  # the model's own errors, too
        raise ValueError(f"{where}: the record of its neuron, {error}") from error


def _record(held: dict[str, Any], shape: tuple[int, ...]) -> Record:
    version = take(held, "version", int)
    if version != VERSION:
        raise ValueError(
            f"version: got {version}, and this silif_plugins reads {VERSION}; update it, or leave the metadata out"
        )
    size = held.pop("size", None)
    if not isinstance(size, np.ndarray) or size.ndim != 1 or not np.issubdtype(size.dtype, np.integer):
        raise ValueError(f"size: got {size!r}; it must be whole numbers")
    sizes = tuple(size.tolist())
    # Before anything of this size is made.
    if not broadcasts(sizes, shape):
        raise ValueError(f"size: got {sizes}; it must broadcast to the population {shape} of the nodes")
    surrogate = None
    if "surrogate" in held:
        name = take(held, "surrogate", str)
        surrogate = name, {key: take(held, SURROGATE + key, float) for key in under(held, SURROGATE)}
    record = Record(
        model=take(held, "model", str),
        size=sizes,
        values={name: take_tensor(held, VALUE + name) for name in under(held, VALUE)},
        trained=frozenset(name for name in take(held, "trained", str).split(",") if name),
        settings={name: _setting(held, SETTING + name) for name in under(held, SETTING)},
        timestep=take(held, "timestep", float),
        threshold=take_tensor(held, THRESHOLD),
        own_threshold=take_tensor(held, "own_threshold") if "own_threshold" in held else None,
        input_scale=take_tensor(held, "input_scale"),
        reset_scale=take_tensor(held, "reset_scale"),
        resets=take(held, "resets", bool),
        detach_reset=take(held, "detach_reset", bool),
        autapses=take(held, "autapses", bool),
        surrogate=surrogate,
    )
    if held:
        raise ValueError(f"{next(iter(held))}: unknown field")
    record.neuron()
    return record


def under(held: dict[str, Any], prefix: str) -> list[str]:
    """Return what comes after a prefix in the names of the fields that have it."""
    return sorted(name.removeprefix(prefix) for name in held if name.startswith(prefix))


def take(held: dict[str, Any], name: str, kind: type) -> Any:
    """Remove a field from those of a record and return it; raise ValueError unless it is of a kind."""
    if name not in held:
        raise ValueError(f"{name}: missing")
    value = held.pop(name)
    value = value.item() if isinstance(value, np.generic) else value
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{name}: got {type(value).__name__}; it must be {kind.__name__}")
    return value


def _setting(held: dict[str, Any], name: str) -> Setting:
    value: Setting = take(held, name, bool if isinstance(held[name], bool | np.bool_) else float)
    return value


def take_tensor(held: dict[str, Any], name: str) -> Tensor:
    """Remove a field from those of a record and return it as a tensor; raise ValueError unless it is of floats."""
    if name not in held:
        raise ValueError(f"{name}: missing")
    value = held.pop(name)
    if not isinstance(value, float | np.floating | np.ndarray) or not np.issubdtype(
        np.asarray(value).dtype, np.floating
    ):
        raise ValueError(f"{name}: got {type(value).__name__}; it must be an array of floats")
    array = np.asarray(value)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))


def array_of(value: Tensor) -> Any:
    """Return an array, or a number for a tensor without dimensions: files cannot compress those."""
    value = value.float() if value.dtype is torch.bfloat16 else value
    return value.numpy() if value.dim() else value.numpy()[()]
