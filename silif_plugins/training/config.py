"""What defines a training run: every setting, with its default, checked when it is made."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..hints import did_you_mean
from ..memory import excess
from ..neurons import canonical_name
from ..sparch import InitialState, Normalization, SpArchNet
from ..surrogate import resolve

Schedule = Literal["cosine", "one-cycle", "plateau", "constant"]
Precision = Literal["float32", "bfloat16"]
Selection = Literal["held-out", "published"]

AUGMENTATIONS = ("channel_jitter", "time_jitter", "drop")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run of the SpArch network.

    Attributes:
        neuron: Neuron model of the hidden layers: LIF, AdLIF, cAdLIF, RF, SiLIF or C-SiLIF.
        neuron_options: Arguments of the model's constructor, such as {"dt": 0.05}.
        hidden_sizes: Neurons of each hidden layer.
        recurrent: Recurrent weights within each hidden layer.
        bidirectional: Hidden layers also read the sequence backwards.
        normalization: Normalisation before the neurons: batchnorm, layernorm or none.
        dropout: Probability that a hidden spike is dropped in training.
        initial_state: zeros, or uniform: random as in the paper's published code.
        surrogate: Surrogate gradient: boxcar (the paper's), atan, fast_sigmoid, triangle or norse:METHOD.
        init: Checkpoint or folder of a run whose weights to start from; the readout starts anew where the classes are
            others.
        data: A data set by its name, or a folder that holds one.
        data_options: Further options of the data set, such as {"bands": 64} for Google Speech Commands.
        steps: Time steps of a sample; the data set's default if not given.
        max_time: Length of a sample in seconds; the data set's default if not given.
        pool: Neighbouring input channels that are summed into one; the data set's default if not given (5 for SHD and
            SSC, whose 700 become the paper's 140).
        allow_empty: Keep recordings without an event before max_time, instead of refusing the file.
        published: Treat the data as the paper's code does: its binning, recordings without events kept, and padded
            steps as input like others.
        permute: Read MNIST's pixels in a fixed random order.
        augment: Random changes of the training events: channel_jitter (standard deviation in channels), time_jitter
            (standard deviation in seconds), drop (share of events).
        selection: How to choose the epoch of data without a validation set, such as SHD: held-out, on speakers of the
            training set that are held out, or published, on the test set, as the paper does.
        epochs: Passes over the training set.
        batch_size: Samples in a step.
        learning_rate: Of Adam.
        schedule: Learning rate over the epochs: cosine, one-cycle (step by step), plateau (as in the paper) or
            constant.
        patience: Epochs without improvement until plateau lowers the learning rate.
        factor: What plateau multiplies it by.
        gradient_clip: Norm to which longer gradients are shortened; by default they are left.
        precision: Of the matrix products in training: float32 or bfloat16. The neurons' states stay float32.
        recalibrate: Training samples over which batch norm's statistics are averaged before each evaluation; 0 uses
            the running ones, as published, which are far off in runs of few steps.
        seed: Of initial weights, sample order and dropout.
        device: Where to train, such as cpu or cuda.
    """

    neuron: str = "SiLIF"
    neuron_options: dict[str, Any] = field(default_factory=dict)
    hidden_sizes: tuple[int, ...] = (128, 128)
    recurrent: bool = False
    bidirectional: bool = False
    normalization: Normalization = "batchnorm"
    dropout: float = 0.1
    initial_state: InitialState = "zeros"
    surrogate: str = "boxcar"
    init: str | None = None
    data: str = "spoken-digits"
    data_options: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None
    max_time: float | None = None
    pool: int | None = None
    allow_empty: bool = False
    published: bool = False
    permute: bool = False
    augment: dict[str, float] = field(default_factory=dict)
    selection: Selection = "held-out"
    epochs: int = 15
    batch_size: int = 64
    learning_rate: float = 0.03
    schedule: Schedule = "cosine"
    patience: int = 10
    factor: float = 0.7
    gradient_clip: float | None = None
    precision: Precision = "float32"
    recalibrate: int = 512
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ValueError: If one is not valid; the message names it.
        """
        for name, kind in _kinds().items():
            _check(_fits(getattr(self, name), kind), name, repr(getattr(self, name)), _words(kind))
        object.__setattr__(self, "neuron", canonical_name(self.neuron))
        resolve(self.surrogate)
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        _check(bool(self.hidden_sizes) and min(self.hidden_sizes) > 0, "hidden_sizes", self.hidden_sizes, "positive")
        _check(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")
        for name in ("epochs", "batch_size", "patience"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "positive")
        _check(self.recalibrate >= 0, "recalibrate", self.recalibrate, "0 or more")
        _check(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "positive")
        _check(0 < self.factor < 1, "factor", self.factor, "between 0 and 1")
        _check(0 <= self.seed < 2**31, "seed", self.seed, "at least 0 and below 2**31")
        clip = self.gradient_clip
        _check(clip is None or 0 < clip < math.inf, "gradient_clip", clip, "positive, or none")
        for name, value in self.augment.items():
            _check(name in AUGMENTATIONS, "augment", name, f"one of {', '.join(AUGMENTATIONS)}")
            _check(
                0 <= value < (1 if name == "drop" else math.inf), f"augment.{name}", value, "0 or more; drop below 1"
            )

    def network(self, num_inputs: int, num_classes: int) -> SpArchNet:
        """Build the network; the caller seeds the random numbers of its initial weights.

        Raises:
            ValueError: If ``neuron_options`` does not fit the neuron model, or the weights do not fit into memory.
        """
        if problem := excess(4 * self.weights(num_inputs, num_classes)):
            raise ValueError(f"hidden_sizes: got {self.hidden_sizes}; their weights {problem}")
        try:
            return SpArchNet(
                num_inputs,
                self.hidden_sizes,
                num_classes,
                neuron=self.neuron,
                neuron_options={key: _tuples(value) for key, value in self.neuron_options.items()},
                recurrent=self.recurrent,
                bidirectional=self.bidirectional,
                normalization=self.normalization,
                dropout=self.dropout,
                initial_state=self.initial_state,
                surrogate=self.surrogate,
            )
        except TypeError as error:
            raise ValueError(f"neuron_options: got {self.neuron_options}; {self.neuron} refuses: {error}") from error

    def weights(self, num_inputs: int, num_classes: int) -> int:
        """Count the weights of the connections: all parameters but a few for each neuron.

        Examples:
            >>> TrainConfig(hidden_sizes=(10, 10)).weights(5, 2)
            170
        """
        total = 0
        for size in self.hidden_sizes:
            total += size * (num_inputs + (size if self.recurrent else 0))
            num_inputs = 2 * size if self.bidirectional else size
        return total + num_inputs * num_classes

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_mapping(cls, settings: object) -> TrainConfig:
        """Make from a mapping, such as parsed JSON.

        Raises:
            ValueError: If it is no mapping, a key is unknown or a value not valid; the message names it.
        """
        if not isinstance(settings, Mapping):
            raise ValueError(f"config: got {settings!r}; it must be settings by their names")
        known = {entry.name for entry in dataclasses.fields(cls)}
        if unknown := sorted(settings.keys() - known, key=str):
            hint = did_you_mean(str(unknown[0]), known) or f"; known are {', '.join(sorted(known))}"
            raise ValueError(f"{unknown[0]}: unknown setting{hint}")
        return cls(**settings)


def _check(fine: bool, name: str, value: object, allowed: str) -> None:
    if not fine:
        raise ValueError(f"{name}: got {value}; it must be {allowed}")


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(TrainConfig)


def _fits(value: object, kind: Any) -> bool:
    """Whether a value, perhaps read from JSON or YAML, is of a setting's type."""
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return value in parts
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and all(_fits(each, parts[0]) for each in value)
    if get_origin(kind) is dict:
        return isinstance(value, Mapping) and all(_fits(k, str) and _fits(v, parts[1]) for k, v in value.items())
    if parts:  # a union
        return any(_fits(value, each) for each in parts)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return kind is Any or isinstance(value, kind)


def _words(kind: Any) -> str:
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(parts)}"
    if get_origin(kind) is tuple:
        return "a list of integers"
    if get_origin(kind) is dict:
        return "values by their names"
    if parts:
        return ", or ".join(map(_words, parts))
    return {int: "an integer", float: "a number", str: "text", bool: "true or false", NoneType: "none"}[kind]


def _tuples(value: Any) -> Any:
    """JSON and YAML have no tuples: a list of two numbers is a range."""
    return tuple(value) if isinstance(value, list) else value
