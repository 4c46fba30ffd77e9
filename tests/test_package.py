"""The package as a whole: imports are light, and what is said of it is so."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import silif_plugins

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "silif_plugins"


def test_import_is_light():
    """Nothing but torch and numpy, and under 0.3 s beyond torch's own import."""
    code = """
import sys, time
import torch, numpy
start, before = time.perf_counter(), set(sys.modules)
import silif_plugins
from silif_plugins import SiLIF, CSiLIF
from silif_plugins.scan import scan
seconds = time.perf_counter() - start
heavy = {"numba", "snntorch", "norse", "tonic", "h5py", "sklearn", "matplotlib", "tqdm", "hypothesis"}
print(seconds, *sorted(heavy & (set(sys.modules) - before)))
"""
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds, *heavy = min((run.stdout.split() for run in runs), key=lambda words: float(words[0]))
    assert not heavy
    assert float(seconds) < 0.3


def test_a_network_is_loaded_without_the_compiler():
    """PyTorch's takes a second to import, and is asked for by many operations on the meta device."""
    code = """
import sys
from silif_plugins.training import from_pretrained
from_pretrained("silif-spoken-digits")
print(*sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch._dynamo" not in run.stdout.split()


def test_versions_agree():
    assert re.search(rf"^version: {re.escape(silif_plugins.__version__)}$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert version("silif_plugins") == silif_plugins.__version__


def test_public_names_exist():
    assert all(hasattr(silif_plugins, name) for name in silif_plugins.__all__)
