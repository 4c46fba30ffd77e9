"""Samples of a data set of any library: what it gives one by one, in the arrays of this package."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from ..memory import excess
from .errors import DataError
from .events import Recordings
from .frames import FrameDataset, as_array

_MICROSECONDS = 1e-6  # tonic's unit of time
_MANY = 1000  # classes that are numbers without names may be more than samples up to here


@dataclass
class Samples:
    """The samples of one split, before the classes of all splits are known.

    Attributes:
        inputs: Frames [steps, channels] or structured events of every sample; or frames of all in one array.
        labels: Index or name of the class of every sample.
        classes: What the data set itself calls its classes; None if it does not say.
        sensor: Width, height and polarities of what recorded the events; None if it does not say.
        speakers: Index of the speaker of every sample, as tonic's SHD says; None if it does not say.
    """

    inputs: NDArray[Any] | list[NDArray[Any]]
    labels: list[int] | list[str]
    classes: tuple[str, ...] | None = None
    sensor: tuple[int, ...] | None = None
    speakers: NDArray[np.integer[Any]] | None = None

    def indices(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the index of each sample's class, [samples].

        Raises:
            DataError: If a name is none of a class.
        """
        numbers = []
        for sample, label in enumerate(self.labels):
            if isinstance(label, str) and label not in classes:
                raise DataError("labels", f"sample {sample} has {label!r}, but classes are {', '.join(classes)}")
            numbers.append(classes.index(label) if isinstance(label, str) else label)
        return np.array(numbers, np.int64)


def gather(data: Any, split: str) -> FrameDataset | Recordings | Samples:
    """Take all samples of a split, whatever holds them.

    Args:
        data: Frames and labels ``(x, y)``, a data set of PyTorch or tonic, a list of pairs, or one of this package's.
        split: Its name, for messages.

    Raises:
        DataError: If it is nothing of that, or a sample is no pair of frames or events and a label.
    """
    if isinstance(data, FrameDataset | Recordings):
        if not len(data):
            raise DataError(split, f"got {data!r}, but there must be samples")
        return data
    if isinstance(data, DataLoader):
        raise DataError(split, "got a DataLoader, which gives batches; give its data set, loader.dataset")
    pair = getattr(data, "tensors", data)  # a TensorDataset
    if isinstance(pair, tuple):
        if len(pair) != 2:
            raise DataError(split, f"got a tuple of {len(pair)}, but it must be (frames, labels)")
        return _pair(*pair, split)
    if isinstance(data, str | bytes | Mapping) or not (hasattr(data, "__getitem__") or hasattr(data, "__iter__")):
        raise DataError(
            split,
            f"got {type(data).__name__}, but it must be (frames, labels), a data set of PyTorch or tonic, or pairs",
        )
    sensor, inputs, labels = _said(data, "sensor_size"), [], []
    for index, item in enumerate(_items(data)):
        if not isinstance(item, tuple | list) or len(item) != 2:
            got = f"{type(item).__name__} of {len(item)}" if hasattr(item, "__len__") else type(item).__name__
            raise DataError(split, f"sample {index} is a {got}, but it must be a pair of frames or events, and a label")
        inputs.append(_input(item[0], f"{split}: sample {index}", tonic=sensor is not None))
        labels.append(item[1])
    if not inputs:
        raise DataError(split, "got no samples")
    named, speakers = number(labels, f"{split}: labels"), np.asarray(getattr(data, "speaker", ()))
    known = speakers.shape == (len(inputs),) and speakers.dtype.kind in "iu"
    return Samples(inputs, named, _names(_said(data, "classes")), sensor, speakers if known else None)


def _pair(inputs: Any, labels: Any, split: str) -> Samples:
    whole: NDArray[Any] | list[NDArray[Any]]
    if isinstance(inputs, Tensor | np.ndarray):
        whole = as_array(inputs)
        if whole.ndim != 3:
            remedies = {1: "", 2: "; of sequences of one channel, give frames[..., None]"}
            remedy = remedies.get(whole.ndim, "; flatten what belongs to one step, frames.flatten(2)")
            allowed = f"[samples, steps, channels]{remedy}"
            raise DataError(f"{split}: frames", f"got shape {whole.shape}, but it must be {allowed}")
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes):
        whole = [_input(each, f"{split}: sample {index}") for index, each in enumerate(inputs)]
    else:
        raise DataError(f"{split}: frames", f"got {type(inputs).__name__}, but it must be an array, a tensor or a list")
    named = number(labels, f"{split}: labels")
    if len(named) != len(whole):
        raise DataError(f"{split}: labels", f"got {len(named)} labels, but there are {len(whole)} samples")
    if not len(whole):
        raise DataError(split, "got no samples")
    return Samples(whole, named)


