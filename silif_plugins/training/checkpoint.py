"""Checkpoints: tensors and JSON in one safetensors file, replaced in one step.

Loading executes no code. The JSON travels in the file's header, so that weights and what is said of them cannot
come apart.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import write_file
from ..optional import require
from ..sparch import CheckpointError, SpArchNet
from .config import TrainConfig

FORMAT = 1


def save(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts; an older file stays as it was if anything goes wrong.

    Raises:
        OSError: If the file cannot be written.
    """
    safetensors = require("safetensors.torch", extra="train", purpose="Writing checkpoints")
    header = {"silif_plugins": json.dumps({"format": FORMAT, **facts})}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_file(path, safetensors.save(contiguous, header))


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged or not one of ours; the message names file and field.
    """
    safetensors = require("safetensors", extra="train", purpose="Reading checkpoints")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such checkpoint")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("silif_plugins")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{os.fspath(path)}: damaged or not a safetensors file ({error})") from error
    if header is None:
        raise CheckpointError(f"{os.fspath(path)}: header: has no silif_plugins entry; it is not a checkpoint of ours")
    facts: dict[str, Any] = json.loads(header)
    if facts.get("format") != FORMAT:
        raise CheckpointError(f"{os.fspath(path)}: format: got {facts.get('format')}; this version reads {FORMAT}")
    return tensors, facts


def load_network(path: str | os.PathLike[str]) -> tuple[SpArchNet, TrainConfig, dict[str, Any]]:
    """Rebuild a trained network in evaluation mode, with its settings and what was said of it.

    Args:
        path: A checkpoint file, or the folder of a run, whose best checkpoint is then taken.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        CheckpointError: If it is damaged, or its tensors do not fit its settings.
    """
    path = Path(path)
    path = path / "best.safetensors" if path.is_dir() else path
    tensors, facts = load(path)
    try:
        config = TrainConfig.from_mapping(facts["config"])
        net = config.network(facts["num_inputs"], facts["num_classes"])
        restore(net, tensors)
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return net.eval(), config, facts


def restore(net: torch.nn.Module, tensors: Mapping[str, Tensor], prefix: str = "model.") -> None:
    """Copy the tensors of a prefix into a network.

    Raises:
        ValueError: If one is missing, left over or of another shape; the message names it.
    """
    given = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    wanted = net.state_dict()
    for name in sorted(wanted.keys() | given.keys()):
        if name not in given:
            raise ValueError(f"{name}: missing")
        if name not in wanted:
            raise ValueError(f"{name}: not in the network")
        if given[name].shape != wanted[name].shape:
            raise ValueError(f"{name}: got shape {tuple(given[name].shape)}; it must be {tuple(wanted[name].shape)}")
    net.load_state_dict(given)
