"""The network event by event: what a clock gives at the events, as long as nothing fires between them."""

import pytest
import torch

from silif_plugins.scan import scan
from silif_plugins.sparch import SpArchNet

TIMES = torch.tensor([3, 40, 81, 120, 151, 230, 260, 399])
GAPS = torch.diff(TIMES, prepend=torch.tensor([-1]))
NEURONS = ("SiLIF", "C-SiLIF")


def network(neuron):
    """One in which neurons are reset below the threshold at once, and forget within 30 steps."""
    net = SpArchNet(10, (16, 12), 4, neuron=neuron, normalization="none").double()
    with torch.no_grad():
        for layer in net.hidden:
            if neuron == "C-SiLIF":
                layer.neuron.log_decay.fill_(3.0)
            else:
                layer.neuron.log_dt.fill_(-5.0)
            gain, weight = layer.neuron.state_space().b1.unsqueeze(1), layer.current.weights.weight
            weight.copy_(1.8 * weight.abs() / (weight.abs().sum(1, keepdim=True) * gain))
    return net.eval()


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("cut", [False, True])
def test_it_is_the_clock(neuron, cut):
    torch.manual_seed(0)
    net, events = network(neuron), torch.rand(3, len(TIMES), 10).round().double()
    lengths = torch.tensor([8, 5, 1]) if cut else None
    clock = torch.zeros(3, 400, 10, dtype=torch.float64)
    clock[:, TIMES] = events
    expected = net(events, lengths, dt=GAPS)
    assert 0.02 < expected.firing_rates.mean() < 0.98
    activity = clock.transpose(0, 1)
    for layer in net.hidden:
        activity = layer.spikes(activity)
        fires = activity.flatten(1).any(1).nonzero().flatten()
        assert set(fires.tolist()) <= set(TIMES.tolist())
    current = net.readout.current(activity)
    _, _, states = scan(net.readout.neuron, current, return_states=True)
    shares = states.mem[TIMES].softmax(-1)
    if cut:
        shares = shares * (torch.arange(8).unsqueeze(1) < lengths).unsqueeze(-1)
    torch.testing.assert_close(expected.scores, shares.sum(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(expected.scores.sum(1), (torch.full((3,), 8) if lengths is None else lengths).double())


def test_durations_of_each_sequence_and_training():
    net, events = SpArchNet(10, (16, 12), 4), torch.rand(3, 6, 10)
    dt = 1 + 50 * torch.rand(6, 3)
    output = net(events, dt=dt)
    output.scores.square().sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in net.parameters())
    norm, weights = net.hidden[0].current.norm, net.hidden[0].current.weights
    torch.testing.assert_close(norm.running_mean, 0.05 * weights(events.flatten(0, 1)).mean(0))
    net.eval()
    alone = torch.cat([net(events[i : i + 1], dt=dt[:, i]).scores for i in range(3)])
    torch.testing.assert_close(net(events, dt=dt).scores, alone)
    assert net(events, dt=dt).firing_rates.shape == (28,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neuron": "AdLIF"}, "dt: got durations for AdLIF, which has no flow"),
        ({"recurrent": True}, "dt: got durations for a layer with recurrent weights"),
        ({"bidirectional": True}, "dt: got durations for a layer with a second direction"),
        ({"reset_mechanism": "zero"}, "dt: got durations for a layer with reset_mechanism='zero'"),
        ({"connection": "delayed", "connection_options": {"max_delay": 5}}, "a layer with delays"),
        ({"readout_options": {"connection": "delayed", "connection_options": {"max_delay": 5}}}, "readout with delays"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SpArchNet(10, (8,), 4, **options)(torch.rand(2, 5, 10), dt=torch.ones(5))


def test_durations_must_fit():
    with pytest.raises(ValueError, match=r"dt: got shape \(4,\); it must be \(5,\) or \(5, 2\)"):
        SpArchNet(10, (8,), 4)(torch.rand(2, 5, 10), dt=torch.ones(4))
