"""Networks that can be trained: what they take and return, and how settings name them.

A network is a module that takes sequences [B, T, N] and the number of valid steps of each, integers [B] or None where
all are, and returns scores [B, C], firing rates [neurons] and synaptic operations. A factory makes it: a class, or a
function with annotated arguments. `register_network` gives it a name, by which settings, recipes, checkpoints and the
command line know it; its options are the factory's arguments.

Training asks for no more. What it uses where it is there: a module ``readout`` starts anew where trained weights are
taken to other classes, modules with parameters that learn in their own way say so (`.optimisation`), batch norms of
type `BatchNorm1d` are recalibrated, and `silif_plugins.diagnose` looks at spiking layers that it knows. A network with
``decoupled_weight_decay = True`` is trained by AdamW. One with ``language_model = True`` predicts each token from those
before: its scores are log-likelihoods, one for each token that it was to predict, [B, T - 1], zero at padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from ..hints import did_you_mean
from ..sparch import S5RFNet, SpArchNet
from ..ssm import LanguageModel, MambaNet, S4DNet, SpikingLinOSSNet, SpikingSSMNet
from .options import Option, of_function

Factory = Callable[..., nn.Module]

SIZES = ("num_inputs", "num_classes")
"""Arguments of a factory that come from the data."""


class Output(NamedTuple):
    """What a network returns.

    Attributes:
        scores: For each class, [B, C]; the loss takes them as logits. Of language models log-likelihoods, [B, T - 1].
        firing_rates: Spikes per neuron and time step, [neurons].
        synaptic_operations: Mean number per sample; a tensor of one number, or a number.
    """

    scores: Tensor
    firing_rates: Tensor
    synaptic_operations: Tensor | float


class Network(NamedTuple):
    """A kind of network.

    Attributes:
        factory: Makes one, from ``num_inputs``, ``num_classes`` and the options, all of them by name.
        options: What settings may say of it.
        check: Raises ValueError for options that the factory would refuse.
    """

    factory: Factory
    options: dict[str, Option]
    check: Callable[..., None] | None = None


NETWORKS: dict[str, Network] = {}
"""All that are registered, by their names."""


def register_network(
    name: str,
    factory: Factory,
    *,
    defaults: Mapping[str, Any] | None = None,
    check: Callable[..., None] | None = None,
) -> None:
    """Give a network a name for settings, recipes, checkpoints and the command line; a later one replaces an earlier.

    Args:
        name: Its name.
        factory: A class or function that makes the network. It is called with ``num_inputs``, ``num_classes`` and its
            options by name. These are its other arguments: text, numbers, booleans, lists or values by their names,
            annotated, with defaults. It must be found by its name in a module where processes share the work.
        defaults: Values in the place of the factory's own.
        check: Called with all options before anything is loaded; raises ValueError for those that make no network.

    Raises:
        ValueError: If an argument is of another type or has no default, or another network has an option of its name
            and another type.

    Examples:
        >>> class Rates(nn.Module):
        ...     '''Counts the spikes of each channel.
        ...
        ...     Args:
        ...         num_inputs: Channels.
        ...         num_classes: Classes.
        ...         gain: Of the scores.
        ...     '''
        ...
        ...     def __init__(self, num_inputs: int, num_classes: int, gain: float = 1.0) -> None:
        ...         super().__init__()
        ...         self.gain, self.readout = gain, nn.Linear(num_inputs, num_classes)
        ...
        ...     def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Output:
        ...         rates = inputs.mean(dim=1)
        ...         return Output(self.gain * self.readout(rates), rates.mean(dim=0), 0.0)
        >>> register_network("rates", Rates)
        >>> NETWORKS["rates"].options["gain"].description
        'Of the scores.'
        >>> del NETWORKS["rates"]
    """
    options = of_function(factory, without=SIZES, defaults=defaults)
    for other, network in NETWORKS.items():
        for option in options.keys() & network.options.keys() if other != name else ():
            if options[option].kind != network.options[option].kind:
                raise ValueError(
                    f"{option}: is {options[option].kind} in {name}, but {network.options[option].kind} in {other}; "
                    "give it another name, so that command lines mean the same"
                )
    NETWORKS[name] = Network(factory, options, check)


def network_named(name: object) -> Network:
    """Return a kind of network.

    Raises:
        ValueError: If there is none of this name; the message lists the names.

    Examples:
        >>> network_named("sparch").factory.__name__
        'SpArchNet'
        >>> network_named("spach")
        Traceback (most recent call last):
        ValueError: architecture: got 'spach'; it must be one of ...; did you mean sparch?
    """
    if not isinstance(name, str) or name not in NETWORKS:
        hint = did_you_mean(str(name), NETWORKS)
        raise ValueError(f"architecture: got {name!r}; it must be one of {', '.join(NETWORKS)}{hint}")
    return NETWORKS[name]


def reads_tokens(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a network looks tokens up, so that data of tokens need not come one-hot.

    Examples:
        >>> reads_tokens("s4d", {"encoder": "embedding"}), reads_tokens("sparch", {})
        (True, False)
    """
    return options.get("encoder") == "embedding" or getattr(network_named(name).factory, "language_model", False)


