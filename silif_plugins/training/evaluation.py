"""Accuracy, loss, firing and cost of a network on a data set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ..datasets import FrameDataset
from ..metrics import sparsity
from ..sparch import SpArchNet
from .data import in_order, shuffled


@dataclass(frozen=True)
class Evaluation:
    """Averages over samples (not over batches).

    Attributes:
        accuracy: Share of samples whose highest score is that of their class.
        loss: Cross entropy of the scores.
        synaptic_operations: Mean number per sample.
        sparsity: Share of time steps without a spike, averaged over hidden neurons.
    """

    accuracy: float
    loss: float
    synaptic_operations: float
    sparsity: float


@torch.no_grad()
def evaluate(net: SpArchNet, dataset: FrameDataset, *, batch_size: int = 128) -> Evaluation:
    """Evaluate a network; it is left in the mode it was in.

    Raises:
        ValueError: If the data set is empty or does not fit the network.
    """
    if not len(dataset):
        raise ValueError("dataset: got no samples; there is nothing to evaluate")
    device = next(net.parameters()).device
    training = net.training
    net.eval()
    totals = torch.zeros(4, dtype=torch.float64)
    for frames, labels in in_order(dataset, batch_size):
        output = net(frames.to(device).float())
        labels = labels.to(device)
        means = (
            (output.scores.argmax(dim=1) == labels).double().mean(),
            nn.functional.cross_entropy(output.scores, labels),
            output.synaptic_operations,
            sparsity(output.firing_rates),
        )
        totals += torch.tensor([float(mean) for mean in means], dtype=torch.float64) * len(labels)
    net.train(training)
    return Evaluation(*(totals / len(dataset)).tolist())


@torch.no_grad()
def recalibrate(net: nn.Module, dataset: FrameDataset, *, samples: int = 512, batch_size: int = 128) -> None:
    """Replace batch norm's running statistics by averages over samples of the training set.

    SpArch's momentum of 0.05 needs some hundred steps to forget the initial statistics: after short trainings the
    running ones describe a network that is long gone, and evaluation with them is at chance. Networks without
    batch norm are left as they are.

    Args:
        net: The network; dropout is off meanwhile, and it is left in the mode it was in.
        dataset: The training set.
        samples: How many of it to use, the same ones every time.
        batch_size: Samples in a forward pass.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d)]
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
    for frames, _ in shuffled(dataset, batch_size, torch.Generator().manual_seed(0)):
        if seen >= samples:
            break
        net(frames[: samples - seen].to(device).float())
        seen += len(frames)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.train(training)
