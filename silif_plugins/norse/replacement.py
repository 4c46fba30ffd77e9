"""Swap the neurons of a network that is written for Norse's own."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..neurons import Learn
from ..optional import require
from ..swapping import Replacement, Replacements, evaluating, input_shapes, swap
from .conversion import Place
from .forms import FORMS, Forms
from .modules import Size
from .parameters import SCALES, SUPER
from .silif import SiLIF


class Form(NamedTuple):
    """Which of the four forms of a neuron a class is, and the model it is of."""

    model: str
    time: bool
    recurrent: bool


PLACES = ("torch", "torch.module.lif_box")
"""Where Norse has its modules; LIFBox is not among those it exports."""

MODELS = ("LIF", "LIFBox", "LSNN")
SUFFIXES = {"Cell": (False, False), "": (True, False), "RecurrentCell": (False, True), "Recurrent": (True, True)}

NORSE_SHARPNESS = 100.0
"""Norse's default of alpha."""


def from_lif(lif: Any, new: Any = SiLIF, *, size: Size | None = None, learn: Learn = True, **options: Any) -> nn.Module:
    """Return a module to put in the place of one of Norse's LIF, LIFBox or LSNN, in any of their forms.

    It starts as that neuron and learns its time constants and adaptation from there:

    - SiLIF in the place of LIFBox has the same voltages and spikes, but for one thing: a spike subtracts v_th - v_reset
      where Norse's default sets the potential to v_reset. With LIFBox's ``reset_subtract`` all is equal. The potential
      is measured from v_leak, and that of the state is the one before the reset.
    - LIF filters its current, which two states cannot do beside an adaptation. The membrane keeps its decay, and the
      input is scaled by what the filter sums up, 1 / (dt tau_syn_inv): a constant current, or the same charge,
      brings the potential as far, without the delay.
    - LSNN raises its threshold by beta at a spike; SiLIF lowers its input by as much, with the same time constant
      (beta up to 2 v_th). C-SiLIF has no adaptation, and starts as LIF.
    - C-SiLIF neurons start with a slow rotation, of up to 0.4 radians within a time constant: without it they could
      not learn one.

    The surrogate is that of the old neuron, but for the alpha of "super" where it is Norse's default, 100: versions of
    Norse do not agree on what that does, and it becomes our default. The gradient flows through the reset, also where
    Norse cuts it, which is with recurrence: measured on Norse's examples, nothing learns better with it cut. The
    weights of recurrent modules are kept, as the very parameters that they are; so is a threshold that is a parameter,
    if v_leak is 0.

    Args:
        lif: The module to be replaced. It is not changed.
        new: ``SiLIF`` or ``CSiLIF``; which of its four forms is found from ``lif``.
        size: Number of neurons, or shape of the population; known for recurrent modules and from parameters that
            differ between neurons. Without it, all neurons share their parameters, as in Norse.
        learn: True, False, or the names of the fields of ``p`` to train.
        **options: Arguments of ``sample``, which take precedence over what is kept: ``a=(0, 0.3), b=(0, 0.5)``
            starts with adaptation, ``method="boxcar", alpha=1`` has the paper's surrogate.

    Raises:
        TypeError: If ``lif`` is no module of these kinds, or ``new`` none of ours.
        ValueError: If ``dt`` is so long, or the leak so fast, that the old neuron forgets all within a step.

    Examples:
        >>> import norse.torch as snn
        >>> from_lif(snn.LIF(dt=0.002), size=10)
        SiLIF((10,), dt=0.002, method='super')
    """
    form = _forms().get(type(lif))
    if form is None:
        raise TypeError(f"lif: got {type(lif).__name__}; it must be one of {', '.join(k.__name__ for k in _forms())}")
    forms = _forms_of(new)
    arguments: dict[str, Any] = {"dt": lif.dt, "learn": learn}
    like = torch.as_tensor(lif.p.v_th)
    dtype, device = torch.promote_types(torch.get_default_dtype(), like.dtype), like.device
    if form.recurrent:
        weights = lif.recurrent_weights
        size, dtype, device = weights.shape[0], weights.dtype, weights.device
        arguments |= {"input_size": lif.input_weights.shape[1], "hidden_size": size}
        arguments |= {"input_weights": lif.input_weights, "recurrent_weights": weights}
        arguments["autapses"] = bool(weights.detach().diagonal().any())
    if form.time:
        arguments["record_states"] = lif.record_states
    start = _start(lif)
    place = _place(lif, form, start, size)
    size = place.size
    start |= forms.parameters_type.in_place_of(place)
    p = forms.parameters_type.sample(size or (1,), **{**start, **options})
    tensors = {name: value.to(device, dtype) for name, value in p._asdict().items() if isinstance(value, Tensor)}
    p = p._replace(**(tensors if size else {name: value.reshape(()) for name, value in tensors.items()}))
    if isinstance(lif.p.v_th, nn.Parameter) and not torch.as_tensor(lif.p.v_leak).any():
        p = p._replace(v_th=lif.p.v_th)
    module: nn.Module = forms.choose(time=form.time, recurrent=form.recurrent)(p=p, **arguments)
    return module.train(lif.training)


