"""The paper's tables: recipes for their rows, and runs of them beside what was published."""

from . import recipes
from .ablation import ABLATIONS, WHOLE, Variant, variants_of
from .drawing import Drawn, chosen_runs, figures_of_network, figures_of_results, of_neurons
from .eigenvalues import published_eigenvalues
from .operations import event_ssm_operations, s5_rf_operations
from .recipes import CONVENTIONS, Recipe, Row
from .reproduction import Reproduced, comparison, figures, notes, reproduce

__all__ = [
    "ABLATIONS",
    "CONVENTIONS",
    "WHOLE",
    "Drawn",
    "Recipe",
    "Reproduced",
    "Row",
    "Variant",
    "chosen_runs",
    "comparison",
    "event_ssm_operations",
    "figures",
    "figures_of_network",
    "figures_of_results",
    "notes",
    "of_neurons",
    "published_eigenvalues",
    "recipes",
    "reproduce",
    "s5_rf_operations",
    "variants_of",
]
