"""ExecuTorch: the program that PyTorch's runtime for phones and microcontrollers runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

from ..files import write_file
from ..optional import require
from .checks import ExportError, failures_named
from .forms import Form, form_of, tensors
from .register import Model, register_exporter
from .torch_program import recorded

PURPOSE = "Writing programs of ExecuTorch"


def to_executorch(
    trained: Model, path: Path, *, step: bool = False, batch: int = 1, steps: int = 100
) -> dict[str, Any]:
    """A program of ExecuTorch, for phones and microcontrollers.

    Inputs and outputs are those of `to_torch_program`, one after the other as their names are said; sizes are fixed,
    as all memory is planned ahead. Operators are ExecuTorch's portable ones. The program is run beside the network
    before it is written.

    Args:
        trained: The network.
        path: The file.
        step: One time step at a time: takes inputs and state, returns scores so far, spikes and state.
        batch: Sequences at a time.
        steps: Time steps of a sequence; of no matter for one step at a time.

    Returns:
        The file, its size in bytes, the shapes of its inputs and the names of its outputs, in their order.

    Raises:
        ExportError: If the network cannot be exported, or the program gives other results; the message names the layer.
        ValueError: If a size is not positive.
        ImportError: If executorch is not installed.
    """
    for name, size in (("batch", batch), ("steps", steps)):
        if size < 1:
            raise ValueError(f"{name}: got {size}; it must be 1 or more")
    exir = require("executorch.exir", extra="executorch", purpose=PURPOSE)
    form = form_of(trained.net, step=step, num_inputs=trained.facts.get("num_inputs"))
    sample = form.example(batch, steps)
    program = recorded(form, (batch, steps))
    with torch.no_grad():
        expected = tensors(form(*sample))
    with failures_named(form):
        content = bytes(exir.to_edge(program).to_executorch().buffer)
    _check(content, form, sample, expected)
    write_file(path, content)
    given = tensors(dict(zip(form.inputs, sample, strict=True)))
    inputs = {name: list(value.shape) for name, value in given.items()}
    return {"file": str(path), "bytes": len(content), "inputs": inputs, "outputs": list(expected)}


def _check(content: bytes, form: Form, sample: tuple[Any, ...], expected: dict[str, Tensor]) -> None:
    """Raise unless the runtime gives what the network gives."""
    runtime = require("executorch.runtime", extra="executorch", purpose=PURPOSE)
    program = runtime.Runtime.get().load_program(content)  # its memory must outlive what runs it
    got = program.load_method("forward").execute(_pytree.tree_leaves(sample))
    for (name, value), other in zip(expected.items(), got, strict=True):
        if not torch.allclose(value, other.to(value), rtol=1e-4, atol=1e-5):
            raise ExportError(f"{type(form).__name__}: ExecuTorch gives other {name} than the network")


register_exporter("pte", to_executorch, suffix=".pte")
