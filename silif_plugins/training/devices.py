"""Where a network can be trained."""

from __future__ import annotations

import torch


def devices() -> list[str]:
    """Names of the devices of this machine.

    Examples:
        >>> devices()[0]
        'cpu'
    """
    found = ["cpu"]
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator()
        assert kind is not None
        found += [f"{kind.type}:{number}" for number in range(torch.accelerator.device_count())]
    return found


def check_device(name: str) -> None:
    """Raise unless this machine has a device.

    Raises:
        ValueError: If it has not; the message lists those that it has.

    Examples:
        >>> check_device("cpu")
    """
    there = devices()
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    known = device is not None and any(
        device.type == each.partition(":")[0] if device.index is None else str(device) == each for each in there
    )
    if not known and name != "cpu:0":
        raise ValueError(f"device: got {name!r}; this machine has {', '.join(there)}")
