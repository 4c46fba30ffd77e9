"""The paper's tables: recipes for their rows, and runs of them beside what was published."""

from . import recipes
from .recipes import CONVENTIONS, Recipe, Row
from .reproduction import Reproduced, comparison, figures, notes, reproduce

__all__ = [
    "CONVENTIONS",
    "Recipe",
    "Reproduced",
    "Row",
    "comparison",
    "figures",
    "notes",
    "recipes",
    "reproduce",
]
