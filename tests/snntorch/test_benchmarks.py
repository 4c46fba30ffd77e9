"""The benchmarks of a step, a sequence and a network over time print their tables; none is timed here."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch):
    if not importlib.util.find_spec("benchmarks"):
        monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import snntorch_step

    return snntorch_step


@pytest.fixture
def over_time(benchmark):
    from benchmarks import over_time

    return over_time


def test_the_table_of_networks_is_printed(over_time, capsys):
    ratios = over_time.main(["--shape", "3", "2", "--sizes", "4", "3", "2", "--rounds", "1"])
    assert ratios["SiLIF, over_time", 3, 2] == 1
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(ratios) == 6


def test_the_table_is_printed(benchmark, capsys):
    ratios = benchmark.main(
        ["--batches", "2", "--size", "4", "--map", "2", "3", "3", "--steps", "3", "--rounds", "1", "--no-sequence"]
    )
    assert set(ratios) == {
        (name, shape, 2, habit, mode)
        for name in benchmark.NEURONS
        for shape in ((4,), (2, 3, 3))
        for habit in benchmark.HABITS
        for mode in benchmark.MODES
    }
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * len(benchmark.HABITS) * len(benchmark.MODES)
    assert "benchmarks.snntorch_step" in sys.modules
