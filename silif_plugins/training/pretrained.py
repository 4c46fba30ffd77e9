"""Trained networks as folders that model hubs show: weights, settings, classes, and a card with what was measured.

Such a folder holds ``model.safetensors``, ``config.json`` and ``README.md``, the card, whose ``model-index`` hubs read.
Weights may be stored as integers of 8 bits, ``NAME.levels``, with a step for each row, ``NAME.steps``.
Loading executes no code. Networks that ship with this package are in `shipped`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..files import write_file
from ..hints import did_you_mean
from ..optional import require
from ..sparch import CheckpointError
from ..synapses import levels, row_steps
from .checkpoint import restore
from .config import TrainConfig

FORMAT = 1
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"

SHIPPED = Path(__file__).parent / "shipped"


class Pretrained(NamedTuple):
    """A trained network, and what is known of it.

    Attributes:
        net: The network, in evaluation mode.
        config: The settings that it was trained with; its data set is the front end.
        classes: Names of the classes, in the order of the scores.
        results: What was measured on the test set, by name: ``accuracy`` and others.
    """

    net: nn.Module
    config: TrainConfig
    classes: tuple[str, ...]
    results: dict[str, float]


def shipped() -> list[str]:
    """Return the names of the networks that ship with this package, for `from_pretrained`.

    Examples:
        >>> shipped()
        ['c-silif-spoken-digits', 'silif-delays-spoken-digits', 'silif-spoken-digits']
    """
    return sorted(folder.name for folder in SHIPPED.iterdir() if (folder / CONFIG).is_file())


def save_pretrained(
    net: nn.Module,
    folder: str | os.PathLike[str],
    *,
    config: TrainConfig,
    classes: Sequence[str],
    results: Mapping[str, float] | None = None,
    notes: str = "",
    bits: int | None = None,
) -> list[Path]:
    """Write a trained network as a folder that model hubs show.

    `silif_plugins.training.hub.HubModel` does the same, and puts it on a hub.

    Args:
        net: The network.
        folder: Where to write; created if need be, and its last part is the name of the model.
        config: The settings that it was trained with.
        classes: Names of the classes, in the order of the scores.
        results: What was measured on the test set, by name: ``accuracy``, a share, and others.
        notes: What else the card is to say, in Markdown.
        bits: 2 to 8 to round weights row by row and store them as integers, in a quarter of the memory; what was
            measured should then be of the network that comes back.

    Returns:
        The files.

    Raises:
        ValueError: If the network is not the one of the settings, or there is no such number of bits.
        OSError: If a file cannot be written.

    Examples:
        >>> import tempfile
        >>> config = TrainConfig(hidden_sizes=(8,))
        >>> net = config.network(140, 2).eval()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = save_pretrained(net, folder, config=config, classes=["no", "yes"], results={"accuracy": 0.5})
        ...     from_pretrained(folder).classes
        ('no', 'yes')
    """
    safetensors = require("safetensors.torch", extra="train", purpose="Writing networks")
    folder = Path(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    num_inputs = _num_inputs(net)
    restore(config.network(num_inputs, len(classes)), tensors, prefix="")
    stored = tensors if bits is None else _as_integers(tensors, bits)
    weights: bytes = safetensors.save(stored, {"format": "pt"})
    settings = {**config.settings(), "device": "cpu", "init": None}
    facts = {
        "library": "silif_plugins",
        "format": FORMAT,
        "num_inputs": num_inputs,
        "classes": list(classes),
        "settings": settings,
        "results": dict(results or {}),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    card = _card(folder.resolve().name, facts, parameters, notes, bits)
    contents = {WEIGHTS: weights, CONFIG: (json.dumps(facts, indent=1) + "\n").encode(), CARD: card.encode()}
    for name, content in contents.items():
        write_file(folder / name, content)
    return [folder / name for name in contents]


def from_pretrained(name: str | os.PathLike[str]) -> Pretrained:
    """Load a trained network from a folder, by the name of one that ships with this package, or from a hub.

    Args:
        name: A folder that `save_pretrained` wrote; a name in `shipped`; or OWNER/NAME on Hugging Face, where
            huggingface_hub is installed.

    Raises:
        FileNotFoundError: If there is none.
        CheckpointError: If a file is damaged, or of a newer version.

    Examples:
        >>> found = from_pretrained("silif-spoken-digits")
        >>> found.config.label, len(found.classes), found.results["accuracy"]
        ('SiLIF', 20, 0.884375)
    """
    folder = _folder(name)
    try:
        facts = json.loads((folder / CONFIG).read_text())
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG}: damaged ({error})") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise CheckpointError(f"{folder / CONFIG}: not a network of this version of silif_plugins")
    content = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != facts.get("sha256"):
        raise CheckpointError(f"{folder / WEIGHTS}: damaged, its SHA-256 is not that in {CONFIG}")
    safetensors = require("safetensors.torch", extra="train", purpose="Reading networks")
    try:
        config = TrainConfig.from_mapping(facts.get("settings"))
        classes = tuple(str(each) for each in facts["classes"])
        net = config.network(int(facts["num_inputs"]), len(classes))
        restore(net, _as_floats(safetensors.load(content)), prefix="")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error
    return Pretrained(net.eval(), config, classes, dict(facts.get("results", {})))


def _as_integers(tensors: Mapping[str, Tensor], bits: int) -> dict[str, Tensor]:
    """Round weight matrices row by row: their levels in 8 bits and their steps in the place of each."""
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith("weight") and value.dim() == 2:
            steps = row_steps(value, bits)
            found |= {f"{name}.levels": levels(value, steps, bits).to(torch.int8), f"{name}.steps": steps}
        else:
            found[name] = value
    return found


def _as_floats(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `_as_integers`.

    Raises:
        KeyError: If there are levels without steps.
    """
    found = dict(tensors)
    for name in [name.removesuffix(".levels") for name in tensors if name.endswith(".levels")]:
        found[name] = found.pop(f"{name}.levels") * found.pop(f"{name}.steps").unsqueeze(1)
    return found


