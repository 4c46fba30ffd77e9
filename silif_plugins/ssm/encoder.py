"""How networks read: features or one-hot tokens through weights, tokens by a look-up; and two documents compared."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Encoder = Literal["linear", "embedding"]


class TokenEmbedding(nn.Module):
    """Looks the vectors of tokens up: what weights without a bias make of one-hot tokens, without multiplying.

    Args:
        vocabulary: Tokens 1 to V; 0 stands for none, whose vector is zero.
        width: Length of the vectors.

    Examples:
        >>> embedding = TokenEmbedding(4, 3)
        >>> looked_up = embedding(torch.tensor([[2.0], [0.0]]))         # [..., 1]: numbers
        >>> torch.equal(looked_up, embedding(torch.tensor([[0, 1, 0, 0], [0, 0, 0, 0]])))   # [..., V]: one-hot
        True
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.out_features = width
        # Not from nn.Embedding's wide range: its norm would be that of all layers' outputs to come.
        self.weight = nn.Parameter(torch.randn(vocabulary, width) / width**0.5)

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return f"{self.weight.shape[0]} tokens, {self.out_features}"

    def forward(self, tokens: Tensor) -> Tensor:
        """Return vectors [..., H] of tokens as numbers [..., 1], or one-hot [..., V].

        Raises:
            ValueError: If a number is no token.
        """
        if tokens.shape[-1] == len(self.weight) != 1:
            return tokens.to(self.weight.dtype) @ self.weight
        numbers = tokens.squeeze(-1).long()
        if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) <= len(self.weight):
            got = f"{int(numbers.min())} to {int(numbers.max())}"
            raise ValueError(f"tokens: got {got}; they must be 0 to {len(self.weight)}")
        found = nn.functional.embedding((numbers - 1).clamp(min=0), self.weight)
        return found * (numbers > 0).unsqueeze(-1)


class Comparison(nn.Module):
    """Says of two documents what one alone would not tell: a layer over both, their product and their difference.

    As the Long Range Arena does (Tay and others, 2021), with one hidden layer, as the published code of S4 does.

    Args:
        width: Length H of a document's vector.
        num_classes: Number of classes C.

    Examples:
        >>> Comparison(8, 2)(torch.rand(6, 8)).shape                      # [2 B, H]: all first ones, all second ones
        torch.Size([3, 2])
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(4 * width, width)
        self.scores = nn.Linear(width, num_classes)

    def forward(self, documents: Tensor) -> Tensor:
        """Return scores [B, C] of the vectors of B pairs, [2 B, H]."""
        one, other = documents.chunk(2)
        found: Tensor = self.scores(torch.relu(self.hidden(torch.cat([one, other, one * other, one - other], dim=-1))))
        return found


def ends(inputs: Tensor) -> Tensor:
    """Return the number of steps of each document [T, B, N] up to the last that is not zero, integers [B], at least 1.

    Examples:
        >>> ends(torch.tensor([[[1.0]], [[0.0]], [[2.0]], [[0.0]]])).tolist()
        [3]
    """
    steps = torch.arange(1, len(inputs) + 1, device=inputs.device).unsqueeze(1)
    return ((inputs != 0).any(-1) * steps).amax(0).clamp(min=1)


def check_encoder(encoder: str, documents: int) -> None:
    """Raise ValueError unless there is such an encoder, and such a number of documents; the message names one."""
    if encoder not in get_args(Encoder):
        raise ValueError(f"encoder: got {encoder!r}; it must be one of {', '.join(get_args(Encoder))}")
    if documents not in (1, 2):
        raise ValueError(f"documents: got {documents}; it must be 1 or 2")
