"""Tokens by look-up or one-hot, and pairs of documents: the same numbers either way, and none of the padding."""

import pytest
import torch
from torch import nn

from silif_plugins.datasets import one_hot
from silif_plugins.ssm import Comparison, MambaNet, S4DNet, SpikingSSMNet, TokenEmbedding
from silif_plugins.training import TrainConfig, load_network, train

KINDS = {"s4d": S4DNet, "spiking-ssm": SpikingSSMNet, "mamba": MambaNet}
SMALL = {"layers": 2, "width": 12, "state_size": 4, "dropout": 0.0}


def made(kind, inputs=6, **options):
    torch.manual_seed(0)
    return KINDS[kind](inputs, 3, **{**SMALL, **options}).double()


@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_is_the_weights_of_one_hot_tokens(kind):
    looked_up, linear = made(kind, encoder="embedding"), made(kind)
    linear.load_state_dict(
        {**looked_up.state_dict(), "encoder.weight": looked_up.state_dict()["encoder.weight"].t().contiguous()}
    )
    tokens, lengths = torch.randint(0, 7, (4, 20, 1)), torch.tensor([20, 7, 13, 1])
    found = [
        looked_up(tokens, lengths),
        looked_up(one_hot(tokens, 6), lengths),
        linear(one_hot(tokens, 6), lengths),
    ]
    for other in found[1:]:
        torch.testing.assert_close(found[0].scores, other.scores)
        torch.testing.assert_close(found[0].firing_rates, other.firing_rates)
    gradients = []
    for net, output in ((looked_up, found[0]), (linear, found[2])):
        output.scores.square().sum().backward()
        gradients.append(net.encoder.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1].t())


def test_a_lookup_computes_nothing():
    counts = [
        made("s4d", encoder=each, counting="full")(torch.ones(2, 20, 6)).synaptic_operations
        for each in ("embedding", "linear")
    ]
    assert counts[1] - counts[0] == 20 * 6 * 12


def test_steps_take_tokens():
    net, state = made("spiking-ssm", encoder="embedding").eval(), None
    tokens = torch.randint(0, 7, (4, 9, 1))
    for now in tokens.unbind(1):
        scores, state = net.step(now, state)
    torch.testing.assert_close(scores, net(tokens).scores)


def test_numbers_beyond_the_vocabulary_are_refused():
    for number in (7, -1):
        with pytest.raises(ValueError, match=f"tokens: got {number} to {number}; they must be 0 to 6"):
            TokenEmbedding(6, 3)(torch.tensor([number]))
    with pytest.raises(ValueError, match=r"must be \[B, T, 6\], or \[B, T, 1\] of tokens"):
        made("s4d", encoder="embedding")(torch.ones(2, 5, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoder", ["linear", "embedding"])
def test_two_documents_are_read_apart(kind, encoder):
    net = made(kind, 12, encoder=encoder, documents=2, normalization="layernorm")
    one, other = torch.randint(1, 7, (2, 3, 15)).unbind()
    one[0, 11:] = other[1, 4:] = other[2, 1:] = 0
    pairs = torch.stack([one, other], dim=-1)

    def read(document):
        """A document alone, as a network of one document reads it."""
        length = max(int((document != 0).sum()), 1)
        hidden = net.encoder(one_hot(document[:length, None, None], 6).double())
        return net.through(hidden)[0].mean(0).flatten()

    def compared(first, second):
        both = torch.cat([first, second, first * second, first - second])
        return net.readout.scores(torch.relu(net.readout.hidden(both)))

    expected = torch.stack([compared(read(first), read(second)) for first, second in zip(one, other, strict=True)])
    given = pairs if encoder == "embedding" else one_hot(pairs, 6)
    for lengths in (None, torch.tensor([15, 15, 15])):
        output = net(given, lengths)
        torch.testing.assert_close(output.scores, expected)
    assert output.firing_rates.shape == (24,)


def test_operations_of_two_documents_are_those_of_both():
    net = made("s4d", 12, documents=2, counting="full")
    single = made("s4d", counting="full")
    pair = torch.ones(2, 20, 12)
    of_readouts = 4 * 12 * 12 + 12 * 3 - 2 * 12 * 3
    found = net(pair).synaptic_operations
    assert found - 2 * single(torch.ones(2, 20, 6)).synaptic_operations == of_readouts
    counted = made("s4d", 12, documents=2)(pair).synaptic_operations
    assert counted == 2 * 20 * 12 * (6 + 12 + 12)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"encoder": "lookup"}, "encoder: got 'lookup'"),
        ({"documents": 3}, "documents: got 3"),
        ({"documents": 2, "inputs": 7}, "num_inputs: got 7; it must be even"),
    ],
)
def test_what_makes_no_network_is_refused(options, problem):
    with pytest.raises(ValueError, match=problem):
        made("s4d", **options)


def test_documents_have_no_steps():
    with pytest.raises(ValueError, match="compares two documents"):
        made("s4d", documents=2).eval().step(torch.ones(2, 6))


def test_comparison_is_what_it_says():
    comparison = Comparison(2, 3)
    assert [tuple(each.shape) for each in comparison.parameters()] == [(2, 8), (2,), (3, 2), (3,)]
    assert isinstance(comparison.scores, nn.Linear)


@pytest.fixture
def reviews(tmp_path):
    for split in ("train", "test"):
        for name, text in (("neg", "bad "), ("pos", "fine")):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(12):
                (tmp_path / split / name / f"{number}.txt").write_text(text * (3 + number % 2))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["s4d", "sparch"])
def test_reviews_are_learnt(reviews, tmp_path, architecture):
    """By a look-up, and one-hot by neurons."""
    small = {"encoder": "embedding", "layers": 1, "width": 8, "state_size": 4}
    own = small if architecture == "s4d" else {"hidden_sizes": (16,)}
    config = TrainConfig(
        architecture=architecture, data=str(reviews), epochs=6, batch_size=8, learning_rate=0.03, **own
    )
    result = train(config, tmp_path / "run")
    assert result["test_accuracy"] == 1
    assert result["selected_on"].startswith("held-out")
    _, _, facts = load_network(tmp_path / "run" / "best.safetensors")
    assert facts["num_inputs"] == 255


def test_an_embedding_needs_tokens(tmp_path):
    config = TrainConfig(architecture="s4d", encoder="embedding", data="sequential-digits")
    with pytest.raises(ValueError, match="encoder: s4d reads tokens, but SequentialDigits"):
        train(config, tmp_path / "run")


@pytest.mark.slow
def test_pairs_are_learnt(tmp_path):
    texts = ["one", "two", "three"]
    lines = [f"{int(a == b)}\tx\ty\t{a * 2}\t{b * 3}" for a in texts for b in texts for _ in range(1 + 2 * (a == b))]
    for split in ("train", "eval", "test"):
        (tmp_path / f"new_aan_pairs.{split}.tsv").write_text("\n".join(lines))
    config = TrainConfig(
        architecture="spiking-ssm",
        encoder="embedding",
        documents=2,
        data=str(tmp_path),
        epochs=25,
        batch_size=5,
        learning_rate=0.02,
        layers=1,
        width=16,
        state_size=4,
    )
    assert train(config, tmp_path / "run")["test_accuracy"] > 0.9