def run(net: nn.Module, inputs: Tensor, lengths: Tensor | None) -> Output:
    """Run a network on sequences [B, T, N] and see that it returns what it must.

    Raises:
        TypeError: If it returns anything else.
    """
    output = net(inputs, lengths)
    if not isinstance(output, tuple) or len(output) != len(Output._fields):
        got = f"{len(output)} values" if isinstance(output, tuple) else type(output).__name__
        raise TypeError(f"network: its forward gave {got}; it must give {', '.join(Output._fields)}")
    return Output(*output)


class Verdict(NamedTuple):
    """How good the scores of a batch are.

    Attributes:
        loss: Sum of the losses of all decisions.
        right: How many of them are right; NaN where nobody looks, as for language models.
        decisions: Their number: samples, or tokens that were predicted.
    """

    loss: Tensor
    right: float
    decisions: int


def is_language_model(net: nn.Module) -> bool:
    """Whether a network predicts tokens instead of classes."""
    return bool(getattr(net, "language_model", False))


def judge(scores: Tensor, labels: Tensor, lengths: Tensor | None, *, language: bool) -> Verdict:
    """Judge the scores of samples: by cross entropy with their labels, or of a language model by its log-likelihoods.

    Examples:
        >>> import torch
        >>> judge(torch.tensor([[0.0, 0.0]]), torch.tensor([1]), None, language=False)
        Verdict(loss=tensor(0.6931), right=0, decisions=1)
        >>> judge(torch.tensor([[-1.0, -2.0, 0.0]]), torch.tensor([0]), torch.tensor([3]), language=True)
        Verdict(loss=tensor(3.), right=nan, decisions=2)
    """
    if language:
        tokens = scores.numel() if lengths is None else int((lengths - 1).sum())
        return Verdict(-scores.sum(), math.nan, tokens)
    right = int((scores.argmax(dim=1) == labels).sum())
    return Verdict(nn.functional.cross_entropy(scores, labels, reduction="sum"), right, len(labels))


def figure_of_merit(right: float, loss: float, decisions: float, *, language: bool) -> float:
    """Return the share of decisions that are right; of a language model 1 / perplexity.

    That is the geometric mean of the probabilities that it gave to the tokens that came.

    Examples:
        >>> figure_of_merit(3, 1.0, 4, language=False), figure_of_merit(math.nan, 0.0, 4, language=True)
        (0.75, 1.0)
    """
    return math.exp(-loss / decisions) if language else right / decisions


DEFAULT_NETWORK = "sparch"

register_network(
    DEFAULT_NETWORK, SpArchNet, defaults={"hidden_sizes": (128, 128), "dropout": 0.1}, check=SpArchNet.check
)

register_network("s5-rf", S5RFNet, defaults={"hidden_sizes": (128, 128), "dropout": 0.1}, check=S5RFNet.check)
register_network("language-model", LanguageModel, check=LanguageModel.check)

SCALES = {
    "3x64": {"layers": 3, "width": 64, "state_size": 32},
    "4x128": {"layers": 4, "width": 128, "state_size": 32},
    "6x128": {"layers": 6, "width": 128, "state_size": 64},
}
"""Sizes of state space systems in the SiLIF paper's Table 9, which follow their names, as in s4d-6x128."""

_SYSTEMS: dict[str, Any] = {"s4d": S4DNet, "spiking-ssm": SpikingSSMNet, "mamba": MambaNet}

for _name, _system in _SYSTEMS.items():
    for _scale, _sizes in SCALES.items():
        register_network(f"{_name}-{_scale}", _system, defaults=_sizes, check=_system.check)

register_network("spiking-linoss", SpikingLinOSSNet, check=SpikingLinOSSNet.check)

for _name, _system in _SYSTEMS.items():
    register_network(_name, _system, check=_system.check)


def classifiers() -> list[str]:
    """Return the names of the networks that are registered, but for language models.

    Examples:
        >>> classifiers()[-3:]
        ['s4d', 'spiking-ssm', 'mamba']
        >>> "s4d-6x128" in classifiers(), "language-model" in classifiers()
        (True, False)
    """
    return [name for name, network in NETWORKS.items() if not getattr(network.factory, "language_model", False)]