def _folder(name: str | os.PathLike[str]) -> Path:
    text = os.fspath(name)
    for folder in (Path(text), SHIPPED / text):
        if (folder / CONFIG).is_file():
            return folder
    if text.count("/") == 1 and not Path(text).exists() and find_spec("huggingface_hub") is not None:
        hub = require("huggingface_hub", extra="formats", purpose="The hub")
        return Path(hub.snapshot_download(text, allow_patterns=[WEIGHTS, CONFIG, CARD]))
    hint = did_you_mean(text, shipped())
    raise FileNotFoundError(f"{text}: holds no {CONFIG}, and is none of those shipped, {', '.join(shipped())}{hint}")


def _num_inputs(net: nn.Module) -> int:
    found = getattr(net, "num_inputs", None)
    if not isinstance(found, int):
        raise ValueError(f"net: {type(net).__name__} has no num_inputs, which files need to make it again")
    return found


def _card(name: str, facts: Mapping[str, Any], parameters: int, notes: str, bits: int | None) -> str:
    """Write the card: for hubs the part between the lines, for people what follows."""
    settings, results = facts["settings"], facts["results"]
    data = settings["data"]
    metrics = [f"      - {{type: {metric}, value: {value!r}}}" for metric, value in results.items()]
    index = [
        "model-index:",
        f"- name: {json.dumps(name)}",
        "  results:",
        "  - task: {type: audio-classification}",
        f"    dataset: {{name: {json.dumps(data)}, type: {json.dumps(data)}, split: test}}",
        "    metrics:" + ("" if metrics else " []"),
        *(line[2:] for line in metrics),
    ]
    front = ["library_name: silif_plugins", "license: mit", "tags: [spiking-neural-network, silif]", *index]
    shown = {metric: f"{value:.4f}" if abs(value) <= 1 else f"{value:,.0f}" for metric, value in results.items()}
    measured = [f"| {metric.replace('_', ' ')} | {value} |" for metric, value in shown.items()]
    neuron = settings.get("neuron", settings["architecture"])
    stored = "" if bits is None else f", weights of {bits} bits"
    lines = [
        "---",
        *front,
        "---",
        f"# {name}",
        "",
        f"A spiking network of {neuron} neurons, {parameters:,} parameters{stored}, trained on {data} to tell "
        f"{len(facts['classes'])} classes apart. Settings, seed and classes are in `{CONFIG}`.",
        "",
        "| on the test set | |",
        "|---|---|",
        *measured,
        "",
        "```python",
        "from silif_plugins.training import from_pretrained, load_split",
        "",
        f"net, config, classes, results = from_pretrained({json.dumps(name)})",
        'frames, label = load_split(config, "test")[0]',
        "print(classes[net(frames[None]).scores.argmax()], classes[label])",
        "```",
    ]
    return "\n".join([*lines, *(["", notes.strip()] if notes else [])]) + "\n"
