"""The warning of a silent layer: when it comes, when not, and what it must not disturb."""

import copy
import pickle
import timeit
import warnings

import torch
from torch import nn
from torch._dynamo.testing import CompileCounter  # torch does not import it by itself

from silif_plugins.diagnosis import SilenceWarning, SilenceWatch
from silif_plugins.sparch import SpArchNet, SpikingLayer


class Layer(nn.Module):
    """A layer that fires above 1."""

    def __init__(self, calls=3):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.silence = SilenceWatch("lower threshold=", calls)

    def forward(self, current):
        spikes = (self.scale * current > 1).to(current.dtype) + 0 * self.scale
        self.silence(self, spikes)
        return spikes


QUIET, LOUD = torch.zeros(5, 2, 8), torch.full((5, 2, 8), 2.0)


def warned(layer, *inputs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for current in inputs:
            layer(current)
    return [str(each.message) for each in caught if issubclass(each.category, SilenceWarning)]


def test_it_warns_once_after_the_calls():
    layer = Layer()
    assert warned(layer, QUIET, QUIET) == []
    (message,) = warned(layer, *[QUIET] * 9)
    for word in ("Layer of 8 neurons", "3 calls", "lower threshold=", "silif_plugins.diagnose"):
        assert word in message
    assert warned(layer, *[QUIET] * 9) == []


def test_steps_are_counted_by_sequences():
    layer, silence = nn.Linear(2, 3), SilenceWatch("wait", calls=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            for step in range(30):
                silence(layer, torch.zeros(4, 3), begins=step == 0)
        assert not caught
        silence(layer, torch.zeros(4, 3), begins=True)
    assert len(caught) == 1
    assert "no spike in its first 2 sequences in training" in str(caught[0].message)


def test_one_spike_is_enough():
    one = QUIET.clone()
    one[-1, -1, -1] = 2
    layer = Layer()
    assert warned(layer, QUIET, QUIET, one, *[QUIET] * 9) == []
    assert not layer.silence.watches


def test_evaluation_does_not_count():
    layer = Layer().eval()
    assert warned(layer, *[QUIET] * 9) == []
    assert layer.silence.left == 3
    assert warned(layer.train(), *[QUIET] * 3)


def test_what_is_silent_on_purpose_may_be():
    readout, unread = Layer(), Layer()
    readout.threshold = torch.tensor(float("inf"))
    unread.reset_mechanism = "none"
    assert warned(readout, *[QUIET] * 9) == warned(unread, *[QUIET] * 9) == []


def test_nothing_to_look_at_is_no_silence():
    assert warned(Layer(), *[QUIET[:0]] * 9, *[QUIET.to("meta")] * 9) == []


def test_sparse_spikes():
    watch, layer = SilenceWatch("", 2), nn.Identity()
    assert warned(lambda spikes: watch(layer, spikes), LOUD.to_sparse(), *[QUIET.to_sparse()] * 3) == []
    watch = SilenceWatch("", 2)
    assert warned(lambda spikes: watch(layer, spikes), *[QUIET.to_sparse()] * 3)


def test_copies_and_pickles_go_on():
    layer = Layer()
    warned(layer, QUIET)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.silence is not layer.silence
        assert len(warned(twin, QUIET, QUIET)) == 1
    assert layer.silence.left == 2
    assert list(layer.state_dict()) == ["scale"]


def test_compiled_whole_and_only_once():
    torch._dynamo.reset()
    layer, count = Layer(), CompileCounter()
    compiled = torch.compile(layer, backend=count, fullgraph=True)
    for _ in range(5):
        assert warned(compiled, QUIET, LOUD) == []
    for _ in range(2):  # calls outside of it count, and are no reason to compile again
        warned(layer, QUIET)
        assert warned(compiled, QUIET) == []
    assert count.frame_count == 1
    assert layer.silence.left == 1
    assert warned(layer, QUIET)  # the end of the watch is one
    assert warned(compiled, QUIET, QUIET) == []
    assert count.frame_count <= 2


def test_exported():
    exported = torch.export.export(Layer(), (QUIET,))
    assert torch.equal(exported.module()(LOUD), Layer()(LOUD))


def test_traced_and_transformed():
    layer = Layer(calls=1)
    current = 2 * torch.rand(5, 2, 8)
    assert warned(lambda x: torch.jit.trace(layer, x, check_trace=False), QUIET) == []
    assert warned(torch.func.vmap(layer), QUIET) == []
    assert warned(torch.func.grad(lambda x: layer(x).sum()), QUIET) == []
    assert torch.equal(torch.func.vmap(layer)(current), layer(current))
    with torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert warned(layer, mode.from_tensor(QUIET)) == []


def test_replicas_share_it():
    layer = Layer()
    replica = layer._replicate_for_data_parallel()
    replica.scale = layer.scale
    assert len(warned(replica, QUIET, QUIET, QUIET)) + len(warned(layer, QUIET)) == 1
    assert warned(nn.DataParallel(Layer()), *[QUIET] * 3)


def test_a_layer_of_sparch_warns():
    layer = SpikingLayer(8, 16, normalization="none", neuron_options={"threshold": 9.0})
    (message,) = warned(layer, *[torch.rand(10, 4, 8)] * 25)
    assert "SpikingLayer of 16 neurons" in message
    assert "normalization" in message
    net = SpArchNet(8, (16, 12), 4)
    assert warned(net, *[torch.rand(4, 30, 8)] * 25) == []
    silent = SpArchNet(8, (16, 12), 4, normalization="none", neuron_options={"threshold": 9.0})
    assert len(warned(silent, *[torch.rand(4, 30, 8)] * 25)) == 2


def test_it_costs_a_test():
    """After the first spike: less than a microsecond, where a call of a layer takes tens."""
    layer = Layer()
    layer(LOUD)
    assert not layer.silence.watches
    assert min(timeit.repeat(lambda: layer.silence(layer, LOUD), number=1000, repeat=5)) / 1000 < 1e-6
