"""SiLIF, C-SiLIF and the neurons they are compared with, native to Norse.

Functions over explicit state tuples, and thin modules on Norse's own bases over them::

    import norse.torch as snn
    from silif_plugins.norse import SiLIF, SiLIFParameters

    network = snn.SequentialState(
        torch.nn.Linear(140, 128), SiLIF(128), torch.nn.Linear(128, 20), snn.LI()
    )

Modules come as Norse's do: ``SiLIFCell`` for a step, ``SiLIF`` for a sequence, ``SiLIFRecurrentCell`` and
``SiLIFRecurrent`` with recurrence, and so for every model; ``NeuronCell`` and its siblings host any
:class:`silif_plugins.neurons.Neuron`. Functions know the model by its parameters, as in
``feed_forward_step(x, state, p)``.
Layout is time first, [T, B, neurons]; ``dt`` is in seconds.

Raises:
    ImportError: If Norse is not installed; it says what to install.
"""

from ..swapping import Replacement, Replacements
from .adlif import (
    AdLIF,
    AdLIFCell,
    AdLIFRecurrent,
    AdLIFRecurrentCell,
    CAdLIF,
    CAdLIFCell,
    CAdLIFRecurrent,
    CAdLIFRecurrentCell,
)
from .csilif import (
    CSiLIF,
    CSiLIFCell,
    CSiLIFParameters,
    CSiLIFRecurrent,
    CSiLIFRecurrentCell,
    CSiLIFState,
)
from .functional import feed_forward_integral, feed_forward_step, recurrent_integral, recurrent_step
from .hosting import (
    NeuronCell,
    NeuronLayer,
    NeuronParameters,
    NeuronRecurrent,
    NeuronRecurrentCell,
    NeuronState,
)
from .nir import from_nir, to_nir
from .parameters import spike_function
from .prf import PRF, PRFCell, PRFRecurrent, PRFRecurrentCell
from .replacement import from_lif, replace
from .rf import RF, RFCell, RFRecurrent, RFRecurrentCell
from .s5rf import S5RF, S5RFCell, S5RFRecurrent, S5RFRecurrentCell
from .silif import (
    SiLIF,
    SiLIFCell,
    SiLIFParameters,
    SiLIFRecurrent,
    SiLIFRecurrentCell,
    SiLIFState,
)

__all__ = [
    "PRF",
    "RF",
    "S5RF",
    "AdLIF",
    "AdLIFCell",
    "AdLIFRecurrent",
    "AdLIFRecurrentCell",
    "CAdLIF",
    "CAdLIFCell",
    "CAdLIFRecurrent",
    "CAdLIFRecurrentCell",
    "CSiLIF",
    "CSiLIFCell",
    "CSiLIFParameters",
    "CSiLIFRecurrent",
    "CSiLIFRecurrentCell",
    "CSiLIFState",
    "NeuronCell",
    "NeuronLayer",
    "NeuronParameters",
    "NeuronRecurrent",
    "NeuronRecurrentCell",
    "NeuronState",
    "PRFCell",
    "PRFRecurrent",
    "PRFRecurrentCell",
    "RFCell",
    "RFRecurrent",
    "RFRecurrentCell",
    "Replacement",
    "Replacements",
    "S5RFCell",
    "S5RFRecurrent",
    "S5RFRecurrentCell",
    "SiLIF",
    "SiLIFCell",
    "SiLIFParameters",
    "SiLIFRecurrent",
    "SiLIFRecurrentCell",
    "SiLIFState",
    "feed_forward_integral",
    "feed_forward_step",
    "from_lif",
    "from_nir",
    "recurrent_integral",
    "recurrent_step",
    "replace",
    "spike_function",
    "to_nir",
]
