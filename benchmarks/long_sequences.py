"""A billion elements through one layer: its memory, its time, and whether pieces one after another give the same bits.

    python -m benchmarks.long_sequences [--shape 1000000 1 1000] [--pieces 10]

It needs memory for three tensors of this shape, the input, the spikes and the input's gradient, 12 GiB by default.
"""

from __future__ import annotations

import argparse
import math
import time

import torch

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan

from .peak import resident


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[1_000_000, 1, 1000], metavar=("T", "B", "N"))
    parser.add_argument("--pieces", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    steps, batch, neurons = arguments.shape
    layer = SiLIF(neurons)
    scan(layer, torch.randn(64, 1, neurons))[0].sum().backward()  # imports, compilation
    before = resident()
    current = torch.empty(steps, batch, neurons)
    for piece in current.split(math.ceil(steps / 100)):
        piece.normal_().mul_(3)
    current.requires_grad_()
    start = time.perf_counter()
    spikes, last = scan(layer, current)
    middle = time.perf_counter()
    spikes.sum().backward()
    spent = middle - start, time.perf_counter() - middle
    tensors = (resident() - before) / (4 * current.numel())
    print(f"{current.numel():,} elements, forward {spent[0]:.0f} s, backward {spent[1]:.0f} s, one thread")
    print(f"memory at most {tensors:.2f} tensors of this shape: input, spikes, gradient, and what the kernel keeps")
    state, same = None, True
    with torch.no_grad():
        size = math.ceil(steps / arguments.pieces)
        for piece, whole in zip(current.split(size), spikes.split(size), strict=True):
            found, state = scan(layer, piece, state)
            same &= torch.equal(found, whole)
    print(
        f"in {arguments.pieces} pieces: {'the same bits' if same and torch.equal(state.mem, last.mem) else 'DIFFERENT'}"
    )


if __name__ == "__main__":
    main()
