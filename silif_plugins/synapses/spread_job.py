"""What kernels are told of a linear layer behind inputs that are spread over lags."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .channel_filter import padded_rows, plainly_spread
from .dropout import dropped
from .events import dropout_numbers


class SpreadJob:
    """Sizes of a layer, and the same layer by PyTorch's operations.

    Args:
        window: [past + steps, B, inputs].
        weight: [outputs, inputs].
        lags: Number of lags.
        steps: Number T of steps.
        dropout: Share of the window that is dropped.
        seed: Which ones.
    """

    def __init__(self, window: Tensor, weight: Tensor, lags: int, steps: int, dropout: float, seed: int) -> None:
        from .filter_kernels import STRIP_BYTES

        length, batch, inputs = window.shape
        self.steps, self.before, self.dropout, self.seed = steps, length - steps, dropout, seed
        self.columns, self.rows = STRIP_BYTES // window.element_size(), padded_rows(length, lags)
        self.sizes = {
            "steps": steps,
            "before": self.before,
            "batch": batch,
            "inputs": inputs,
            "outputs": len(weight),
            "lags": lags,
            "rows": self.rows,
            **dropout_numbers(dropout, seed),
        }

    def plain(self, window: Tensor, weight: Tensor, taps: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the outputs by operations that can be differentiated twice."""
        arrived = plainly_spread(dropped(window, self.dropout, self.seed), taps, self.steps)
        return functional.linear(arrived, weight, bias)
