"""Checkpoints: tensors and JSON in one safetensors file, replaced in one step.

Loading executes no code. The JSON travels in the file's header, so that weights and what is said of them cannot
come apart. It holds a checksum of every tensor, and has one itself: a flipped bit is noticed, wherever it is.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..files import write_file
from ..optional import require
from ..sparch import CheckpointError
from .config import TrainConfig
from .trained import Trained

FORMAT = 2

logger = logging.getLogger(__name__)


def save(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts; an older file stays as it was if anything goes wrong.

    Raises:
        OSError: If the file cannot be written.
    """
    safetensors = require("safetensors.torch", extra="train", purpose="Writing checkpoints")
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    checksums = {name: _checksum(tensor) for name, tensor in contiguous.items()}
    text = json.dumps({"format": FORMAT, "crc32": checksums, **facts})
    header = {"silif_plugins": text, "crc32": str(zlib.crc32(text.encode()))}
    write_file(path, safetensors.save(contiguous, header))


def _checksum(tensor: Tensor) -> int:
    kind = f"{tensor.dtype} {tuple(tensor.shape)}".encode()
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(kind))


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and facts of a file that `save` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged or not one of ours; the message names file and field.
    """
    safetensors = require("safetensors.torch", extra="train", purpose="Reading checkpoints")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    content = path.read_bytes()
    try:
        tensors: dict[str, Tensor] = safetensors.load(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__") or {}
    except Exception as error:  # which one depends on the byte that is damaged
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error})") from error
    header = metadata.get("silif_plugins")
    if header is None:
        raise CheckpointError(f"{path}: header: has no silif_plugins entry; it is not a checkpoint of ours")
    try:
        facts = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: header: damaged ({error})") from error
    named = facts.get("format") if isinstance(facts, dict) else None
    if named != FORMAT:
        raise CheckpointError(f"{path}: format: got {named}; this version reads {FORMAT}")
    if metadata.get("crc32") != str(zlib.crc32(header.encode())):
        raise CheckpointError(f"{path}: header: damaged, its checksum is not that of when it was written")
    for name in sorted(tensors.keys() | facts["crc32"].keys()):
        if name not in tensors:
            raise CheckpointError(f"{path}: {name}: missing")
        if facts["crc32"].get(name) != _checksum(tensors[name]):
            raise CheckpointError(f"{path}: {name}: damaged, its checksum is not that of when it was written")
    del facts["crc32"]
    return tensors, facts


def load_network(path: str | os.PathLike[str]) -> Trained:
    """Rebuild a trained network in evaluation mode, with its settings and what was said of it.

    Args:
        path: A checkpoint file, or the folder of a run, whose best checkpoint is then taken.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        CheckpointError: If it is damaged, its network is not registered, or its tensors do not fit its settings.
    """
    path = Path(path)
    path = path / "best.safetensors" if path.is_dir() else path
    tensors, facts = load(path)
    try:
        config = TrainConfig.from_mapping(facts.get("config"))
        num_inputs, num_classes = _size(facts, "num_inputs"), _size(facts, "num_classes")
        _check_data_set(facts.get("data_set", {}), num_classes)
        if (outline := config.outline(num_inputs, num_classes)) is not None:
            _fitting(outline, tensors)  # before the memory is taken that the settings ask for
        net = config.network(num_inputs, num_classes)
        restore(net, tensors)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Trained(net.eval(), config, facts)


def _check_data_set(about: Any, num_classes: int) -> None:
    """Raise ValueError unless what is said of the data can be used."""
    if not isinstance(about, dict):
        raise ValueError(f"data_set: got {about!r}; it must be facts by their names")
    classes = about.get("classes")
    if classes is not None and not (
        isinstance(classes, list) and len(classes) == num_classes and all(isinstance(each, str) for each in classes)
    ):
        raise ValueError(f"data_set.classes: got {classes!r}; it must be {num_classes} names")
    for name in ("options", "front_end"):
        if not isinstance(about.get(name) or {}, dict):
            raise ValueError(f"data_set.{name}: got {about[name]!r}; it must be settings by their names")


def start_from(net: nn.Module, path: str | os.PathLike[str], config: TrainConfig) -> None:
    """Copy the weights of a trained network into a new one of the same layers, in place.

    A module ``readout`` keeps its new weights where the trained network had another number of classes.

    Args:
        net: The new network.
        path: A checkpoint file, or the folder of a run, whose best checkpoint is then taken.
        config: Settings of the new network.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        CheckpointError: If it is damaged.
        ValueError: If the network is of another kind or size.
    """
    trained, theirs, _ = load_network(path)
    if theirs.label != config.label:
        raise ValueError(f"init: {path} is a network of {theirs.label}; you gave one of {config.label}")
    weights, own = trained.state_dict(), net.state_dict()
    readout = [name for name in own if name.startswith("readout.")]
    if any(name in weights and weights[name].shape != own[name].shape for name in readout):
        logger.info("%s: other classes; the readout starts anew", path)
        weights.update({name: own[name] for name in readout})
    try:
        restore(net, weights, prefix="")
    except ValueError as error:
        raise ValueError(f"init: {path} does not fit: {error}") from error


def _size(facts: Mapping[str, Any], name: str) -> int:
    size = facts.get(name)
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError(f"{name}: got {size!r}; it must be a positive integer")
    return size


def restore(net: nn.Module, tensors: Mapping[str, Tensor], prefix: str = "model.") -> None:
    """Copy the tensors of a prefix into a network.

    Raises:
        ValueError: If one is missing, left over, or of another type or shape; the message names it.
    """
    net.load_state_dict(_fitting(net, tensors, prefix))


def _fitting(net: nn.Module, tensors: Mapping[str, Tensor], prefix: str = "model.") -> dict[str, Tensor]:
    given = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    wanted = net.state_dict()
    for name in sorted(wanted.keys() | given.keys()):
        if name not in given:
            raise ValueError(f"{name}: missing")
        if name not in wanted:
            raise ValueError(f"{name}: not in the network")
        if given[name].dtype != wanted[name].dtype:
            raise ValueError(f"{name}: got {given[name].dtype}; it must be {wanted[name].dtype}")
        if given[name].shape != wanted[name].shape:
            raise ValueError(f"{name}: got shape {tuple(given[name].shape)}; it must be {tuple(wanted[name].shape)}")
    return given
