"""Explanations for those who bring the words of another neuron."""

from __future__ import annotations

from collections.abc import Sequence

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

SAME = {"reset_delay": True, "learn_alpha": True, "learn_beta": True}
"""Values of arguments of snnTorch's own neurons that ask for what these neurons do anyway."""


def answer(word: str, decays: str) -> str | None:
    """Say what to write instead of an argument of snnTorch's own neurons; None for a word that they do not have.

    Args:
        word: Name of the argument.
        decays: The constructor's own words for what sets its decays.
    """
    return _ANSWERS[word].format(decays=decays) if word in _ANSWERS else None


def population(size: int | Sequence[int]) -> tuple[int, ...]:
    """Check the first argument of a neuron: its size, not the decay that ``snn.Leaky`` has there.

    Raises:
        TypeError: If it is neither a whole number nor several of them.
    """
    sizes = (size,) if isinstance(size, int) else size
    if isinstance(sizes, (tuple, list)) and all(isinstance(n, int) and not isinstance(n, bool) for n in sizes):
        return tuple(sizes)
    raise TypeError(
        f"size: got {size!r}; it is the number of neurons, such as 128, or their shape, such as (32, 1, 1) "
        "after a convolution with 32 channels"
    )
