"""Our neurons inside the original SpArch network and the SiLIF paper's own ``SNN`` class."""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoints import layer_names
from .layers import SpikingLayer

NAMES = frozenset({"SiLIF", "CSiLIF"})
"""Ours, among the names of neurons that SpArch knows."""


class RegisteredLayer(nn.Module):
    """One of our hidden layers under the constructor signature of SpArch's layers, [B, T, N] in and out.

    Its state_dict has the names of the SiLIF paper's code.

    Subclasses set ``neuron``. It starts from random states, as the layers beside it do.

    Args:
        input_size: Number of input features.
        hidden_size: Number of neurons.
        batch_size: Ignored, as there: the batch is that of the input.
        threshold: Spiking threshold.
        dropout: Dropout probability.
        normalization: "batchnorm", "layernorm"; any other text means none, as there.
        use_bias: Whether the weights have a bias.
        bidirectional: Whether the sequence is also read backwards.
        extra_features: ``dt_min`` and ``dt_max`` for C-SiLIF; its own range by default.
    """

    neuron = "SiLIF"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        batch_size: int,
        threshold: float = 1.0,
        dropout: float = 0.0,
        normalization: str = "batchnorm",
        use_bias: bool = False,
        bidirectional: bool = False,
        extra_features: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        # Under the official names, so that the network around reads and writes published checkpoints.
        self.register_state_dict_post_hook(_write_official_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_read_official_names)  # type: ignore[no-untyped-call]
        options: dict[str, Any] = {"threshold": threshold}
        if self.neuron == "C-SiLIF" and extra_features and {"dt_min", "dt_max"} <= extra_features.keys():
            options["dt"] = (float(extra_features["dt_min"]), float(extra_features["dt_max"]))
        self.layer = SpikingLayer(
            int(input_size),
            int(hidden_size),
            neuron=self.neuron,
            neuron_options=options,
            bidirectional=bidirectional,
            normalization=normalization if normalization in ("batchnorm", "layernorm") else "none",  # type: ignore[arg-type]
            dropout=dropout,
            bias=use_bias,
            initial_state="uniform",
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return spikes [B, T, N] from inputs [B, T, input_size]."""
        spikes: Tensor = self.layer(inputs.transpose(0, 1)).transpose(0, 1)
        return spikes


def _write_official_names(layer: RegisteredLayer, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for official, name in layer_names(type(layer.layer.neuron)).items():
        if (ours := f"{prefix}layer.{name}") in state:
            state[prefix + official] = state.pop(ours)


def _read_official_names(layer: RegisteredLayer, state: dict[str, Any], prefix: str, *others: Any) -> None:
    for official, name in layer_names(type(layer.layer.neuron)).items():
        if prefix + official in state:
            state[f"{prefix}layer.{name}"] = state.pop(prefix + official)


class SiLIFLayer(RegisteredLayer):
    """SiLIF under the constructor signature of SpArch's layers.

    Examples:
        >>> SiLIFLayer(140, 128, batch_size=8)(torch.rand(8, 100, 140)).shape
        torch.Size([8, 100, 128])
    """


class CSiLIFLayer(RegisteredLayer):
    """C-SiLIF under the constructor signature of SpArch's layers.

    Examples:
        >>> layer = CSiLIFLayer(140, 128, batch_size=8, extra_features={"dt_min": 0.01, "dt_max": 5.0})
        >>> layer(torch.rand(8, 100, 140)).shape
        torch.Size([8, 100, 128])
    """

    neuron = "C-SiLIF"


def register(module: ModuleType) -> None:
    """Make ``neuron_type="SiLIF"`` and ``"CSiLIF"`` known to a SpArch models module.

    In the original, ``--model_type SiLIF`` of its ``run_exp.py`` works too, if this is called before that is imported:
    ``python -m silif_plugins.sparch run_exp.py --model_type SiLIF ...`` does so.

    Args:
        module: The module that defines ``SNN``: ``sparch.models.snns`` of the original, or ``models.snns`` of the
            SiLIF paper's code. Its ``SNN`` then builds our layers for these names, and its own for all others:
            the paper's code keeps its own SiLIF under the name ``"OfficialSiLIF"``.

    Raises:
        ValueError: If the module has no ``SNN`` class.

    Examples:
        >>> import sparch.models.snns as snns                              # doctest: +SKIP
        >>> register(snns)                                                 # doctest: +SKIP
        >>> net = snns.SNN((8, None, 140), [128, 128, 20], "SiLIF")        # doctest: +SKIP
    """
    network = getattr(module, "SNN", None)
    if not isinstance(network, type):
        raise ValueError(f"module: got {module.__name__}; it must define the class SNN, as SpArch's models.snns does")
    if getattr(network, "_accepts_silif_plugins", False):
        return
    for layer in (SiLIFLayer, CSiLIFLayer):
        name = layer.__name__
        if hasattr(module, name):
            setattr(module, f"Official{name}", getattr(module, name))
        setattr(module, name, layer)
    _accept(network, NAMES)
    package = module.__name__.removesuffix(".models.snns")
    if package != module.__name__:
        _accept_in_experiment(_imported(f"{package}.exp"), network)
        _accept_in_parser(_imported(f"{package}.parsers.model_config"))


def _imported(name: str) -> ModuleType | None:
    """A module beside the given one; None where there is none, or it lacks what only its experiments need."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _accept_in_experiment(module: ModuleType | None, network: type[Any]) -> None:
    """Let the experiment build its network under names that it does not know."""
    original = getattr(getattr(module, "Experiment", None), "init_model", None)
    if module is None or original is None:
        return

    @functools.wraps(original)
    def init_model(self: Any) -> Any:
        name = self.model_type
        if name not in NAMES:
            return original(self)
        # It looks its name up in a list of those that it knows, and gives it to the network.
        self.model_type, network._silif_plugins_instead = "LIF", name
        try:
            return original(self)
        finally:
            self.model_type, network._silif_plugins_instead = name, None

    module.Experiment.init_model = init_model


def _accept_in_parser(module: ModuleType | None) -> None:
    """Let ``--model_type`` take our names."""
    original = getattr(module, "add_model_options", None)
    if module is None or original is None:
        return

    @functools.wraps(original)
    def add_model_options(parser: argparse.ArgumentParser) -> Any:
        result = original(parser)
        for action in parser._actions:
            if action.dest == "model_type" and action.choices:
                action.choices = [*action.choices, *sorted(NAMES - set(action.choices))]
        return result

    module.add_model_options = add_model_options  # type: ignore[attr-defined]


def _accept(network: type[Any], names: frozenset[str]) -> None:
    """Let the constructor pass names that its own check does not know."""
    original = network.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        name = network._silif_plugins_instead or bound.arguments.get("neuron_type")
        if name not in names:
            original(self, *args, **kwargs)
            return
        # The original SpArch checks the name against a fixed list: build with one that it knows, then rebuild the
        # layers under the wanted name from the same random state, as if the first ones had never been.
        random_state = torch.get_rng_state()
        bound.arguments["neuron_type"] = "LIF"
        original(*bound.args, **bound.kwargs)
        torch.set_rng_state(random_state)
        self.neuron_type = name
        self.snn = self._init_layers()

    network.__init__ = init
    network._accepts_silif_plugins = True
    network._silif_plugins_instead = None  # the name that an experiment wants in the place of the one it gives
