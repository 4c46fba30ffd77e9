"""Bring the neurons of a network to rest."""

from __future__ import annotations

import snntorch as snn
from torch import nn

from .delayed import Delayed


def reset(net: nn.Module) -> None:
    """Bring all spiking neurons of a network to rest, snnTorch's own and ours, and empty delays, before a new batch.

    ``snntorch.utils.reset`` of snnTorch 1.0.0 works on our neurons too, but it misses those in nested containers and
    resets those of other networks; this one finds those of ``net``, wherever they are, and no others. ``net`` may be
    a single neuron.

    Examples:
        >>> import torch
        >>> from silif_plugins.snntorch import SiLIF
        >>> lif = SiLIF(3, init_hidden=True)
        >>> spk = lif(torch.ones(2, 3))
        >>> reset(torch.nn.Sequential(torch.nn.Sequential(lif)))
        >>> lif.mem.shape
        torch.Size([0])
    """
    for module in net.modules():
        if isinstance(module, snn.SpikingNeuron | Delayed):
            # Neurons that run whole sequences have neither: they keep no state.
            for name in ("reset_mem", "reset_state"):
                if callable(restart := getattr(module, name, None)):
                    restart()
                    break
