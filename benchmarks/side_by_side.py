"""Runs of a benchmark side by side, each result noted as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from silif_plugins.training import TrainConfig, compare

Run = TypeVar("Run")


def train_each(
    runs: Mapping[Run, tuple[str, TrainConfig]],
    folder: Path,
    *,
    jobs: int,
    note: Callable[[Run, dict[str, Any]], None],
) -> None:
    """Train every run, or go on with what its folder holds.

    Args:
        runs: By a key of the benchmark's own: the name that tells a run from others of its seed, and the settings.
        folder: Where each run gets a folder.
        jobs: How many runs at a time.
        note: Called with key and result when a run has ended, while others go on.
    """
    keys = {(name, config.seed): run for run, (name, config) in runs.items()}
    if runs:
        names, configs = zip(*runs.values(), strict=True)

        def tell(result: dict[str, Any]) -> None:
            note(keys[result["neuron"], result["seed"]], result)

        compare(configs, folder, names=names, jobs=jobs, on_result=tell)
