"""Shared fixtures: the oracle's numbers, where they are at hand, and quiet, repeatable runs."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# Nothing here is about time: on a busy machine an example may take seconds.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def repeatable():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fuzz(tmp_path):
    """Damage a file in many ways: reading it works or ends in the documented error, which names the file."""

    def fuzz(name, content, read, documented, *, seeds):
        path = tmp_path / name
        refused = 0
        for seed in seeds:
            path.write_bytes(mutated(content, random.Random(seed)))
            try:
                read(path)
            except documented as error:
                refused += 1
                if name not in str(error):
                    pytest.fail(f"seed {seed}: the message does not name the file: {error}")
            except Exception as error:
                pytest.fail(f"seed {seed}: {error!r}")
        return refused / len(seeds)

    return fuzz


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Flip bits, overwrite, cut, insert, repeat or leave out, one to three times."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        place = chance.randrange(len(damaged)) if damaged else 0
        length = chance.choice((1, 2, 4, 8, 64))
        kind = chance.randrange(6)
        if kind == 0 and damaged:
            damaged[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            damaged[place : place + length] = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
        elif kind == 2:
            del damaged[place:]
        elif kind == 3:
            damaged[place:place] = chance.randbytes(length)
        elif kind == 4:
            damaged[place:place] = damaged[place : place + length]
        else:
            del damaged[place : place + length]
    return bytes(damaged)


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
