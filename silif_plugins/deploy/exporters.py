"""Trained runs as folders of files that need no PyTorch: what ``silif export`` calls."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..datasets import FrameDataset, FrontEnd, LogMel
from ..formats import Model, register_exporter
from ..synapses import Bits
from ..training import TrainConfig, evaluate, front_end_of, load_split
from .c_export import to_c
from .fixed_point import StateType
from .quantisation import quantise
from .quantised import QuantisedNet
from .report import ChipReport, chip_report

STEP = 0.01
"""Seconds that a time step is taken for where nothing is known of time."""

BITS = Literal["8", "7", "6", "5", "4", "3", "2", "ternary"]


class Prepared(NamedTuple):
    """A quantised network, and the data to judge it by.

    Attributes:
        net: The network.
        test: The test set that its run names.
        front_end: What makes its inputs of sound; None where that is nothing known, or nothing that C has.
    """

    net: QuantisedNet
    test: FrameDataset
    front_end: FrontEnd | None


def prepared(trained: Model, bits: BITS | None, state: StateType, calibrate: int) -> Prepared:
    """Quantise a trained network with inputs of its own training set.

    Raises:
        ValueError: If it comes without the settings of its run, or cannot be exported.
    """
    if trained.config is None:
        raise ValueError("trained: got a network without its run, whose data it must be calibrated with; use quantise")
    if calibrate < 1:
        raise ValueError(f"calibrate: got {calibrate}; it must be 1 sample or more")
    train = load_split(trained.config, "train")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:calibrate]
    chosen: Bits | None = None if bits is None else "ternary" if bits == "ternary" else int(bits)
    net = quantise(trained.net, chosen, calibration=without_padding(train, order.tolist()), state=state)
    return Prepared(net, load_split(trained.config, "test"), log_mel_of(trained.config))


def without_padding(dataset: FrameDataset, chosen: list[int]) -> Tensor:
    """Return samples as [B, T, channels]; those of different lengths one after the other, as one sequence."""
    if dataset.lengths is None:
        return dataset.frames[chosen].float()
    return torch.cat([dataset[index][0] for index in chosen]).unsqueeze(0)


def log_mel_of(config: TrainConfig) -> FrontEnd | None:
    """Return the front end of a run if it is log-mel, which is what C has."""
    try:
        hears = front_end_of(config)
    except ValueError:
        return None
    return hears if type(hears) is LogMel else None


def export_c(
    trained: Model,
    path: Path,
    *,
    bits: BITS | None = None,
    state: StateType = "float32",
    calibrate: int = 256,
    name: str = "silif",
    vectors: int = 4,
    report: bool = True,
) -> dict[str, Any]:
    """C99 for microcontrollers: a header, a source, and a program that checks them; a folder.

    Where the network was trained on log-mel energies, they are in the C, too.

    Args:
        trained: The network.
        path: The folder.
        bits: Of a weight: 2 to 8, or ternary; by default what the network was trained for, or 8.
        state: Type of the neurons' states: float32, int16 or int32.
        calibrate: Training samples with which currents and ranges are calibrated.
        name: Prefix of all files and names in them.
        vectors: Test samples in the file of test vectors.
        report: Count size and instructions in an emulated Cortex-M, where compiler and emulator are installed.

    Returns:
        The files, the accuracy on the test set, and the report.

    Raises:
        ValueError: If the network cannot be exported, or an option is not valid; nothing is written then.
    """
    net, test, front_end = prepared(trained, bits, state, calibrate)
    if not 1 <= vectors <= len(test):
        raise ValueError(f"vectors: got {vectors}; it must be 1 to {len(test)}, the samples of the test set")
    steps = test.steps if test.lengths is None else int(test.lengths[:vectors].min())
    frames = test.frames[:vectors, :steps].float()
    files = to_c(net, path, name=name, classes=test.classes, vectors=frames, front_end=front_end)
    heard = "log-mel" if front_end is not None else "events" if net.input_step == 1 else "features"
    said: dict[str, Any] = {"files": [str(file) for file in files], "input": heard, **judged(net, test)}
    if report and find_spec("ziglang") and find_spec("unicorn"):
        for chip in ("cortex-m4f",) if state == "float32" else ("cortex-m4f", "cortex-m0+"):
            said[chip] = told(chip_report(net, frames, chip, front_end=front_end))
    return said


def judged(net: QuantisedNet, test: FrameDataset) -> dict[str, Any]:
    """Return what is to be said of a quantised network: its types, and its accuracy."""
    bits = sorted({str(layer.bits) for layer in net.layers})
    figures = evaluate(net, test)
    return {"bits": ", ".join(bits), "state": net.state, "test_accuracy": figures.accuracy}


def told(report: ChipReport) -> str:
    """Write a report in a line."""
    return (
        f"{report.differ} of {report.spikes:,} spikes differ; {report.flash:,} bytes of flash, {report.ram:,} of RAM, "
        f"{report.stack:,} of stack; {report.instructions:,} instructions a step, {report.busiest:,} in the busiest, "
        f"{report.worst:,} in the worst case" + (f"; {report.front_end:,} of the front end" if report.front_end else "")
    )


register_exporter("c", export_c)
