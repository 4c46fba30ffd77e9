"""One training run: a folder that holds its settings, progress, checkpoints and result."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout  # torch requires it
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, ReduceLROnPlateau

from .. import __version__
from ..files import write_file
from ..optional import require
from ..sparch import SpArchNet
from . import checkpoint
from .config import TrainConfig
from .data import Splits, shuffled
from .evaluation import Evaluation, evaluate, recalibrate

logger = logging.getLogger(__name__)


class RunError(ValueError):
    """A run that cannot start or go on; the message says what to do."""


@dataclass
class Progress:
    """What a run has reached: all of it that is not a tensor."""

    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def train(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    data: Splits | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train a network, keep its best epoch by validation accuracy, and test that one.

    The folder then holds ``config.json``, ``metrics.jsonl`` (a line an epoch), ``result.json``, TensorBoard's events,
    and ``best.safetensors`` and ``last.safetensors``. Every random number comes from the seed and the number of the
    epoch, so that a run that was killed and resumed ends with the same weights as one that was not.

    Args:
        config: The settings.
        folder: Where to write; created if need be.
        resume: Whether to go on with what the folder holds. Without it a folder that holds a run is refused.
        data: The data set, if it is loaded already.
        on_epoch: Called with the figures of each epoch, instead of the progress bar.

    Returns:
        The result: settings, parameter count, best epoch, validation and test figures, seconds of training.

    Raises:
        RunError: If the folder holds another run or one in progress, or the loss is not finite.
        ValueError: If settings or data are not valid.
        FileNotFoundError: If a part of the data is missing.
    """
    with _locked(folder):
        last = folder / "last.safetensors"
        if last.exists() and not resume:
            raise RunError(f"{folder}: holds a run already; resume it (--resume) or name another folder (--out)")
        data = data or Splits.load(config)
        run = _Run(config, folder, data, on_epoch)
        if last.exists():
            run.resume(last)
        else:
            write_file(folder / "config.json", _json({**dataclasses.asdict(config), "versions": versions()}))
        run.fit()
        return run.result()


