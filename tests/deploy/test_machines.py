"""What is compiled for other machines gives every spike of Python's."""

import pytest
import torch

from silif_plugins.deploy import Cortex, Host, Wasm, chip_report, quantise, run_on
from silif_plugins.deploy.machines import wasm_module

pytest.importorskip("ziglang")


def same(net, outcome, frames):
    trace, _ = net.run(frames)
    assert torch.equal(outcome.spikes, torch.cat(trace.spikes, dim=2))
    assert torch.equal(outcome.scores, trace.scores[:, -1])
    assert outcome.spikes.any()


@pytest.mark.parametrize("machine", [Host, Wasm])
@pytest.mark.parametrize(("connection", "bits", "state"), [("linear", 8, "float32"), ("axonal", 4, "int16")])
def test_host_and_wasm(made, frames, machine, connection, bits, state):
    if machine is Wasm:
        pytest.importorskip("wasmtime")
    net = quantise(made(connection=connection), bits, calibration=frames, state=state)
    same(net, run_on(machine(net), net, frames), frames)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chip", "neuron", "bits", "state"),
    [
        ("cortex-m4f", "SiLIF", 8, "float32"),
        ("cortex-m4f", "C-SiLIF", 4, "int16"),
        ("cortex-m0+", "SiLIF", "ternary", "int16"),
    ],
)
def test_microcontrollers(made, frames, chip, neuron, bits, state):
    pytest.importorskip("unicorn")
    net = quantise(made(neuron, "axonal"), bits, calibration=frames, state=state)
    same(net, run_on(Cortex(net, chip), net, frames), frames)


def test_a_report_counts(made, frames):
    pytest.importorskip("unicorn")
    net = quantise(made())
    report = chip_report(net, frames[:1])
    assert (report.chip, report.differ, report.spikes) == ("cortex-m4f", 0, 60 * 37)
    weights = sum(layer.weight.numel() for layer in net.layers)
    assert weights < report.flash < weights + 20_000
    assert 0 < report.ram < 4000
    assert 37 * 10 < report.instructions <= report.busiest <= report.worst
    silent = run_on(Cortex(net, count=True), net, torch.zeros(1, 60, 20)).instructions
    assert silent.double().mean() < report.instructions  # rows are visited by events


def test_the_module_is_small(made):
    module = wasm_module(quantise(made()))
    assert module[:4] == b"\0asm"
    assert len(module) < 12_000


def test_chips_are_named(made):
    pytest.importorskip("unicorn")
    with pytest.raises(ValueError, match="chip: got 'z80'; it must be one of cortex-m4f"):
        Cortex(quantise(made()), "z80")
