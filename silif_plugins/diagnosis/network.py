"""Run a network once and say what its layers did."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from ..dynamics import LinearSystem, StateSpace, eigenvalues, is_stable, oscillates, spectral_radius, stability_margin
from .advice import DEAD, advise
from .layers import Layer, spiking_layers
from .recording import ALWAYS, Recording
from .report import Diagnosis, LayerDiagnosis, Quantiles
from .untouched import untouched


@torch.no_grad()
def diagnose(
    net: nn.Module, sample: Tensor | tuple[Any, ...], *, steps: int | None = None, over_time: bool = False
) -> Diagnosis:
    """Run a sample through a network and say, layer by layer, whether its neurons can learn.

    It takes networks of snnTorch, Norse and SpArchNet, however they are nested, with our neurons or the hosts' own.
    It runs in evaluation mode, without gradients and from rest, and leaves nothing behind: modes, states, gradients,
    statistics of batch norms and random numbers are afterwards as they were.

    Of our neurons everything is told; of the hosts' own what can be seen from outside: how they fire, and for
    ``snn.Leaky`` and its like where the surrogate passes gradient. Readouts, whose membrane is taken, may be silent:
    those with an infinite threshold are left out, neurons of snnTorch with ``reset_mechanism="none"`` get no advice.

    Args:
        net: The network.
        sample: An input of it, or a tuple of its inputs, as it takes them; a batch of the training data is best.
        steps: For a network written for one step: how many times to run it on the same sample. It must keep its
            states itself, or have an argument ``state`` and return (output, state), as Norse's do.
        over_time: For a network written for one step: run it on sample[0], sample[1], ... of each input [T, ...].

    Raises:
        ValueError: If the network has no spiking layer, none of them ran, or they ran for one step only and neither
            ``steps`` nor ``over_time`` says that this is meant.

    Examples:
        >>> import silif_plugins
        >>> from silif_plugins.sparch import SpArchNet
        >>> net = SpArchNet(8, (16,), 4, neuron="LIF", normalization="none", neuron_options={"threshold": 9.0})
        >>> print(silif_plugins.diagnose(net, torch.rand(2, 50, 8)))
        layer     class  size  rate   silent  saturated  gradient
        hidden.0  LIF    16    0.000  100 %   0 %        0 %
        <BLANKLINE>
        layer     radius  margin  unstable  membrane    second  oscillate
        hidden.0  0.9...  0.0...  0         ... steps   -       0 %
        <BLANKLINE>
        hidden.0: no neuron fires, and no gradient passes that could change it:
          normalization="batchnorm", or a lower neuron_options={"threshold": ...};
          surrogate="atan"
    """
    if steps is not None and (over_time or steps < 1):
        raise ValueError(f"steps: got {steps}; it must be positive, and not given with over_time")
    net = bare(net)
    inputs = sample if isinstance(sample, tuple) else (sample,)
    layers = spiking_layers(net)
    if not layers:
        raise ValueError("net: no spiking layer of snnTorch, Norse or silif_plugins.sparch is in it")
    ran: list[Recording] = []
    with untouched(net), eager(net), contextlib.ExitStack() as stack:
        recordings = [Recording(layer.surrogate, ran) for layer in layers]
        for layer, recording in zip(layers, recordings, strict=True):
            stack.callback(layer.record(recording).remove)
        _run(net, inputs, steps, over_time)
        pairs = sorted(
            ((layer, recording) for layer, recording in zip(layers, recordings, strict=True) if recording.steps),
            key=lambda pair: ran.index(pair[1]),
        )
        if not pairs:
            raise ValueError("sample: none of the spiking layers ran")
        if steps is None and not over_time and all(recording.steps == 1 for recording in ran):
            raise ValueError(
                "sample: the network ran for one step; for a network written for one step give steps= or over_time=True"
            )
        return _report(pairs, fresh=_has_fresh_norms(net))


def bare(net: nn.Module) -> nn.Module:
    """Return the network that torch.compile or a wrapper for several devices was given."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = net.module if isinstance(net, wrappers) else getattr(net, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return net
        net = inner


def eager(net: nn.Module) -> contextlib.AbstractContextManager[Any]:
    """Run compiled modules as they are written: what was compiled without hooks does not call them."""
    if any(getattr(each, "_orig_mod", each._compiled_call_impl) is not None for each in net.modules()):
        return torch.compiler.set_stance("force_eager")
    return contextlib.nullcontext()


