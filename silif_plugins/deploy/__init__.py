"""Out of PyTorch: trained networks as plain numbers, quantised, in C, in a browser, and as streams.

`quantise` makes a `QuantisedNet`, whose arithmetic is that of a chip to the last bit; `to_c` and `to_web` write it, and
`silif_plugins.deploy.machines` runs what was written. As ``"c"`` and ``"web"`` they are formats of
`silif_plugins.formats.export`. `Stream` feeds a network, quantised or not, as its input comes.
"""

from .c_export import to_c
from .exporters import BITS, STEP, export_c, prepared
from .fixed_point import FixedSpace, StateType
from .folding import FoldedLayer, FoldedNet, FoldError, fold
from .hearing import Hearing
from .listening import Listener
from .machines import Cortex, Host, Machine, Outcome, Wasm, run_on, run_on_sound
from .quantisation import quantise
from .quantised import LayerState, NetState, QuantisedLayer, QuantisedNet, Trace
from .report import ChipReport, chip_report
from .streaming import Decision, Stream, decisions
from .web import export_web, to_web

__all__ = [
    "BITS",
    "STEP",
    "ChipReport",
    "Cortex",
    "Decision",
    "FixedSpace",
    "FoldError",
    "FoldedLayer",
    "FoldedNet",
    "Hearing",
    "Host",
    "LayerState",
    "Listener",
    "Machine",
    "NetState",
    "Outcome",
    "QuantisedLayer",
    "QuantisedNet",
    "StateType",
    "Stream",
    "Trace",
    "Wasm",
    "chip_report",
    "decisions",
    "export_c",
    "export_web",
    "fold",
    "prepared",
    "quantise",
    "run_on",
    "run_on_sound",
    "to_c",
    "to_web",
]
