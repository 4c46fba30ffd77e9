"""The network of S5-RF: against its equations in complex numbers, padding, gradients, and a recipe that runs."""

import json

import numpy as np
import pytest
import torch

from silif_plugins.cli import main
from silif_plugins.sparch import ComplexResonators, S5RFNet
from silif_plugins.surrogate import named
from silif_plugins.training import TrainConfig


def loop(net, inputs):
    """Scores of one sequence [T, C], and the spikes of all layers, in numpy."""
    x, found = inputs, []
    for index, layer in enumerate(net.hidden):
        neuron = layer.neuron
        dt, pole = neuron.log_dt.exp().numpy(), -neuron.log_decay.exp().numpy() + 1j * neuron.omega.numpy()
        real, imaginary = np.split(layer.weights.weight.numpy(), 2)
        weights = real + 1j * imaginary
        if index == 0:  # a zero-order hold; impulses elsewhere
            weights = ((np.exp(dt * pole) - 1) / pole)[:, None] * weights
        state, spikes = np.zeros(len(pole), dtype=complex), []
        for now in x:
            state = np.exp(dt * pole) * state + weights @ now
            spikes.append((state.real > 1) * 1.0)
        spikes = np.array(spikes)
        found.append(spikes)
        x = spikes + x if 0 < index < len(net.hidden) - 1 else spikes
    trace, traces = 0.0, []
    for now in x @ net.readout.weight.numpy().T:
        trace = net.log_decay.exp().numpy() * trace + now
        traces.append(trace)
    return np.mean(traces, axis=0), found


def test_it_is_the_published_network():
    """0 spikes differ over 200 steps, 3 draws."""
    for seed in range(3):
        torch.manual_seed(seed)
        net = S5RFNet(12, (16, 16, 16), 5, block=4).double().eval()
        with torch.no_grad():
            net.hidden[0].weights.weight.mul_(20)
        net.requires_grad_(False)
        inputs = (torch.rand(2, 200, 12) < 0.3).double()
        output = net(inputs)
        expected = [loop(net, sample.numpy()) for sample in inputs]
        torch.testing.assert_close(output.scores, torch.tensor(np.stack([scores for scores, _ in expected])))
        rates = np.concatenate(
            [np.concatenate(layers).mean(0) for layers in zip(*(s for _, s in expected), strict=True)]
        )
        torch.testing.assert_close(output.firing_rates, torch.tensor(rates), rtol=1e-12, atol=1e-12)
        assert 0.02 < rates.mean() < 0.9
        layer = net.hidden[0](inputs.transpose(0, 1)).numpy()
        assert all(np.array_equal(layer[:, b], expected[b][1][0]) for b in range(2))


def test_padding_takes_no_part():
    net, inputs = S5RFNet(6, (8, 8, 8), 3).eval(), 5 * torch.rand(2, 30, 6)
    whole = net(inputs[:1, :11])
    noisy = net(inputs, torch.tensor([11, 30]))
    torch.testing.assert_close(noisy.scores[:1], whole.scores)


def test_gradients_reach_everything():
    torch.manual_seed(0)
    net = S5RFNet(6, (8, 8, 8), 3, dropout=0.2)
    torch.nn.functional.cross_entropy(net(10 * torch.rand(4, 30, 6)).scores, torch.tensor([0, 1, 2, 0])).backward()
    for name, value in net.named_parameters():
        assert value.grad.isfinite().all(), name
        assert value.grad.any(), name


@pytest.mark.parametrize("seed", range(2))
def test_gradients_are_those_of_a_plain_loop(seed):
    torch.manual_seed(seed)
    layer = ComplexResonators(4, 5).double()
    inputs = 3 * torch.rand(20, 2, 4, dtype=torch.float64)
    spikes = layer(inputs)
    space, spike = layer.neuron.state_space(), named("multi_gaussian")
    alpha, state, expected = torch.complex(space.a11, space.a21), 0, []
    for now in layer.weights(inputs):
        state = alpha * state + torch.complex(*now.chunk(2, dim=-1))
        expected.append(spike(state.real - 1))
    assert torch.equal(spikes, torch.stack(expected))
    weight = torch.randn_like(spikes)
    names = list(layer.parameters())
    found = torch.autograd.grad((spikes * weight).sum(), names)
    torch.testing.assert_close(found, torch.autograd.grad((torch.stack(expected) * weight).sum(), names))


def test_published_parameter_counts():
    for sizes, block, count in (((700, (128, 128), 20), 4, 215_316), ((140, (512,) * 4, 35), 32, 1_740_323)):
        net = S5RFNet(*sizes, block=block)
        assert sum(value.numel() for value in net.parameters()) == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_sizes": (8, 9, 8)}, "hidden_sizes: got"),
        ({"block": 0}, "block: got 0"),
        ({"dropout": 1}, "dropout: got 1"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        S5RFNet(6, **{"hidden_sizes": (8,), **options}, num_classes=3)
    with pytest.raises(ValueError, match=message):
        TrainConfig(architecture="s5-rf", **options)


@pytest.mark.slow
def test_the_command_line_trains_it(tmp_path, capsys):
    words = [
        "train",
        "--architecture",
        "s5-rf",
        "--data",
        "sequential-digits",
        "--hidden-sizes",
        "8,8",
        "--epochs",
        "1",
    ]
    assert main([*words, "--out", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["architecture"] == "s5-rf"
