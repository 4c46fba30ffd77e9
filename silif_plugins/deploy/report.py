"""What a network costs on a microcontroller, counted in an emulator."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..datasets import FrontEnd, LogMel
from .hearing import Hearing
from .machines import Cortex, run_on, run_on_sound
from .quantised import QuantisedNet

SAMPLES = 8
"""Inputs on which instructions are counted."""


class ChipReport(NamedTuple):
    """Sizes and counts on one chip.

    Attributes:
        chip: Its name.
        flash: Bytes of code and constants, with all that is linked.
        ram: Bytes of the network's state.
        stack: Bytes of stack at most.
        instructions: Of a step, on average over the inputs.
        busiest: Of the step that took most.
        front_end: Of the front end in each step, besides; 0 without one.
        worst: Without the front end, of a step in which every input has an event and every hidden neuron fires whose
            membrane, from the largest value that it can have, does not fall below the threshold within a step.
        differ: Spikes that differ from Python's.
        spikes: Spikes and silences that were compared.
    """

    chip: str
    flash: int
    ram: int
    stack: int
    instructions: int
    busiest: int
    front_end: int
    worst: int
    differ: int
    spikes: int


def chip_report(
    net: QuantisedNet, frames: Tensor, chip: str = "cortex-m4f", *, front_end: FrontEnd | None = None
) -> ChipReport:
    """Run inputs on an emulated microcontroller, compare every spike, and count instructions.

    Instructions are counts, not times: loads from flash, divisions and multiplications may take more than a cycle.

    Args:
        net: What `quantise` returned.
        frames: Inputs, [B, T, num_inputs]; instructions are counted for the first 8 of them.
        chip: ``"cortex-m4f"``, or ``"cortex-m0+"``, for states in integers.
        front_end: What the network was trained with, if it is to be on the chip, too; it must be log-mel.

    Raises:
        ModuleNotFoundError: If a compiler or the emulator is not installed.
    """
    expected = net.run(frames)[0].spikes
    plain = Cortex(net, chip, front_end)
    outcome = run_on(plain, net, frames)
    differ = sum(
        int((one != other).sum())
        for one, other in zip(expected, outcome.spikes.split([each.shape[2] for each in expected], dim=2), strict=True)
    )
    counting = Cortex(net, chip, front_end, count=True)
    counts = run_on(counting, net, frames[:SAMPLES]).instructions
    assert counts is not None
    return ChipReport(
        chip,
        plain.flash,
        plain.ram,
        plain.stack,
        round(float(counts.double().mean())),
        int(counts.max()),
        0 if front_end is None else hearing_cost(counting, net, front_end),
        worst_case(counting, net),
        differ,
        outcome.spikes.numel(),
    )


def hearing_cost(machine: Cortex, net: QuantisedNet, front_end: FrontEnd) -> int:
    """Count the instructions of a step's front end, which are the same for every sound: here for noise."""
    assert isinstance(front_end, LogMel)
    noise = np.random.default_rng(0).normal(0, 3000, front_end.rate // 5).astype(np.int16)
    heard = run_on_sound(machine, net, noise).instructions
    units = torch.from_numpy(Hearing(front_end, net).units(noise))
    without = run_on(machine, net, units[None]).instructions
    assert heard is not None
    assert without is not None
    return round(float((heard - without)[0, 1:].double().mean()))  # the first one comes after a whole frame


def worst_case(machine: Cortex, net: QuantisedNet) -> int:
    """Count the instructions of the worst step; see `ChipReport`."""
    machine.call("begin")
    machine.call("excite")
    before = machine.instructions
    for channel in range(net.num_inputs):
        machine.call("event", channel, 1)
    machine.call("step")
    return machine.instructions - before
