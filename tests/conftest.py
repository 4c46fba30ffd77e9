"""Shared fixtures: the oracle's numbers, where they are at hand, and quiet, repeatable runs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def repeatable():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def oracle_dir() -> Path:
    """Folder with numbers of the official code; it is not part of the project."""
    folder = Path(os.environ.get("SILIF_ORACLE", ROOT.parent / "shared" / "oracle"))
    if not folder.is_dir():
        pytest.skip(f"no oracle at {folder}: set SILIF_ORACLE to the folder with the official code's numbers")
    return folder


@pytest.fixture(scope="session")
def oracle(oracle_dir):
    """Load an .npz of the oracle by its name."""
    return lambda name: np.load(oracle_dir / f"{name}.npz", allow_pickle=False)
