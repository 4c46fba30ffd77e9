"""The optimisers of a run: one for the network, and one for each schedule that parts of it ask for.

A module may have parameters that learn in their own way. It then has a method ``optimizer_groups``, which returns
groups as PyTorch's optimisers take them, with ``lr`` and perhaps ``schedule``: ``"cosine"``, ``"one-cycle"`` or
``"constant"`` over the whole run. What must follow the training has methods ``begin_epoch(done)``, called with the
share of the epochs that are over, and ``after_step()``, called after each step.
`silif_plugins.synapses.LearnableDelay` is an example of all three.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from .config import TrainConfig


class Optimisation:
    """All steps of a run on the parameters of a network.

    Args:
        net: The network.
        config: Settings of the run.
        batches: Steps in an epoch.

    Examples:
        >>> net = TrainConfig(connection="axonal", connection_options={"max_delay": 5}).network(5, 2)
        >>> optimisation = Optimisation(net, TrainConfig(learning_rate=0.01), batches=3)
        >>> optimisation.rates()
        [0.01, 0.1, 0.1, 0.1]
    """

    def __init__(self, net: nn.Module, config: TrainConfig, batches: int) -> None:
        self.config, self.batches = config, batches
        apart: dict[str, list[dict[str, Any]]] = {}
        modules: list[Any] = list(net.modules())
        self.beginning = [module.begin_epoch for module in modules if hasattr(module, "begin_epoch")]
        self.following = [module.after_step for module in modules if hasattr(module, "after_step")]
        for module in modules:
            for group in getattr(module, "optimizer_groups", list)():
                group = dict(group)
                apart.setdefault(group.pop("schedule", config.schedule), []).append(group)
        own = {id(each) for groups in apart.values() for group in groups for each in group["params"]}
        rest = [each for each in net.parameters() if each.requires_grad and id(each) not in own]
        kind = torch.optim.AdamW if getattr(net, "decoupled_weight_decay", False) else torch.optim.Adam
        main = kind(rest, lr=config.learning_rate, weight_decay=config.weight_decay)
        others = (kind(each, lr=config.learning_rate, weight_decay=0.0) for each in apart.values())
        self.optimizers: list[torch.optim.Optimizer] = [main, *others]
        self.schedulers = [
            _scheduler(name, config, optimizer, batches)
            for name, optimizer in zip([config.schedule, *apart], self.optimizers, strict=True)
        ]

    def begin_epoch(self, epoch: int) -> None:
        """Tell the modules that follow the training how far it is."""
        for tell in self.beginning:
            tell(epoch / self.config.epochs)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self) -> None:
        """Take a step by the gradients that are there."""
        for optimizer, scheduler in zip(self.optimizers, self.schedulers, strict=True):
            optimizer.step()
            if isinstance(scheduler, OneCycleLR):
                scheduler.step()
        for tell in self.following:
            tell()

    def end_epoch(self, accuracy: float) -> None:
        """Bring the learning rates to the next epoch."""
        for scheduler in self.schedulers:
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(accuracy)
            elif not isinstance(scheduler, OneCycleLR):
                scheduler.step()

    def rates(self) -> list[float]:
        """Return the learning rate of every group, that of the network first."""
        return [group["lr"] for optimizer in self.optimizers for group in optimizer.param_groups]

    def moments(self) -> dict[str, Tensor]:
        """Return what the optimisers remember, by names for a checkpoint."""
        return {
            f"optimizer.{part}.{index}.{name}": value
            for part, optimizer in enumerate(self.optimizers)
            for index, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }

    def facts(self) -> dict[str, Any]:
        """Return the rest of the state, for the header of a checkpoint."""
        return {"schedulers": [each.state_dict() for each in self.schedulers], "learning_rates": self.rates()}

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            KeyError: If it lacks a part.
            ValueError: If it has another number of groups.
        """
        self._restore_moments(tensors)
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group, rate in zip(groups, facts["learning_rates"], strict=True):
            group["lr"] = rate
        for scheduler, state in zip(self.schedulers, facts["schedulers"], strict=True):
            scheduler.load_state_dict(state)

    def restore_longer(self, tensors: dict[str, Tensor], facts: dict[str, Any], epochs: int) -> None:
        """Go on after a number of epochs of a run that was to be shorter: at the rates that one of this length has.

        Raises:
            KeyError: If the checkpoint lacks a part.
            ValueError: If it has another number of groups.
        """
        if not any(isinstance(each, CosineAnnealingLR | OneCycleLR) for each in self.schedulers):
            self.restore(tensors, facts)
            return
        self._restore_moments(tensors)
        states = zip(
            self.schedulers, facts["schedulers"], self.optimizers, _chunks(facts, self.optimizers), strict=True
        )
        with warnings.catch_warnings():
            # PyTorch misses the optimiser's steps, which the first part of the run took.
            warnings.simplefilter("ignore")
            for scheduler, state, optimizer, rates in states:
                if isinstance(scheduler, CosineAnnealingLR | OneCycleLR):
                    for _ in range(epochs * (self.batches if isinstance(scheduler, OneCycleLR) else 1)):
                        scheduler.step()
                else:
                    for group, rate in zip(optimizer.param_groups, rates, strict=True):
                        group["lr"] = rate
                    scheduler.load_state_dict(state)

    def _restore_moments(self, tensors: dict[str, Tensor]) -> None:
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.optimizers]
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, part, index, name = key.split(".")
                states[int(part)].setdefault(int(index), {})[name] = value
        for optimizer, state in zip(self.optimizers, states, strict=True):
            groups = optimizer.state_dict()["param_groups"]
            if any(index not in state for group in groups for index in group["params"]):
                raise KeyError("optimizer")
            optimizer.load_state_dict({"state": state, "param_groups": groups})


def _chunks(facts: dict[str, Any], optimizers: list[torch.optim.Optimizer]) -> list[list[float]]:
    """Return the saved learning rates, optimiser by optimiser."""
    rates = iter(facts["learning_rates"])
    return [[next(rates) for _ in optimizer.param_groups] for optimizer in optimizers]


def _scheduler(
    name: str, config: TrainConfig, optimizer: torch.optim.Optimizer, batches: int
) -> LRScheduler | ReduceLROnPlateau:
    """Make a schedule of the learning rates that the groups of an optimiser have."""
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=config.epochs)
    if name == "one-cycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, max_lr=rates, total_steps=config.epochs * batches, cycle_momentum=False)
    if name == "plateau":  # as in the paper's code, on the validation accuracy
        return ReduceLROnPlateau(optimizer, mode="max", factor=config.factor, patience=config.patience, min_lr=1e-6)
    if name != "constant":
        raise ValueError(f"schedule: got {name!r}; it must be 'cosine', 'one-cycle', 'plateau' or 'constant'")
    return LambdaLR(optimizer, _unchanged)


def _unchanged(epoch: int) -> float:
    return 1.0
