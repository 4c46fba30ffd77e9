"""The arguments that all neurons of this plugin share, written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal, TypedDict, TypeVar, cast

from torch import Tensor

from ..surrogate import SpikeFunction
from .motion import Quantiser, ResetMechanism
from .spiking import Output, Spiking

Constructor = TypeVar("Constructor", bound=Callable[..., None])


class Options(TypedDict, total=False):
    """What :class:`Spiking` takes beside the neuron, with its meaning and its defaults."""

    threshold: float | Tensor
    spike_grad: str | SpikeFunction | None
    surrogate_disable: bool
    init_hidden: bool
    inhibition: bool
    learn_threshold: bool
    reset_mechanism: ResetMechanism
    state_quant: Literal[False] | Quantiser
    output: Output
    graded_spikes_factor: float | Tensor
    learn_graded_spikes_factor: bool
    sequence: bool


class AllOptions(Options, total=False):
    """The same with what SiLIF and CSiLIF have a default of their own for."""

    detach_reset: bool


_DECAY = "its decays are set by {decays}"
_TRAINED = "its decays are trained; learn=False, or the names of the parameters to train, says otherwise"
_ANSWERS = {
    "alpha": _DECAY,
    "beta": _DECAY,
    "learn_alpha": _TRAINED,
    "learn_beta": _TRAINED,
    "reset_delay": "the reset always acts on the next step, as with reset_delay=True: leave it out",
    "init_state": "pass a state to the first step instead",
}
"""What to write instead of an argument of snnTorch's own neurons."""

_SAME = {"reset_delay": True, "learn_alpha": True, "learn_beta": True}
"""Values that ask for what these neurons do anyway."""


def takes_options(*, decays: str) -> Callable[[Constructor], Constructor]:
    """Show the shared options in a constructor's signature, and answer the words of ``snn.Leaky`` and ``snn.Synaptic``.

    Args:
        decays: The constructor's own words for what sets its decays.
    """

    def decorate(init: Constructor) -> Constructor:
        signature = inspect.signature(init)
        shared = dict(inspect.signature(Spiking.__init__).parameters)
        shared["threshold"] = shared["threshold"].replace(default=1.0)  # that of every model
        own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        options = [shared[name] for name in AllOptions.__annotations__ if name not in signature.parameters]

        @functools.wraps(init)
        def constructor(self: Any, *args: Any, **given: Any) -> None:
            for word in [word for word in given if word in _ANSWERS and word not in signature.parameters]:
                if word not in _SAME or given[word] is not _SAME[word]:
                    raise TypeError(
                        f"{type(self).__name__}() takes no {word!r}: {_ANSWERS[word].format(decays=decays)}"
                    )
                del given[word]
            init(self, *args, **given)

        constructor.__signature__ = signature.replace(parameters=own + options)  # type: ignore[attr-defined]
        return cast(Constructor, constructor)

    return decorate
