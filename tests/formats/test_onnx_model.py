import json

import numpy as np
import pytest
import torch

from silif_plugins.formats import export
from silif_plugins.neurons import CSiLIF

from .conftest import frames, network

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
runtime = pytest.importorskip("onnxruntime")

KINDS = {
    "SiLIF": {},
    "C-SiLIF, both directions": {"neuron": "C-SiLIF", "bidirectional": True},
    "axonal delays": {"connection": "axonal", "connection_options": {"max_delay": 4, "rounded": True}},
}


def session(net, path, **options):
    said = export(net, path / "net.onnx", to="onnx", **options)
    assert said["run by onnxruntime"]
    model = onnx.load(path / "net.onnx")
    onnx.checker.check_model(model)
    about = next(entry.value for entry in model.metadata_props if entry.key == "about")
    assert json.loads(about)["inputs"] == said["inputs"]
    return runtime.InferenceSession(path / "net.onnx"), said["inputs"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["C-SiLIF, both directions", "axonal delays"])
def test_whole_sequences_of_any_size(kind, tmp_path):
    net = network(**KINDS[kind])
    run, _ = session(net, tmp_path)
    for batch, steps in ((1, 1), (4, 37)):
        inputs = frames(batch, steps)
        scores, rates = run.run(["scores", "firing_rates"], {"inputs": inputs.numpy()})
        expected = net(inputs)
        np.testing.assert_allclose(scores, expected.scores, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(rates, expected.firing_rates)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["C-SiLIF, both directions", "axonal delays"])
def test_padding(kind, tmp_path):
    net = network(**KINDS[kind])
    run, shapes = session(net, tmp_path, lengths=True)
    assert shapes == {"inputs": ["batch", "steps", 12], "lengths": ["batch"]}
    inputs, lengths = frames(4, 9), torch.tensor([9, 1, 4, 8])
    scores, rates = run.run(["scores", "firing_rates"], {"inputs": inputs.numpy(), "lengths": lengths.numpy()})
    expected = net(inputs, lengths)
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rates, expected.firing_rates, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SiLIF"])
def test_one_step_after_the_other(kind, tmp_path):
    net, inputs = network(**KINDS[kind]), frames(2, 25)
    run, shapes = session(net, tmp_path, step=True)
    state = {
        name: np.zeros([2 if size == "batch" else size for size in shape], np.float32)
        for name, shape in shapes.items()
        if name != "inputs"
    }
    outputs = [output.name for output in run.get_outputs()]
    for now in inputs.unbind(1):
        got = dict(zip(outputs, run.run(outputs, {"inputs": now.numpy(), **state}), strict=True))
        state = {f"state.{name.removeprefix('next.')}": got[name] for name in outputs if name.startswith("next.")}
    np.testing.assert_allclose(got["scores"], net(inputs).scores, rtol=1e-4, atol=1e-4)
    assert got["next.scores"] is not None
    assert got["spikes.hidden.0"].shape == (2, 16)


def test_neurons_of_the_core(tmp_path):
    torch.manual_seed(0)
    neurons, current = CSiLIF(5), 20 * torch.rand(30, 2, 5)
    run, _ = session(neurons, tmp_path)
    (spikes,) = run.run(None, {"current": current.numpy()})
    np.testing.assert_array_equal(spikes, neurons(current)[0].detach())
    assert spikes.any()
