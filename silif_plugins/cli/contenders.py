"""Who takes part in a comparison: neurons, neurons with delays, and networks, by the names that people type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..training import DEFAULT_NETWORK, NETWORKS, TrainConfig, settings_of
from . import base
from .base import Base
from .parser import UsageError
from .settings import merged

DELAYS = {"axonal": "axonal", "dendritic": "dendritic", "synaptic": "delayed"}
"""Kinds of learnable delays, as in SiLIF+axonal, and their connections."""

WITH_DELAYS: dict[str, Any] = {"max_delay": 25, "round_in_eval": True}
"""Options of these connections that are not given otherwise."""

NAMES = "SiLIF, SiLIF+axonal (or +dendritic, +synaptic: with learnable delays), or a network: s4d, spiking-ssm, mamba"


class Contender(NamedTuple):
    """One that takes part.

    Attributes:
        name: What it is called in results.
        settings: All settings, but for seed and, if it is searched for, learning rate.
        source: Where those come from that are not given.
        used: Names of the given settings that are its own.
    """

    name: str
    settings: dict[str, Any]
    source: Base
    used: set[str]


def contender(name: str, given: Mapping[str, Any], *, budget: bool = True) -> Contender:
    """Return the settings of a contender: those given, and else those of its shipped recipe.

    Args:
        name: Of a neuron, a neuron with delays, or a network.
        given: Settings; those that its network does not have are left out.
        budget: Whether to take the recipe's budget and learning rate, too, not only what makes the network.

    Raises:
        ValueError: If there is none of this name, or a setting is not valid.

    Examples:
        >>> contender("silif+axonal", {"epochs": 3})[0], contender("S4D", {"neuron": "LIF"})[0]
        ('SiLIF+axonal', 's4d')
    """
    own_names = identity(name)
    known = settings_of({**given, **own_names}.get("architecture", DEFAULT_NETWORK))
    own = {key: value for key, value in given.items() if key in known and key not in ("architecture", "neuron")}
    if "architecture" in given and "architecture" not in own_names:
        own["architecture"] = given["architecture"]
    source = base.of_neuron({**own, **own_names})
    kept = source.settings
    if not budget:
        architecture = kept.get("architecture", DEFAULT_NETWORK)
        makes = (
            {"architecture", "neuron_options"}
            if architecture == DEFAULT_NETWORK
            else {"architecture", "weight_decay", *NETWORKS[architecture].options}
        )
        kept = {key: value for key, value in kept.items() if key in makes}
    data = given.get("data", TrainConfig().data)
    settings = merged(merged({"data": data, **kept}, own_names), own)
    label = TrainConfig.from_mapping(settings).label
    kind = name.partition("+")[2].strip().lower()
    return Contender(f"{label}+{kind}" if kind else label, settings, source, own.keys() | own_names.keys())


def identity(name: str) -> dict[str, Any]:
    """Return the settings that a contender's name stands for.

    Raises:
        ValueError: If it names delays of no known kind.

    Examples:
        >>> identity("LIF"), identity("spiking_SSM")
        ({'neuron': 'LIF'}, {'architecture': 'spiking-ssm'})
    """
    neuron, plus, kind = (part.strip() for part in name.partition("+"))
    if plus:
        if kind.lower() not in DELAYS:
            raise UsageError(f"neurons: got {name!r}; delays are {', '.join(f'{neuron}+{each}' for each in DELAYS)}")
        delays = {"connection": DELAYS[kind.lower()], "connection_options": dict(WITH_DELAYS)}
        return {"neuron": neuron, **delays}
    if name in NETWORKS:
        return {"architecture": name}
    networks = {_plain(each): each for each in NETWORKS if each != "s5-rf"}  # S5-RF is a neuron, too
    return {"architecture": networks[_plain(name)]} if _plain(name) in networks else {"neuron": name}


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
