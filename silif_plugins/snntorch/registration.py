"""Entries in snnTorch's list of neurons that do not keep their neurons alive.

``snntorch.SpikingNeuron.instances`` holds strong references: every neuron ever made stays in memory with its last
graph. Its users walk it by index, so that an entry may neither vanish nor become None while they do.
"""

from __future__ import annotations

import weakref
from typing import Any

import snntorch as snn
import torch


class _Tombstone:
    """What stands where a neuron died: of no neuron class, but harmless to a loop that is half-way through."""

    def __init__(self) -> None:
        self.syn = torch.zeros(0)
        self.mem = torch.zeros(0)


_TOMBSTONE = _Tombstone()


def register_weakly(neuron: Any) -> None:
    """Enter a neuron in the host's list, or replace the host's own entry for it, by a weak reference.

    Entries of dead neurons are dropped here: no loop over the list runs while a neuron is being made.
    """
    instances = snn.SpikingNeuron.instances
    if not isinstance(instances, list):  # a later snnTorch may keep weak references itself
        return
    instances[:] = [entry for entry in instances if entry is not neuron and entry is not _TOMBSTONE]
    instances.append(weakref.proxy(neuron, _bury))


def _bury(proxy: Any) -> None:
    instances = snn.SpikingNeuron.instances
    for index, entry in enumerate(instances):
        if entry is proxy:
            instances[index] = _TOMBSTONE
            return
