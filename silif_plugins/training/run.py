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

from .. import __version__
from ..datasets import Batch, Batches, ahead
from ..diagnosis import diagnose
from ..files import leftovers, write_file
from ..optional import require
from ..sparch import CheckpointError, SpArchNet, compile_kernels
from . import checkpoint, model, parallel
from .config import TrainConfig
from .data import Splits, in_order, shuffled
from .devices import check_device
from .evaluation import Evaluation, evaluate, recalibrate
from .optimisation import Optimisation

logger = logging.getLogger(__name__)

FILES = ("config.json", "metrics.jsonl", "result.json", "best.safetensors", "last.safetensors")
"""What the folder of a run holds, beside TensorBoard's events."""

_RANK_STRIDE = 1 << 56
"""Keeps the random numbers of processes apart; larger than any seed of an epoch."""


class RunError(ValueError):
    """A run that cannot start or go on; the message says what to do."""


class Diverged(RunError):
    """A run whose loss is not finite any more."""


@dataclass
class Progress:
    """What a run has reached: all of it that is not a tensor. ``waiting`` is the part of ``seconds`` for data."""

    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    waiting: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def train(
    config: TrainConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    extend: bool = False,
    data: Any = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train a network, keep its best epoch by validation accuracy, and test that one.

    Of a language model that is the epoch of the least perplexity: its accuracy is one over it.

    The folder then holds ``config.json``, ``metrics.jsonl`` (a line an epoch), ``result.json``, TensorBoard's events,
    and ``best.safetensors`` and ``last.safetensors``. Every random number comes from the seed and the number of the
    epoch, so that a run that was killed and resumed ends with the same weights as one that was not. Several
    processes started by torchrun share the work (see :mod:`silif_plugins.training.parallel`); the folder must be on a
    disk that all of them see.

    Args:
        config: The settings.
        folder: Where to write; created if need be.
        resume: Whether to go on with what the folder holds, perhaps on another device. Without it a folder that holds
            a run is refused.
        extend: Whether a resumed run may get more epochs than it was begun with. The learning rates of those to come
            are then the ones of a run of the new length.
        data: Data in memory, in the place of the data set that the settings name: (x, y), a data set of PyTorch or
            tonic, or a mapping of splits to these, see `silif_plugins.datasets.own_source`; or `Splits`. What it is
            called is ``config.data``, or "own-data" if that is the name of another data set.
        on_epoch: Called with the figures of each epoch, instead of the progress bar.

    A run that fails before its first epoch is finished leaves no folder.

    Returns:
        The result: settings, parameter count, best epoch, validation and test figures, seconds of training.

    Raises:
        RunError: If the folder holds another run or one in progress.
        Diverged: If the loss in training, validation or test is not finite. It is a RunError.
        ValueError: If settings or data are not valid.
        FileNotFoundError: If a part of the data is missing.
    """
    check_device(config.device)
    folder = Path(folder)
    with parallel.group(config.device) as share, _locked(folder, share):
        last = folder / "last.safetensors"
        if last.exists() and not resume:
            raise RunError(f"{folder}: holds a run already; resume it (--resume) or name another folder (--out)")
        parts = Splits.load(config) if data is None else Splits.of(data, config)
        config = dataclasses.replace(config, data=parts.name)
        run = _Run(config, folder, parts, on_epoch, share)
        if last.exists():
            run.resume(last, extend=extend)
        elif config.init is not None:
            checkpoint.start_from(run.net, config.init, config)
        if share.rank == 0:
            write_file(
                folder / "config.json", _json({**config.settings(), "data_set": parts.about(), "versions": versions()})
            )
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
        share: parallel.Share,
    ) -> None:
        self.on_epoch, self.share = on_epoch, share
        self.config, self.folder, self.data = config, folder, data
        self.device = parallel.local_device(config.device)
        torch.manual_seed(config.seed)
        self.net = config.network(data.train.num_channels, data.train.num_classes).to(self.device)
        self.model: nn.Module = self.net
        if share.world > 1:
            parallel.share_batch_norm(self.net)
            self.model = nn.parallel.DistributedDataParallel(self.net)
        self.optimisation = Optimisation(self.net, config, math.ceil(len(data.train) / config.batch_size))
        self.progress = Progress()

    def fit(self) -> None:
        """Train the epochs that are left."""
        if isinstance(self.net, SpArchNet) and self.progress.epoch < self.config.epochs:
            compile_kernels(self.net)
        tqdm = require("tqdm", extra="train", purpose="The progress bar").tqdm
        first = self.progress.epoch
        title = self._title
        writes = self.share.rank == 0
        hidden = True if self.on_epoch or not writes else None  # None: hidden where stderr is not a terminal
        with (
            self._board(first) as board,
            tqdm(total=self.config.epochs, initial=first, desc=title, unit="epoch", disable=hidden) as bar,
        ):
            for epoch in range(first, self.config.epochs):
                entry = self._epoch(epoch)
                self.progress.history.append(entry)
                if not writes:
                    continue
                self._save()
                for name, value in entry.items():
                    board.add_scalar(name, value, epoch)
                if self.on_epoch:
                    self.on_epoch(entry)
                bar.update()
                bar.set_postfix_str(f"loss {entry['train_loss']:.3f}, validation {_figure(entry)}")
                logger.info(
                    "%s  epoch %d/%d  loss %.4f  accuracy %.3f  validation %s",
                    title,
                    epoch + 1,
                    self.config.epochs,
                    entry["train_loss"],
                    entry["train_accuracy"],
                    _figure(entry),
                )
        if self.progress.seconds:
            logger.info(
                "%s  %.1f %% of the time waiting for data", title, 100 * self.progress.waiting / self.progress.seconds
            )

    @property
    def _title(self) -> str:
        return f"{self.config.label} seed {self.config.seed}"

    def _board(self, first: int) -> contextlib.AbstractContextManager[Any]:
        """TensorBoard's log, from an epoch on; none but in the first process."""
        tensorboard = require("torch.utils.tensorboard", extra="train", purpose="TensorBoard's log")
        if self.share.rank > 0:
            return contextlib.nullcontext()
        return tensorboard.SummaryWriter(str(self.folder), purge_step=first)

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Train once over the training set, validate, and step the learning rate."""
        start = time.perf_counter()
        rate = self.optimisation.rates()[0]
        self.optimisation.begin_epoch(epoch)
        loss, accuracy = self._pass(epoch)
        pad = not self.config.published
        recalibrate(self.net, self.data.train, samples=self.config.recalibrate, pad=pad)
        valid = evaluate(self.net, self.data.valid, pad=pad)
        self._check_finite(valid.loss, f"validation loss is {valid.loss} in epoch {epoch + 1}")
        self.optimisation.end_epoch(valid.accuracy)
        progress = self.progress
        progress.epoch = epoch + 1
        progress.seconds += time.perf_counter() - start
        if valid.accuracy > progress.best_accuracy:
            progress.best_epoch, progress.best_accuracy = epoch + 1, valid.accuracy
            if self.share.rank == 0:
                checkpoint.save(self.folder / "best.safetensors", self._model(), self._facts())
        return {
            "epoch": epoch + 1,
            "learning_rate": rate,
            "train_loss": loss,
            "train_accuracy": accuracy,
            **{f"valid_{name}": value for name, value in self._figures(valid).items()},
        }

    def _figures(self, found: Evaluation) -> dict[str, float]:
        """The figures of an evaluation; of a language model with its perplexity."""
        perplexity = {"perplexity": found.perplexity} if model.is_language_model(self.net) else {}
        return {**dataclasses.asdict(found), **perplexity}

    def _pass(self, epoch: int) -> tuple[float, float]:
        """Take one optimiser step per batch; return mean loss and accuracy over the samples."""
        config, share = self.config, self.share
        # Numbers of an epoch depend on seed and epoch alone: nothing of the generators needs to be saved.
        torch.manual_seed(_mix(config.seed, epoch) + share.rank * _RANK_STRIDE)
        order = torch.Generator().manual_seed(_mix(config.seed, epoch))
        loader = shuffled(self.data.train, config.batch_size, order, share, pad=not config.published, augment=True)
        self.model.train()
        total_loss = right = decisions = 0.0
        language = model.is_language_model(self.net)
        left = len(self.data.train)
        for frames, labels, lengths in self._timed(loader):
            samples = min(config.batch_size, left)  # of all processes
            left -= samples
            with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=config.precision == "bfloat16"):
                scores = model.run(self.model, frames, lengths).scores
            verdict = model.judge(scores, labels, lengths, language=language)
            # The processes' gradients are averaged: each gives its part of the mean over the whole batch, times them;
            # of a language model the mean over its own tokens, as all have the same number but at the end of a text.
            self.optimisation.zero_grad()
            (verdict.loss * (1 / verdict.decisions if language else share.world / samples)).backward()
            if config.gradient_clip is not None:
                nn.utils.clip_grad_norm_(self.net.parameters(), config.gradient_clip)
            self.optimisation.step()
            total_loss += verdict.loss.item()
            right += 0 if language else verdict.right
            decisions += verdict.decisions
        sums = torch.tensor([total_loss, right, decisions], dtype=torch.float64, device=self.device)
        total_loss, right, decisions = parallel.total(sums).tolist()
        self._check_finite(total_loss, f"loss is {total_loss} in epoch {epoch + 1}")
        return total_loss / decisions, model.figure_of_merit(right, total_loss, decisions, language=language)

    def _check_finite(self, loss: float, words: str) -> None:
        if not math.isfinite(loss):
            raise Diverged(
                f"{self.folder}: the {words}; try a lower learning rate, or a neuron whose range is stable "
                "(AdLIF's is not)"
            )

    def _timed(self, loader: Batches) -> Iterator[Batch]:
        """Iterate, and add up the time spent waiting."""
        start = time.perf_counter()
        for batch in ahead(loader, self.device):
            self.progress.waiting += time.perf_counter() - start
            yield batch
            start = time.perf_counter()

    def _model(self) -> dict[str, torch.Tensor]:
        return {f"model.{name}": value for name, value in self.net.state_dict().items()}

    def _facts(self) -> dict[str, Any]:
        return {
            "config": self.config.settings(),
            "num_inputs": self.data.train.num_channels,
            "num_classes": self.data.train.num_classes,
            "data_set": self.data.about(),
            "progress": dataclasses.asdict(self.progress),
            **self.optimisation.facts(),
        }

    def _save(self) -> None:
        checkpoint.save(
            self.folder / "last.safetensors", {**self._model(), **self.optimisation.moments()}, self._facts()
        )
        write_file(self.folder / "metrics.jsonl", b"".join(_json(line) for line in self.progress.history))

    def resume(self, path: Path, *, extend: bool) -> None:
        """Go on from the last epoch of a checkpoint, perhaps to more epochs than were planned.

        Raises:
            RunError: If the checkpoint is of a run with other settings.
            CheckpointError: If it is damaged, or not the last checkpoint of a run.
        """
        tensors, facts = checkpoint.load(path)
        try:
            self._restore(tensors, facts, path, extend)
        except RunError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"{error.args[0]}: missing" if isinstance(error, KeyError) else str(error)
            raise CheckpointError(f"{path}: {problem}; it is not the last checkpoint of a run") from error
        logger.info("%s: resumed after epoch %d", self.folder, self.progress.epoch)

    def _restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any], path: Path, extend: bool) -> None:
        # Settings that are newer than the checkpoint had their defaults then.
        ours, theirs = (json.loads(each.to_json()) for each in (self.config, TrainConfig.from_mapping(facts["config"])))
        longer = extend and ours["epochs"] > theirs["epochs"]
        free = {"device", *(["epochs"] if longer else [])}  # a run may move to another machine
        if changed := [name for name in ours if ours[name] != theirs[name] and name not in free]:
            name = changed[0]
            raise RunError(f"{path}: {name}: the run has {theirs[name]}, you gave {ours[name]}; use another folder")
        given = json.loads(json.dumps(self.data.about()))
        had = facts.get("data_set", given)  # checkpoints that are older do not say it
        if changed := [name for name in given if given[name] != had.get(name)]:
            name = changed[0]
            raise RunError(
                f"{path}: data: the run has {name} {had.get(name)}, you gave {given[name]}; use another folder"
            )
        checkpoint.restore(self.net, tensors)
        self.progress = Progress(**facts["progress"])
        if longer:
            self.optimisation.restore_longer(tensors, facts, self.progress.epoch)
        else:
            self.optimisation.restore(tensors, facts)

    def result(self) -> dict[str, Any]:
        """Test the best epoch; write and return the result."""
        parallel.wait()  # the first process may still be writing it
        best, _, _ = checkpoint.load_network(self.folder / "best.safetensors")
        best.to(self.device)
        test: Evaluation = evaluate(best, self.data.test, pad=not self.config.published)
        self._check_finite(test.loss, f"test loss is {test.loss} in the best epoch, {self.progress.best_epoch}")
        result = {
            "architecture": self.config.architecture,
            "neuron": self.config.label,
            "data": self.config.data,
            "classes": [] if model.is_language_model(self.net) else list(self.data.train.classes),  # not all words
            "front_end": self.data.about()["front_end"],
            "seed": self.config.seed,
            "epochs": self.config.epochs,
            "learning_rate": self.config.learning_rate,
            "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            "selected_on": self.data.selected_on,
            "best_epoch": self.progress.best_epoch,
            "valid_accuracy": self.progress.best_accuracy,
            **{f"test_{name}": value for name, value in self._figures(test).items()},
            "seconds": round(self.progress.seconds, 1),
            "folder": str(self.folder),
        }
        if self.share.rank == 0:
            write_file(self.folder / "result.json", _json(result))
            self._advise(best)
        return result

    def _advise(self, net: nn.Module) -> None:
        """Log what keeps layers of the trained network from learning, if anything does."""
        batch = next(iter(in_order(self.data.valid, self.config.batch_size, pad=not self.config.published)))
        frames, _, lengths = batch.to(self.device)
        with contextlib.suppress(ValueError):  # it has no spiking layer that we know
            for line in diagnose(net, (frames, lengths)).advice:
                logger.warning("%s  %s", self._title, line)


def _figure(entry: dict[str, float]) -> str:
    """What an epoch is judged by, in short."""
    if "valid_perplexity" in entry:
        return f"perplexity {entry['valid_perplexity']:.1f}"
    return f"{entry['valid_accuracy']:.3f}"


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {"silif_plugins": __version__, "torch": torch.__version__, "python": platform.python_version()}


def _mix(seed: int, epoch: int) -> int:
    """A seed of its own for each epoch of each run."""
    return seed * 1_000_003 + epoch


def _json(value: Any) -> bytes:
    return (json.dumps(value, allow_nan=False) + "\n").encode()


@contextlib.contextmanager
def _locked(folder: Path, share: parallel.Share) -> Iterator[None]:
    """Keep a second run out of the folder; of several processes of one run the first does it for all."""
    if share.rank > 0:
        yield
        return
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"{folder}: another run is writing here; name another folder (--out)") from None
    for name in FILES:
        for left in leftovers(folder / name):  # by a run that was killed while it wrote
            left.unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        if made and not (folder / "last.safetensors").exists():
            _remove(made)
        raise
    finally:
        lock.release()


def _remove(made: list[Path]) -> None:
    """Remove the folder of a run that has come to nothing, and its parents, as far as the run has made them."""
    folder, *parents = made
    for file in (*(folder / name for name in (*FILES, ".lock")), *folder.glob("events.out.tfevents.*")):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody else has put something there
        for each in (folder, *parents):
            each.rmdir()
