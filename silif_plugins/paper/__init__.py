"""The paper's tables: recipes for their rows, and runs of them beside what was published."""

from . import recipes
from .ablation import ABLATIONS, WHOLE, Variant, variants_of
from .recipes import CONVENTIONS, Recipe, Row
from .reproduction import Reproduced, comparison, figures, notes, reproduce

__all__ = [
    "ABLATIONS",
    "CONVENTIONS",
    "WHOLE",
    "Recipe",
    "Reproduced",
    "Row",
    "Variant",
    "comparison",
    "figures",
    "notes",
    "recipes",
    "reproduce",
    "variants_of",
]
