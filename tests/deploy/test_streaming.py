"""A stream gives what a batch gives, however it is cut."""

import resource

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.datasets import bin_events
from silif_plugins.deploy import FoldError, Stream, decisions, quantise
from silif_plugins.scan import scan
from silif_plugins.sparch import SpArchNet


@pytest.fixture(scope="module")
def net(made):
    return made(events="always")


@pytest.fixture(scope="module")
def long():
    return (torch.rand(180, 20, generator=torch.Generator().manual_seed(3)) < 0.3).float() * 3


def states_of(stream):
    return [field for state in stream._runner.states for field in state]


@pytest.mark.parametrize("connection", ["linear", "axonal", "quantised"])
@pytest.mark.parametrize("neuron", ["SiLIF", "C-SiLIF"])
def test_it_is_the_batch(made, long, neuron, connection):
    net = made(neuron, connection, events="always")
    stream = Stream(net)
    for part in long.split(37):
        stream.push(part)
    # Every state of every layer at the end, bit for bit, from the network's own layers.
    signal, wanted = long.unsqueeze(1), []
    for layer in (*net.hidden, net.readout):
        current = layer.current(signal)
        signal, state = scan(layer.dynamics() if layer is not net.readout else layer.neuron, current)
        wanted += list(state)
    assert all(torch.equal(one, other) for one, other in zip(states_of(stream), wanted, strict=True))
    scores = net(long.unsqueeze(0)).scores[0]
    assert torch.allclose(stream.now().scores.float(), scores, rtol=1e-6)
    assert stream.now().label == int(scores.argmax())


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_cuts_make_no_difference(net, long, cuts):
    whole, parts = Stream(net, horizon=50, confidence=0.9), Stream(net, horizon=50, confidence=0.9)
    wanted, got, start = whole.push(long), [], 0
    for cut in cuts:
        got += parts.push(long[start : start + cut])
        start += cut
    got += parts.push(long[start:]) if start < len(long) else []
    assert [(each.begin, each.steps, each.label, each.confidence) for each in got] == [
        (each.begin, each.steps, each.label, each.confidence) for each in wanted
    ]
    assert torch.equal(whole.now().scores, parts.now().scores)


def test_quantised_streams(made, long):
    net = quantise(made())
    stream = Stream(net)
    for row in long[:60]:
        stream.push(row)
    trace, _ = net.run(long[None, :60])
    assert torch.equal(stream.now().scores, trace.scores[0, -1] / 65536)


def test_it_decides_when_it_is_sure(net, long):
    sure = 0.6
    (first, *_) = Stream(net, horizon=60, confidence=sure).push(long)
    before = net(long[None, : first.steps - 1]).scores.detach().double().softmax(1).max()
    after = net(long[None, : first.steps]).scores.detach().double().softmax(1).max()
    assert before < sure <= after
    assert first.confidence == pytest.approx(float(after), abs=1e-5)
    late = Stream(net, horizon=60, confidence=sure, least_steps=first.steps + 5).push(long)[0]
    assert late.steps >= first.steps + 5


def test_what_is_left_of_a_word_is_slept_through(net, long):
    made = Stream(net, horizon=60, confidence=0.5).push(long)
    assert [each.begin for each in made] == [0, 60, 120]
    assert all(each.steps < 60 for each in made)
    without = Stream(net, confidence=0.5).push(long)
    assert without[1].begin == without[0].steps


def test_events(net):
    generator = np.random.default_rng(0)
    times, units = np.sort(generator.uniform(0, 0.6, 400)), generator.integers(0, 20, 400)
    stream = Stream(net, step=0.01, horizon=50)
    made = []
    for start in range(0, 400, 7):
        made += stream.push_events(times[start : start + 7], units[start : start + 7])
    made += stream.finish()
    frames = bin_events(times, units, steps=60, max_time=0.6, channels=20).astype(np.float32)
    other = Stream(net, horizon=50)
    wanted = other.push(frames)
    assert torch.equal(made[0].scores, wanted[0].scores)
    assert torch.equal(stream.now().scores, other.now().scores)


@pytest.mark.parametrize(
    ("times", "channels", "message"),
    [
        ([-0.1], [0], "times: got -0.1"),
        ([np.nan], [0], "times: got nan"),
        ([np.inf], [0], "times: got inf"),
        ([1e9], [0], "times: got 1000000000.0"),
        ([0.1], [20], "channels: got 20 to 20"),
        ([0.1], [-1], "channels: got -1"),
        ([0.1], [0.5], "channels: got float64"),
        ([0.1, 0.2], [1], "channels: got"),
        ([0.01], [0], "the stream has heard 0.5 s already"),
    ],
)
def test_events_are_checked(net, times, channels, message):
    stream = Stream(net, step=0.01)
    stream.push(torch.zeros(50, 20))
    with pytest.raises(ValueError, match=message):
        stream.push_events(times, channels)
    assert stream.steps == 50


@pytest.mark.parametrize("wrong", [torch.ones(2, 19), torch.ones(1, 2, 20), torch.full((2, 20), torch.nan)])
def test_frames_are_checked(net, wrong):
    with pytest.raises(ValueError, match="frames: got"):
        Stream(net).push(wrong)


@pytest.mark.parametrize(
    "arguments", [{"horizon": 0}, {"confidence": 0.0}, {"confidence": 1.5}, {"step": -1.0}, {"step": float("nan")}]
)
def test_arguments(net, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Stream(net, **arguments)


def test_what_cannot_be_streamed():
    with pytest.raises(FoldError, match=r"hidden\.0: reads sequences backwards"):
        Stream(SpArchNet(20, (8,), 5, bidirectional=True))
    with pytest.raises(FoldError, match=r"hidden\.0: starts from random states"):
        Stream(SpArchNet(20, (8,), 5, initial_state="uniform"))
    with pytest.raises(FoldError, match="got Linear"):
        Stream(torch.nn.Linear(3, 2))


@pytest.mark.slow
def test_memory_stays(made):
    """An hour at 10 ms, in chunks of ten seconds: what is kept does not grow."""
    stream = Stream(made(connection="axonal", sizes=(4,)), horizon=10_000)
    chunk = torch.zeros(1001, 20)
    chunk[::50] = 1

    def kept():
        return sum(field.numel() for field in states_of(stream)) + sum(
            past.numel() for past in stream._runner.past if past is not None
        )

    for _ in range(10):
        stream.push(chunk)
    size, peak = kept(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(350):
        stream.push(chunk)
    assert stream.steps == 360_360
    assert kept() == size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 20_000  # kB


def test_the_rest_is_decided_at_the_end(net, long):
    made = list(decisions(Stream(net, horizon=100), iter(long.split(30))))
    assert [each.steps for each in made] == [100, 80]
