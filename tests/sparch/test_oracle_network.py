"""The published networks: same spikes, outputs and costs as the official code."""

import numpy as np
import pytest
import torch

from silif_plugins.sparch import load_official


def bits(data, key, neurons):
    return torch.from_numpy(np.unpackbits(data[key], axis=-1)[..., :neurons].astype(np.float64))


@pytest.fixture(params=["SiLIF", "CSiLIF"])
def published(request, oracle, oracle_dir):
    net = load_official(oracle_dir / "checkpoints" / f"ssc_{request.param}.pt")
    inputs = torch.from_numpy(oracle("input_ssc_like")["x"].copy())
    return net, inputs, oracle(f"net_{request.param}")


@torch.no_grad()
def hidden_spikes(net, inputs):
    first = net.hidden[0].spikes(inputs.transpose(0, 1))
    return first.transpose(0, 1), net.hidden[1].spikes(first).transpose(0, 1)


def test_float64_spikes_equal(published):
    net, inputs, data = published
    net, inputs = net.double(), inputs.double()
    for layer, spikes in enumerate(hidden_spikes(net, inputs)):
        assert torch.equal(spikes, bits(data, f"spikes{layer}_f64", 512))
    with torch.no_grad():
        out = net(inputs)
    np.testing.assert_allclose(out.scores.numpy(), data["out_f64"], atol=1e-9)
    np.testing.assert_allclose(out.firing_rates.numpy(), data["firing_rates_f64"][140:], atol=1e-12)
    assert out.synaptic_operations.item() == pytest.approx(float(data["sop_f64"]))


def test_float32_outputs(published):
    net, inputs, data = published
    inputs = inputs.float()
    for layer, spikes in enumerate(hidden_spikes(net, inputs)):
        wrong = (spikes != bits(data, f"spikes{layer}_f32", 512)).double().mean()
        assert wrong <= 1e-5
    with torch.no_grad():
        scores = net(inputs).scores.numpy()
    np.testing.assert_allclose(scores, data["out_f32"], atol=1e-3)
    assert np.array_equal(scores.argmax(1), data["out_f32"].argmax(1))


def test_random_initial_states_as_published(published):
    """The same draws, in the same order, as the official forward pass."""
    net, inputs, data = published
    for layer in (*net.hidden, net.readout):
        layer.initial_state = "uniform"
    for seed, expected in enumerate(data["out_randstate_f32"]):
        torch.manual_seed(seed)
        with torch.no_grad():
            scores = net(inputs.float()).scores.numpy()
        # A membrane within rounding of the threshold may flip one spike of a sample; all others are equal.
        error = np.abs(scores - expected).max(axis=1)
        assert (error < 1e-3).sum() >= 3
        assert error.max() < 0.2


@pytest.mark.parametrize("name", ["CadLIF", "ResonateFire"])
def test_other_published_checkpoints_load(name, oracle_dir, oracle):
    net = load_official(oracle_dir / "checkpoints" / f"ssc_{name}.pt")
    inputs = torch.from_numpy(oracle("input_ssc_like")["x"].copy()).float()
    with torch.no_grad():
        scores = net(inputs).scores
    assert scores.shape == (4, 35)
    torch.testing.assert_close(scores.sum(dim=1), torch.full((4,), 300.0))
