"""The energy of layers that mix features, as the paper of SpikingSSM estimates it."""

from __future__ import annotations

from .operations import Operations


def feature_mixing(
    steps: float, width: int, layers: int, *, firing_rate: float | None = None, gates: int = 2
) -> Operations:
    """Return the operations of the layers that mix features; their ``energy`` is in joules.

    Each step passes ``width`` channels through a layer to ``gates`` times as many. Of numbers that is

        MACs = layers · steps · width · (gates · width),   energy = 4.6 pJ · MACs

    and of spikes, which only add weights,

        ACs = firing rate · MACs,   energy = 0.9 pJ · ACs

    (Shen et al., 2025, "Computation Cost", with the energies of Horowitz, 2014). All else is left out: the state
    spaces, the neurons, embeddings and readouts, and memory. `OperationCount` counts what a network really does.

    Args:
        steps: Steps of a sample.
        width: Channels H.
        layers: Number of layers.
        firing_rate: Spikes per neuron and step, the mean of the network; None if the layers get numbers.
        gates: Outputs for each channel: two for a gated linear unit.

    Raises:
        ValueError: If a number is negative, or the rate is above 1.

    Examples:
        >>> dense = feature_mixing(8192, 1024, 16)          # WikiText-103, in the paper 275.2 G and 1.265 J
        >>> f"{dense.macs / 1e9:.1f} G, {dense.energy:.3f} J"
        '274.9 G, 1.264 J'
        >>> spikes = feature_mixing(8192, 1024, 16, firing_rate=0.2643)     # in the paper 72.66 G and 65.40 mJ
        >>> f"{spikes.acs / 1e9:.2f} G, {1000 * spikes.energy:.2f} mJ"
        '72.65 G, 65.39 mJ'
    """
    for name, value in (("steps", steps), ("width", width), ("layers", layers), ("gates", gates)):
        if value < 0:
            raise ValueError(f"{name}: got {value}; it must be 0 or more")
    dense = float(layers * steps * width * gates * width)
    if firing_rate is None:
        return Operations(dense, 0.0, dense)
    if not 0 <= firing_rate <= 1:
        raise ValueError(f"firing_rate: got {firing_rate}; it must be 0 to 1")
    return Operations(0.0, firing_rate * dense, dense)
