"""SiLIF and C-SiLIF, and any other neuron of this package, native to Norse.

Functions over explicit state tuples, and thin modules on Norse's own bases over them::

    import norse.torch as snn
    from silif_plugins.norse import SiLIF, SiLIFParameters

    network = snn.SequentialState(
        torch.nn.Linear(140, 128), SiLIF(128), torch.nn.Linear(128, 20), snn.LI()
    )

Modules come as Norse's do: ``SiLIFCell`` for a step, ``SiLIF`` for a sequence, ``SiLIFRecurrentCell`` and
``SiLIFRecurrent`` with recurrence; ``NeuronCell`` and its siblings host any :class:`silif_plugins.neurons.Neuron`.
Layout is time first, [T, B, neurons]; ``dt`` is in seconds.

Raises:
    ImportError: If Norse is not installed; it says what to install.
"""

from ..swapping import Replacement, Replacements
from .csilif import (
    CSiLIF,
    CSiLIFCell,
    CSiLIFParameters,
    CSiLIFRecurrent,
    CSiLIFRecurrentCell,
    CSiLIFState,
    csilif_feed_forward_integral,
    csilif_feed_forward_step,
    csilif_integral,
    csilif_step,
)
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
from .replacement import from_lif, replace
from .silif import (
    SiLIF,
    SiLIFCell,
    SiLIFParameters,
    SiLIFRecurrent,
    SiLIFRecurrentCell,
    SiLIFState,
    silif_feed_forward_integral,
    silif_feed_forward_step,
    silif_integral,
    silif_step,
)

__all__ = [
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
    "Replacement",
    "Replacements",
    "SiLIF",
    "SiLIFCell",
    "SiLIFParameters",
    "SiLIFRecurrent",
    "SiLIFRecurrentCell",
    "SiLIFState",
    "csilif_feed_forward_integral",
    "csilif_feed_forward_step",
    "csilif_integral",
    "csilif_step",
    "from_lif",
    "from_nir",
    "replace",
    "silif_feed_forward_integral",
    "silif_feed_forward_step",
    "silif_integral",
    "silif_step",
    "spike_function",
    "to_nir",
]
