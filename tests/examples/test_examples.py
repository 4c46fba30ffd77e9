"""Each example runs, says what it is for, and shows what it promises."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from silif_plugins.datasets import Recordings, write_recordings
from silif_plugins.training import TrainConfig, train

EXAMPLES = Path(__file__).parents[2] / "examples"

STAND_IN = Path(__file__).parents[1] / "sparch_stand_in.py"


def run(name, *arguments, cwd=None):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_help(example):
    done = run(example.name, "--help")
    assert done.returncode == 0
    assert len(done.stdout) > 150


@pytest.mark.slow
def test_own_neuron():
    done = run("own_neuron.py", "--epochs", 3)
    assert done.returncode == 0, done.stderr
    assert "all oscillators stable: True" in done.stdout
    accuracies = [float(line.split()[-1]) for line in done.stdout.splitlines()[1:]]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.3  # twenty classes


@pytest.mark.slow
def test_membranes_and_rasters(tmp_path):
    done = run("membranes_and_rasters.py", "--epochs", 1, "--out", tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    figures = sorted((tmp_path / "figures").glob("*.png"))
    assert [figure.stem for figure in figures] == ["eigenvalues", "parameters", "raster", "traces"]
    assert all(figure.stat().st_size > 10_000 for figure in figures)


@pytest.mark.slow
def test_training_animation(tmp_path):
    done = run("training_animation.py", "--epochs", 1, "--out", tmp_path / "training.svg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("before training: ")
    check_animation(tmp_path / "training.svg", frames=2)


def test_the_animation_of_the_front_page():
    check_animation(EXAMPLES.parent / "docs" / "images" / "training.svg", frames=16)


def check_animation(path, frames):
    """A frame an epoch, each with spikes, a membrane and a verdict; small, described, and still where that is asked."""
    content = path.read_bytes()
    assert len(content) < 300_000
    picture = ElementTree.fromstring(content)
    space = "{http://www.w3.org/2000/svg}"
    assert "before and after" in picture.find(f"{space}title").text
    groups = picture.findall(f"{space}g")
    assert [each.get("class") for each in groups] == [f"epoch epoch-{index}" for index in range(frames)]
    assert all(len(each.findall(f"{space}path")) == 3 for each in groups)
    style = picture.findall(f"{space}style")[1].text
    assert f".epoch{{opacity:0}}.epoch-{frames - 1}{{opacity:1}}@media(prefers-reduced-motion:no-preference)" in style


@pytest.mark.slow
def test_shd_falls_back_and_says_so(tmp_path):
    done = run("shd.py", "--epochs", 1, "--hidden", 16, "--data", tmp_path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "training on synthetic spoken digits instead" in done.stdout
    assert "test accuracy 0." in done.stdout


@pytest.mark.slow
def test_shd_from_files(tmp_path):
    """Recordings in the files' own layout, under their own names."""
    pytest.importorskip("h5py")
    generator = np.random.default_rng(0)
    for part, samples in (("train", 80), ("test", 20)):
        recordings = Recordings(
            [np.sort(generator.uniform(0, 0.9, 200)) for _ in range(samples)],
            [generator.integers(0, 700, 200) for _ in range(samples)],
            np.arange(samples) % 20,
            classes=[str(number) for number in range(20)],
            num_channels=700,
            speakers=np.arange(samples) // 20 % 4,
        )
        write_recordings(tmp_path / f"shd_{part}.h5", recordings)
    done = run("shd.py", "--epochs", 1, "--hidden", 16, "--data", tmp_path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "instead" not in done.stdout
    assert "test accuracy" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("neuron", ["SiLIF", "CSiLIF"])
def test_sparch_register(neuron, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "snns.py").write_text(STAND_IN.read_text())
    done = run("sparch_register.py", tmp_path, "--neuron", neuron, "--steps", 10)
    assert done.returncode == 0, done.stderr
    assert "step 10: loss" in done.stdout
    assert run("sparch_register.py", tmp_path / "empty").returncode == 1


@pytest.mark.slow
def test_words_are_recognised(tmp_path):
    config = TrainConfig(hidden_sizes=(48,), epochs=5, learning_rate=0.1, steps=50)
    train(config, tmp_path / "run")
    done = run("recognise.py", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    said = re.findall(r"said (\w+) +recognised (\w+) +confidence +(\d+) %", done.stdout)
    assert len(said) == 3
    assert all(0 < int(confidence) <= 100 for _, _, confidence in said)
    assert sum(one == other for one, other, _ in said) >= 2
    if "spoken by espeak-ng" in done.stdout:
        assert len(list((tmp_path / "run").glob("*.wav"))) == 3
