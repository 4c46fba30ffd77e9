"""A warning, once, from a layer that stays silent while it trains."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn

from ..surrogate import is_plain

CALLS = 20
"""Calls in training mode after which a silent layer warns."""


class SilenceWarning(UserWarning):
    """A layer has not fired since its training began."""


class SilenceWatch:
    """Watches a layer's first calls in training mode, and warns if it does not fire in any of them.

    A layer makes one, and calls it in its forward pass with itself and its spikes::

        self.silence = SilenceWatch("lower threshold=, or put a batch norm before it")   # in __init__
        self.silence(self, spikes)                                                       # in forward

    It looks no more after the first spike, after the warning and in evaluation mode, nor while the layer is compiled,
    exported, traced or transformed by ``torch.func``: it then costs a test. Copies and pickles of the layer carry on
    from where it was.

    Layers that never fire on purpose are left alone: those whose threshold is infinite, and those that do not reset
    (``reset_mechanism="none"``), whose membrane is what is read.

    Args:
        remedy: What to do, in the words of the layer's arguments.
        calls: Number of calls without a spike, or of sequences for a layer that is called once for every time step.

    Examples:
        >>> layer, silence = nn.Linear(4, 8), SilenceWatch("lower threshold=", calls=2)
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     for _ in range(5):
        ...         silence(layer, torch.zeros(10, 2, 8))
        >>> print(caught[0].message)
        Linear of 8 neurons: no spike in its first 2 calls in training, so that what comes after it cannot learn. Try:
        lower threshold=. silif_plugins.diagnose(net, sample) tells more.
        >>> len(caught)
        1
    """

    def __init__(self, remedy: str, calls: int = CALLS) -> None:
        self.remedy = remedy
        self.calls = self.left = calls
        self.watches = True

    def __call__(self, layer: nn.Module, spikes: Tensor, *, begins: bool | None = None) -> None:
        """Look at the spikes of a call; their last dimension is neurons.

        Args:
            layer: The layer that is called.
            spikes: What it returns.
            begins: Whether this call is the first step of a sequence, or goes on with one; None for a call that is a
                whole sequence.

        Warns:
            SilenceWarning: If this was the last of the calls, and none had a spike.
        """
        # Compiled code looks at what precedes the question whether it is compiled, and is made anew when that changes:
        # so this is not the number of calls left.
        if not self.watches or torch.compiler.is_compiling() or not layer.training or not _has_values(spikes):
            return
        if bool(spikes.any()):
            self.watches = False
            return
        if begins is not False:
            self.left -= 1
        # A first step says that the sequences before it are over.
        if self.left > 0 or begins is False or (begins and self.left == 0):
            return
        self.watches = False
        if not _is_silent_on_purpose(layer):
            calls = "calls" if begins is None else "sequences"
            warnings.warn(
                f"{type(layer).__name__} of {spikes.shape[-1]} neurons: no spike in its first {self.calls} {calls} in "
                f"training, so that what comes after it cannot learn. Try: {self.remedy}. "
                "silif_plugins.diagnose(net, sample) tells more.",
                SilenceWarning,
                stacklevel=2,
            )


def _has_values(spikes: Tensor) -> bool:
    """Whether a tensor has values that Python may look at now."""
    if not is_plain() or spikes.is_meta or not spikes.numel():
        return False
    # Fake tensors and others that stand for something else; and a GPU cannot be asked while its work is recorded.
    return type(spikes) is Tensor and not (spikes.is_cuda and torch.cuda.is_current_stream_capturing())


def _is_silent_on_purpose(layer: nn.Module) -> bool:
    """Whether a layer cannot fire, or is read by its membrane."""
    if getattr(layer, "reset_mechanism", None) == "none":
        return True
    threshold = getattr(layer, "threshold", getattr(getattr(layer, "neuron", None), "threshold", None))
    return isinstance(threshold, Tensor) and bool((threshold == math.inf).all())
