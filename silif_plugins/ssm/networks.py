"""Networks of S4D, SpikingSSM, spiking LinOSS and Mamba, with all that settings may say of them as arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..surrogate import SpikeFunction
from .diagonal import DT, Frequencies, check_dt, check_sizes, check_system
from .encoder import Encoder
from .lif import Membrane, Through, check_lif
from .linoss import Mixing, SpikingLinOSS, check_mixing
from .mamba import MambaBlock
from .mixing import Normalization
from .network import Counting, StateSpaceNetwork, check_network
from .s4d import S4D
from .spiking import SpikingSSM


class S4DNet(StateSpaceNetwork):
    """A network of `S4D` blocks.

    Args:
        num_inputs: Number of input channels.
        num_classes: Number of classes C.
        layers: Number of blocks.
        width: Channels of each block.
        state_size: States of each channel.
        frequencies: Initial frequencies of state spaces, s4d-lin or s4d-inv.
        dt: Range of the initial time steps of state spaces.
        bidirectional: Whether layers also read the sequence backwards.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that an activity is dropped in training.
        encoder: What reads the inputs: linear, weights; embedding, which looks tokens up.
        documents: Documents that lie side by side in a sample, 1 or 2; two are read by the same weights and compared.
        counting: What is counted as synaptic operations: paper, as in the SiLIF paper's figures, or full, everything.

    Raises:
        ValueError: If an argument is not one of those listed or out of its range.

    Examples:
        >>> net = S4DNet(40, 35, layers=6, width=128, state_size=64)
        >>> sum(p.numel() for p in net.parameters())                  # the SiLIF paper's large one
        309155
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        *,
        layers: int = 4,
        width: int = 128,
        state_size: int = 32,
        frequencies: Frequencies = "s4d-lin",
        dt: Sequence[float] = DT,
        bidirectional: bool = False,
        normalization: Normalization = "batchnorm",
        dropout: float = 0.1,
        encoder: Encoder = "linear",
        documents: int = 1,
        counting: Counting = "paper",
    ) -> None:
        super().__init__(
            num_inputs,
            num_classes,
            lambda: S4D(
                width,
                state_size=state_size,
                frequencies=frequencies,
                dt=dt,
                bidirectional=bidirectional,
                dropout=dropout,
            ),
            layers=layers,
            width=width,
            normalization=normalization,
            dropout=dropout,
            encoder=encoder,
            documents=documents,
            counting=counting,
        )

    @staticmethod
    def check(
        *,
        layers: int,
        width: int,
        state_size: int,
        frequencies: str,
        dt: Sequence[float],
        normalization: str,
        dropout: float,
        counting: str,
        encoder: str,
        documents: int,
        **others: Any,
    ) -> None:
        """Raise ValueError for options of which no network can be made; the message names one."""
        check_network(layers, width, normalization, dropout, counting, encoder, documents)
        check_system(state_size, frequencies, dt)


