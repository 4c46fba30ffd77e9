"""What no file can hold, said with the name of the layer, before anything is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ..sparch import Readout, SpikingLayer


class ExportError(ValueError):
    """A network that cannot be exported; the message names the layer."""


def check_exportable(net: nn.Module) -> None:
    """Raise unless every number of a network is one, and the same input always gives the same result.

    Raises:
        ExportError: If it is not so; the message names the layer, or the tensor by its name in the state_dict.

    Examples:
        >>> from silif_plugins.sparch import SpArchNet
        >>> net = SpArchNet(4, (8,), 3, initial_state="uniform")
        >>> check_exportable(net)
        Traceback (most recent call last):
        silif_plugins.formats.checks.ExportError: hidden.0: its initial_state is 'uniform', which draws ...
    """
    for name, value in net.state_dict().items():
        if isinstance(value, Tensor) and value.is_floating_point() and not bool(value.isfinite().all()):
            raise ExportError(f"{name}: has NaN or infinite values; a trained network has numbers alone")
    for name, layer in net.named_modules():
        if isinstance(layer, (SpikingLayer, Readout)) and layer.initial_state != "zeros":
            raise ExportError(
                f"{name}: its initial_state is {layer.initial_state!r}, which draws random numbers at every call; "
                "it must be 'zeros'"
            )


@contextlib.contextmanager
def failures_named(net: nn.Module) -> Iterator[None]:
    """Name the layer in whose forward pass an error occurs.

    Raises:
        ExportError: In the place of any other error.
    """
    inside: list[str] = []

    def enter(name: str) -> Any:
        return lambda *_: inside.append(name)

    def leave(*_: Any) -> None:
        inside.pop()

    hooks = []
    for name, layer in net.named_modules():
        hooks += [layer.register_forward_pre_hook(enter(name)), layer.register_forward_hook(leave)]
    try:
        yield
    except ExportError:
        raise
    except Exception as error:
        where = next((name for name in reversed(inside) if name), type(net).__name__)
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(f"{where}: cannot be exported: {reason}") from error
    finally:
        for hook in hooks:
            hook.remove()
