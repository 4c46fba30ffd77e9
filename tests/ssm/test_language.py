"""Language models: adaptive words against dense ones, causality, padding, and a text that is learnt."""

import json
import math

import pytest
import torch

from silif_plugins import cli
from silif_plugins.report import write_up
from silif_plugins.ssm import AdaptiveWords, LanguageModel
from silif_plugins.training import TrainConfig, evaluate, load_network, load_split, train

SMALL = {"layers": 2, "width": 12, "state_size": 4, "dropout": 0.0, "cutoffs": (5, 9), "divisor": 2.0}
BLOCKS = ["s4d", "spiking-ssm", "mamba"]


def made(block, words=20, **options):
    torch.manual_seed(0)
    return LanguageModel(words, words, blocks=block, **{**SMALL, **options}).double()


def dense(words):
    """The vectors of all words, written out: [V, H]."""
    softmax, parts = words.softmax, []
    parts.append(softmax.head.weight[: softmax.cutoffs[0]])
    for project, own in softmax.tail:
        parts.append(own.weight @ project.weight)
    return torch.cat(parts)


def test_adaptive_words_are_one_matrix_in_parts():
    torch.manual_seed(1)
    words = AdaptiveWords(20, 8, cutoffs=(5, 9), divisor=2.0).double()
    assert [tuple(own.weight.shape) for _, own in words.softmax.tail] == [(4, 4), (11, 2)]
    numbers = torch.tensor([[1, 5, 6], [9, 10, 20], [0, 3, 0]])
    table = torch.cat([torch.zeros(1, 8).double(), dense(words)])
    torch.testing.assert_close(words(numbers), 8**0.5 * table[numbers])
    vectors = torch.randn(3, 3, 8, dtype=torch.float64)
    # By hand: a word of a part is the part, by the head, and then the word within it.
    head = (vectors @ words.softmax.head.weight.t()).log_softmax(-1)
    logits = vectors @ dense(words).t()
    parts = [head[..., :5]]
    for part, (start, stop) in enumerate(((5, 9), (9, 20))):
        parts.append(head[..., 5 + part, None] + logits[..., start:stop].log_softmax(-1))
    expected = torch.cat(parts, -1)
    torch.testing.assert_close(expected.exp().sum(-1), torch.ones(3, 3).double())
    targets = torch.randint(1, 21, (3, 3))
    found = words.log_likelihoods(vectors, targets)
    torch.testing.assert_close(found, expected.gather(-1, targets.unsqueeze(-1) - 1).squeeze(-1))


def test_gradients_reach_all_words():
    words = AdaptiveWords(20, 8, cutoffs=(5, 9), divisor=2.0)
    words(torch.arange(1, 21)).square().sum().backward()
    assert all(own.weight.grad.abs().sum(1).min() > 0 for _, own in words.softmax.tail)
    assert words.softmax.head.weight.grad[:5].abs().sum(1).min() > 0


def test_small_vocabularies_have_parts_of_their_own():
    assert AdaptiveWords(10, 8, cutoffs=(20_000,)).softmax.cutoffs == [5, 10]
    with pytest.raises(ValueError, match="words: got 0 to 11"):
        AdaptiveWords(10, 8, cutoffs=(20_000,))(torch.arange(12))


@pytest.mark.parametrize("block", BLOCKS)
def test_no_word_knows_those_to_come(block):
    net = made(block).eval()
    text = torch.randint(1, 21, (2, 15, 1))
    scores = net(text).scores
    other = text.clone()
    other[:, 9:] = torch.randint(1, 21, (2, 6, 1))
    torch.testing.assert_close(net(other).scores[:, :8], scores[:, :8])
    state = None
    for place in range(14):
        found, state = net.step(text[:, place], state)
        torch.testing.assert_close(found.gather(1, text[:, place + 1] - 1).squeeze(1), scores[:, place])
    torch.testing.assert_close(found.exp().sum(1), torch.ones(2).double())


