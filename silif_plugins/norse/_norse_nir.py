"""Norse's own mapping between its cells and NIR, in the shapes it has had: 1.1.0's and that of later versions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ..optional import require

NEURONS = ("LIFCell", "LIFBoxCell", "LIBoxCell", "IAFCell")
"""Names of the cells that Norse's exporter maps."""

Export = dict[type[nn.Module], Callable[[Any], Any]]
Import = dict[type[Any], Callable[[Any], nn.Module]]


def exporters() -> Export:
    """Return Norse's functions from modules to NIR nodes."""
    module = _norse("torch.utils.export_nir")
    if hasattr(module, "_norse_to_nir_mapping_dict"):
        found: Export = module._norse_to_nir_mapping_dict()
        return found
    # 1.1.0 writes dt / rate for a time constant: with dt = 1 it is what NIR asks for, in seconds.
    convert = partial(module._extract_norse_module, dt=1.0)
    return dict.fromkeys((nn.Conv2d, nn.Linear, *neurons()), convert)


def importers(**options: Any) -> Import:
    """Return Norse's functions from NIR nodes to modules.

    Args:
        options: Norse's own: ``ignore_warnings``, ``reset_method``, ``dt``.
    """
    module = _norse("torch.utils.import_nir")
    if hasattr(module, "_nir_to_norse_mapping_dict"):
        found: Import = module._nir_to_norse_mapping_dict(**options)
        return found
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    # The nodes that 1.1.0 knows; nirtorch has a mapping of its own for some others.
    known = (nir.Affine, nir.Conv2d, nir.Flatten, nir.Linear, nir.IF, nir.CubaLIF, nir.LIF, nir.SumPool2d)
    return dict.fromkeys(known, partial(module._import_norse_module, **options))


def neurons() -> tuple[type[nn.Module], ...]:
    """Return the cells that Norse's exporter maps."""
    module = _norse("torch")
    return tuple(getattr(module, name) for name in NEURONS)


def with_arrays(node: Any, shape: tuple[int, ...] | None) -> Any:
    """Return a node with NumPy arrays, which NIR asks for; values shared by a population get its shape, if known."""
    fields = {field.name: getattr(node, field.name) for field in dataclasses.fields(node) if field.init}
    for name, value in fields.items():
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        if isinstance(value, np.ndarray | np.generic):
            value = np.asarray(value)
            fields[name] = np.full(shape, value.item(), value.dtype) if shape and value.size == 1 else value
    return type(node)(**fields)


def _norse(name: str) -> Any:
    return require(f"norse.{name}", extra="norse", purpose="silif_plugins.norse")