def replace(
    net: nn.Module,
    new: Any = SiLIF,
    *,
    sample: Tensor | tuple[Any, ...] | None = None,
    names: Collection[str] | None = None,
    **options: Any,
) -> Replacements:
    """Swap all LIF, LIFBox and LSNN modules of a network, in place, under their names.

    Each is replaced by what :func:`from_lif` makes of it, in the same form: a cell by a cell, a recurrent layer by a
    recurrent layer with the same weights. All else stays as it is.

    Args:
        net: The network: a ``SequentialState``, or any module that holds such neurons.
        new: ``SiLIF`` or ``CSiLIF``.
        sample: An input of the network, or a tuple of its inputs: it is run once, in evaluation mode and without
            gradients, to find the sizes of populations without recurrence. Without it, their neurons share their
            parameters, as Norse's do: they learn, but they cannot come to differ.
        names: Replace only those of these names, as ``net.named_modules()`` has them.
        **options: Arguments for every new neuron; see :func:`from_lif`.

    Returns:
        What was replaced; print it.

    Raises:
        ValueError: If nothing is found to be replaced.

    Examples:
        >>> import norse.torch as snn
        >>> net = snn.SequentialState(nn.Linear(4, 8), snn.LIF(), nn.Linear(8, 2), snn.LI())
        >>> replace(net, SiLIF, sample=torch.rand(5, 1, 4))
        name  was  is     size  v_th  input_scale  reset_scale  parameters
        1     LIF  SiLIF  8     1     5            1            40
    """
    found = {name: module for name, module in net.named_modules() if type(module) in _forms()}
    if names is not None:
        if missing := sorted(set(names) - set(found)):
            listed = ", ".join(found) or "none"
            raise ValueError(f"names: {missing[0]!r} is no neuron that can be replaced; there are: {listed}")
        found = {name: found[name] for name in names}
    if not found or "" in found:
        listed = ", ".join(form.__name__ for form in _forms())
        raise ValueError(f"net: it holds none of {listed}; for a single neuron, use from_lif")
    sizes = {} if sample is None else _sizes(net, found.values(), sample)
    device = next((tensor.device for tensor in (*net.parameters(), *net.buffers())), None)
    made = []
    for name, module in found.items():
        try:
            made.append(Replacement(name, module, from_lif(module, new, size=sizes.get(module), **options).to(device)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    swap(net, made)
    return Replacements(made, described=_described)


def _described(new: Any) -> dict[str, str]:
    p = new.p
    size = " x ".join(map(str, p.state_space(new.dt).shape)) or "shared"
    units = {name: f"{torch.as_tensor(getattr(p, name)).mean().item():.3g}" for name in ("v_th", *SCALES)}
    return {"size": size, **units}


def _forms() -> dict[type[nn.Module], Form]:
    """Return the classes of Norse that can be replaced; not every version has all."""
    places = [require(f"norse.{name}", extra="norse", purpose="silif_plugins.norse") for name in PLACES]
    forms = {}
    for model in MODELS:
        for suffix, form in SUFFIXES.items():
            cls = next((vars(place)[model + suffix] for place in places if model + suffix in vars(place)), None)
            if cls is not None:
                forms[cls] = Form(model, *form)
    return forms


def _forms_of(new: Any) -> Forms:
    """Return the forms of a named neuron, if it can take another's place."""
    able = {forms.layer: forms for forms in FORMS.values() if hasattr(forms.parameters_type, "in_place_of")}
    if new not in able:
        known = " or ".join(sorted((layer.__name__ for layer in able), key=len))
        raise TypeError(f"new: got {getattr(new, '__name__', new)}; it must be {known}")
    return able[new]


def _start(lif: Any) -> dict[str, Any]:
    """Return the arguments of ``sample`` that have the same meaning in every model."""
    p = lif.p
    v_th, v_leak, v_reset = (torch.as_tensor(value).detach() for value in (p.v_th, p.v_leak, p.v_reset))
    subtracts = getattr(getattr(p, "reset_method", None), "__name__", "") == "reset_subtract"
    method = SUPER if p.method == "adjoint" else p.method
    return {
        "dt": lif.dt,
        "v_th": v_th - v_leak,
        "reset_scale": v_th if subtracts else v_th - v_reset,
        "method": method,
        "alpha": None if method == SUPER and float(p.alpha) == NORSE_SHARPNESS else float(p.alpha),
    }


def _place(lif: Any, form: Form, start: dict[str, Any], size: Size | None) -> Place:
    """Return what the old neuron was; its size from parameters that differ between neurons, if it is not given."""
    p, dt = lif.p, lif.dt
    leak = (dt * torch.as_tensor(p.tau_mem_inv).detach()).double()  # rounded as Norse rounds it
    if not bool(((leak > 0) & (leak < 1)).all()):
        raise ValueError(f"lif: got dt * tau_mem_inv = {leak.max().item():g}; it must be between 0 and 1")
    gain = torch.tensor(1.0)
    if form.model != "LIFBox":
        gain = 1 / (dt * torch.as_tensor(p.tau_syn_inv).detach()).double()
    adaptation: tuple[Tensor, Tensor] | None = None
    if form.model == "LSNN":
        jump, recovery = (torch.as_tensor(value).detach().double() for value in (p.beta, p.tau_adapt_inv))
        adaptation = jump, recovery
    reset = start["reset_scale"]
    if size is None:
        values = (leak, gain, reset, start["v_th"], *(adaptation or ()))
        shape = torch.broadcast_shapes(*(value.shape for value in values))
        size = tuple(shape) if math.prod(shape) > 1 else ()
    rate = -torch.log1p(-leak) / dt
    return Place(dt, rate, leak, gain, reset, adaptation, (size,) if isinstance(size, int) else size)


def _sizes(net: nn.Module, neurons: Collection[nn.Module], sample: Any) -> dict[nn.Module, Size]:
    """Return the population of every neuron that a sample reaches: after a convolution, positions share parameters."""
    with evaluating(net):
        shapes = input_shapes(net, neurons, sample)
    sizes: dict[nn.Module, Size] = {}
    for neuron, shape in shapes.items():
        if population := shape[2 if _forms()[type(neuron)].time else 1 :]:
            sizes[neuron] = (population[0], *[1] * (len(population) - 1))
    return sizes
