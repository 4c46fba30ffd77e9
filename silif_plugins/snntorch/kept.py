"""What the modules of a network keep from one call to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from .spiking import Spiking

OF_EVERY_MODULE = frozenset(vars(nn.Module()))


class Slot(NamedTuple):
    """A place where a module keeps something between two calls."""

    holder: Any
    key: Any
    value: Any
    version: int


def slots(modules: Mapping[str, nn.Module]) -> dict[str, Slot]:
    """Return the tensors and numbers that modules keep, by name, but for parameters and our neurons' states."""
    found: dict[str, Slot] = {}
    for name, module in modules.items():
        if type(module).__module__.startswith(__package__.partition(".")[0] + "."):
            continue  # the modules of this library keep nothing but states
        ours = isinstance(module, Spiking)  # a subclass of the user's
        for holder in (vars(module), module._buffers):
            for key, value in holder.items():
                if key in OF_EVERY_MODULE or (ours and key.startswith("_")):
                    continue
                _collect(found, f"{name}.{key}", holder, key, value)
    return found


def _collect(found: dict[str, Slot], name: str, holder: Any, key: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        found[name] = Slot(holder, key, value, 0 if value.is_inference() else value._version)
    elif value is None or isinstance(value, int | float):
        found[name] = Slot(holder, key, value, 0)
    elif isinstance(value, dict):
        for inner, item in value.items():
            _collect(found, f"{name}[{inner!r}]", value, inner, item)
    elif isinstance(value, tuple | list | deque):
        for index, item in enumerate(value):
            _collect(found, f"{name}[{index}]", None if isinstance(value, tuple) else value, index, item)


def changes(before: Mapping[str, Slot], after: Mapping[str, Slot]) -> dict[str, Slot]:
    """Return what was stored or edited between two looks, by name; what has gone, as it was."""
    gone = {name: slot for name, slot in before.items() if name not in after and slot.value is not None}
    new = {name: slot for name, slot in after.items() if name not in before or _differ(before[name], slot)}
    return gone | {name: slot for name, slot in new.items() if slot.value is not None or name in before}


def restore(before: Mapping[str, Slot]) -> None:
    """Put back what was stored since, as far as its places are still there; edits in place stay."""
    for holder, key, value, _ in before.values():
        if isinstance(holder, dict) or (holder is not None and key < len(holder)):
            holder[key] = value


def _differ(before: Slot, after: Slot) -> bool:
    if isinstance(before.value, int | float) and isinstance(after.value, int | float):
        return before.value is not after.value and before.value != after.value
    return before.value is not after.value or before.version != after.version
