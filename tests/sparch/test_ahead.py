"""What is compiled ahead is what training needs."""

import subprocess
import sys

import pytest

from silif_plugins.sparch import SpArchNet, compile_kernels

PROCESS = """
import tempfile
import silif_plugins.kernels.code as codes
from silif_plugins.sparch import SpArchNet, compile_kernels
from silif_plugins.training import TrainConfig, train

made, ran, machine_code, run = [], set(), codes.machine_code, codes.Code.run
def make(kernel, layout):
    made.append(kernel)
    return machine_code(kernel, layout)
def note(self, *arguments):
    ran.add(self)
    run(self, *arguments)
codes.machine_code, codes.Code.run = make, note

compile_kernels(SpArchNet(140, (64, 64), 20))
ahead = list(made)
with tempfile.TemporaryDirectory() as folder:
    train(TrainConfig(hidden_sizes=(64, 64), epochs=1), folder)
print("later:", [kernel.__qualname__ for kernel in made[len(ahead):]])
print("in vain:", len(ahead) - len(ran))
"""


def test_training_compiles_nothing_more():
    process = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.split("\n")[:2] == ["later: []", "in vain: 0"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"forward_normalised", "forward", "backward", "merge", "backward_normalised", "to_strips", "from_strips"}),
        ({"events": "never"}, {"forward_normalised", "forward", "backward_normalised"}),
        ({"normalization": "layernorm"}, None),
        ({"neuron": "RadLIF"}, None),
        ({"bidirectional": True}, None),
        ({"connection": "delayed", "connection_options": {"max_delay": 5}}, None),
        ({"backend": "reference"}, None),
    ],
)
def test_for_other_networks(options, names, monkeypatch):
    found = []
    monkeypatch.setattr("silif_plugins.sparch.ahead.compile_together", found.append)
    compile_kernels(SpArchNet(20, (12,), 3, **options))
    assert bool(found) == (names is not None)
    if found:
        assert {kernel.__name__ for kernel, *_ in found[0]} == names