def _items(data: Any) -> Iterator[Any]:
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return (data[index] for index in range(len(data)))
    return iter(data)


def _input(values: Any, where: str, *, tonic: bool = False) -> NDArray[Any]:
    """Check the frames or events of one sample; tonic's frames have two or three axes after that of the steps."""
    array = as_array(values)
    if array.dtype.names is not None:
        if not {"t", "x"} <= set(array.dtype.names):
            raise DataError(where, f"has events with the fields {', '.join(array.dtype.names)}; they must have t and x")
        return array
    if tonic and array.ndim in (3, 4):
        array = array.reshape(len(array), -1)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        hint = "; flatten what belongs to one step, frames.flatten(1)" if array.ndim > 2 else ""
        got = f"is {array.dtype} of shape {array.shape}"
        raise DataError(where, f"{got}, but it must be numbers of shape [steps, channels], or events{hint}")
    return array


def number(values: Any, field: str) -> list[int] | list[str]:
    """Return integers or names, one for every sample.

    Raises:
        DataError: If they are something else.
    """
    if isinstance(values, list | tuple):
        values = [each.item() if _is_single(each) else each for each in values]
    try:
        array = as_array(values)
    except ValueError as error:
        raise DataError(
            field, "got lists of different lengths, but it must be an integer or a name for every sample"
        ) from error
    if array.dtype.kind == "S" or (array.dtype.kind == "O" and all(isinstance(each, str | bytes) for each in array)):
        array = np.array([_text(each) for each in array])
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biuU"):
        hint = "; of one-hot labels, give labels.argmax(1)" if array.ndim == 2 and array.dtype.kind in "biuf" else ""
        got = f"got {array.dtype} of shape {array.shape}"
        raise DataError(field, f"{got}, but it must be an integer or a name for every sample{hint}")
    return array.tolist() if array.dtype.kind == "U" else [int(each) for each in array]


def _is_single(value: Any) -> bool:
    """Whether it is a tensor or an array of one number."""
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, np.ndarray) and value.size == 1


def whole_number(arrays: Mapping[str, NDArray[Any]], name: str, path: Path) -> int | None:
    """Return a number that a file may have under a name: an integer from 0.

    Raises:
        DataError: If it is something else.
    """
    if name not in arrays:
        return None
    array = arrays[name]
    if array.size != 1 or array.dtype.kind not in "iu" or int(array.item()) < 0:
        got = f"got {array.dtype} of shape {array.shape}" if array.size != 1 else f"got {array.item()}"
        raise DataError(name, f"{got}, but it must be an integer from 0", path)
    return int(array.item())


def _said(data: Any, attribute: str) -> Any:
    """What a data set, or the one within it (as a Subset's, or a cache's), says of itself."""
    for _ in range(10):
        if (value := getattr(data, attribute, None)) is not None:
            return value
        data = getattr(data, "dataset", None)
    return None


def _names(classes: Any) -> tuple[str, ...] | None:
    if isinstance(classes, list | tuple | np.ndarray) and all(isinstance(each, str | bytes) for each in classes):
        return tuple(_text(each) for each in classes)
    return None


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def settle(
    parts: Mapping[str, FrameDataset | Recordings | Samples], classes: Sequence[str] | None = None
) -> dict[str, FrameDataset | Recordings]:
    """Give the samples of all splits the same classes, and make frames or recordings of each split.

    Args:
        parts: The splits.
        classes: Names of the classes; by default those that the data say, the names that occur as labels, or numbers.

    Raises:
        DataError: If a label is none of the classes, shapes differ, or the splits are of different kinds.
    """
    said = {split: part.classes for split, part in parts.items() if part.classes is not None}
    labels = {split: part.labels for split, part in parts.items() if isinstance(part, Samples)}
    names = class_names(labels, said) if classes is None else tuple(map(str, classes))
    settled: dict[str, FrameDataset | Recordings] = {}
    for split, part in parts.items():
        try:
            settled[split] = _settled(part, names) if isinstance(part, Samples) else part
        except DataError as error:
            raise DataError(f"{split}: {error.field}", error.problem, error.path) from error
    kinds = {split: "events" if isinstance(part, Recordings) else "frames" for split, part in settled.items()}
    first = next(iter(kinds))
    for split, kind in kinds.items():
        if kind != kinds[first]:
            raise DataError(split, f"got {kind}, but {first} has {kinds[first]}; all splits must be of one kind")
    return settled


