"""A trained network, and what it says of a recording, of events or of frames."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..datasets import DataError, FrameDataset, Recording, Recordings, front_end, read_arrays, read_sound
from .config import TrainConfig
from .model import run

_AT_ONCE = 64
"""Steps that are asked after together: bounds the memory of long samples."""

_EVENTS = ("steps", "max_time", "pool", "published")


@dataclass(frozen=True)
class Prediction:
    """What a network says of a sample.

    Attributes:
        word: The class with the highest score.
        confidence: Its probability, the softmax of the scores, as the loss takes them.
        probabilities: Of all classes, [classes].
        over_time: What it would have said if the sample had ended with a step, for every step, [steps, classes].
        classes: Names of the classes.
    """

    word: str
    confidence: float
    probabilities: NDArray[np.float32]
    over_time: NDArray[np.float32]
    classes: tuple[str, ...]

    @property
    def confidences(self) -> NDArray[np.float32]:
        """Confidence in the word after every step, [steps]."""
        return self.over_time[:, self.classes.index(self.word)]

    @property
    def decided(self) -> int:
        """First step, counted from 1, from which on the word is what the network would have said."""
        others = np.flatnonzero(self.over_time.argmax(axis=1) != self.classes.index(self.word))
        return 1 if not len(others) else int(others[-1]) + 2

    def __str__(self) -> str:
        return f"{self.word} ({100 * self.confidence:.0f} %)"


class Trained(NamedTuple):
    """A trained network, in evaluation mode.

    Attributes:
        network: The network.
        config: Settings of its run.
        facts: What else its checkpoint says.
    """

    network: nn.Module
    config: TrainConfig
    facts: dict[str, Any]

    @property
    def num_inputs(self) -> int:
        """Channels that it takes."""
        return int(self.facts["num_inputs"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of its scores; numbers, if nobody has named them."""
        said = self.about.get("classes")
        return tuple(map(str, range(self.facts["num_classes"]))) if said is None else tuple(said)

    @property
    def about(self) -> dict[str, Any]:
        """What the checkpoint says of the data: name, classes, options, samples and front end."""
        return dict(self.facts.get("data_set", {}))

    @property
    def step(self) -> float | None:
        """Duration of a time step in seconds; None if nobody has said it."""
        return step_of(self.facts)

    def check(self, dataset: FrameDataset, name: str = "dataset") -> None:
        """Raise unless a data set has the channels and the classes that the network knows.

        Raises:
            ValueError: If it has others.
        """
        if (dataset.num_channels, dataset.num_classes) != (self.num_inputs, len(self.classes)):
            raise ValueError(
                f"{name}: got {dataset.num_channels} channels and {dataset.num_classes} classes; "
                f"the network needs {self.num_inputs} and {len(self.classes)}"
            )
        if dataset.classes != self.classes:
            got, needed = (_listed(each) for each in (dataset.classes, self.classes))
            raise ValueError(f"{name}: got the classes {got}; the network knows {needed}")

    def predict(
        self, sample: str | os.PathLike[str] | Recording | ArrayLike | Tensor, *, rate: int | None = None
    ) -> Prediction:
        """Say what a sample is.

        Args:
            sample: One of

                - frames [steps, channels], an array or tensor such as a data set's,
                - events, a `Recording` as `Recordings` hold, binned as in training,
                - samples of sound [samples], floats, with their ``rate``, heard by the front end of the training,
                - a file: of sound, or an .npy or .npz of frames or events as in `FolderDataset`.
            rate: Samples a second of a sound in memory.

        Raises:
            ValueError: If the sample does not fit the network, or the network was not trained on such samples.
            DataError: If a file is damaged or a value not finite. It is a ValueError.
            FileNotFoundError: If there is no such file.
        """
        frames = self._frames(sample, rate)
        return predicted(self.network, frames, self.classes)

    def _frames(self, sample: Any, rate: int | None) -> Tensor:
        path = None
        if isinstance(sample, str | os.PathLike):
            path = Path(sample)
            sample, rate = self._read(path, rate)
        try:
            if rate is not None:
                sample = self._heard(sample, rate)
            elif isinstance(sample, Recording):
                sample = self._binned(sample)
            return self._checked(sample)
        except DataError as error:
            raise DataError(error.field, error.problem, path) if error.path is None else error from None

    def _read(self, path: Path, rate: int | None) -> tuple[Any, int | None]:
        if rate is not None:
            raise ValueError(f"rate: got {rate}, but the file {path} says its own; it must be None")
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        if path.suffix.lower() not in (".npy", ".npz"):
            return read_sound(path)
        arrays = read_arrays(path)
        if {"times", "units"} <= arrays.keys():
            return Recording(arrays["times"], arrays["units"], 0, 0), None
        frames = arrays.get("", arrays.get("frames"))
        if frames is None:
            has = ", ".join(arrays) or "nothing"
            raise DataError("npz", f"has {has}, but it must have frames, or times and units", path)
        return frames, None

    def _heard(self, sound: Any, rate: int) -> NDArray[Any]:
        hears = self.about.get("front_end")
        if hears is None:
            name = self.about.get("name", self.config.data)
            raise ValueError(f"sample: got sound, but the network was trained on {name}, which is not made of sound")
        samples = sound.numpy(force=True) if isinstance(sound, Tensor) else np.asarray(sound)
        heard: NDArray[Any] = front_end(**hears)(samples, rate)
        return heard

    def _binned(self, recording: Recording) -> Tensor:
        options: Mapping[str, Any] = self.about.get("options", {})
        if not set(_EVENTS) <= options.keys():
            raise ValueError("sample: got events, but the network was trained on frames; give frames [steps, channels]")
        grid = {name: options[name] for name in _EVENTS}
        channels = self.num_inputs * grid["pool"]
        recordings = Recordings([recording.times], [recording.units], [0], classes=self.classes, num_channels=channels)
        return FrameDataset.from_recordings(recordings, **grid, allow_empty=True).frames[0]

    def _checked(self, frames: Any) -> Tensor:
        values = frames if isinstance(frames, Tensor) else np.asarray(frames)
        if values.ndim != 2 or values.shape[1] != self.num_inputs:
            hint = "; of sound, give its rate, too" if values.ndim == 1 else ""
            raise DataError(
                "frames", f"got shape {tuple(values.shape)}, but it must be [steps, {self.num_inputs}]{hint}"
            )
        return FrameDataset(values[None], [0], classes=self.classes)[0][0]


