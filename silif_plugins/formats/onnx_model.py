"""ONNX: the graph of a network with one ``Scan`` over time, or of one time step."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import write_file
from ..optional import require
from .checks import ExportError
from .forms import Form, form_of, tensors
from .register import Model, register_exporter
from .torch_program import about, recorded, sample_of


def to_onnx(trained: Model, path: Path, *, step: bool = False, lengths: bool = False) -> dict[str, Any]:
    """A model of ONNX, for onnxruntime and whatever else runs it.

    On whole sequences it takes ``inputs`` [B, T, N] of any batch and number of steps and gives ``scores`` and
    ``firing_rates``. For one step, inputs of the state have the names of what is in it, ``state.hidden.0.mem`` and so
    on; its outputs begin with ``next.``. Its metadata ``about`` says the shapes. Where onnxruntime is
    installed, the model is run beside the network before it is written.

    Args:
        trained: The network.
        path: The file.
        step: One time step at a time: takes inputs and state, returns scores so far, spikes and state.
        lengths: Take the steps of each sequence, too; what follows is padding. One beyond the steps counts as all.

    Returns:
        The file, its size in bytes, the shapes of its inputs, and whether it was run.

    Raises:
        ExportError: If the network cannot be exported, or onnxruntime gives other results; the message names the layer.
        ImportError: If onnx or onnxscript is not installed.
    """
    for package in ("onnx", "onnxscript"):
        require(package, extra="formats", purpose="ONNX")
    form = form_of(trained.net, step=step, num_inputs=trained.facts.get("num_inputs"), lengths=lengths)
    program = recorded(form)
    with torch.no_grad():
        outputs = tensors(form(*form.example()))
    said = about(form, trained)
    try:
        made: Any = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=list(said["inputs"]),
            output_names=[_output(name) for name in outputs],
        )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise ExportError(f"{type(trained.net).__name__}: cannot be written in ONNX: {reason}") from error
    made.model.metadata_props["about"] = json.dumps(said)
    content: bytes = made.model_proto.SerializeToString()
    if checked := find_spec("onnxruntime") is not None:
        _check(content, form)
    write_file(path, content)
    return {"file": str(path), "bytes": len(content), "inputs": said["inputs"], "run by onnxruntime": checked}


def _output(name: str) -> str:
    """Name of an output; the state after a step has other names than that before it."""
    return "next." + name.removeprefix("state.") if name.startswith("state.") else name


def _check(content: bytes, form: Form) -> None:
    """Raise unless onnxruntime gives what the network gives."""
    runtime = require("onnxruntime", extra="formats", purpose="Running ONNX")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    sample = sample_of(form)
    given = tensors(dict(zip(form.inputs, sample, strict=True)))
    got = session.run(None, {name: value.numpy() for name, value in given.items()})
    with torch.no_grad():
        expected = tensors(form(*sample))
    for (name, value), other in zip(expected.items(), got, strict=True):
        if not torch.allclose(value, Tensor(other).to(value), rtol=1e-4, atol=1e-4):
            raise ExportError(f"{type(form).__name__}: onnxruntime gives other {name} than the network")


register_exporter("onnx", to_onnx, suffix=".onnx")