@pytest.mark.parametrize("block", BLOCKS)
def test_padding_takes_no_part(block):
    net = made(block, normalization="batchnorm")
    text = torch.randint(1, 21, (2, 15, 1))
    text[1, 9:] = 0
    found = net(text, torch.tensor([15, 9]))
    assert found.scores[1, 8:].eq(0).all()
    longer = net(torch.cat([text, torch.zeros(2, 4, 1, dtype=torch.long)], 1), torch.tensor([15, 9]))
    torch.testing.assert_close(found.scores, longer.scores[:, :14])
    torch.testing.assert_close(found.firing_rates, longer.firing_rates)
    net.eval()
    torch.testing.assert_close(net(text, torch.tensor([15, 9])).scores[1, :8], net(text[1:, :9]).scores[0])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"blocks": "s5"}, "blocks: got 's5'"),
        ({"cutoffs": (9, 5)}, r"cutoffs: got \(9, 5\)"),
        ({"cutoffs": ()}, r"cutoffs: got \(\)"),
        ({"divisor": 0.5}, "divisor: got 0.5"),
        ({"word_dropout": 1.0}, "dropout: got 1.0"),
        ({"state_size": 3}, "state_size: got 3"),
    ],
)
def test_what_makes_no_network_is_refused(options, problem):
    with pytest.raises(ValueError, match=problem):
        TrainConfig(architecture="language-model", **{**SMALL, **options})


def test_the_published_size():
    """75 million, as the paper of SpikingSSM says: with vectors that are read and predicted with."""
    config = TrainConfig(architecture="language-model", layers=16, width=1024, state_size=64)
    outline = config.outline(267_735, 267_735)
    assert sum(each.numel() for each in outline.parameters()) == pytest.approx(75e6, rel=0.04)


@pytest.fixture
def texts(tmp_path):
    """Words that follow each other in a ring, but for a few."""
    ring = " ".join(f"w{number % 6}" for number in range(300))
    for split, text in {"train": ring, "valid": ring[:100], "test": ring[:160]}.items():
        (tmp_path / f"wiki.{split}.tokens").write_text(text)
    return tmp_path


@pytest.mark.slow
def test_a_text_is_learnt_and_training_goes_on(texts, tmp_path, capsys):
    options = {
        "architecture": "language-model",
        "data": str(texts),
        "data_options": {"steps": 20},
        "layers": 1,
        "width": 8,
        "state_size": 4,
        "cutoffs": (3,),
        "batch_size": 5,
        "learning_rate": 0.05,
        "schedule": "constant",
    }
    result = train(TrainConfig(epochs=8, **options), tmp_path / "whole")
    assert result["test_perplexity"] < 2
    assert result["test_accuracy"] == pytest.approx(1 / result["test_perplexity"])
    for epochs in (3, 8):
        parts = train(TrainConfig(epochs=epochs, **options), tmp_path / "parts", resume=True, extend=True)
    assert {**parts, "seconds": 0, "folder": ""} == {**result, "seconds": 0, "folder": ""}
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert result["best_epoch"] == 1 + min(range(8), key=lambda epoch: lines[epoch]["valid_perplexity"])
    with pytest.raises(ValueError, match="is a language model, which has no classes"):
        write_up(tmp_path / "whole")
    assert cli.main(["evaluate", str(tmp_path / "whole"), "--split", "valid"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["perplexity"] == pytest.approx(min(line["valid_perplexity"] for line in lines))
    net, config, facts = load_network(tmp_path / "whole" / "best.safetensors")
    test = load_split(config, "test")
    assert evaluate(net, test).perplexity == pytest.approx(result["test_perplexity"])
    assert facts["data_set"]["classes"] == list(test.classes)
    # The mean over all words but the first of the text, by hand.
    numbers = torch.cat([test[0][0], *(test[row][0][1:] for row in range(1, len(test)))])
    assert len(numbers) == len((texts / "wiki.test.tokens").read_text().split()) + 1
    total = sum(net(test[row][0][None]).scores.sum().item() for row in range(len(test)))
    assert math.exp(-total / (len(numbers) - 1)) == pytest.approx(result["test_perplexity"], rel=1e-5)
