"""The surrogate dynamic network: what the hard reset leaves of the membrane, guessed by a small convolution."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..files import write_file
from .diagonal import check_sizes
from .parallel import check_tau, fixed_point

SHIPPED = Path(__file__).parent / "sdn.json"
"""One for τ = 1/8, which ``silif train-sdn`` has made with its defaults."""


class SpikeAccuracy(NamedTuple):
    """Shares of steps at which spikes are those of the neurons, for currents from N(0, 1).

    Attributes:
        network: Of the surrogate dynamic network.
        no_memory: Of s[t] = H(I[t] - 1), which knows nothing of the past.
        no_reset: Of neurons that spikes do not reset.
        recall: Share of the neurons' spikes that the network finds.
    """

    network: float
    no_memory: float
    no_reset: float
    recall: float


class SDN(nn.Module):
    """A surrogate dynamic network: predicts τ u[t-1] (1 - s[t-1]) of LIF neurons from their past currents.

    A channel-wise convolution over the last ``reach`` currents, in as many copies as it is wide, and a residual layer
    across the copies: "C8k1-C8k8g8-Trunc-BN-relu+C8k1-BN+relu-C1k1" in the notation of Shen et al. (2025), 193
    parameters. It knows one τ and the threshold 1; other thresholds scale its input.

    Args:
        tau: Decay of the membrane that it stands for.
        width: Copies.
        reach: Currents that it looks back at.

    Raises:
        ValueError: If a size is not positive, or ``tau`` is no decay.

    Examples:
        >>> net = SDN(0.125)
        >>> net(torch.randn(100, 2, 3)).shape, sum(p.numel() for p in net.parameters())   # [T, B, N]
        (torch.Size([100, 2, 3]), 193)
    """

    def __init__(self, tau: float = 0.125, *, width: int = 8, reach: int = 8) -> None:
        super().__init__()
        check_tau(tau)
        check_sizes(width=width, reach=reach)
        self.tau, self.width, self.reach = tau, width, reach
        self.encoder = nn.Conv1d(1, width, 1, bias=False)
        self.over_time = nn.Conv1d(width, width, reach, padding=reach, groups=width)
        self.time_norm = nn.BatchNorm1d(width)
        self.across = nn.Conv1d(width, width, 1)
        self.across_norm = nn.BatchNorm1d(width)
        self.readout = nn.Conv1d(width, 1, 1)

    def forward(self, current: Tensor) -> Tensor:
        """Return what is left of the membrane before each step, [T, B, N], from currents [T, B, N]."""
        rows = current.permute(1, 2, 0).reshape(-1, 1, len(current))
        found: Tensor = self._rows(rows) if self.training else self._folded()(rows)
        return found.view(*current.shape[1:], len(current)).permute(2, 0, 1)

    def _rows(self, rows: Tensor) -> Tensor:
        # Padded by its reach, the convolution sees the currents before each step, and none of that step or later.
        past = self.over_time(self.encoder(rows))[..., : rows.shape[-1]]
        hidden = torch.relu(self.time_norm(past))
        found: Tensor = self.readout(torch.relu(hidden + self.across_norm(self.across(hidden))))
        return found

    def _folded(self) -> Callable[[Tensor], Tensor]:
        """Batch norms, the encoder and the residual are linear: in evaluation three convolutions do it all."""
        time, across = _gain(self.time_norm), _gain(self.across_norm)
        assert self.over_time.bias is not None
        assert self.across.bias is not None
        past = self.over_time.weight * self.encoder.weight * time[0].view(-1, 1, 1)
        past_bias = self.over_time.bias * time[0] + time[1]
        mixed = self.across.weight * across[0].view(-1, 1, 1) + torch.eye(self.width).to(past).unsqueeze(-1)
        mixed_bias = self.across.bias * across[0] + across[1]

        def run(rows: Tensor) -> Tensor:
            conv = nn.functional.conv1d
            hidden = conv(rows, past, past_bias, padding=self.reach)[..., : rows.shape[-1]].relu_()
            found: Tensor = self.readout(conv(hidden, mixed, mixed_bias).relu_())
            return found

        return run

    def save(self, path: str | os.PathLike[str], **facts: Any) -> None:
        """Write it to a JSON file, with whatever else is to be said of it.

        Raises:
            OSError: If the file cannot be written.
        """
        weights = {name: [value.tolist(), str(value.dtype)] for name, value in self.state_dict().items()}
        sizes = {"tau": self.tau, "width": self.width, "reach": self.reach}
        write_file(path, (json.dumps({**sizes, **facts, "weights": weights}) + "\n").encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str] = SHIPPED) -> SDN:
        """Read one that `save` wrote, in evaluation mode; by default the shipped one, for τ = 1/8.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it holds anything else.

        Examples:
            >>> SDN.load().tau
            0.125
        """
        text = Path(path).read_text()
        try:
            facts = json.loads(text)
            with torch.random.fork_rng(devices=[]):  # nothing that is made after it changes
                net = cls(facts["tau"], width=facts["width"], reach=facts["reach"])
            net.load_state_dict(
                {
                    name: torch.tensor(value, dtype=getattr(torch, kind.removeprefix("torch.")))
                    for name, (value, kind) in facts["weights"].items()
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(f"{os.fspath(path)}: is no surrogate dynamic network, or damaged ({error})") from error
        return net.eval().requires_grad_(False)


def _gain(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """What a batch norm multiplies by, and adds, in evaluation."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return gain, norm.bias - gain * norm.running_mean


