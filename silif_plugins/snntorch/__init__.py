"""SiLIF, C-SiLIF and the neurons they are compared with, as neurons of snnTorch.

Replace ``snn.Leaky(beta=0.9)`` or ``snn.Synaptic(alpha=0.9, beta=0.8)`` by ``SiLIF(size)``; the rest of the code stays.

Raises:
    ImportError: If snnTorch is not installed; it says what to install.
"""

from ..optional import require

require("snntorch", extra="snntorch", purpose="silif_plugins.snntorch")

from ..swapping import Replacement, Replacements  # noqa: E402
from .adlif import AdLIF, CAdLIF  # noqa: E402
from .any_neuron import AnyNeuron  # noqa: E402
from .csilif import CSiLIF  # noqa: E402
from .delayed import Delayed  # noqa: E402
from .layerwise import over_time  # noqa: E402
from .membrane import Membrane  # noqa: E402
from .nir import export_to_nir, import_from_nir  # noqa: E402
from .prf import PRF  # noqa: E402
from .recurrent import Recurrent  # noqa: E402
from .replacement import from_leaky, replace  # noqa: E402
from .resetting import reset  # noqa: E402
from .rf import RF  # noqa: E402
from .s5rf import S5RF  # noqa: E402
from .silif import SiLIF  # noqa: E402
from .spiking import Spiking  # noqa: E402
from .state import SecondOrderState  # noqa: E402

__all__ = [
    "PRF",
    "RF",
    "S5RF",
    "AdLIF",
    "AnyNeuron",
    "CAdLIF",
    "CSiLIF",
    "Delayed",
    "Membrane",
    "Recurrent",
    "Replacement",
    "Replacements",
    "SecondOrderState",
    "SiLIF",
    "Spiking",
    "export_to_nir",
    "from_leaky",
    "import_from_nir",
    "over_time",
    "replace",
    "reset",
]
