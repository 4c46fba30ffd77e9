"""Delays in loops over steps, in over_time, in Norse's containers, in NIR, and what they cost."""

import pytest
import torch
from torch import nn

from silif_plugins.sparch import SpArchNet
from silif_plugins.synapses import (
    AxonalDelay,
    AxonalLinear,
    DelayedLinear,
    DendriticLinear,
    StatefulDelay,
    delay_memory,
)

T, B, N = 25, 3, 6
CONNECTIONS = {
    "axonal": lambda: AxonalLinear(N, 5, 7),
    "synaptic": lambda: DelayedLinear(N, 5, 7),
    "dendritic": lambda: DendriticLinear(N, 5, 7),
}


def spikes():
    return (torch.rand(T, B, N) < 0.4).float()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", CONNECTIONS)
def test_over_time_and_the_loop_of_snntorch(kind, whole):
    pytest.importorskip("snntorch")
    from snntorch import Leaky

    from silif_plugins.snntorch import Delayed, SiLIF, over_time, reset

    connection = CONNECTIONS[kind]()
    connection = connection.discretised() if whole else connection
    inputs = spikes()
    for neuron in (SiLIF(5, init_hidden=True), Leaky(0.9, init_hidden=True)):
        net = nn.Sequential(Delayed(connection), neuron)
        stepped = torch.stack([net(frame) for frame in inputs])
        assert stepped.any()
        reset(net)
        again = torch.stack([net(frame) for frame in inputs])
        assert torch.equal(again, stepped)
        if isinstance(neuron, SiLIF):
            reset(net)
            torch.testing.assert_close(torch.cat([over_time(net, inputs[:9]), over_time(net, inputs[9:])]), stepped)
            continuing = net(inputs[0])
            reset(net)
            for frame in inputs:
                net(frame)
            torch.testing.assert_close(net(inputs[0]), continuing)
            with pytest.raises(ValueError, match="twice"):
                over_time(Twice(AxonalDelay(N, 3)), inputs)


class Twice(nn.Module):
    def __init__(self, connection):
        from silif_plugins.snntorch import Delayed

        super().__init__()
        self.delays = Delayed(connection)

    def forward(self, frame):
        return self.delays(self.delays(frame))


@pytest.mark.parametrize("kind", CONNECTIONS)
def test_norse_hands_states_on(kind):
    norse = pytest.importorskip("norse.torch")
    connection, inputs = CONNECTIONS[kind](), spikes()
    for layer in (norse.LIFBoxCell(), norse.LIBoxCell()):
        net, state, steps = norse.SequentialState(StatefulDelay(connection), layer), None, []
        for frame in inputs:
            step, state = net(frame, state)
            steps.append(step)
        alone, state = [], None
        for current in connection(inputs):
            step, state = layer(current, state)
            alone.append(step)
        torch.testing.assert_close(torch.stack(steps), torch.stack(alone))
    sequence, state = norse.SequentialState(StatefulDelay(connection))(inputs)
    torch.testing.assert_close(sequence, connection(inputs))


def test_axonal_delays_are_nodes_of_nir(tmp_path):
    nir, norse = pytest.importorskip("nir"), pytest.importorskip("norse.torch")
    pytest.importorskip("snntorch")
    from silif_plugins.norse import SiLIFCell, SiLIFParameters, from_nir, to_nir
    from silif_plugins.snntorch import Delayed, SiLIF, export_to_nir, import_from_nir, reset

    inputs = spikes()
    delays = AxonalDelay(N, 7)
    net = nn.Sequential(Delayed(delays.discretised()), nn.Linear(N, 5), SiLIF(5, init_hidden=True))
    expected = torch.stack([net(frame) for frame in inputs])
    reset(net)
    graph = export_to_nir(net, inputs[0])
    nodes = [node for node in graph.nodes.values() if isinstance(node, nir.Delay)]
    assert len(nodes) == 1
    nir.write(tmp_path / "net.nir", graph)
    restored = import_from_nir(tmp_path / "net.nir")
    assert torch.equal(torch.stack([restored(frame)[0] for frame in inputs]), expected)
    elsewhere, state, steps = from_nir(tmp_path / "net.nir"), None, []
    for frame in inputs:
        step, state = elsewhere(frame, state)
        steps.append(step)
    assert torch.equal(torch.stack(steps), expected)
    ours = norse.SequentialState(
        StatefulDelay(delays.discretised()), nn.Linear(N, 5), SiLIFCell(SiLIFParameters.sample(5))
    )
    back = from_nir(to_nir(ours))
    lifted = [norse.Lift(each)(inputs)[0] for each in (ours, back)]
    assert torch.equal(*lifted)
    for connection, message in (
        (AxonalLinear(N, 5, 3), "AxonalLinear, which has no counterpart in NIR; an AxonalDelay"),
        (AxonalDelay(N, 3), "its delays are not in whole steps"),
        (DelayedLinear(N, 5, 3), "its delays are not in whole steps"),
    ):
        outputs = connection.step(inputs[0])[0].shape[1]
        with pytest.raises(ValueError, match=message):
            export_to_nir(nn.Sequential(Delayed(connection), SiLIF(outputs, init_hidden=True)), inputs[0])


def test_operations_and_memory():
    """Counted by hand: 4 hidden neurons, 3 classes, delays of given lengths."""
    frames = torch.zeros(1, 10, N)
    frames[0, 2, 1] = 1
    counts = {}
    for kind in ("linear", "axonal", "delayed", "dendritic"):
        options = {} if kind == "linear" else {"max_delay": 5}
        net = SpArchNet(N, (4,), 3, connection=kind, connection_options=options, neuron_options={"threshold": 1e9})
        counts[kind] = net.eval()(frames).synaptic_operations.item()
    assert counts == {"linear": 4, "axonal": 5, "delayed": 8, "dendritic": 4}
    net = SpArchNet(N, (4,), 3, connection="delayed", connection_options={"max_delay": 5})
    delays = net.hidden[0].current.weights.delay
    with torch.no_grad():
        delays.zero_()
        delays[0, 2], delays[1, 2], delays[3, 4] = 5, 2, 3.4
    memory = delay_memory(net)
    assert list(memory) == ["hidden.0.current.weights", "readout.current.weights"]
    assert memory["hidden.0.current.weights"] == (3, 8, "spikes")
    dendritic = DendriticLinear(N, 2, 5)
    dendritic.delays.delay.data.copy_(torch.tensor([0.3, 4.0]))
    assert delay_memory(dendritic) == {"": (1, 4, "currents")}
