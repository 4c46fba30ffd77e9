"""Trained networks as files that others run: one exporter a format, in a register that is open.

``silif export RUN --to NAME`` and `export` take every format that `register_exporter` knows.
"""

from .checks import ExportError, check_exportable
from .forms import Form, sequence_form, step_form
from .onnx_model import to_onnx
from .register import EXPORTERS, Exporter, Trained, export, exporter_named, register_exporter
from .torch_program import to_torch_program

__all__ = [
    "EXPORTERS",
    "ExportError",
    "Exporter",
    "Form",
    "Trained",
    "check_exportable",
    "export",
    "exporter_named",
    "register_exporter",
    "sequence_form",
    "step_form",
    "to_onnx",
    "to_torch_program",
]