class _Run:
    """State of a run between epochs."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        data: Splits,
        on_epoch: Callable[[dict[str, float]], None] | None,
    ) -> None:
        self.on_epoch = on_epoch
        self.config, self.folder, self.data = config, folder, data
        torch.manual_seed(config.seed)
        self.net: SpArchNet = config.network(data.train.num_channels, data.train.num_classes).to(config.device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=config.learning_rate)
        self.scheduler = _scheduler(config, self.optimizer)
        self.progress = Progress()

    def fit(self) -> None:
        """Train the epochs that are left."""
        tqdm = require("tqdm", extra="train", purpose="The progress bar").tqdm
        tensorboard = require("torch.utils.tensorboard", extra="train", purpose="TensorBoard's log")
        first = self.progress.epoch
        title = f"{self.config.neuron} seed {self.config.seed}"
        hidden = True if self.on_epoch else None  # None: hidden where stderr is not a terminal
        with (
            tensorboard.SummaryWriter(str(self.folder), purge_step=first) as board,
            tqdm(total=self.config.epochs, initial=first, desc=title, unit="epoch", disable=hidden) as bar,
        ):
            for epoch in range(first, self.config.epochs):
                entry = self._epoch(epoch)
                self.progress.history.append(entry)
                self._save()
                for name, value in entry.items():
                    board.add_scalar(name, value, epoch)
                if self.on_epoch:
                    self.on_epoch(entry)
                bar.update()
                bar.set_postfix_str(f"loss {entry['train_loss']:.3f}, validation {entry['valid_accuracy']:.3f}")
                logger.info(
                    "%s  epoch %d/%d  train loss %.4f  accuracy %.3f  validation accuracy %.3f",
                    title,
                    epoch + 1,
                    self.config.epochs,
                    entry["train_loss"],
                    entry["train_accuracy"],
                    entry["valid_accuracy"],
                )

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Train once over the training set, validate, and step the learning rate."""
        start = time.perf_counter()
        rate = self.optimizer.param_groups[0]["lr"]
        loss, accuracy = self._pass(epoch)
        recalibrate(self.net, self.data.train, samples=self.config.recalibrate)
        valid = evaluate(self.net, self.data.valid)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(valid.accuracy)
        else:
            self.scheduler.step()
        progress = self.progress
        progress.epoch = epoch + 1
        progress.seconds += time.perf_counter() - start
        if valid.accuracy > progress.best_accuracy:
            progress.best_epoch, progress.best_accuracy = epoch + 1, valid.accuracy
            checkpoint.save(self.folder / "best.safetensors", self._model(), self._facts())
        return {
            "epoch": epoch + 1,
            "learning_rate": rate,
            "train_loss": loss,
            "train_accuracy": accuracy,
            **{f"valid_{name}": value for name, value in dataclasses.asdict(valid).items()},
        }

    def _pass(self, epoch: int) -> tuple[float, float]:
        """Take one optimiser step per batch; return mean loss and accuracy over the samples."""
        device = self.config.device
        # Numbers of an epoch depend on seed and epoch alone: nothing of the generators needs to be saved.
        torch.manual_seed(_mix(self.config.seed, epoch))
        order = torch.Generator().manual_seed(_mix(self.config.seed, epoch))
        self.net.train()
        total_loss, right, seen = 0.0, 0, 0
        for frames, labels in shuffled(self.data.train, self.config.batch_size, order):
            labels = labels.to(device)
            scores = self.net(frames.to(device).float()).scores
            loss = nn.functional.cross_entropy(scores, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total_loss += loss.item() * len(labels)
            right += int((scores.argmax(dim=1) == labels).sum())
            seen += len(labels)
        if not math.isfinite(total_loss):
            raise RunError(
                f"{self.folder}: the loss is {total_loss} in epoch {epoch + 1}; "
                "try a lower learning rate, or a neuron whose range is stable (AdLIF's is not)"
            )
        return total_loss / seen, right / seen

    def _model(self) -> dict[str, torch.Tensor]:
        return {f"model.{name}": value for name, value in self.net.state_dict().items()}

    def _facts(self) -> dict[str, Any]:
        return {
            "config": dataclasses.asdict(self.config),
            "num_inputs": self.data.train.num_channels,
            "num_classes": self.data.train.num_classes,
            "progress": dataclasses.asdict(self.progress),
            "scheduler": self.scheduler.state_dict(),
            "learning_rates": [group["lr"] for group in self.optimizer.param_groups],
        }

    def _save(self) -> None:
        moments = {
            f"optimizer.{index}.{name}": value
            for index, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        checkpoint.save(self.folder / "last.safetensors", {**self._model(), **moments}, self._facts())
        write_file(self.folder / "metrics.jsonl", b"".join(_json(line) for line in self.progress.history))

    def resume(self, path: Path) -> None:
        """Go on from the last epoch of a checkpoint.

        Raises:
            RunError: If the checkpoint is of a run with other settings.
        """
        tensors, facts = checkpoint.load(path)
        ours, theirs = json.loads(self.config.to_json()), facts["config"]
        if changed := [name for name in ours if ours[name] != theirs.get(name)]:
            name = changed[0]
            raise RunError(f"{path}: {name}: the run has {theirs.get(name)}, you gave {ours[name]}; use another folder")
        checkpoint.restore(self.net, tensors)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                state.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        for group, rate in zip(groups, facts["learning_rates"], strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.scheduler.load_state_dict(facts["scheduler"])
        self.progress = Progress(**facts["progress"])
        logger.info("%s: resumed after epoch %d", self.folder, self.progress.epoch)

    def result(self) -> dict[str, Any]:
        """Test the best epoch; write and return the result."""
        best, _, _ = checkpoint.load_network(self.folder / "best.safetensors")
        best.to(self.config.device)
        test: Evaluation = evaluate(best, self.data.test)
        result = {
            "neuron": self.config.neuron,
            "data": self.config.data,
            "seed": self.config.seed,
            "epochs": self.config.epochs,
            "learning_rate": self.config.learning_rate,
            "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            "best_epoch": self.progress.best_epoch,
            "valid_accuracy": self.progress.best_accuracy,
            **{f"test_{name}": value for name, value in dataclasses.asdict(test).items()},
            "seconds": round(self.progress.seconds, 1),
            "folder": str(self.folder),
        }
        write_file(self.folder / "result.json", _json(result))
        return result


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {"silif_plugins": __version__, "torch": torch.__version__, "python": platform.python_version()}


def _scheduler(config: TrainConfig, optimizer: torch.optim.Optimizer) -> LRScheduler | ReduceLROnPlateau:
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=config.epochs)
    if config.schedule == "plateau":  # as in the paper's code, on the validation accuracy
        return ReduceLROnPlateau(optimizer, mode="max", factor=config.factor, patience=config.patience, min_lr=1e-6)
    return LambdaLR(optimizer, _unchanged)


def _unchanged(epoch: int) -> float:
    return 1.0


def _mix(seed: int, epoch: int) -> int:
    """A seed of its own for each epoch of each run."""
    return seed * 1_000_003 + epoch


def _json(value: Any) -> bytes:
    return (json.dumps(value) + "\n").encode()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second run out of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"{folder}: another run is writing here; name another folder (--out)") from None
    try:
        yield
    finally:
        lock.release()