def _run(net: nn.Module, inputs: tuple[Any, ...], steps: int | None, over_time: bool) -> None:
    """Run the network, once or step by step."""
    if steps is None and not over_time:
        net(*inputs)
        return
    moments = zip(*inputs, strict=True) if over_time else itertools.repeat(inputs, steps or 0)
    keeps_states = "state" not in inspect.signature(net.forward).parameters
    state = None
    for moment in moments:
        if keeps_states:
            net(*moment)
        else:
            _, state = net(*moment, state=state)


def _has_fresh_norms(net: nn.Module) -> bool:
    """Whether batch norms have no statistics yet: in evaluation mode they then normalise nothing."""
    seen = [getattr(module, "num_batches_tracked", None) for module in net.modules()]
    return any(each is not None and not bool(each) for each in seen)


def _report(pairs: list[tuple[Layer, Recording]], *, fresh: bool) -> Diagnosis:
    """Turn what was recorded, in the order in which the layers ran, into figures and advice."""
    reports: list[LayerDiagnosis] = []
    for layer, recording in pairs:
        rates = recording.rates
        figures = LayerDiagnosis(
            name=layer.name,
            kind=layer.kind,
            size=len(rates),
            firing_rate=float(rates.mean()),
            silent=float((rates == 0).double().mean()),
            saturated=float((rates > ALWAYS).double().mean()),
            gradient=recording.gradient,
        )
        if (space := layer.space) is not None:
            figures = dataclasses.replace(figures, **_dynamics(space, layer.timestep))
        if not (layer.may_be_silent and figures.silent >= DEAD):
            before = reports[-1] if reports else None
            figures = dataclasses.replace(figures, advice=advise(figures, layer.remedies, before, fresh=fresh))
        reports.append(figures)
    return Diagnosis(tuple(reports))


def _dynamics(space: StateSpace | LinearSystem, timestep: Tensor | None) -> dict[str, Any]:
    """Return what the eigenvalues of a population tell."""
    membrane, second = time_constants(space, timestep)
    return {
        "radius": float(spectral_radius(space).max()),
        "margin": float(stability_margin(space).min()),
        "unstable": int((~is_stable(space)).sum()),
        "membrane": _quantiles(membrane),
        "second": _quantiles(second),
        "in_seconds": timestep is not None,
        "oscillating": float(oscillates(space).double().mean()),
    }


def time_constants(space: StateSpace | LinearSystem, timestep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Return the time constants -Δ / log \|eigenvalue\| of the membrane and of the second state, [\*neurons].

    Where states are coupled both share both: that of the membrane is then the eigenvalue nearer to a11. Of a system of
    more states the first are those of the slowest mode, the second those of all others.

    Args:
        space: The neurons.
        timestep: Δ in seconds; steps of 1 by default.

    Returns:
        Both, float64: 0 for a state that keeps nothing, infinite or negative for one that does not decay. The second
        are [\*neurons, n - 1] for a system of n states.

    Examples:
        >>> space = StateSpace.of(a11=0.9, a22=torch.tensor([0.99, 0.0]))
        >>> membrane, second = time_constants(space)
        >>> membrane.round(decimals=1).tolist(), second.round(decimals=1).tolist()
        ([9.5, 9.5], [99.5, 0.0])
    """
    found = eigenvalues(space)
    if isinstance(space, StateSpace):
        nearer = (found - space.a11.double().unsqueeze(-1)).abs().argmin(dim=-1, keepdim=True)
        moduli = torch.cat([found.gather(-1, nearer), found.gather(-1, 1 - nearer)], dim=-1).abs()
    else:
        moduli = found.abs().sort(dim=-1, descending=True).values
    moduli = moduli.where(moduli > 1e-9, 0.0)  # rounding leaves a trace of a state that keeps nothing
    step = 1.0 if timestep is None else timestep.to(moduli).unsqueeze(-1)
    times = -step / moduli.log()
    return times[..., 0], times[..., 1] if isinstance(space, StateSpace) else times[..., 1:]


def _quantiles(times: Tensor) -> Quantiles | None:
    """Return the spread of the time constants of the states that keep something."""
    times = times[(times > 0) & times.isfinite()]
    if not len(times):
        return None
    return Quantiles(*(float(each) for each in torch.quantile(times, times.new_tensor([0.1, 0.5, 0.9]))))
