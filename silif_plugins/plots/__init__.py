"""Figures. Every function draws with matplotlib (extra [plot]) and returns the figure; :func:`save` writes it.

All take ``ax``: axes of yours to draw into, or as many of them as the figure has panels. Colours are told apart by the
colour-blind; in grey print markers, line styles or a panel each tell things apart. The ground is transparent, and ink
and colours are readable on white and on black: in SVG the ink is that of the text around it. No window is opened and no
global state of matplotlib is touched.
"""

from .activity import raster, traces
from .bars import grouped_bars
from .canvas import COLOURS, INK, MARKERS, blank, legend, save, svg
from .neurons import delay_matrices, eigenvalue_plane, impulse_response, parameter_histograms, regimes
from .results import accuracies, accuracy_against_operations, confusion, learning_curves, pareto_front

__all__ = [
    "COLOURS",
    "INK",
    "MARKERS",
    "accuracies",
    "accuracy_against_operations",
    "blank",
    "confusion",
    "delay_matrices",
    "eigenvalue_plane",
    "grouped_bars",
    "impulse_response",
    "learning_curves",
    "legend",
    "parameter_histograms",
    "pareto_front",
    "raster",
    "regimes",
    "save",
    "svg",
    "traces",
]