class SpikingSSMNet(StateSpaceNetwork):
    """A network of `SpikingSSM` blocks.

    Args:
        num_inputs: Number of input channels.
        num_classes: Number of classes C.
        layers: Number of blocks.
        width: Channels of each block.
        state_size: States of each channel.
        frequencies: Initial frequencies of state spaces, s4d-lin or s4d-inv.
        dt: Range of the initial time steps of state spaces.
        bidirectional: Whether layers also read the sequence backwards.
        copies: State spaces whose kernels are summed, as in LongSpike.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that an activity is dropped in training.
        tau: Decay of the membrane.
        learn_threshold: Whether thresholds are trained.
        membrane: How neurons run: exact, by the fused kernel; fixed-point, in parallel over time with the same
            spikes; sdn, by a surrogate dynamic network, which errs at some steps.
        through: What the neurons' gradients flow through: current, that of the same step, as published; membrane,
            earlier steps, too; all, the spikes that reset as well.
        surrogate: Spike function of mem - threshold; the triangle by default.
        sdn: File of a surrogate dynamic network, which silif train-sdn writes; one for a tau of 0.125 is there.
        encoder: What reads the inputs: linear, weights; embedding, which looks tokens up.
        documents: Documents that lie side by side in a sample, 1 or 2; two are read by the same weights and compared.
        counting: What is counted as synaptic operations: paper, as in the SiLIF paper's figures, or full, everything.

    Raises:
        ValueError: If an argument is not one of those listed or out of its range.

    Examples:
        >>> net = SpikingSSMNet(40, 35, layers=6, width=128, state_size=64)
        >>> sum(p.numel() for p in net.parameters())                  # S4D's, and a threshold for each neuron
        309923
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        *,
        layers: int = 4,
        width: int = 128,
        state_size: int = 32,
        frequencies: Frequencies = "s4d-lin",
        dt: Sequence[float] = DT,
        bidirectional: bool = False,
        copies: int = 1,
        normalization: Normalization = "batchnorm",
        dropout: float = 0.1,
        tau: float = 0.125,
        learn_threshold: bool = True,
        membrane: Membrane = "exact",
        through: Through = "current",
        surrogate: str | SpikeFunction | None = None,
        sdn: str | None = None,
        encoder: Encoder = "linear",
        documents: int = 1,
        counting: Counting = "paper",
    ) -> None:
        super().__init__(
            num_inputs,
            num_classes,
            lambda: SpikingSSM(
                width,
                state_size=state_size,
                frequencies=frequencies,
                dt=dt,
                bidirectional=bidirectional,
                copies=copies,
                dropout=dropout,
                tau=tau,
                learn_threshold=learn_threshold,
                membrane=membrane,
                through=through,
                surrogate=surrogate,
                sdn=sdn,
            ),
            layers=layers,
            width=width,
            normalization=normalization,
            dropout=dropout,
            encoder=encoder,
            documents=documents,
            counting=counting,
        )

    @staticmethod
    def check(*, copies: int, tau: float, membrane: str, through: str, sdn: str | None, **others: Any) -> None:
        """Raise ValueError for options of which no network can be made; the message names one."""
        S4DNet.check(**others)
        check_sizes(copies=copies)
        check_lif(tau, membrane, through, sdn)


class SpikingLinOSSNet(StateSpaceNetwork):
    """A network of `SpikingLinOSS` blocks.

    The published one has spikes after the encoder, too, and no normalisation.

    Args:
        num_inputs: Number of input channels.
        num_classes: Number of classes C.
        layers: Number of blocks.
        width: Channels of each block.
        state_size: Oscillators of each block.
        mixing: What acts across channels: spikes, as published, or gate.
        surrogate: Spike function of mem - threshold; the double Gaussian by default.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that an activity is dropped in training.
        counting: What is counted as synaptic operations: paper, as in the SiLIF paper's figures, or full, everything.

    Raises:
        ValueError: If an argument is not one of those listed or out of its range.

    Examples:
        >>> import torch
        >>> net = SpikingLinOSSNet(40, 35, layers=2, width=16, state_size=32)
        >>> net(torch.randn(2, 100, 40)).scores.shape
        torch.Size([2, 35])
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        *,
        layers: int = 2,
        width: int = 64,
        state_size: int = 64,
        mixing: Mixing = "spikes",
        surrogate: str | SpikeFunction | None = None,
        normalization: Normalization = "batchnorm",
        dropout: float = 0.1,
        counting: Counting = "paper",
    ) -> None:
        super().__init__(
            num_inputs,
            num_classes,
            lambda: SpikingLinOSS(width, state_size=state_size, mixing=mixing, surrogate=surrogate),
            layers=layers,
            width=width,
            normalization=normalization,
            dropout=dropout,
            counting=counting,
        )

    @staticmethod
    def check(
        *,
        layers: int,
        width: int,
        state_size: int,
        mixing: str,
        normalization: str,
        dropout: float,
        counting: str,
        **others: Any,
    ) -> None:
        """Raise ValueError for options of which no network can be made; the message names one."""
        check_network(layers, width, normalization, dropout, counting)
        check_sizes(state_size=state_size)
        check_mixing(mixing)


class MambaNet(StateSpaceNetwork):
    """A network of `MambaBlock`.

    Args:
        num_inputs: Number of input channels.
        num_classes: Number of classes C.
        layers: Number of blocks.
        width: Channels of each block.
        state_size: States of each channel.
        conv: Length of the convolution over time.
        expand: Inner channels for each channel.
        dt: Range of the initial time steps of state spaces.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that an activity is dropped in training.
        encoder: What reads the inputs: linear, weights; embedding, which looks tokens up.
        documents: Documents that lie side by side in a sample, 1 or 2; two are read by the same weights and compared.
        counting: What is counted as synaptic operations: paper, as in the SiLIF paper's figures, or full, everything.

    Raises:
        ValueError: If an argument is not one of those listed or out of its range.

    Examples:
        >>> import torch
        >>> net = MambaNet(40, 35, layers=3, width=64, state_size=32)
        >>> net(torch.randn(2, 100, 40)).scores.shape
        torch.Size([2, 35])
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        *,
        layers: int = 3,
        width: int = 64,
        state_size: int = 32,
        conv: int = 4,
        expand: int = 1,
        dt: Sequence[float] = DT,
        normalization: Normalization = "batchnorm",
        dropout: float = 0.1,
        encoder: Encoder = "linear",
        documents: int = 1,
        counting: Counting = "paper",
    ) -> None:
        super().__init__(
            num_inputs,
            num_classes,
            lambda: MambaBlock(width, state_size=state_size, conv=conv, expand=expand, dt=dt),
            layers=layers,
            width=width,
            normalization=normalization,
            dropout=dropout,
            encoder=encoder,
            documents=documents,
            counting=counting,
        )

    @staticmethod
    def check(
        *,
        layers: int,
        width: int,
        state_size: int,
        conv: int,
        expand: int,
        dt: Sequence[float],
        normalization: str,
        dropout: float,
        counting: str,
        encoder: str,
        documents: int,
        **others: Any,
    ) -> None:
        """Raise ValueError for options of which no network can be made; the message names one."""
        check_network(layers, width, normalization, dropout, counting, encoder, documents)
        check_sizes(state_size=state_size, conv=conv, expand=expand)
        check_dt(dt)
