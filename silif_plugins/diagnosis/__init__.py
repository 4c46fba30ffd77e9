"""Why a spiking network does not learn: what its layers do with a sample, and what to change."""

from .advice import DEAD, SATURATED, UNREACHED
from .clamps import clamped
from .network import diagnose
from .recording import ALWAYS, REACH
from .report import Diagnosis, LayerDiagnosis, Quantiles
from .silence import SilenceWarning, SilenceWatch

__all__ = [
    "ALWAYS",
    "DEAD",
    "REACH",
    "SATURATED",
    "UNREACHED",
    "Diagnosis",
    "LayerDiagnosis",
    "Quantiles",
    "SilenceWarning",
    "SilenceWatch",
    "clamped",
    "diagnose",
]