def train_sdn(
    tau: float = 0.125,
    *,
    steps: int = 10_000,
    batch_size: int = 32,
    length: int = 256,
    width: int = 8,
    reach: int = 8,
    learning_rate: float = 0.01,
    seed: int = 0,
    on_step: Callable[[int, float], None] | None = None,
) -> SDN:
    """Train a surrogate dynamic network on currents from N(0, 1), against what the neurons do.

    Adam with decoupled weight decay 0.01 and a cosine schedule, mean squared error, as published (Shen et al., 2025);
    sequences are made anew for each step, not read from a set of 100,000 that is used a hundred times.

    Args:
        tau: Decay of the membrane; near one it takes a wider network with a longer reach.
        steps: Optimiser steps.
        batch_size: Sequences in a step.
        length: Steps of a sequence.
        width: Copies of the network.
        reach: Currents that it looks back at.
        learning_rate: At the beginning.
        seed: Of weights and currents.
        on_step: Called with number and loss of every step.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: If ``tau`` is no decay, or a number is not positive.

    Examples:
        >>> net = train_sdn(steps=20, batch_size=4, length=64)
        >>> net.training
        False
    """
    check_sizes(steps=steps, batch_size=batch_size, length=length)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SDN(tau, width=width, reach=reach)
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(steps):
        current = torch.randn(length, batch_size, 1, generator=generator)
        loss = nn.functional.mse_loss(net(current), fixed_point(current, tau=tau).mem - current)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if on_step is not None:
            on_step(step, loss.item())
    return net.eval().requires_grad_(False)


@torch.no_grad()
def spike_accuracy(net: SDN, *, sequences: int = 500, length: int = 1024, seed: int = 1) -> SpikeAccuracy:
    """Compare the spikes that follow from a network's prediction with those of the neurons, and with guesses.

    Args:
        net: The network.
        sequences: Number of sequences of currents from N(0, 1).
        length: Steps of each.
        seed: Of the currents; another than that of the training.

    Raises:
        ValueError: If a number is not positive.

    Examples:
        >>> spike_accuracy(SDN.load()).network > 0.999
        True
    """
    check_sizes(sequences=sequences, length=length)
    generator = torch.Generator().manual_seed(seed)
    current = torch.randn(length, sequences, 1, generator=generator)
    true = fixed_point(current, tau=net.tau).spk > 0
    guesses = [net(current) + current > 1, current > 1, fixed_point(current, tau=net.tau, most=1).spk > 0]
    found, no_memory, no_reset = ((guess == true).double().mean().item() for guess in guesses)
    return SpikeAccuracy(found, no_memory, no_reset, guesses[0][true].double().mean().item())
