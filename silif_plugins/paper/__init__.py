"""The paper's tables: recipes for their rows, and runs of them beside what was published."""

from .recipes import CONVENTIONS, SETS, Recipe, Row, default_for, describe, find, in_set, names, read
from .reproduction import Reproduced, comparison, figures, notes, reproduce

__all__ = [
    "CONVENTIONS",
    "SETS",
    "Recipe",
    "Reproduced",
    "Row",
    "comparison",
    "default_for",
    "describe",
    "figures",
    "find",
    "in_set",
    "names",
    "notes",
    "read",
    "reproduce",
]
