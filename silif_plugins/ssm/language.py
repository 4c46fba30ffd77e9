"""Language models of state space blocks: the next word from all words before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..metrics import firing_rates, synaptic_operations
from .diagonal import DT, check_dt, check_sizes, check_system
from .lif import Membrane, Through, check_lif
from .mamba import MambaBlock
from .mixing import Normalization, SequenceNorm, check_dropout
from .network import StateSpaceNetwork, StateSpaceOutput, check_network, valid_steps
from .s4d import S4D
from .spiking import SpikingSSM
from .words import AdaptiveWords, check_words

BlockKind = Literal["s4d", "spiking-ssm", "mamba"]

CUTOFFS = (20_000, 40_000, 200_000)
"""Of WikiText-103, in its published models."""


class LanguageModel(StateSpaceNetwork):
    """Predicts each word of a text from those before it: `AdaptiveWords` around blocks that read forwards only.

    The perplexity of what it predicts is the exponential of minus the mean of its ``scores``. A layer of
    normalisation follows the blocks, as in the published code of S4; otherwise they are those of `StateSpaceNetwork`.

    Args:
        num_inputs: Number of words V; they come as numbers 1 to V, by falling frequency.
        num_classes: The same.
        blocks: Kind of the blocks: s4d, spiking-ssm or mamba.
        layers: Number of blocks.
        width: Channels of each block.
        state_size: States of each channel.
        dt: Range of the initial time steps of state spaces.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that an activity is dropped in training.
        word_dropout: Probability that a number is dropped, in training, of the words' vectors and of what predicts.
        cutoffs: First words, by frequency, of the parts whose vectors are shorter and shorter.
        divisor: How much shorter each part's are than those of the part before.
        tau: Decay of the membrane of spiking-ssm.
        learn_threshold: Whether thresholds of spiking-ssm are trained.
        membrane: How neurons of spiking-ssm run: exact, fixed-point or sdn.
        through: What the gradients of spiking-ssm flow through: current, membrane or all.

    Raises:
        ValueError: If an argument is not one of those listed or out of its range.

    Examples:
        >>> net = LanguageModel(1000, 1000, layers=1, width=16, state_size=4, cutoffs=(100, 500))
        >>> text = torch.randint(1, 1001, (2, 33, 1))
        >>> net(text).scores.shape                                       # [B, T - 1]: of all words but the first
        torch.Size([2, 32])
    """

    language_model = True
    """Its scores are log-likelihoods of the words that came, [B, T - 1], and not scores of classes."""

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        *,
        blocks: BlockKind = "spiking-ssm",
        layers: int = 4,
        width: int = 128,
        state_size: int = 32,
        dt: Sequence[float] = DT,
        normalization: Normalization = "layernorm",
        dropout: float = 0.1,
        word_dropout: float = 0.0,
        cutoffs: Sequence[int] = CUTOFFS,
        divisor: float = 4.0,
        tau: float = 0.125,
        learn_threshold: bool = True,
        membrane: Membrane = "exact",
        through: Through = "current",
    ) -> None:
        self.check(
            blocks=blocks,
            layers=layers,
            width=width,
            state_size=state_size,
            dt=dt,
            normalization=normalization,
            dropout=dropout,
            word_dropout=word_dropout,
            cutoffs=cutoffs,
            divisor=divisor,
            tau=tau,
            membrane=membrane,
            through=through,
        )
        if num_inputs != num_classes or num_inputs < 2:
            raise ValueError(
                f"num_inputs, num_classes: got {num_inputs} and {num_classes}; both must be the words, 2 or more"
            )
        systems = {"state_size": state_size, "dt": dt, "dropout": dropout}
        neurons = {"tau": tau, "learn_threshold": learn_threshold, "membrane": membrane, "through": through}
        makers: dict[str, Callable[[], nn.Module]] = {
            "s4d": lambda: S4D(width, **systems),  # type: ignore[arg-type]
            "spiking-ssm": lambda: SpikingSSM(width, **systems, **neurons),  # type: ignore[arg-type]
            "mamba": lambda: MambaBlock(width, state_size=state_size, dt=dt),
        }
        # The encoder and the readout of a classifier would be two matrices that nothing uses: they are of one word.
        super().__init__(1, 1, makers[blocks], layers=layers, width=width, normalization=normalization, dropout=dropout)
        del self.encoder, self.readout
        self.num_inputs = num_inputs
        self.words = AdaptiveWords(num_inputs, width, cutoffs=cutoffs, divisor=divisor)
        self.last_norm = SequenceNorm(width, normalization)
        self.word_dropout = nn.Dropout(word_dropout)

    @staticmethod
    def check(
        *,
        blocks: str,
        layers: int,
        width: int,
        state_size: int,
        dt: Sequence[float],
        normalization: str,
        dropout: float,
        word_dropout: float,
        cutoffs: Sequence[int],
        divisor: float,
        tau: float,
        membrane: str,
        through: str,
        **others: Any,
    ) -> None:
        """Raise ValueError for options of which no network can be made; the message names one."""
        if blocks not in get_args(BlockKind):
            raise ValueError(f"blocks: got {blocks!r}; it must be one of {', '.join(get_args(BlockKind))}")
        check_network(layers, width, normalization, dropout)
        if blocks == "mamba":
            check_sizes(state_size=state_size)
            check_dt(dt)
        else:
            check_system(state_size, "s4d-lin", dt)
        check_dropout(word_dropout)
        check_words(cutoffs, divisor)
        check_lif(tau, membrane, through, None)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> StateSpaceOutput:
        """Predict the words of texts.

        Args:
            inputs: Words, [B, T, 1]; the last is predicted and not read.
            lengths: Words of each text, integers [B] from 2 to T; what follows is padding, which takes no part in
                anything and has the score 0. By default all T count.

        Returns:
            The log-likelihood of each word but the first, [B, T - 1], given those before it, as ``scores``; firing
            rates; and synaptic operations of blocks as in `StateSpaceNetwork`, those of the softmax left out.

        Raises:
            ValueError: If the inputs are no words, or ``lengths`` does not fit them.
        """
        if inputs.dim() != 3 or inputs.shape[2] != 1 or inputs.shape[1] < 2:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be [B, T, 1] with T of 2 or more")
        words = inputs.squeeze(-1).t().long()
        valid = None if lengths is None else valid_steps(lengths, words.unsqueeze(-1))[1:]
        hidden = self.word_dropout(self.words(words[:-1]))
        hidden, active, spiking = self.through(hidden, valid)
        predicting = self.word_dropout(self.last_norm(hidden, valid))
        if valid is None:
            scores = self.words.log_likelihoods(predicting, words[1:])
        else:
            found = self.words.log_likelihoods(predicting[valid], words[1:][valid])
            scores = found.new_zeros(valid.shape).index_put((valid,), found)
        steps = hidden.shape[0] * hidden.shape[1] if valid is None else int(valid.sum())
        rates = [each if spiking else (each != 0).to(each.dtype) for each in active]
        mean = [firing_rates(each) if valid is None else each.sum((0, 1)) / steps for each in rates]
        operations = sum((synaptic_operations(each, self.words.width) for each in active), torch.zeros(()))
        return StateSpaceOutput(scores.t(), torch.cat(mean), operations)

    def step(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Read one word, in evaluation mode.

        Args:
            inputs: Words, [B, 1].
            state: What is remembered; None before the first word.

        Returns:
            The log-probabilities of all words as the next one, [B, V], where column k is word k + 1, and what to
            remember.

        Raises:
            ValueError: If the network is in training mode.
        """
        if self.training:
            raise ValueError("step: the network is in training mode; call eval() first")
        hidden = self.words(inputs.squeeze(-1).long())
        after = []
        for norm, block, remembered in zip(self.norms, self.blocks, state or (None,) * len(self.blocks), strict=True):
            outputs, _, remembered = block.step(norm(hidden), remembered)  # type: ignore[operator]
            hidden = hidden + outputs
            after.append(remembered)
        return self.words.softmax.log_prob(self.last_norm(hidden)), tuple(after)
