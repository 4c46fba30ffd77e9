"""The package as a whole: imports are light and go one way, and what is said of it is so."""

import ast
import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import silif_plugins

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "silif_plugins"

BELOW_TRAINING = {"__version__", "datasets", "diagnosis", "files", "hints", "memory", "metrics", "neurons", "optional"}
BELOW_TRAINING |= {"sparch", "surrogate", "tables"}

# Folder or module: what it may import of the package. Hosts never import each other.
MAY_IMPORT = {
    "hints": set(),
    "neurons": {"hints"},
    "surrogate": set(),
    "files": set(),
    "memory": set(),
    "optional": set(),
    "scan": {"neurons", "surrogate", "files", "optional"},
    "metrics": {"neurons", "scan"},
    "tables": set(),
    "diagnosis": {"neurons", "scan", "surrogate", "tables"},
    "synapses": {"neurons", "scan", "surrogate", "optional"},
    "nir_graph": {"neurons", "optional"},
    "snntorch": {"diagnosis", "neurons", "scan", "surrogate", "optional", "nir_graph", "tables"},
    "norse": {"diagnosis", "neurons", "scan", "surrogate", "optional", "nir_graph", "tables"},
    "sparch": {"diagnosis", "neurons", "scan", "surrogate", "metrics", "synapses", "files", "optional"},
    "datasets": {"files", "hints", "memory", "optional"},
    "testing": {"neurons"},
    "training": BELOW_TRAINING,
    "paper": {"datasets", "hints", "neurons", "optional", "tables", "training"},
}


def imports_of(path: Path) -> set[str]:
    """First level names inside the package that a file imports, wherever the import stands."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.partition(".")[0]} if node.module else {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("silif_plugins."):
            found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("place", MAY_IMPORT)
def test_imports_go_one_way(place):
    files = [PACKAGE / f"{place}.py"] if (PACKAGE / f"{place}.py").exists() else sorted((PACKAGE / place).rglob("*.py"))
    if not files:
        pytest.skip(f"{place} does not exist")
    for file in files:
        assert imports_of(file) - {place} <= MAY_IMPORT[place], file


@pytest.mark.parametrize("place", ["training", "paper", "cli"])
def test_no_module_is_hidden_by_a_name_of_its_package(place):
    package = importlib.import_module(f"silif_plugins.{place}")
    for file in (PACKAGE / place).glob("[!_]*.py"):
        importlib.import_module(f"silif_plugins.{place}.{file.stem}")
        assert isinstance(getattr(package, file.stem), ModuleType), file


def test_import_is_light():
    """Nothing but torch and numpy, and under 0.3 s beyond torch's own import."""
    code = """
import sys, time
import torch, numpy
start, before = time.perf_counter(), set(sys.modules)
import silif_plugins
from silif_plugins import SiLIF, CSiLIF, scan
seconds = time.perf_counter() - start
heavy = {"numba", "snntorch", "norse", "tonic", "h5py", "sklearn", "matplotlib", "tqdm", "hypothesis"}
print(seconds, *sorted(heavy & (set(sys.modules) - before)))
"""
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds, *heavy = min((run.stdout.split() for run in runs), key=lambda words: float(words[0]))
    assert not heavy
    assert float(seconds) < 0.3


def test_versions_agree():
    assert re.search(rf"^version: {re.escape(silif_plugins.__version__)}$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert version("silif_plugins") == silif_plugins.__version__


def test_public_names_exist():
    assert all(hasattr(silif_plugins, name) for name in silif_plugins.__all__)
