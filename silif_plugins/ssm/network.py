"""The network that state space blocks are compared in: encoder, normalised residual blocks, mean readout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, get_args

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn

from ..metrics import firing_rates, synaptic_operations
from ..scan import as_lengths
from .diagonal import check_sizes
from .encoder import Comparison, Encoder, TokenEmbedding, check_encoder, ends
from .mixing import Normalization, SequenceNorm, check_dropout, check_normalization

Counting = Literal["paper", "full"]


class Block(Protocol):
    """What the network is made of: a module with these methods, such as `S4D`."""

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return outputs [T, B, H], and spikes if there are any, from inputs [T, B, H]."""

    def step(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Tensor | None, Any]:
        """Return outputs and spikes [B, H], and the state after this step."""

    def operations(self, steps: float, spikes: Tensor | None) -> Tensor:
        """Return the number of multiplications, or additions of weights by spikes, that so many steps take."""


class StateSpaceOutput(NamedTuple):
    """What the network returns.

    Attributes:
        scores: Mean over time of the readout, [B, C].
        firing_rates: Spikes per neuron and time step, [layers * neurons of a block]; of blocks without spikes, the
            share of steps at which what they give is not zero.
        synaptic_operations: Mean number per sample; a number without gradient.
    """

    scores: Tensor
    firing_rates: Tensor
    synaptic_operations: Tensor


class NetworkState(NamedTuple):
    """What the network remembers between steps.

    Attributes:
        blocks: The states of its blocks.
        total: Sum of what the readout has seen, [B, H].
        steps: Number of steps.
    """

    blocks: tuple[Any, ...]
    total: Tensor
    steps: int


