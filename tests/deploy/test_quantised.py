"""The arithmetic of quantised networks, against loops over single numbers."""

import numpy as np
import pytest
import torch

from silif_plugins.datasets import FrameDataset
from silif_plugins.deploy import FoldError, quantise
from silif_plugins.deploy.exponential import TABLE
from silif_plugins.synapses import levels, row_steps
from silif_plugins.training import evaluate

BITS = [8, 5, 3, "ternary"]


def loop(net, sample):
    """Run one sample number by number: spikes of all steps, and scores."""
    number = np.float32 if net.state == "float32" else int
    states = [{"mem": [number(0)] * len(layer.weight), "ada": [number(0)] * len(layer.weight)} for layer in net.layers]
    for layer, state in zip(net.layers, states, strict=True):
        state["spk"], state["past"] = [0] * len(layer.weight), []
    fired, scores = [], [0] * net.num_classes
    for row in sample.tolist():
        signal = [max(-net.input_limit, min(net.input_limit, round(each))) for each in row]
        fired.append([])
        for layer, state in zip(net.layers, states, strict=True):
            state["past"].insert(0, signal)
            signal = [neuron(layer, state, i, number) for i in range(len(layer.weight))]
            state["spk"] = signal
            if layer is not net.readout:
                fired[-1] += signal
        shares = softmax(net, states[-1]["mem"])
        scores = [score + share for score, share in zip(scores, shares, strict=True)]
    return fired, scores


def neuron(layer, state, i, number):
    weights = layer.weight[i].tolist()
    total = 0
    for j, weight in enumerate(weights):
        lag = 0 if layer.delays is None else int(layer.delays.expand_as(layer.weight)[i, j])
        total += weight * state["past"][lag][j] if lag < len(state["past"]) else 0
    current = number(256 * total + int(layer.bias[i]))
    mem, ada, spk = state["mem"][i], state["ada"][i], number(state["spk"][i])
    if number is int:
        f = {name: int(value[i]) if torch.is_tensor(value) else value for name, value in layer.fixed._asdict().items()}
        m = (f["a11"] * mem + f["a12"] * ada + f["g1"] * current + f["half"]) // 2 ** f["shift"] + f["r1"] * spk
        a = (f["a21"] * mem + f["a22"] * ada + f["g2"] * current + f["half"]) // 2 ** f["shift"] + f["r2"] * spk
        m, a = (max(-f["limit"], min(f["limit"], each)) for each in (m, a))
        threshold = f["threshold"]
    else:
        c = {name: np.float32(value[i].item()) for name, value in layer.space._asdict().items()}
        m = c["a11"] * mem + c["a12"] * ada + c["b1"] * current + c["r1"] * spk
        a = c["a21"] * mem + c["a22"] * ada + c["b2"] * current + c["r2"] * spk
        threshold = c["threshold"]
    state["mem"] = [*state["mem"][:i], m, *state["mem"][i + 1 :]]
    state["ada"] = [*state["ada"][:i], a, *state["ada"][i + 1 :]]
    return int(m > threshold)


