"""What defines a training run: every setting, with its default, checked when it is made."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import torch
from torch import nn

from ..hints import did_you_mean
from ..memory import excess
from .model import DEFAULT_NETWORK, NETWORKS, SIZES, network_named
from .options import Option, expect, of_dataclass

Schedule = Literal["cosine", "one-cycle", "plateau", "constant"]
Precision = Literal["float32", "bfloat16"]
Selection = Literal["held-out", "published"]

AUGMENTATIONS = ("channel_jitter", "time_jitter", "drop")


@dataclass(frozen=True, init=False)
class TrainConfig:
    """Settings of one training run: those below, and the options of its network.

    All of them are given by name, ``TrainConfig(neuron="LIF", hidden_sizes=(64,), epochs=3)``, as in a recipe. The
    options of the network are those of its factory: of the default one they are the arguments of
    :class:`silif_plugins.sparch.SpArchNet`, where by default there are two layers of 128 neurons and a dropout of 0.1.

    Attributes:
        architecture: What network is trained: sparch, s5-rf, s4d, spiking-ssm, spiking-linoss or mamba, also with a
            size as in s4d-6x128, language-model, or a name that was given to register_network.
        options: All options of the network, by their names.
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
        weight_decay: Of Adam, added to the gradients; parameters with a rate of their own, such as delays, have none.
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

    architecture: str = DEFAULT_NETWORK
    options: dict[str, Any] = field(default_factory=dict)
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
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    patience: int = 10
    factor: float = 0.7
    gradient_clip: float | None = None
    precision: Precision = "float32"
    recalibrate: int = 512
    seed: int = 0
    device: str = "cpu"

    def __init__(self, **settings: Any) -> None:
        """Check every value.

        Raises:
            ValueError: If a name is unknown or a value not valid; the message names it.
        """
        given = {**settings.pop("options", {}), **settings}
        known = settings_of(given.get("architecture", DEFAULT_NETWORK))
        if unknown := sorted(given.keys() - known.keys(), key=str):
            hint = did_you_mean(str(unknown[0]), known) or f"; known are {', '.join(sorted(known))}"
            raise ValueError(f"{unknown[0]}: unknown setting{hint}")
        values = {name: each.checked(name, given.get(name, each.default)) for name, each in known.items()}
        network = network_named(values["architecture"])
        options = {name: values.pop(name) for name in network.options}
        for name, value in {**values, "options": options}.items():
            object.__setattr__(self, name, value)
        if network.check is not None:
            network.check(**options)
        self._check()

    def _check(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            expect(getattr(self, name) > 0, name, getattr(self, name), "positive")
        expect(self.recalibrate >= 0, "recalibrate", self.recalibrate, "0 or more")
        expect(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "positive")
        expect(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay, "0 or more")
        expect(0 < self.factor < 1, "factor", self.factor, "between 0 and 1")
        expect(0 <= self.seed < 2**31, "seed", self.seed, "at least 0 and below 2**31")
        clip = self.gradient_clip
        expect(clip is None or 0 < clip < math.inf, "gradient_clip", clip, "positive, or none")
        for name, value in self.augment.items():
            expect(name in AUGMENTATIONS, "augment", name, f"one of {', '.join(AUGMENTATIONS)}")
            expect(
                0 <= value < (1 if name == "drop" else math.inf), f"augment.{name}", value, "0 or more; drop below 1"
            )

    @property
    def label(self) -> str:
        """What tells runs on the same data apart: the neuron, and of other networks than the default one their name.

        Examples:
            >>> TrainConfig(neuron="csilif").label
            'C-SiLIF'
        """
        neuron = self.options.get("neuron")
        if neuron is None:
            return self.architecture
        return str(neuron) if self.architecture == DEFAULT_NETWORK else f"{self.architecture}-{neuron}"

    def network(self, num_inputs: int, num_classes: int) -> nn.Module:
        """Build the network; the caller seeds the random numbers of its initial weights.

        Raises:
            ValueError: If the factory refuses its options, or the weights do not fit into memory.
        """
        if (outline := self.outline(num_inputs, num_classes)) is not None:
            size = sum(tensor.numel() * tensor.element_size() for tensor in outline.state_dict().values())
            if problem := excess(size):
                raise ValueError(f"network: its weights {problem}; {self._told()}")
        return self._made(num_inputs, num_classes)

    def outline(self, num_inputs: int, num_classes: int) -> nn.Module | None:
        """Build the network without its numbers, to see how many there are; None if it cannot be without.

        Raises:
            ValueError: If the factory refuses its options.

        Examples:
            >>> outline = TrainConfig(hidden_sizes=(10**6,)).outline(5, 2)
            >>> outline.hidden[0].current.weights.weight.shape
            torch.Size([1000000, 5])
        """
        try:
            with torch.random.fork_rng(devices=[]), torch.device("meta"):
                return self._made(num_inputs, num_classes)
        except RuntimeError as error:
            if "overflow" in str(error):
                raise ValueError(f"network: its weights are more than can be counted; {self._told()}") from error
            return None

    def _made(self, *sizes: int) -> nn.Module:
        options = {
            name: {key: _tuples(each) for key, each in value.items()} if isinstance(value, dict) else value
            for name, value in self.options.items()
        }
        try:
            return network_named(self.architecture).factory(**dict(zip(SIZES, sizes, strict=True)), **options)
        except TypeError as error:
            problem = str(error).partition("\n")[0]
            raise ValueError(f"network: {self.architecture} refuses its options: {problem}; {self._told()}") from error

    def _told(self) -> str:
        """Say what network this is, as far as it is not the default one."""
        changed = {name: value for name, value in self.changed().items() if name in self.options}
        return f"it is {self.architecture} with {changed or 'its defaults'}"

    def settings(self) -> dict[str, Any]:
        """Return everything by name, as it was given, and as recipes and checkpoints hold it."""
        own = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {"architecture": own.pop("architecture"), **own.pop("options"), **own}

    def changed(self) -> dict[str, Any]:
        """Return the settings that are not the defaults, by name.

        Examples:
            >>> TrainConfig(neuron="LIF", epochs=3).changed()
            {'neuron': 'LIF', 'epochs': 3}
        """
        known = settings_of(self.architecture)
        return {name: value for name, value in self.settings().items() if value != known[name].default}

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(self.settings())

    @classmethod
    def from_mapping(cls, settings: object) -> TrainConfig:
        """Make from a mapping, such as parsed JSON.

        Raises:
            ValueError: If it is no mapping, a key is unknown or a value not valid; the message names it.
        """
        if not isinstance(settings, Mapping):
            raise ValueError(f"config: got {settings!r}; it must be settings by their names")
        return cls(**{str(name): value for name, value in settings.items()})


@cache
def _own() -> dict[str, Option]:
    return of_dataclass(TrainConfig, without=["options"])


def settings_of(network: str) -> dict[str, Option]:
    """Return every setting of a run of a network: which it is, its options, and those of training.

    Raises:
        ValueError: If there is no such network, or an option of it has the name of a setting of training.

    Examples:
        >>> list(settings_of("sparch"))[:3]
        ['architecture', 'hidden_sizes', 'neuron']
    """
    options = network_named(network).options
    if shared := sorted(options.keys() & {*_own(), "options"}):
        raise ValueError(
            f"architecture: {network} has an option {shared[0]}, which is a setting of training; rename it"
        )
    return {"architecture": _own()["architecture"], **options, **_own()}


def every_setting() -> dict[str, Option]:
    """Return the settings of the runs of all networks that are registered."""
    found: dict[str, Option] = {}
    for network in NETWORKS:
        found |= {name: option for name, option in settings_of(network).items() if name not in found}
    return found


def _tuples(value: Any) -> Any:
    """JSON and YAML have no tuples: a list of two numbers is a range."""
    return tuple(value) if isinstance(value, list) else value
