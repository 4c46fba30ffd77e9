import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from silif_plugins.formats import ExportError, Model, export
from silif_plugins.neurons import CSiLIF, SEAdLIF
from silif_plugins.training import Output

from .conftest import frames, network

KINDS = {
    "C-SiLIF, both directions": {"neuron": "C-SiLIF", "bidirectional": True},
    "recurrent": {"neuron": "RadLIF"},
    "own dynamics": {"neuron": "SE-adLIF", "normalization": "none", "neuron_options": {"threshold": 0.02}},
    "delays": {"connection": "delayed", "connection_options": {"max_delay": 4, "rounded": True}},
    "axonal delays": {"connection": "axonal", "connection_options": {"max_delay": 4}},
}


def program(net, path, **options):
    said = export(net, path / "net.pt2", to="pt2", **options)
    exported = torch.export.load(path / "net.pt2")
    assert not any("silif" in str(node.target) for node in exported.graph.nodes)
    return exported.module(), said


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["C-SiLIF, both directions", "own dynamics", "delays"])
def test_any_batch_and_number_of_steps(kind, tmp_path):
    net = network(**KINDS[kind])
    run, said = program(net, tmp_path)
    assert said["inputs"] == {"inputs": ["batch", "steps", 12]}
    for batch, steps in ((1, 1), (4, 37)):
        inputs = frames(batch, steps)
        expected, got = net(inputs), run(inputs)
        torch.testing.assert_close(got["scores"], expected.scores)
        assert torch.equal(got["firing_rates"], expected.firing_rates)
    assert expected.firing_rates.any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["C-SiLIF, both directions", "axonal delays"])
def test_padding(kind, tmp_path):
    net = network(**KINDS[kind])
    run, said = program(net, tmp_path, lengths=True)
    assert said["inputs"] == {"inputs": ["batch", "steps", 12], "lengths": ["batch"]}
    inputs, lengths = frames(4, 9), torch.tensor([9, 1, 4, 8])
    expected, got = net(inputs, lengths), run(inputs, lengths)
    torch.testing.assert_close(got["scores"], expected.scores)
    torch.testing.assert_close(got["firing_rates"], expected.firing_rates)
    alone = run(inputs[2:3, :4], torch.tensor([4]))
    torch.testing.assert_close(got["scores"][2:3], alone["scores"])


class WithoutPadding(nn.Module):
    """A network that takes no lengths."""

    num_inputs = 12

    def forward(self, inputs):
        return Output(inputs.sum(dim=1), inputs.mean(dim=(0, 1)), 0.0)


def test_padding_is_refused_where_it_is_not_known(tmp_path):
    with pytest.raises(ExportError, match="takes no lengths"):
        export(network(), tmp_path / "net.pt2", to="pt2", step=True, lengths=True)
    with pytest.raises(ExportError, match="CSiLIF: neurons alone take no lengths"):
        export(CSiLIF(4), tmp_path / "net.pt2", to="pt2", lengths=True)
    with pytest.raises(ExportError, match="WithoutPadding: its forward takes no lengths"):
        export(WithoutPadding(), tmp_path / "net.pt2", to="pt2", lengths=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["recurrent", "axonal delays"])
def test_steps_one_after_the_other_are_the_sequence(kind, tmp_path):
    net, inputs = network(**KINDS[kind]), frames(3, 25)
    run, said = program(net, tmp_path, step=True)
    shapes = {name.removeprefix("state."): shape for name, shape in said["inputs"].items() if name != "inputs"}
    state = {name: torch.zeros([3 if size == "batch" else size for size in shape]) for name, shape in shapes.items()}
    spikes = 0
    for now in inputs.unbind(1):
        output = run(now, state)
        state, spikes = output["state"], spikes + output["spikes"]["hidden.1"].sum(0)
    expected = net(inputs)
    torch.testing.assert_close(output["scores"], expected.scores, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(spikes / (3 * 25), expected.firing_rates[16:])
    assert spikes.any()


@pytest.mark.slow
def test_runs_where_only_torch_is_installed(tmp_path):
    net, inputs = network(), frames()
    export(net, tmp_path / "net.pt2", to="pt2")
    torch.save(inputs, tmp_path / "inputs.pt")
    code = """
import json, sys, torch
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("silif_plugins", "numba", "snntorch", "norse"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
about = {"about.json": ""}
run = torch.export.load("net.pt2", extra_files=about).module()
print(json.dumps([run(torch.load("inputs.pt"))["scores"].tolist(), json.loads(about["about.json"])["inputs"]]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    scores, inputs_of = json.loads(done.stdout)
    torch.testing.assert_close(torch.tensor(scores), net(inputs).scores)
    assert inputs_of == {"inputs": ["batch", "steps", 12]}


@pytest.mark.parametrize("model", [CSiLIF, SEAdLIF])
def test_neurons_of_the_core(model, tmp_path):
    torch.manual_seed(0)
    neurons, current = model(5), 20 * torch.rand(30, 2, 5)
    run, said = program(neurons, tmp_path)
    assert said["inputs"] == {"current": ["steps", "batch", 5]}
    spikes = neurons(current)[0]
    assert torch.equal(run(current)["spikes"], spikes)
    assert spikes.any()


class Rates(nn.Module):
    """A network that is not ours, and counts on the number of steps that it was made for."""

    num_inputs = 12

    def __init__(self):
        super().__init__()
        self.readout = nn.Linear(12 * 5, 3)

    def forward(self, inputs, lengths=None):
        return Output(self.readout(inputs.flatten(1)), inputs.mean(dim=(0, 1)), 0.0)


def test_other_networks_as_far_as_they_allow(tmp_path):
    run, _ = program(Rates(), tmp_path)
    assert run(frames(7, 5))["scores"].shape == (7, 3)


class Odd(nn.Module):
    """A layer that no record can hold."""

    weight = bias = None

    def forward(self, inputs):
        return inputs[..., :16] * float(inputs.sum().item() > 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda net: setattr(net.hidden[1].current, "weights", Odd()),
            r"hidden\.1\.current\.weights: cannot be exported",
        ),
        (lambda net: net.hidden[0].neuron.a.fill_(float("nan")), r"hidden\.0\.neuron\.a: has NaN"),
        (lambda net: setattr(net.readout, "initial_state", "uniform"), "readout: its initial_state is 'uniform'"),
    ],
)
def test_refused_with_the_layers_name_before_anything_is_written(spoil, message, tmp_path):
    net = network()
    spoil(net)
    with pytest.raises(ExportError, match=message):
        export(net, tmp_path / "net.pt2", to="pt2")
    assert list(tmp_path.iterdir()) == []


def test_one_direction_has_no_other(tmp_path):
    with pytest.raises(ExportError, match=r"hidden\.0: reads the sequence backwards too"):
        export(network(bidirectional=True), tmp_path / "net.pt2", to="pt2", step=True)
    with pytest.raises(ExportError, match="Linear: has no form for one step"):
        export(Model(nn.Linear(3, 2)), tmp_path / "net.pt2", to="pt2", step=True)