def softmax(net, membranes):
    distances = []
    for membrane in membranes:
        below = max(membranes) - membrane
        if net.state == "float32":
            scaled = below * np.float32(1.44269504)
            distances.append(int(scaled * np.float32(65536)) if scaled < 16 else 16 << 16)
        else:
            distances.append(min(below * 23637 * 65536 // 2 ** (14 + int(net.readout.fixed.e1[0])), 16 << 16))
    powers = []
    for distance in distances:
        place, rest = distance % 65536 // 1024, distance % 1024
        line = (TABLE[place] * (1024 - rest) + TABLE[place + 1] * rest) if distance < 16 << 16 else 0
        powers.append(line >> (10 + distance // 65536))
    return [power * 65536 // sum(powers) for power in powers]


@pytest.mark.parametrize("state", ["float32", "int16", "int32"])
@pytest.mark.parametrize(("connection", "bits"), [("linear", 8), ("axonal", 4), ("delayed", "ternary")])
def test_every_number_is_that_of_a_plain_loop(made, frames, state, connection, bits):
    net = quantise(made("SiLIF", connection, sizes=(7, 5)), bits, calibration=frames, state=state)
    trace, _ = net.run(frames[:2, :20])
    for sample in range(2):
        fired, scores = loop(net, frames[sample, :20])
        assert torch.cat(trace.spikes, dim=2)[sample].int().tolist() == fired
        assert trace.scores[sample, -1].tolist() == scores
    assert any(spikes.any() for spikes in trace.spikes)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("state", ["float32", "int16"])
@pytest.mark.parametrize("cuts", [(1,) * 60, (7, 20, 33)])
def test_chunks_make_no_difference(made, frames, bits, state, cuts):
    net = quantise(made(connection="axonal"), bits, calibration=frames, state=state)
    whole, end = net.run(frames)
    kept, parts = None, []
    for part in frames.split(cuts, dim=1):
        trace, kept = net.run(part, kept)
        parts.append(trace)
    assert torch.equal(torch.cat([part.scores for part in parts], dim=1), whole.scores)
    for layer, spikes in enumerate(whole.spikes):
        assert torch.equal(torch.cat([part.spikes[layer] for part in parts], dim=1), spikes)
    assert torch.equal(kept.scores, end.scores)
    assert all(torch.equal(one.past, other.past) for one, other in zip(kept.layers, end.layers, strict=True))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float64])
def test_counts_of_any_type(made, frames, dtype):
    net = quantise(made())
    assert torch.equal(net.run(frames.to(dtype))[0].scores, net.run(frames)[0].scores)


def test_with_eight_bits_the_decisions_stay(made, frames):
    trained = made()
    net = quantise(trained, 8, calibration=frames)
    wanted, got = trained(frames).scores, net(frames).scores
    assert torch.equal(wanted.argmax(1), got.argmax(1))
    assert torch.allclose(wanted, got, atol=1.5)


@pytest.mark.parametrize("bits", [3, "ternary"])
def test_calibration_brings_currents_closer(made, frames, bits):
    trained = made()
    wanted = trained(frames).scores
    without, calibrated = (quantise(trained, bits, calibration=each)(frames).scores for each in (None, frames))
    assert (calibrated - wanted).abs().mean() < (without - wanted).abs().mean()


@pytest.mark.parametrize("bits", [3, "ternary"])
@pytest.mark.parametrize("calibrated", [False, True])
def test_the_bits_of_training_are_taken_and_its_levels(made, frames, bits, calibrated):
    trained = made(connection="quantised", connection_options={"bits": bits})
    net = quantise(trained, calibration=frames if calibrated else None)
    assert {layer.bits for layer in net.layers} == {bits}
    for layer, module in zip(net.hidden, trained.hidden, strict=True):
        weights = module.current.weights
        steps = row_steps(weights.weight, bits)
        assert torch.equal(layer.weight, levels(weights.weight, steps, bits).long())
        gain = module.current.norm.weight / (module.current.norm.running_var + module.current.norm.eps).sqrt()
        assert torch.allclose(layer.unit.float(), steps * gain / 256, rtol=1e-2)
    assert torch.allclose(net(frames).scores, trained(frames).scores, atol=1.5)


def test_features_have_a_unit(made, frames):
    trained = made()
    features = frames + 0.3 * torch.randn_like(frames)
    net = quantise(trained, calibration=features)
    assert net.input_step == pytest.approx(float(features.abs().max()) / 127)
    assert net.counts(features).abs().max() == 127
    assert net.counts(100 * features).abs().max() == 127
    assert torch.allclose(trained(features).scores, net(features).scores, atol=2.0)


def test_evaluation_takes_it_with_and_without_padding(made, frames):
    net = quantise(made())
    labels = net(frames).scores.argmax(1)
    classes = [str(each) for each in range(5)]
    assert evaluate(net, FrameDataset(frames.to(torch.uint8), labels, classes=classes)).accuracy == 1
    lengths = torch.tensor([60, 30, 10, 1])
    cut = net(frames, lengths).scores
    for sample, length in enumerate(lengths):
        assert torch.equal(cut[sample], net(frames[sample : sample + 1, :length]).scores[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 9}, "bits: got 9; it must be 2 to 8"),
        ({"bits": True}, "bits: got True"),
        ({"bits": "binary"}, "bits: got 'binary'"),
        ({"state": "int8"}, "state: got 'int8'; it must be one of float32, int16, int32"),
        ({"state": "int16"}, "calibration: got none; states of int16 need typical inputs"),
        ({"calibration": torch.ones(3, 20)}, r"calibration: got shape \(3, 20\)"),
        ({"calibration": torch.full((1, 3, 20), torch.nan)}, "calibration: got a value that is not finite"),
    ],
)
def test_arguments(made, arguments, message):
    with pytest.raises(ValueError, match=message):
        quantise(made(), **arguments)


def test_currents_that_could_overflow_are_refused(made):
    net = made()
    net.hidden[1].current.norm.bias.data[0] = 9e5
    net.hidden[1].current.norm.weight.data[0] = 1e-4
    with pytest.raises(FoldError, match=r"hidden\.1: its currents need more than 32 bits"):
        quantise(net)


def test_a_neuron_that_batch_norm_has_switched_off(made, frames):
    net = made()
    net.hidden[0].current.norm.weight.data[0] = 0
    net.hidden[0].current.norm.bias.data[0] = 0.25
    layer = quantise(net).hidden[0]
    assert float(layer.bias[0] * layer.unit[0]) == 0.25
    assert not layer.weight[0].any()


@pytest.mark.parametrize("wrong", [torch.ones(2, 20), torch.ones(1, 3, 19), torch.full((1, 2, 20), torch.inf)])
def test_inputs_are_checked(made, wrong):
    with pytest.raises(ValueError, match="inputs: got"):
        quantise(made()).run(wrong)
