"""snnTorch's own notebooks run, and their networks learn, with our neurons in the place of its own.

They are not part of this repository: set SNNTORCH_SOURCE to a checkout of snnTorch. All of them, with more seeds, are a
benchmark: ``python -m benchmarks.snntorch_notebooks``.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDS = ("IPython", "matplotlib", "pandas", "sklearn", "tonic", "torchvision")
MISSING = [name for name in NEEDS if not importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("benchmarks"), reason="run by `python -m pytest` from the repository"
)

NOTEBOOKS = (
    "tutorial_3_feedforward_snn",
    "tutorial_4_advanced_neurons",
    "tutorial_forward_forward",
    "tutorial_regression_1",
)
WAYS = ("SiLIF", "SiLIF-beta", "SiLIF-replace", "CSiLIF", "CSiLIF-beta", "CSiLIF-replace")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One seed of a few notebooks that take a second or two."""
    output = tmp_path_factory.mktemp("notebooks") / "runs.json"
    command = [sys.executable, "-m", "benchmarks.snntorch_notebooks", "--seeds", "0", "--output", output, "--notebooks"]
    subprocess.run([*command, *NOTEBOOKS], cwd=ROOT, check=True, capture_output=True)
    return json.loads(output.read_text())


@pytest.mark.slow
@pytest.mark.skipif("SNNTORCH_SOURCE" not in os.environ, reason="SNNTORCH_SOURCE is not set to a checkout of snnTorch")
@pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed: the notebooks import it")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_all_cells_run_and_the_loss_falls_as_the_hosts(runs, notebook, way):
    from benchmarks.snntorch_notebooks.report import Comparison

    compared = Comparison(runs, notebook)
    assert not compared.failed("leaky")
    assert not compared.failed(way)
    for index in range(len(compared.trainings)):
        assert compared.fall("leaky", index) > 0.5
        assert not compared.misses(way, index)


@pytest.mark.parametrize(
    ("way", "ours", "lacks"),
    [
        ("SiLIF-beta", {}, []),
        ("SiLIF-beta", {"loss": [10, 5.9]}, []),
        ("SiLIF-beta", {"loss": [10, 6.2]}, ["fall 0.76"]),
        ("SiLIF-replace", {"loss": [10, float("nan")]}, ["fall nan"]),
        ("CSiLIF-beta", {"accuracy": 87.9}, ["accuracy -2.1"]),
        ("CSiLIF", {"loss": [10, 8], "accuracy": 50.0}, []),
        ("CSiLIF", {"accuracy": 20.0}, ["accuracy -70.0"]),
        ("CSiLIF", {"loss": [10, 9]}, ["fall 0.20"]),
        ("SiLIF", {"rate": 0.005}, ["rate 0.0050, Leaky 0.1000"]),
        ("SiLIF", {"steps": 19}, ["other numbers of steps [19, 20]"]),
    ],
)
def test_the_verdict(way, ours, lacks):
    from benchmarks.snntorch_notebooks.report import Comparison

    training = {"cell": 1, "steps": 20, "loss": [10, 5], "rate": 0.1, "accuracy": 90.0}
    runs = {
        "a/leaky/0": {"failed": {"7": "no network"}, "trainings": [training]},
        f"a/{way}/0": {"failed": {"7": "no network", "8": "ours"}, "trainings": [training | ours]},
    }
    compared = Comparison(runs, "a")
    assert compared.misses(way, 0) == lacks
    assert compared.failed(way) == {"8": "ours"}