class StateSpaceNetwork(nn.Module):
    """An encoder, blocks with normalisation before and a residual around them, and a mean over time.

        x = W u,   x = x + dropout(block(norm(x))) for each block,   scores = mean over time of (V x + b)

    as in the SiLIF paper's published code for S4D, SpikingSSM and Mamba. The encoder has no bias, as there; the layer
    norms that its state dictionaries also hold are never used, and not here.

    Synaptic operations are counted in one of two ways. ``"paper"``: of blocks with spikes, each spike times the width
    of the next layer; of others, each input and each output of a block that is not zero. It leaves out that the gated
    layer is twice as wide, and all that happens within a block. ``"full"``: every multiplication of encoder, systems,
    gated layers and readout, and every weight that a spike adds.

    Args:
        num_inputs: Number of input channels.
        num_classes: Number of classes C.
        block: Makes a block; called once for each layer.
        layers: Number of blocks.
        width: Number of channels H.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that an output of a block is dropped in training.
        encoder: ``"linear"``, weights; or ``"embedding"``, which looks tokens up. These come as numbers 1 to V, 0 for
            none, [B, T, 1], or one-hot, and ``num_inputs`` is V.
        documents: 1; or 2 for pairs of documents side by side, whose channels are the two halves of the inputs'. Each
            is read by the same blocks, up to its last step that is not zero, and `Comparison` is the readout.
        counting: ``"paper"`` or ``"full"``.

    Raises:
        ValueError: If an argument is not one of those listed or out of its range, or channels cannot be halved.

    Examples:
        >>> from silif_plugins.ssm import S4D
        >>> net = StateSpaceNetwork(40, 35, lambda: S4D(32, state_size=8), layers=2, width=32)
        >>> net(torch.randn(4, 100, 40)).scores.shape                 # [B, T, N]
        torch.Size([4, 35])
    """

    decoupled_weight_decay = True
    """A weight decay is that of AdamW."""

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        block: Callable[[], nn.Module],
        *,
        layers: int,
        width: int,
        normalization: Normalization = "batchnorm",
        dropout: float = 0.0,
        encoder: Encoder = "linear",
        documents: int = 1,
        counting: Counting = "paper",
    ) -> None:
        super().__init__()
        check_network(layers, width, normalization, dropout, counting, encoder, documents)
        if num_inputs % documents:
            raise ValueError(f"num_inputs: got {num_inputs}; it must be even for 2 documents")
        self.num_inputs, self.documents = num_inputs, documents
        self.counting: Counting = counting
        channels = num_inputs // documents
        self.encoder: nn.Linear | TokenEmbedding = (
            nn.Linear(channels, width, bias=False) if encoder == "linear" else TokenEmbedding(channels, width)
        )
        self.norms = nn.ModuleList(SequenceNorm(width, normalization) for _ in range(layers))
        self.blocks = nn.ModuleList(block() for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(width, num_classes) if documents == 1 else Comparison(width, num_classes)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> StateSpaceOutput:
        """Classify sequences.

        Args:
            inputs: [B, T, num_inputs] of any real data type; of an embedding also tokens as numbers, [B, T, documents].
            lengths: Steps of each sequence, integers [B] from 1 to T; what follows in ``inputs`` is padding, which
                takes no part in anything. By default all T steps count. Documents tell their lengths themselves.

        Raises:
            ValueError: If the inputs do not have ``num_inputs`` channels, or ``lengths`` does not fit them.
            TypeError: If the inputs are complex, or ``lengths`` are not integers.
        """
        if inputs.is_complex():
            raise TypeError(f"inputs: got {inputs.dtype}; they must be real")
        numbers = isinstance(self.encoder, TokenEmbedding)
        if inputs.dim() < 3 or inputs.shape[2:].numel() not in (self.num_inputs, *((self.documents,) * numbers)):
            or_numbers = f", or [B, T, {self.documents}] of tokens" if numbers else ""
            raise ValueError(
                f"inputs: got shape {tuple(inputs.shape)}; it must be [B, T, {self.num_inputs}]{or_numbers}"
            )
        inputs = inputs.to(self.encoder.weight.dtype).flatten(2).transpose(0, 1)
        valid = None if lengths is None else valid_steps(lengths, inputs)
        if valid is not None:
            inputs = inputs.masked_fill(~valid.unsqueeze(-1), 0)
        if self.documents > 1:
            inputs = torch.cat(inputs.chunk(self.documents, dim=-1), dim=1)
            valid = valid_steps(ends(inputs), inputs)
        shares = 1 / len(inputs) if valid is None else (valid / valid.sum(0)).unsqueeze(-1).to(inputs)
        hidden, active, spiking = self.through(self.encoder(inputs), valid)
        scores = self.readout((hidden * shares).sum(0))
        steps = inputs.shape[0] * inputs.shape[1] if valid is None else int(valid.sum())
        rates = [each if spiking else (each != 0).to(each.dtype) for each in active]
        found = [firing_rates(each) if valid is None else each.sum((0, 1)) / steps for each in rates]
        count = self._count_full if self.counting == "full" else self._count_paper
        operations = self.documents * count(inputs, active, spiking, steps)
        return StateSpaceOutput(scores, torch.cat(found), operations)

    def through(self, hidden: Tensor, valid: Tensor | None = None) -> tuple[Tensor, list[Tensor], bool]:
        """Run the blocks.

        Args:
            hidden: What the first one gets, [T, B, H].
            valid: Which steps are no padding, booleans [T, B]; all of them by default.

        Returns:
            What the last one gives, [T, B, H]; for each block its spikes, or outputs, zero at padding; and whether
            they are spikes.
        """
        active = []
        for norm, block in zip(self.norms, self.blocks, strict=True):
            outputs, spikes = block(norm(hidden, valid))
            hidden = hidden + self.dropout(outputs)
            activity = hidden if spikes is None else spikes
            active.append(activity if valid is None else activity * valid.unsqueeze(-1))
        return hidden, active, spikes is not None

    def _count_paper(self, inputs: Tensor, active: list[Tensor], spiking: bool, steps: int) -> Tensor:
        first = self.readout.hidden if isinstance(self.readout, Comparison) else self.readout
        fans = [self.encoder.out_features] * (len(active) - 1) + [int(first.out_features)]
        total = torch.zeros((), dtype=torch.float64) if spiking else self._of_encoder(inputs)
        for activity, fan in zip(active, fans, strict=True):
            total = total + synaptic_operations(activity, fan)
        return total

    def _count_full(self, inputs: Tensor, active: list[Tensor], spiking: bool, steps: int) -> Tensor:
        samples = inputs.shape[1]
        of_readout = sum(weight.numel() for weight in self.readout.parameters() if weight.dim() > 1)
        total = self._of_encoder(inputs).cpu() + of_readout / self.documents
        for block, activity in zip(self.blocks, active, strict=True):
            spikes = synaptic_operations(activity, 1) if spiking else None
            total = total + block.operations(steps / samples, spikes)  # type: ignore[operator]
        return total

    def _of_encoder(self, inputs: Tensor) -> Tensor:
        if isinstance(self.encoder, TokenEmbedding):  # to look something up computes nothing
            return torch.zeros((), dtype=torch.float64)
        return synaptic_operations(inputs, self.encoder.out_features)

    def step(self, inputs: Tensor, state: NetworkState | None = None) -> tuple[Tensor, NetworkState]:
        """Classify what has been seen so far, in evaluation mode: no step waits for a later one.

        Args:
            inputs: One step, [B, num_inputs]; of an embedding also tokens as numbers, [B, 1].
            state: What is remembered; None before the first step.

        Returns:
            The scores of the sequence up to this step, [B, C], and what to remember.

        Raises:
            ValueError: If the network is in training mode, compares documents, or reads sequences from their end.
        """
        if self.training:
            raise ValueError("step: the network is in training mode; call eval() first")
        if self.documents > 1:
            raise ValueError("step: the network compares two documents, which are known at their ends alone")
        hidden = self.encoder(inputs.to(self.encoder.weight.dtype))
        before = state or NetworkState((None,) * len(self.blocks), torch.zeros_like(hidden), 0)
        after = []
        for norm, block, remembered in zip(self.norms, self.blocks, before.blocks, strict=True):
            outputs, _, remembered = block.step(norm(hidden), remembered)  # type: ignore[operator]
            hidden = hidden + outputs
            after.append(remembered)
        total, steps = before.total + hidden, before.steps + 1
        return self.readout(total / steps), NetworkState(tuple(after), total, steps)


def check_network(
    layers: int,
    width: int,
    normalization: str,
    dropout: float,
    counting: str = "paper",
    encoder: str = "linear",
    documents: int = 1,
) -> None:
    """Raise ValueError for options that make no network; the message names one."""
    check_sizes(layers=layers, width=width)
    check_encoder(encoder, documents)
    check_normalization(normalization)
    check_dropout(dropout)
    if counting not in get_args(Counting):
        raise ValueError(f"counting: got {counting!r}; it must be one of {', '.join(get_args(Counting))}")


def valid_steps(lengths: Tensor, inputs: Tensor) -> Tensor:
    """Return which steps [T, B] of inputs [T, B, N] are no padding.

    Raises:
        ValueError: If there is not one number from 1 to T for every sequence.
        TypeError: If they are not integers.
    """
    if lengths.dtype == torch.bool:
        raise TypeError(f"lengths: got {lengths.dtype}; they must be integers")
    steps = torch.arange(len(inputs), device=inputs.device)
    return steps.unsqueeze(1) < as_lengths(lengths, inputs, least=1)


# Without a name torch.export.save cannot write a network that returns it.
pytree._register_namedtuple(
    StateSpaceOutput, serialized_type_name=f"{StateSpaceOutput.__module__}.{StateSpaceOutput.__qualname__}"
)
