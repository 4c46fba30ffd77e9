"""What a network costs on a microcontroller, counted in an emulator."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from .machines import Cortex, run_on
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
        worst: Of a step in which every input has an event and every hidden neuron fires whose membrane, from the
            largest value that it can have, does not fall below the threshold within a step.
        differ: Spikes that differ from Python's.
        spikes: Spikes and silences that were compared.
    """

    chip: str
    flash: int
    ram: int
    stack: int
    instructions: int
    busiest: int
    worst: int
    differ: int
    spikes: int


def chip_report(net: QuantisedNet, frames: Tensor, chip: str = "cortex-m4f") -> ChipReport:
    """Run inputs on an emulated microcontroller, compare every spike, and count instructions.

    Instructions are counts, not times: loads from flash, divisions and multiplications may take more than a cycle.

    Args:
        net: What `quantise` returned.
        frames: Inputs, [B, T, num_inputs]; instructions are counted for the first 8 of them.
        chip: ``"cortex-m4f"``, or ``"cortex-m0+"``, for states in integers.

    Raises:
        ModuleNotFoundError: If a compiler or the emulator is not installed.
    """
    expected = net.run(frames)[0].spikes
    plain = Cortex(net, chip)
    outcome = run_on(plain, net, frames)
    differ = sum(
        int((one != other).sum())
        for one, other in zip(expected, outcome.spikes.split([each.shape[2] for each in expected], dim=2), strict=True)
    )
    counting = Cortex(net, chip, count=True)
    counts = run_on(counting, net, frames[:SAMPLES]).instructions
    assert counts is not None
    return ChipReport(
        chip,
        plain.flash,
        plain.ram,
        plain.stack,
        round(float(counts.double().mean())),
        int(counts.max()),
        worst_case(counting, net),
        differ,
        outcome.spikes.numel(),
    )


def worst_case(machine: Cortex, net: QuantisedNet) -> int:
    """Count the instructions of the worst step; see `ChipReport`."""
    machine.call("begin")
    machine.call("excite")
    before = machine.instructions
    for channel in range(net.num_inputs):
        machine.call("event", channel, 1)
    machine.call("step")
    return machine.instructions - before
