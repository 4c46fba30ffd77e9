"""What blocks share: a gated layer across channels, dropout of whole channels, and norms that see no padding."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..synapses import SpikeLinear

Normalization = Literal["batchnorm", "layernorm", "none"]

MOMENTUM = 0.05
"""Of batch norm, as in the SiLIF paper's code."""


class ChannelDropout(nn.Module):
    """Dropout that drops channels of a sample for the whole sequence, as the published code of S4 does.

    Args:
        share: Probability that a channel is dropped in training.

    Raises:
        ValueError: If it is no share below 1.

    Examples:
        >>> kept = ChannelDropout(0.5)(torch.ones(10, 2, 4))
        >>> bool((kept == kept[0]).all()), kept.unique().tolist() in ([0.0, 2.0], [0.0], [2.0])
        (True, True)
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        check_dropout(share)
        self.share = share

    def extra_repr(self) -> str:
        """Return the share, for ``print``."""
        return f"{self.share}"

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs [T, B, H] with channels dropped, the others raised to keep the mean."""
        if not self.training or not self.share:
            return inputs
        return inputs * nn.functional.dropout(torch.ones_like(inputs[:1]), self.share)


class GatedMixing(nn.Module):
    """Mixes channels: one half of a linear layer, times the sigmoid of the other (GLU).

    Zeros of its input, such as the times without a spike, are left out where that is faster: the weights are a
    `silif_plugins.synapses.SpikeLinear`.

    Args:
        channels: Number of channels H.
        dropout: Probability that a channel of the input is dropped in training.

    Examples:
        >>> GatedMixing(8)(torch.rand(10, 2, 8)).shape
        torch.Size([10, 2, 8])
    """

    def __init__(self, channels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = ChannelDropout(dropout)
        self.weights = SpikeLinear(channels, 2 * channels, bias=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return outputs of the inputs' shape, [..., H]."""
        return nn.functional.glu(self.weights(self.dropout(inputs)))


class SequenceNorm(nn.Module):
    """Normalisation over channels, or over steps and samples alike, of the steps that are no padding.

    Args:
        channels: Number of channels H.
        kind: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.

    Raises:
        ValueError: If there is no such kind.

    Examples:
        >>> norm = SequenceNorm(3, "batchnorm")
        >>> valid = torch.tensor([[True], [True], [False]])
        >>> norm(torch.randn(3, 1, 3), valid)[2]
        tensor([[0., 0., 0.]], grad_fn=...)
    """

    def __init__(self, channels: int, kind: Normalization) -> None:
        super().__init__()
        check_normalization(kind)
        self.norm: nn.Module = nn.Identity()
        if kind == "batchnorm":
            self.norm = nn.BatchNorm1d(channels, momentum=MOMENTUM)
        elif kind == "layernorm":
            self.norm = nn.LayerNorm(channels)

    def forward(self, inputs: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return inputs [T, B, H] normalised, zero where ``valid`` [T, B] is false; or one step of them, [B, H]."""
        if valid is None:
            normalised: Tensor = self.norm(inputs.flatten(0, -2))
            return normalised.view_as(inputs)
        normalised = self.norm(inputs[valid])
        return normalised.new_zeros(inputs.shape).index_put((valid,), normalised)


def check_dropout(share: float) -> None:
    """Raise ValueError unless this is a share below 1."""
    if not 0 <= share < 1:
        raise ValueError(f"dropout: got {share}; it must be at least 0 and below 1")


def check_normalization(kind: str) -> None:
    """Raise ValueError unless there is such a normalisation."""
    if kind not in get_args(Normalization):
        raise ValueError(f"normalization: got {kind!r}; it must be one of {', '.join(get_args(Normalization))}")
