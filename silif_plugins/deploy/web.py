"""A network as a static page: WebAssembly, and recordings that it listens to."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..datasets import FrontEnd
from ..files import write_file
from ..formats import Model, register_exporter
from ..training import step_of
from .exporters import BITS, STEP, judged, prepared
from .fixed_point import StateType
from .machines import wasm_module
from .quantised import QuantisedNet

PAGE = ("index.html", "network.js", "page.js")


def to_web(
    net: QuantisedNet,
    folder: Path | str,
    *,
    frames: Sequence[Tensor] | Tensor,
    labels: Sequence[int],
    classes: Sequence[str],
    step: float = 0.01,
    front_end: FrontEnd | None = None,
) -> list[Path]:
    """Write a page that shows the network at work: its input, spikes of all hidden layers, scores and decision.

    It is static and needs no server: ``index.html`` opens from disk, and nothing is fetched from elsewhere. The network
    is compiled to WebAssembly from the C of `to_c`.

    Args:
        net: What `quantise` returned.
        folder: Where to write; created if need be.
        frames: Recordings to listen to, [T, num_inputs] each.
        labels: Their classes.
        classes: Names of the classes.
        step: Duration of a time step in seconds.
        front_end: What the network was trained with, if it is log-mel: the page then hears files and the microphone.

    Returns:
        The files.

    Raises:
        ValueError: If an argument does not fit the network; nothing is written then.
        ModuleNotFoundError: If the compiler, ziglang, is not installed.
        OSError: If a file cannot be written.
    """
    if len(classes) != net.num_classes:
        raise ValueError(f"classes: got {len(classes)} names; the network has {net.num_classes}")
    if len(labels) != len(frames) or not len(frames):
        raise ValueError(f"labels: got {len(labels)} for {len(frames)} recordings; each must have one")
    described = {
        "inputs": net.num_inputs,
        "layers": [len(layer.weight) for layer in net.hidden],
        "classes": list(classes),
        "bits": str(net.readout.bits),
        "step": step,
        "rate": 0 if front_end is None else front_end.rate,
        "horizon": max(len(each) for each in frames),
        "limit": net.input_limit,
        "module": base64.b64encode(wasm_module(net, front_end)).decode(),
    }
    counts = [net.counts(each) for each in frames]
    recordings = [
        {
            "name": f"{index + 1}: {classes[label]}",
            "label": int(label),
            "events": [_in_turn(row) for row in each],
        }
        for index, (each, label) in enumerate(zip(counts, labels, strict=True))
    ]
    texts = {"net.js": _constant("NET", described), "recordings.js": _constant("RECORDINGS", recordings)}
    page = resources.files(__package__) / "page"
    texts |= {name: (page / name).read_text() for name in PAGE}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_file(folder / name, text.encode())
    return [folder / name for name in texts]


def _in_turn(row: Tensor) -> list[int]:
    """Return the events of a step: channel, count, channel, count, ..."""
    channels = row.nonzero().flatten()
    return torch.stack([channels, row[channels]], dim=1).flatten().tolist()


def _constant(name: str, value: Any) -> str:
    """Write a script that holds a constant, also for Node."""
    text = json.dumps(value, separators=(",", ":"))
    return f'const {name} = {text};\nif (typeof module !== "undefined") module.exports = {name};\n'


def export_web(
    trained: Model,
    path: Path,
    *,
    bits: BITS | None = None,
    state: StateType = "float32",
    calibrate: int = 256,
    recordings: int = 20,
) -> dict[str, Any]:
    """A page that shows the network at work in a browser, in WebAssembly; a folder.

    Where the network was trained on log-mel energies, the page hears files and the microphone, too.

    Args:
        trained: The network.
        path: The folder.
        bits: Of a weight: 2 to 8, or ternary; by default what the network was trained for, or 8.
        state: Type of the neurons' states: float32, int16 or int32.
        calibrate: Training samples with which currents and ranges are calibrated.
        recordings: Test samples that the page plays, of as many classes as there are.

    Returns:
        The files, and the accuracy on the test set.

    Raises:
        ValueError: If the network cannot be exported, or an option is not valid; nothing is written then.
    """
    net, test, front_end = prepared(trained, bits, state, calibrate)
    if not 1 <= recordings <= len(test):
        raise ValueError(f"recordings: got {recordings}; it must be 1 to {len(test)}, the samples of the test set")
    # One of each class, then a second of each, and so on.
    seen: dict[int, int] = {}
    turns = []
    for label in test.labels.tolist():
        turns.append(seen.get(label, 0))
        seen[label] = turns[-1] + 1
    chosen = sorted(range(len(test)), key=lambda index: (turns[index], int(test.labels[index])))[:recordings]
    part = test.subset(chosen)
    step = step_of(trained.facts) or STEP
    files = to_web(
        net,
        path,
        frames=[part[index][0] for index in range(len(part))],
        labels=part.labels.tolist(),
        classes=test.classes,
        step=step,
        front_end=front_end,
    )
    return {"files": [str(file) for file in files], **judged(net, test)}


register_exporter("web", export_web)