def class_names(labels: Mapping[str, list[int] | list[str]], said: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of the classes: those that the splits say, the names that occur as labels, or numbers.

    Raises:
        DataError: If the splits say different ones, or the highest number cannot be the number of a class.

    Examples:
        >>> class_names({"train": ["no", "yes"], "test": ["yes"]}, {}), class_names({"train": [0, 2]}, {})
        (('no', 'yes'), ('0', '1', '2'))
    """
    if said:
        first, *others = said
        for split in others:
            if said[split] != said[first]:
                got, allowed = (", ".join(said[each]) for each in (split, first))
                raise DataError(f"{split}: classes", f"got {got}, but {first} has {allowed}")
        return said[first]
    every = {label for each in labels.values() for label in each}
    words = sorted(each for each in every if isinstance(each, str))
    if words and len(words) < len(every):
        raise DataError("labels", "got names in one split and numbers in another")
    if words:
        return tuple(words)
    split, first_labels = next(iter(labels.items()))
    highest = max((int(each) for each in first_labels), default=0)
    if highest >= max(_MANY, len(first_labels)):
        problem = f"got {highest} for one of {len(first_labels)} samples; number the classes from 0, or name them"
        raise DataError(f"{split}: labels", problem)
    return tuple(map(str, range(max(highest, 0) + 1)))


def _settled(part: Samples, classes: tuple[str, ...]) -> FrameDataset | Recordings:
    labels = part.indices(classes)
    if isinstance(part.inputs, np.ndarray):
        return FrameDataset(part.inputs, labels, classes=classes)
    events = [each.dtype.names is not None for each in part.inputs]
    if all(events):
        return _recordings(part, labels, classes)
    if any(events):
        raise DataError("samples", f"sample {events.index(True)} has events, sample {events.index(False)} frames")
    return padded(part.inputs, labels, classes, speakers=part.speakers)


def padded(
    inputs: list[NDArray[Any]],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    speakers: Sequence[int] | NDArray[np.integer[Any]] | None = None,
) -> FrameDataset:
    """Put frames [steps, channels] of different lengths into one data set.

    Raises:
        DataError: If their channels differ, one has no step, or they do not fit into memory.
    """
    channels, lengths = inputs[0].shape[1], [len(each) for each in inputs]
    for sample, each in enumerate(inputs):
        if each.shape[1] != channels or not len(each):
            got = f"sample {sample} has shape {each.shape}"
            raise DataError(
                "frames", f"{got}, but there must be {channels} channels, as in sample 0, and a step at least"
            )
    shape, kind = (len(inputs), max(lengths), channels), np.result_type(*{each.dtype for each in inputs})
    if problem := excess(math.prod(shape) * kind.itemsize):
        raise DataError("frames", f"{shape[0]} of {shape[1]} steps and {shape[2]} channels {problem}")
    frames = np.zeros(shape, kind)
    for sample, each in enumerate(inputs):
        frames[sample, : len(each)] = each
    shorter = lengths if min(lengths) < shape[1] else None
    return FrameDataset(frames, labels, classes=classes, lengths=shorter, speakers=speakers)


def _recordings(part: Samples, labels: NDArray[np.int64], classes: tuple[str, ...]) -> Recordings:
    """Number the channels of tonic's events in the order of its frames: polarity, then row, then column."""
    if part.sensor is None:
        problem = "are events, but the data set has no sensor_size (width, height, polarities) as tonic's have"
        raise DataError("samples", f"{problem}; give silif_plugins.datasets.Recordings instead")
    width, height, polarities = (int(each) for each in (*part.sensor, 1, 1)[:3])
    times, units = [], []
    for sample, events in enumerate(part.inputs):
        sizes = {"x": width, "y": height, "p": polarities}
        there = {axis: size for axis, size in sizes.items() if axis in (events.dtype.names or ()) and size > 1}
        for axis, size in there.items():
            outside = (events[axis] < 0) | (events[axis] >= size)
            if outside.any():
                got = f"sample {sample} has an event at {axis} = {events[axis][outside][0]}"
                raise DataError("events", f"{got}, but allowed is 0 to {size - 1} with sensor_size {part.sensor}")
        unit = np.zeros(len(events), np.int64)
        for axis in ("p", "y", "x"):
            unit = unit * sizes[axis] + (events[axis].astype(np.int64) if axis in there else 0)
        times.append(events["t"].astype(np.float64) * _MICROSECONDS)
        units.append(unit)
    channels = width * height * polarities
    return Recordings(times, units, labels, classes=classes, num_channels=channels, speakers=part.speakers)
