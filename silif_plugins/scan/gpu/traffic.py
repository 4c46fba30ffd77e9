"""What the GPU kernels move and need, by count: bytes, lanes that fill a GPU, lanes that fit. It needs no GPU."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..layout import CHUNK, chunk_count

BLOCK = 64
"""Lanes of a program: two warps of NVIDIA's, one of AMD's. Lanes need not know of each other, so few are best."""

AHEAD = {"forward": CHUNK, "backward": 2 * CHUNK + 2}
"""Loads that a lane has on their way at once: the currents of a chunk; in backward gradients too, and a state."""


class Traffic(NamedTuple):
    """Bytes that a kernel must move.

    Attributes:
        read: From memory.
        written: To memory.
    """

    read: float
    written: float

    @property
    def total(self) -> float:
        """Both."""
        return self.read + self.written

    def per_element(self, shape: tuple[int, int, int]) -> float:
        """Both, for each of [T, B, N]."""
        return self.total / math.prod(shape)


def forward_traffic(
    shape: tuple[int, int, int],
    itemsize: int = 4,
    *,
    trace: bool = False,
    gate: bool = False,
    lengths: bool = False,
) -> Traffic:
    """Bytes of a forward pass: currents in, spikes and every 16th state out.

    Args:
        shape: [T, B, N].
        itemsize: Bytes of a number.
        trace: Whether the states of all steps are written.
        gate: Whether a byte tells where the surrogate is open.
        lengths: Whether sequences have their own lengths; all are counted as T, since less is never read.

    Examples:
        >>> forward_traffic((1600, 128, 512)).per_element((1600, 128, 512))
        8.5...
    """
    steps, batch, neurons = shape
    lanes, elements = batch * neurons, math.prod(shape)
    read = itemsize * (elements + 3 * lanes + 9 * lanes) + 8 * lanes * lengths
    written = itemsize * (elements * (3 if trace else 1) + 2 * chunk_count(steps) * lanes + 3 * lanes)
    return Traffic(read, written + elements * gate)


def backward_traffic(
    shape: tuple[int, int, int],
    itemsize: int = 4,
    *,
    trace: bool = False,
    given: bool = False,
    final: bool = False,
    current: bool = True,
    lengths: bool = False,
) -> Traffic:
    """Bytes of a backward pass: currents, gradients of spikes and every 16th state in, gradients of currents out.

    Args:
        shape: [T, B, N].
        itemsize: Bytes of a number.
        trace: Whether the states of all steps have gradients.
        given: Whether the surrogate's derivative comes as a tensor.
        final: Whether the state after the last step has a gradient.
        current: Whether the currents need theirs.
        lengths: As for :func:`forward_traffic`.

    Examples:
        >>> backward_traffic((1600, 128, 512)).per_element((1600, 128, 512))
        12.5...
    """
    steps, batch, neurons = shape
    lanes, elements = batch * neurons, math.prod(shape)
    rows = 2 + 2 * trace + given
    read = itemsize * (rows * elements + (2 * chunk_count(steps) + 3 + 9 + 3 * final) * lanes) + 8 * lanes * lengths
    return Traffic(read, itemsize * (elements * current + (3 + 9) * lanes))


class Gpu(NamedTuple):
    """What a data sheet tells of a GPU.

    Attributes:
        bandwidth: Of its memory, bytes a second.
        processors: Streaming multiprocessors, or compute units.
        registers: Of a processor, of 4 bytes.
        granule: A warp's registers are given out in multiples of so many a lane.
        lanes: The most that a processor holds.
        programs: The most that a processor holds.
    """

    bandwidth: float
    processors: int
    registers: int
    granule: int
    lanes: int
    programs: int


GPUS = {
    "A100 80 GB SXM": Gpu(2.039e12, 108, 65536, 8, 2048, 32),
    "H100 SXM": Gpu(3.35e12, 132, 65536, 8, 2048, 32),
    "H200 SXM": Gpu(4.8e12, 132, 65536, 8, 2048, 32),
    "MI300X": Gpu(5.3e12, 304, 131072, 8, 2048, 32),
}
"""Those of the targets that the kernels are compiled for in the tests, and of what they ran on; by their makers."""

LATENCY = 700e-9
"""Seconds that a load from busy memory is taken to need: an assumption, of the order that others have measured."""


def resident_lanes(gpu: Gpu, registers: int) -> int:
    """Lanes that a GPU holds at once, of a kernel that takes so many registers a lane.

    Examples:
        >>> resident_lanes(GPUS["H100 SXM"], 64)
        135168
    """
    each = math.ceil(registers / gpu.granule) * gpu.granule
    programs = min(gpu.programs, gpu.lanes // BLOCK, gpu.registers // (each * BLOCK))
    return gpu.processors * programs * BLOCK


def lanes_to_fill(gpu: Gpu, moved: Traffic, ahead: int, itemsize: int = 4, latency: float = LATENCY) -> int:
    """Lanes, B N, below which a kernel cannot reach a GPU's bandwidth: its loads come back too late. It may need more.

    By Little's law bytes on their way are bytes a second times seconds; each lane has ``ahead`` numbers on their way.

    Args:
        gpu: The GPU.
        moved: What the kernel moves; loads have their share of the bandwidth, and nobody waits for stores.
        ahead: Loads that a lane has on their way at once.
        itemsize: Bytes of a number.
        latency: Seconds from a load to its result.

    Examples:
        >>> lanes_to_fill(GPUS["H100 SXM"], forward_traffic((256, 128, 512)), AHEAD["forward"])
        17...
        >>> lanes_to_fill(GPUS["H100 SXM"], forward_traffic((256, 128, 512)), 1)
        28...
    """
    return math.ceil(gpu.bandwidth * moved.read / moved.total * latency / (ahead * itemsize))
