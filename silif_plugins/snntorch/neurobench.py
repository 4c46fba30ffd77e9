"""What NeuroBench must know to count the operations of our neurons: it looks them up by the class of a layer.

Its metric ``NeuronOperations`` has numbers for snnTorch's own classes, and reports 0.0 for all others.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..dynamics import StateSpace
from ..metrics import neuron_operations

if TYPE_CHECKING:
    from .spiking import Spiking

TABLE = "neurobench.metrics.workload.neuron_operations"


def tell_neurobench(layer: Spiking) -> None:
    """Enter what a step of a layer takes into NeuroBench's table, if a program has imported that.

    The counts are those of the neuron with a subtracted reset; a reset to zero is another product, none is a term less.
    Layers of one class share an entry: of `Spiking` itself, which hosts any neuron, that of the layer that came last.
    """
    module: Any = sys.modules.get(TABLE)
    neuron = layer._modules.get("neuron")
    if module is None or neuron is None:
        return
    space: StateSpace = neuron.state_space()
    resets = sum(bool(field.any()) for field in (space.r1, space.r2))
    subtract = neuron_operations(space)
    without = neuron_operations(space._replace(r1=0 * space.r1, r2=0 * space.r2))
    counts = {"subtract": subtract, "zero": subtract + int(resets > 0), "none": without}
    module.neuron_ops_reset_operations[type(layer).__name__] = counts
