"""Comparisons: every run trained once, summaries right, wrong use refused."""

import math
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time

import pytest
from filelock import FileLock

from silif_plugins.training import RunError, TrainConfig, compare, comparison, load_network, summarize, summary_table


def result(neuron, seed, accuracy):
    return {
        "neuron": neuron,
        "seed": seed,
        "parameters": 10,
        "test_accuracy": accuracy,
        "test_synaptic_operations": 1000.0 * seed,
        "test_sparsity": 0.9,
        "learning_rate": 0.1,
        "seconds": 2.0,
    }


def test_summaries():
    one, two = summarize([result("A", 1, 0.5), result("B", 1, 0.7), result("A", 2, 0.7)])
    assert (one.neuron, one.seeds, two.neuron, two.seeds) == ("A", 2, "B", 1)
    assert one.accuracy == pytest.approx(0.6)
    assert one.accuracy_sd == pytest.approx(math.sqrt(0.02))
    assert one.synaptic_operations == 1500
    assert math.isnan(two.accuracy_sd)
    assert "60.0 ± 14.1 %" in summary_table([one, two])
    assert "70.0 %" in summary_table([one, two])


def test_runs_must_differ(tmp_path):
    with pytest.raises(ValueError, match="LIF-seed0 stands there twice"):
        compare([TrainConfig(neuron="LIF"), TrainConfig(neuron="LIF")], tmp_path)


@pytest.mark.slow
def test_runs_of_two_processes(tmp_path):
    configs = [
        TrainConfig(neuron=neuron, seed=seed, data="sequential-digits", hidden_sizes=(16,), epochs=1)
        for neuron in ("LIF", "C-SiLIF")
        for seed in (0, 1)
    ]
    results = compare(configs, tmp_path, jobs=2)
    assert [(each["neuron"], each["seed"]) for each in results] == [(each.label, each.seed) for each in configs]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 4
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.safetensors")}
    again = compare(configs, tmp_path, jobs=1)  # nothing is trained twice
    assert again == results
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.safetensors")}
    with pytest.raises(RunError, match="the run has"):
        compare([TrainConfig(neuron="LIF", data="sequential-digits", epochs=2)], tmp_path)


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_of_it(tmp_path):
    """Its processes import it, and would start others without end."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from pathlib import Path\n"
        "from silif_plugins.training import TrainConfig, compare\n"
        f"Path({str(tmp_path)!r}, 'starts').open('a').write('x')\n"
        "config = TrainConfig(data='sequential-digits', hidden_sizes=(8,), epochs=1)\n"
        f"compare([config], Path({str(tmp_path / 'runs')!r}), jobs=2)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert 'write the call under if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert len((tmp_path / "starts").read_text()) <= 3


@pytest.fixture
def endless(tmp_path):
    """Start a comparison that would take hours, in a thread; give its folder, and the error that ends it."""
    config = TrainConfig(data="sequential-digits", hidden_sizes=(8,), epochs=100_000)
    errors = queue.SimpleQueue()

    def start():
        try:
            compare([config], tmp_path)
        except BaseException as error:
            errors.put(error)

    threading.Thread(target=start, daemon=True).start()
    wait_for((tmp_path / "SiLIF-seed0" / "last.safetensors").exists, errors.empty)
    return tmp_path, errors


def wait_for(done, fine):
    deadline = time.monotonic() + 120
    while not done():
        assert fine()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_worker_is_an_error_not_a_wait(endless):
    """As when the system has no memory left."""
    folder, errors = endless
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)
    error = errors.get(timeout=60)
    assert isinstance(error, ChildProcessError)
    assert "the system has ended a process" in str(error)
    assert load_network(folder / "SiLIF-seed0" / "last.safetensors")[2]["progress"]["epoch"] > 0


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path):
    """Killed, it cannot end them; they must not train on and keep the folder locked."""
    settings = ["--hidden-sizes", "8", "--epochs", "100000", "--data", "sequential-digits", "--jobs", "1"]
    command = [sys.executable, "-m", "silif_plugins.cli", "compare", "--neurons", "LIF", *settings]
    with subprocess.Popen([*command, "--out", str(tmp_path)]) as parent:
        run = tmp_path / "LIF-seed0"
        wait_for((run / "last.safetensors").exists, lambda: parent.poll() is None)
        parent.kill()
    with FileLock(run / ".lock", timeout=20):
        assert load_network(run / "last.safetensors")[2]["progress"]["epoch"] > 0


@pytest.mark.slow
def test_one_failure_ends_the_others(endless, monkeypatch):
    """Ctrl-C, a bug or a run that explodes: nothing goes on training behind the user's back."""
    _, errors = endless
    monkeypatch.setattr(comparison, "_raise_error", raise_interrupt)
    assert isinstance(errors.get(timeout=60), KeyboardInterrupt)
    assert not multiprocessing.active_children()


def raise_interrupt(jobs):
    raise KeyboardInterrupt
