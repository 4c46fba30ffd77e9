"""Explanations for those who bring the words of another neuron."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

Constructor = TypeVar("Constructor", bound=Callable[..., None])

_DECAY = "its decays are set by {decays}"
_LEARN = "write learn=True, False or the names of the parameters to train"
_WORDS = {
    "alpha": _DECAY,
    "beta": _DECAY,
    "learn_alpha": _LEARN,
    "learn_beta": _LEARN,
    "reset_delay": "the reset always acts on the next step, as with reset_delay=True: leave it out",
    "init_state": "pass a state to the first step instead",
}


def explain_host_words(*, decays: str) -> Callable[[Constructor], Constructor]:
    """Let a constructor explain the arguments of ``snn.Leaky`` and ``snn.Synaptic`` that it does not have.

    Args:
        decays: The constructor's own words for what sets its decays.
    """

    def decorate(init: Constructor) -> Constructor:
        own = inspect.signature(init).parameters

        @functools.wraps(init)
        def explained(self: Any, *args: Any, **kwargs: Any) -> None:
            for word in kwargs:
                if word in _WORDS and word not in own:
                    advice = _WORDS[word].format(decays=decays)
                    raise TypeError(f"{type(self).__name__}() takes no {word!r}: {advice}")
            init(self, *args, **kwargs)

        return cast(Constructor, explained)

    return decorate


def population(size: int | Sequence[int]) -> int | tuple[int, ...]:
    """Check the first argument of a neuron: its size, not the decay that ``snn.Leaky`` has there.

    Raises:
        TypeError: If it is neither a whole number nor several of them.
    """
    sizes = (size,) if isinstance(size, int) else size
    if isinstance(sizes, (tuple, list)) and all(isinstance(n, int) and not isinstance(n, bool) for n in sizes):
        return size if isinstance(size, int) else tuple(size)
    raise TypeError(
        f"size: got {size!r}; it is the number of neurons, such as 128, or their shape, such as (32, 1, 1) "
        "after a convolution with 32 channels"
    )
