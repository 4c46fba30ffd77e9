"""A data set is added by the steps of the documentation, one file and one line, to a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorials" / "own-data.md"
FILES = dict(re.findall(r'^```py title="(.*?)"\n(.*?)^```', PAGE.read_text(), re.DOTALL | re.MULTILINE))
NEW, FACE = "silif_plugins/datasets/swings.py", "silif_plugins/datasets/__init__.py"

USE = """
import json, sys
from silif_plugins import cli
from silif_plugins.datasets import SOURCES, load, source_names
from silif_plugins.training import Splits, TrainConfig, load_network
folder = sys.argv[1]
assert "swings" in source_names() and SOURCES["swings"].licence == "CC0"
one, two = load(folder, "train"), load("swings", "train", root=folder, scale=2.0)
assert (two.frames == 2 * one.frames).all() and one.lengths.tolist() == [20] * 12 + [21] * 12
quick = ["--epochs", "3", "--hidden-sizes", "8", "--batch-size", "8", "--learning-rate", "0.1"]
assert cli.main(["train", "--data", folder, "--data-options", "scale=2.0", "--out", "run", *quick]) == 0
assert load_network("run").about["options"] == {"scale": 2.0} and load_network("run").classes == ("left", "right")
assert cli.main(["evaluate", "run"]) == 0
assert cli.main(["train", "--data", "swings"]) == 2
assert cli.main(["train", "--data", "swigns"]) == 2
assert cli.main(["train", "--help"]) == 0
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the package with one file more and one line more."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "silif_plugins", folder / "silif_plugins", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    assert set(FILES) == {NEW, FACE}
    (folder / NEW).write_text(FILES[NEW])
    lines = (folder / FACE).read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if line.startswith("from ."))
    assert FILES[FACE].count("\n") == 1
    lines.insert(last + 1, FILES[FACE])
    (folder / FACE).write_text("".join(lines))
    return folder


@pytest.mark.slow
def test_one_file_and_one_line_are_a_data_set(checkout, tmp_path):
    random = np.random.default_rng(0)
    for split, number in (("train", 12), ("valid", 4), ("test", 4)):
        for index in range(number):
            for length, (side, sign) in enumerate((("left", -1), ("right", 1)), 20):
                swing = sign * np.sin(np.linspace(0, 6, length))[:, None] + random.normal(0, 0.1, (1, 3))
                np.savetxt(tmp_path / f"{side}-{split}-{index:02}.csv", swing, delimiter=",")
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", USE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert "did you mean swings?" in done.stderr
    assert "swings, Swings of a racket: this data set does not come with the package. To get it: ask the" in done.stderr
    assert "ssc, swings" in " ".join(done.stdout.split())


def test_the_new_file_is_in_the_packages_style(checkout):
    pytest.importorskip("ruff")
    for arguments in (["check"], ["format", "--check", "--line-length", "96"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, str(checkout / NEW)],
            capture_output=True,
            text=True,
            cwd=checkout,
        )
        assert done.returncode == 0, done.stdout
