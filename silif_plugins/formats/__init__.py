"""Model networks as files that others run: one exporter a format, in a register that is open.

``silif export RUN --to NAME`` and `export` take every format that `register_exporter` knows.
"""

from .checks import ExportError, check_exportable
from .executorch_program import to_executorch
from .forms import Form, sequence_form, step_form
from .nir_readers import READERS, NirReport, check_nir, write_nir
from .onnx_model import to_onnx
from .register import EXPORTERS, Exporter, Model, export, exporter_named, register_exporter
from .torch_program import to_torch_program

__all__ = [
    "EXPORTERS",
    "READERS",
    "ExportError",
    "Exporter",
    "Form",
    "Model",
    "NirReport",
    "check_exportable",
    "check_nir",
    "export",
    "exporter_named",
    "register_exporter",
    "sequence_form",
    "step_form",
    "to_executorch",
    "to_onnx",
    "to_torch_program",
    "write_nir",
]
