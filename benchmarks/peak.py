"""Peak memory of one contender, alone in its process: python -m benchmarks.peak NAME "[T, B, N]"."""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path

import torch

from .rivals import layers, training_step


def resident() -> int:
    """Peak resident bytes of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's number begins with that of the process that started this one
        return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1])  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    name, shape = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(1)
    layer = layers(shape[2])[name]()
    training_step(layer, torch.randn(40, 1, shape[2]))()  # imports, compilation
    run = training_step(layer, 3 * torch.randn(shape))
    tensor = 4 * shape[0] * shape[1] * shape[2]
    before = resident()
    run()
    print((resident() - before) / tensor)


if __name__ == "__main__":
    main()
