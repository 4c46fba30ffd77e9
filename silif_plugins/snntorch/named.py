"""What the named neurons share: made of their model, with every option in the signature, and mistakes explained."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from ..hints import did_you_mean
from ..neurons import Neuron
from .options import AllOptions
from .spiking import Spiking
from .words import SAME, answer, population

_SHARED = frozenset(AllOptions.__annotations__)

NAMED: dict[type[Neuron], type[Named]] = {}
"""The named neuron of every model that has one."""


class Named(Spiking):
    """A neuron of snnTorch that makes its population itself; a subclass is registered by :func:`hosts`.

    Args:
        size: Number of neurons, or shape of the population.
        **options: Arguments of the model's constructor and of :class:`Spiking`.
    """

    model: ClassVar[type[Neuron]]
    _of_model: ClassVar[frozenset[str]]

    def __init__(self, size: int | Sequence[int], **options: Any) -> None:
        own = {name: options.pop(name) for name in self._of_model & options.keys()}
        super().__init__(self.model(population(size), **own), **options)

    @classmethod
    def in_place_of(
        cls, threshold: Tensor, beta: Tensor, alpha: Tensor | None, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the options with which this neuron takes the place of one of snnTorch's.

        Args:
            threshold: Threshold of the old neuron.
            beta: Decay of its membrane per step.
            alpha: Decay of its current per step, for ``snn.Synaptic``.
            given: Options that the user gives, which take precedence.
        """
        if not cls.model.normalised:
            return {"threshold": threshold}
        return {"threshold": threshold * (1 - beta) * (1 if alpha is None else 1 - alpha)}


Class = TypeVar("Class", bound=type[Named])


def hosts(model: type[Neuron], *, decays: str) -> Callable[[Class], Class]:
    """Make a class the named neuron of a model, as a decorator.

    The signature of its constructor gets the arguments of the model and of :class:`Spiking`, where it does not have
    them itself; words of ``snn.Leaky`` and ``snn.Synaptic`` are answered, and other unknown ones refused.

    Args:
        model: A model of the core.
        decays: The constructor's own words for what sets its decays.
    """

    def decorate(cls: Class) -> Class:
        cls.model = model
        cls._of_model = frozenset(inspect.signature(model).parameters) - {"size", "threshold"}
        cls.__init__ = _explained(cls.__init__, model, decays)  # type: ignore[method-assign]
        NAMED[model] = cls
        return cls

    return decorate


def _explained(init: Callable[..., None], model: type[Neuron], decays: str) -> Callable[..., None]:
    """Return a constructor with the full signature, which answers for words that are not in it."""
    signature = inspect.signature(init)
    own = {name: p for name, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD}
    of_model = dict(inspect.signature(model).parameters)
    shared = {name: p for name, p in inspect.signature(Spiking.__init__).parameters.items() if name in _SHARED}
    if "threshold" in of_model:
        shared["threshold"] = of_model.pop("threshold")
    known = {**own, **{name: p for name, p in {**of_model, **shared}.items() if name not in own}}

    @functools.wraps(init)
    def constructor(self: Any, *args: Any, **given: Any) -> None:
        for word in [word for word in given if word not in known]:
            if word not in SAME or given[word] is not SAME[word]:
                if advice := answer(word, decays):
                    raise TypeError(f"{type(self).__name__}() takes no {word!r}: {advice}")
                hint = did_you_mean(word, known)
                raise TypeError(f"{init.__qualname__}() got an unexpected keyword argument {word!r}{hint}")
            del given[word]
        init(self, *args, **given)

    constructor.__signature__ = signature.replace(parameters=list(known.values()))  # type: ignore[attr-defined]
    return constructor