def step_of(facts: Mapping[str, Any]) -> float | None:
    """Return the duration of a time step in seconds from what a checkpoint says; None if it says nothing of time.

    Examples:
        >>> step_of({"data_set": {"front_end": None, "options": {"steps": 100, "max_time": 1.0}}})
        0.01
    """
    about = facts.get("data_set", {})
    hears, options = about.get("front_end") or {}, about.get("options") or {}
    if "step" in hears:
        return float(hears["step"])
    return float(options["max_time"]) / options["steps"] if {"max_time", "steps"} <= options.keys() else None


def _listed(classes: Sequence[str]) -> str:
    """Names of classes, as far as anybody reads them: a language model has a quarter of a million."""
    return f"{', '.join(classes[:50])}{', ...' if len(classes) > 50 else ''}"


@torch.no_grad()
def predicted(net: nn.Module, frames: Tensor, classes: tuple[str, ...]) -> Prediction:
    """Ask a network for a sample, and for every beginning of it.

    Args:
        net: The network, in evaluation mode.
        frames: The sample, float32, [steps, channels].
        classes: Names of the classes.

    Raises:
        ValueError: If a score is not finite.
    """
    inputs = frames.to(next(net.parameters()).device)[None]
    steps = inputs.shape[1]
    scores = []
    if _takes_lengths(net, inputs):
        for first in range(0, steps, _AT_ONCE):
            lengths = torch.arange(first + 1, min(first + _AT_ONCE, steps) + 1, device=inputs.device)
            beginnings = inputs[:, : int(lengths[-1])].expand(len(lengths), -1, -1)
            scores.append(run(net, beginnings, lengths).scores)
    else:
        scores += [run(net, inputs[:, : step + 1], None).scores for step in range(steps)]
    whole = run(net, inputs, None).scores
    over_time = torch.cat([*scores[:-1], scores[-1][:-1], whole]).float().softmax(dim=1).cpu()
    if not bool(over_time[-1].isfinite().all()):
        raise ValueError(f"network: its scores are {whole.flatten().tolist()}; it has diverged")
    best = int(over_time[-1].argmax())
    values: NDArray[np.float32] = over_time.numpy()
    return Prediction(classes[best], float(values[-1, best]), values[-1], values, classes)


def _takes_lengths(net: nn.Module, inputs: Tensor) -> bool:
    """Whether the network leaves out what lies beyond a length, as it must; those that never met padding may not."""
    half = max(1, inputs.shape[1] // 2)
    alone = run(net, inputs[:, :half], None).scores
    padded = run(net, inputs, torch.tensor([half], device=inputs.device)).scores
    return bool(torch.allclose(alone, padded, rtol=1e-3, atol=1e-4))
