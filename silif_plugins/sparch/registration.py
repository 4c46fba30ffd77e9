"""Our neurons inside the original SpArch network and the SiLIF paper's own ``SNN`` class."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .layers import SpikingLayer


class RegisteredLayer(nn.Module):
    """One of our hidden layers under the constructor signature of SpArch's layers, [B, T, N] in and out.

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
    """Make ``neuron_type="SiLIF"``, ``"CSiLIF"`` and our other models known to a SpArch models module.

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
    _accept(network, {"SiLIF", "CSiLIF"})


def _accept(network: type[Any], names: set[str]) -> None:
    """Let the constructor pass names that its own check does not know."""
    original = network.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        name = bound.arguments.get("neuron_type")
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
