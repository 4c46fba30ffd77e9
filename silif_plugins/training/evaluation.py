"""Accuracy, loss, firing and cost of a network on a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from ..datasets import FrameDataset, ahead
from ..metrics import sparsity
from .data import in_order, shuffled
from .model import figure_of_merit, is_language_model, judge, run
from .parallel import current, total

_MOST = 1 << 17
"""Samples times steps of a forward pass."""


@dataclass(frozen=True)
class Evaluation:
    """Averages over samples (not over batches).

    Attributes:
        accuracy: Share of samples whose highest score is that of their class; of language models the geometric mean
            of the probabilities of the tokens that came, which is 1 / perplexity.
        loss: Cross entropy of the scores, of a sample; of language models of a token, in nats.
        synaptic_operations: Mean number per sample.
        sparsity: Share of time steps without a spike, averaged over hidden neurons.
    """

    accuracy: float
    loss: float
    synaptic_operations: float
    sparsity: float

    @property
    def perplexity(self) -> float:
        """The exponential of the loss: what language models are compared by."""
        return math.exp(min(self.loss, 700.0))


@torch.no_grad()
def evaluate(net: nn.Module, dataset: FrameDataset, *, batch_size: int = 128, pad: bool = True) -> Evaluation:
    """Evaluate a network; it is left in the mode it was in. Several processes share the samples.

    Args:
        net: The network; see `silif_plugins.training.model`.
        dataset: The samples.
        batch_size: Samples in a forward pass, at most; fewer of more than a thousand steps.
        pad: Whether padding is left out of everything; False takes it as input, as the published code does.

    Raises:
        ValueError: If the data set is empty or does not fit the network.
        TypeError: If the network does not return what it must.
    """
    if not len(dataset):
        raise ValueError("dataset: got no samples; there is nothing to evaluate")
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    training = net.training
    net.eval()
    language = is_language_model(net)
    totals = torch.zeros(6, dtype=torch.float64, device=device)
    loader = in_order(dataset, _fitting(dataset, batch_size), current(), pad=pad)
    for frames, labels, lengths in ahead(loader, device):
        if not len(labels):  # the last batch may have none for this process
            continue
        output = run(net, frames, lengths)
        samples = len(labels)
        steps = samples * frames.shape[1] if lengths is None else int(lengths.sum())
        verdict = judge(output.scores, labels, lengths, language=language)
        sums = (
            0 if language else verdict.right,
            verdict.loss,
            verdict.decisions,
            output.synaptic_operations * samples,
            sparsity(output.firing_rates) * steps,
            steps,
        )
        totals += torch.tensor([float(each) for each in sums], dtype=torch.float64, device=device)
    net.train(training)
    right, loss, decisions, operations, silent, steps = total(totals).tolist()
    accuracy = figure_of_merit(right, loss, decisions, language=language)
    return Evaluation(accuracy, loss / decisions, operations / len(dataset), silent / steps)


@torch.no_grad()
def recalibrate(
    net: nn.Module, dataset: FrameDataset, *, samples: int = 512, batch_size: int = 128, pad: bool = True
) -> None:
    """Replace batch norm's running statistics by averages over samples of the training set.

    SpArch's momentum of 0.05 needs some hundred steps to forget the initial statistics: after short trainings the
    running ones describe a network that is long gone, and evaluation with them is at chance. Networks without
    batch norm are left as they are.

    Args:
        net: The network; dropout is off meanwhile, and it is left in the mode it was in.
        dataset: The training set.
        samples: How many of it to use, the same ones every time.
        batch_size: Samples in a forward pass, at most; fewer of more than a thousand steps.
        pad: Whether padding is left out of the statistics.
    """
    norms = [each for each in net.modules() if isinstance(each, nn.BatchNorm1d) and each.track_running_stats]
    if not norms or not samples:
        return
    device = next(net.parameters()).device
    training, momenta = net.training, [norm.momentum for norm in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over batches
        norm.train()
    seen = 0
    loader = shuffled(dataset, _fitting(dataset, batch_size), torch.Generator().manual_seed(0), pad=pad)
    for frames, _, lengths in ahead(loader, device):
        if seen >= samples:
            break
        left = samples - seen
        net(frames[:left], None if lengths is None else lengths[:left])
        seen += len(frames)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.train(training)


def _fitting(dataset: FrameDataset, batch_size: int) -> int:
    """A batch size whose activities fit into memory for long sequences, too."""
    return max(1, min(batch_size, _MOST // dataset.steps))
