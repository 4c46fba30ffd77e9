"""Swap the neurons of a network that is written for snnTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import snntorch as snn
import torch
from torch import Tensor, nn

from ..swapping import Replacement, Replacements, input_shapes, swap
from .evaluation import evaluation
from .named import Named
from .silif import SiLIF
from .spiking import Spiking


def from_leaky(
    leaky: Any,
    neuron: Callable[..., Spiking] = SiLIF,
    *,
    size: int | tuple[int, ...] | None = None,
    **options: Any,
) -> Spiking:
    """Return a neuron to put in the place of ``snn.Leaky`` or ``snn.Synaptic``.

    It keeps what both have: threshold, surrogate, hidden states and what is returned, inhibition, reset mechanism,
    quantisation, graded spikes. SiLIF and CSiLIF start at its ``beta``, as ``SiLIF(size, beta=...)`` does. AdLIF and
    CAdLIF have decays of their own and scale the current by 1 - α, where snnTorch feeds it to the membrane as it is, so
    that a constant current I brings that to I / (1 - beta): their threshold is (1 - beta) times that of the old neuron
    (for ``snn.Synaptic`` (1 - alpha)(1 - beta)). Before they adapt, all fire at the same constant current.

    Args:
        leaky: The neuron to be replaced. It is not changed.
        neuron: Constructor of the new one: a class of this package, or a function of size and options.
        size: Number of neurons; by default found from the shape of the old one's parameters or of its state, if it
            has run. After a convolution all positions of a channel share their parameters: (C, 1, 1).
        **options: Arguments of the constructor, which take precedence over what is kept; ``spike_grad="boxcar"`` is
            the paper's surrogate.

    Raises:
        TypeError: If ``leaky`` is no neuron of these kinds.
        ValueError: If the size cannot be found.

    Examples:
        >>> from_leaky(snn.Leaky(beta=0.9, threshold=2.0, init_hidden=True), size=10)
        SiLIF(
          threshold=2, init_hidden, detach_reset
          (neuron): SiLIF(10, threshold=1)
        )
    """
    if type(leaky) not in (snn.Leaky, snn.Synaptic):
        raise TypeError(f"leaky: got {type(leaky).__name__}; it must be a snntorch.Leaky or snntorch.Synaptic")
    size = size or _size_of(leaky)
    if size is None:
        raise ValueError("size: not known, for the neuron never ran; give size=, or to replace() a sample=")
    threshold = leaky.threshold.detach().clone()
    beta = leaky.beta.detach().clamp(0, 1)
    alpha = leaky.alpha.detach().clamp(0, 1) if isinstance(leaky, snn.Synaptic) else None
    kept: dict[str, Any] = {"threshold": threshold}
    if isinstance(neuron, type) and issubclass(neuron, Named):
        kept = neuron.in_place_of(threshold, beta, alpha, options)
    kept |= {
        "threshold": _scalar(kept["threshold"]),
        "learn_threshold": isinstance(leaky.threshold, nn.Parameter),
        "spike_grad": leaky.spike_grad,
        "surrogate_disable": leaky.surrogate_disable,
        "init_hidden": leaky.init_hidden,
        "inhibition": leaky.inhibition,
        "reset_mechanism": leaky.reset_mechanism,
        "state_quant": leaky.state_quant,
        "output": leaky.output,
        "graded_spikes_factor": _scalar(leaky.graded_spikes_factor.detach()),
        "learn_graded_spikes_factor": isinstance(leaky.graded_spikes_factor, nn.Parameter),
    }
    new = neuron(size, **{**kept, **options})
    if alpha is not None:
        new.init_synaptic()
    new.to(leaky.threshold.device)
    if leaky.threshold.is_floating_point():
        new.to(leaky.threshold.dtype)
    return new.train(leaky.training)


def replace(
    net: nn.Module,
    old: type[nn.Module] = snn.Leaky,
    new: Callable[..., Spiking] = SiLIF,
    *,
    sample: Tensor | tuple[Any, ...] | None = None,
    names: Collection[str] | None = None,
    **options: Any,
) -> Replacements:
    """Swap all neurons of a kind in a network, in place, under their names.

    Each is replaced by what :func:`from_leaky` makes of it. Linear layers and all else stay as they are, trained or
    not; the new neurons are untrained. If the network's own loop unpacks states, as ``spk, mem = lif(cur, mem)``, it
    stays as it is too.

    Args:
        net: The network.
        old: Which neurons to replace: ``snn.Leaky`` or ``snn.Synaptic``.
        new: What to put there: a class of this package, or a function of size and options.
        sample: An input of the network, or a tuple of its inputs: it is run once, in evaluation mode and without
            gradients, to find the sizes. Not needed where the old neurons have run already.
        names: Replace only those of these names, as ``net.named_modules()`` has them.
        **options: Arguments for every new neuron; see :func:`from_leaky`.

    Returns:
        What was replaced; print it. Neurons that the sample does not reach are named, and stay as they are.

    Raises:
        ValueError: If nothing is found to be replaced, or the size of a neuron is not known.

    Examples:
        >>> net = nn.Sequential(nn.Linear(4, 8), snn.Leaky(beta=0.9, init_hidden=True))
        >>> replace(net, snn.Leaky, SiLIF, sample=torch.rand(1, 4))
        name  was    is     size  threshold  parameters
        1     Leaky  SiLIF  8     1          40
    """
    found = {name: module for name, module in net.named_modules() if type(module) is old}
    if names is not None:
        if missing := sorted(set(names) - set(found)):
            raise ValueError(f"names: {missing[0]!r} is no {old.__name__} of this network; it has {', '.join(found)}")
        found = {name: found[name] for name in names}
    if not found or "" in found:
        raise ValueError(f"net: it has no layer of type {old.__name__}; for a single neuron, use from_leaky")
    sizes = _sizes(net, found.values(), sample) if sample is not None else {}
    made: list[Replacement] = []
    left: list[str] = []
    for name, module in found.items():
        size = sizes.get(module) or _size_of(module)
        if size is None:
            if sample is None:
                raise ValueError(f"{name}: its size is not known, for it never ran; give a sample= of the net's input")
            left.append(name)
            continue
        try:
            neuron = from_leaky(module, new, size=size, **options)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        made.append(Replacement(name, module, neuron))
    if not made:
        raise ValueError(f"sample: it reached no layer of type {old.__name__}, so that no size is known")
    swap(net, made)
    return Replacements(made, left, _described)


def _described(new: Spiking) -> dict[str, str]:
    return {"size": " x ".join(map(str, new.size)), "threshold": f"{new.threshold.mean().item():.3g}"}


def _sizes(net: nn.Module, neurons: Collection[nn.Module], sample: Any) -> dict[nn.Module, int | tuple[int, ...]]:
    """Return the size of every neuron that a sample reaches."""
    with evaluation(net):
        shapes = input_shapes(net, neurons, sample)
    return {neuron: _population(shape[1:]) for neuron, shape in shapes.items()}


def _size_of(leaky: Any) -> int | tuple[int, ...] | None:
    """Return the size of a neuron of the host from its parameters or its state; None if it is not known."""
    for parameter in (leaky.beta, leaky.threshold, leaky.graded_spikes_factor):
        if parameter.numel() > 1:
            return tuple(parameter.shape)
    if leaky.mem.dim() > 1:
        return _population(leaky.mem.shape[1:])
    return None


def _population(shape: torch.Size) -> int | tuple[int, ...]:
    """Return the size of a population for inputs [B, *shape]: after a convolution, positions share parameters."""
    if not shape:
        raise ValueError("size: not known from inputs without a batch dimension; give size=")
    return shape[0] if len(shape) == 1 else (shape[0], *[1] * (len(shape) - 1))


def _scalar(option: Tensor) -> Tensor:
    """Return an option of one element without dimensions, so that it fits any population."""
    return option.reshape(()) if option.numel() == 1 else option
