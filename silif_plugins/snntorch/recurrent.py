"""Neurons that drive each other, for one step: a recurrent population of a NIR graph in snnTorch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import linear

from .membrane import at_rest
from .spiking import Spiking


class Recurrent(nn.Module):
    """A population whose spikes drive it in the next step: I[t] = W x[t] + V s[t-1].

    What :func:`import_from_nir` makes of a recurrent population of another host, and :func:`export_to_nir` writes. Its
    neuron keeps the state, so that :func:`reset` brings it to rest.

    Args:
        neuron: The neurons, with ``init_hidden=True``.
        input_weights: W, [hidden, inputs]; a copy of it trains, as of the following.
        recurrent_weights: V, [hidden, hidden] (to, from).
        autapses: Whether neurons drive themselves. If not, the diagonal does not act.

    Raises:
        ValueError: If the neuron does not keep its state, or a shape does not fit.

    Examples:
        >>> import torch
        >>> from silif_plugins.snntorch import SiLIF
        >>> layer = Recurrent(SiLIF(4, init_hidden=True), torch.rand(4, 3), torch.rand(4, 4))
        >>> for x in torch.rand(5, 2, 3):
        ...     spk = layer(x)
        >>> spk.shape
        torch.Size([2, 4])
    """

    def __init__(
        self, neuron: Spiking, input_weights: Tensor, recurrent_weights: Tensor, *, autapses: bool = False
    ) -> None:
        super().__init__()
        if not neuron.init_hidden or neuron.sequence or neuron.output:
            raise ValueError("neuron: it must be made with init_hidden=True, without sequence and output")
        hidden = tuple(input_weights.shape[:1])
        if tuple(recurrent_weights.shape) != 2 * hidden or neuron.size not in (hidden, (1,)):
            raise ValueError(
                f"recurrent_weights: got shape {tuple(recurrent_weights.shape)} for neurons {neuron.size} and "
                f"input_weights {tuple(input_weights.shape)}; it must be [hidden, hidden]"
            )
        self.neuron = neuron
        self.input_weights = nn.Parameter(input_weights.detach().clone())
        self.recurrent_weights = nn.Parameter(recurrent_weights.detach().clone())
        self.autapses = autapses

    @property
    def synapses(self) -> Tensor:
        """The recurrent weights that act, [hidden, hidden] (to, from): without autapses unless they are allowed."""
        weights = self.recurrent_weights
        return weights if self.autapses else weights.diagonal_scatter(weights.new_zeros(weights.shape[0]))

    def forward(self, input_: Tensor) -> Tensor:
        """Return the spikes [B, hidden] after a step with the input [B, inputs].

        Raises:
            ValueError: If :func:`over_time` runs it: its steps need each other.
        """
        neuron = self.neuron
        if neuron._over_time is not None:
            raise ValueError("Recurrent: every step needs the spikes of the last, which over_time cannot do; step it")
        current = linear(input_, self.input_weights)
        mem = neuron.mem
        if not at_rest(mem):
            mem = mem.as_subclass(Tensor) if isinstance(mem, Tensor) else mem.mem
            last = neuron.spike_grad(mem - neuron.threshold).to(current.dtype)
            current = current + linear(last, self.synapses)
        spk: Tensor = neuron(current)
        return spk
