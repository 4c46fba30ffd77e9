"""``torch.export``: a program that PyTorch alone reads and runs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch

from ..files import write_file
from .checks import ExportError, failures_named
from .forms import BATCH, STEPS, Form, form_of, is_ours, shapes, tensors
from .register import Model, register_exporter

ABOUT = "about.json"
"""Name, among the extra files of a program, of what is said of it."""


def recorded(form: Form, sizes: tuple[int, int] | None = None) -> Any:
    """Record a form as a ``torch.export.ExportedProgram`` for batches of any size and, if it can, any number of steps.

    Args:
        form: The form.
        sizes: Batch and number of steps if the program is to take these alone.

    Raises:
        ExportError: If it cannot be recorded, or the record gives other results; the message names the layer.
    """
    if is_ours(form):
        batch, steps = torch.export.Dim("batch", min=1), torch.export.Dim("steps", min=1)
    else:  # as far as what others wrote allows
        batch = steps = torch.export.Dim.AUTO
    with torch.no_grad(), failures_named(form):
        if sizes is None:
            program = torch.export.export(form, form.example(), dynamic_shapes=form.dimensions(batch, steps))
        else:
            program = torch.export.export(form, form.example(*sizes))
    run = program.module()
    sample = sample_of(form) if sizes is None else form.example(*sizes)
    with torch.no_grad():
        expected, got = tensors(form(*sample)), tensors(run(*sample))
    for name, value in expected.items():
        if not torch.allclose(value, got[name], rtol=1e-4, atol=1e-5):
            raise ExportError(f"{type(form).__name__}: the recorded program gives other {name} than the network")
    return program


def sample_of(form: Form) -> tuple[Any, ...]:
    """Return inputs by which a record is compared with its network, of other sizes than the recorded ones if it can."""
    return form.example(BATCH + 1, STEPS + 2) if is_ours(form) else form.example()


def about(form: Form, trained: Model) -> dict[str, Any]:
    """Return what a file says of itself."""
    said: dict[str, Any] = {"inputs": shapes(form)}
    if trained.config is not None:
        said["trained_with"] = trained.config.settings()
    return said


def to_torch_program(trained: Model, path: Path, *, step: bool = False, lengths: bool = False) -> dict[str, Any]:
    """A program of torch.export, which runs where only PyTorch is installed.

    ``torch.export.load(path).module()`` is a module. On whole sequences it takes inputs [B, T, N] of any batch and
    number of steps and returns a dict of ``scores`` [B, C] and ``firing_rates``. The extra file ``about.json`` says the
    shapes.

    Args:
        trained: The network.
        path: The file.
        step: One time step at a time: takes inputs and state, returns scores so far, spikes and state.
        lengths: Take the steps of each sequence, too; what follows is padding. One beyond the steps counts as all.

    Returns:
        The file, its size in bytes, and the shapes of its inputs.

    Raises:
        ExportError: If the network cannot be exported; the message names the layer.

    Examples:
        >>> import tempfile
        >>> from silif_plugins.neurons import SiLIF
        >>> neurons = SiLIF(4)
        >>> current = 3 * torch.rand(50, 7, 4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = to_torch_program(Model(neurons), Path(folder, "neurons.pt2"))
        ...     run = torch.export.load(Path(folder, "neurons.pt2")).module()
        >>> torch.equal(run(current)["spikes"], neurons(current)[0])
        True
    """
    form = form_of(trained.net, step=step, num_inputs=trained.facts.get("num_inputs"), lengths=lengths)
    program = recorded(form)
    said = about(form, trained)
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={ABOUT: json.dumps(said)})
    write_file(path, content.getvalue())
    return {"file": str(path), "bytes": len(content.getvalue()), "inputs": said["inputs"]}


register_exporter("pt2", to_torch_program, suffix=".pt2")
