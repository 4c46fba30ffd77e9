"""Sequences of different lengths in one batch: padding changes nothing, whatever stands there."""

import pytest
import torch

from silif_plugins.sparch import SpArchNet

LENGTHS = torch.tensor([20, 7, 1, 13])


def sequences(padding=0.0):
    inputs = (torch.rand(4, 20, 10, generator=torch.Generator().manual_seed(1)) * 6).round()
    for sample, length in zip(inputs, LENGTHS, strict=True):
        sample[length:] = padding
    return inputs


@pytest.mark.parametrize("options", [{}, {"recurrent": True}, {"bidirectional": True}, {"normalization": "layernorm"}])
@pytest.mark.parametrize("padding", [0.0, 9.0, float("nan")])
def test_each_sequence_is_classified_as_if_it_were_alone(options, padding):
    net = SpArchNet(10, (16, 12), 4, **options).eval()
    with torch.no_grad():
        together = net(sequences(padding), LENGTHS)
        alone = [net(one[None, :length]) for one, length in zip(sequences(), LENGTHS, strict=True)]
    torch.testing.assert_close(together.scores, torch.cat([each.scores for each in alone]))
    torch.testing.assert_close(together.scores.sum(1), LENGTHS.float())
    rates = sum(each.firing_rates * length for each, length in zip(alone, LENGTHS, strict=True)) / LENGTHS.sum()
    torch.testing.assert_close(together.firing_rates, rates)
    operations = torch.stack([each.synaptic_operations for each in alone]).mean()
    torch.testing.assert_close(together.synaptic_operations, operations)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}])
def test_full_lengths_are_as_none(options):
    torch.manual_seed(0)
    net, twin = SpArchNet(10, (16,), 4, **options), SpArchNet(10, (16,), 4, **options)
    twin.load_state_dict(net.state_dict())
    inputs = (torch.rand(4, 20, 10) * 6).round()
    one, two = net(inputs), twin(inputs, torch.full((4,), 20))
    for each, other in zip(one, two, strict=True):
        assert torch.equal(each, other)
    for name, value in net.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.uint32])
def test_lengths_of_any_integer_type(dtype):
    net, inputs = SpArchNet(10, (8,), 4).eval(), (torch.rand(2, 300, 10) * 2).round()
    lengths = torch.tensor([200, 100])
    for one, other in zip(net(inputs, lengths.to(dtype)), net(inputs, lengths), strict=True):
        assert torch.equal(one, other)


def test_batch_norm_sees_valid_steps_only():
    net = SpArchNet(10, (16,), 4)
    net(sequences(padding=100.0), LENGTHS)
    norm, weights = net.hidden[0].current.norm, net.hidden[0].current.weights
    steps = torch.cat([one[:length] for one, length in zip(sequences(), LENGTHS, strict=True)])
    torch.testing.assert_close(norm.running_mean, 0.05 * weights(steps).mean(0))


def test_no_gradient_comes_from_the_padding():
    net = SpArchNet(10, (16,), 4, bidirectional=True)
    inputs = sequences().requires_grad_()
    net(inputs, LENGTHS).scores[:, 0].sum().backward()
    for gradient, length in zip(inputs.grad, LENGTHS, strict=True):
        assert not gradient[length:].any()
    assert inputs.grad[0].any()


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (torch.tensor([1, 2]), r"lengths: got shape \(2,\)"),
        (torch.ones(4), r"lengths: got torch.float32"),
        (torch.tensor([0, 1, 1, 1]), r"lengths: got \[0, 1, 1, 1\]; it must be from 1 to T = 20"),
        (torch.tensor([1, 1, 1, 21]), r"lengths: got \[1, 1, 1, 21\]"),
    ],
)
def test_bad_lengths_are_named(lengths, message):
    with pytest.raises((ValueError, TypeError), match=message):
        SpArchNet(10, (16,), 4)(sequences(), lengths)
