"""Networks of state space blocks: padding, steps, optimiser groups, sizes, and what they count."""

import pytest
import torch

from silif_plugins.ssm import MambaNet, S4DNet, SpikingLinOSSNet, SpikingSSMNet
from silif_plugins.training import SCALES, TrainConfig, classifiers, load_network, train

KINDS = {"s4d": S4DNet, "spiking-ssm": SpikingSSMNet, "spiking-linoss": SpikingLinOSSNet, "mamba": MambaNet}
SMALL = {"layers": 2, "width": 12, "state_size": 4}


def made(kind, **options):
    torch.manual_seed(0)
    return KINDS[kind](5, 3, **{**SMALL, **options}).double()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm", "none"])
def test_padding_takes_no_part(kind, normalization):
    both = {} if kind in ("mamba", "spiking-linoss") else {"bidirectional": True}
    net = made(kind, normalization=normalization, dropout=0.0, **both)
    inputs = torch.randn(2, 20, 5, dtype=torch.float64)
    longer = torch.cat([inputs, 9 * torch.randn(2, 7, 5, dtype=torch.float64)], dim=1)
    whole = net(inputs, torch.tensor([20, 13]))
    padded = net(longer, torch.tensor([20, 13]))
    for one, other in zip(whole, padded, strict=True):
        torch.testing.assert_close(one, other)
    net.eval()
    (first,) = net(longer[1:, :13]).scores
    torch.testing.assert_close(first, net(longer, torch.tensor([20, 13])).scores[1])


@pytest.mark.parametrize("kind", KINDS)
def test_steps_classify_what_was_seen_so_far(kind):
    net = made(kind)
    inputs = torch.randn(4, 25, 5, dtype=torch.float64)
    net(inputs)  # statistics of batch norm
    net.eval()
    state = None
    for t in range(25):
        scores, state = net.step(inputs[:, t], state)
        if t in (0, 10, 24):
            torch.testing.assert_close(scores, net(inputs[:, : t + 1]).scores)
    with pytest.raises(ValueError, match="in training mode"):
        net.train().step(inputs[:, 0])


def test_parallel_and_steps_give_the_same_spikes():
    net, spikes = made("spiking-ssm", width=32, state_size=16).eval(), []
    net.blocks[1].neurons.register_forward_hook(lambda module, inputs, output: spikes.append(output))
    inputs = 3 * torch.randn(3, 200, 5, dtype=torch.float64)
    net(inputs)
    stepped, state = [], None
    step = net.blocks[1].neurons.step
    net.blocks[1].neurons.step = lambda *given: stepped.append(step(*given)) or stepped[-1]
    for t in range(200):
        _, state = net.step(inputs[:, t], state)
    assert torch.equal(torch.stack([each for each, _ in stepped]), spikes[0])
    assert 0.02 < spikes[0].mean() < 0.6


def test_the_three_membranes_give_the_same_network():
    inputs = torch.randn(3, 60, 5, dtype=torch.float64)
    exact, parallel, guessed = (
        made("spiking-ssm", membrane=each, dropout=0.0)(inputs).scores for each in ("exact", "fixed-point", "sdn")
    )
    assert torch.equal(exact, parallel)
    torch.testing.assert_close(guessed, exact, rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("kind", "options", "slow"), [("s4d", {}, 6), ("spiking-ssm", {"copies": 2}, 10), ("mamba", {}, 0)]
)
def test_systems_learn_slowly(kind, options, slow):
    """At 1e-3 without weight decay, as published; the rest by AdamW."""
    net = made(kind, **options)
    assert net.decoupled_weight_decay
    groups = [group for module in net.modules() for group in getattr(module, "optimizer_groups", list)()]
    assert all(group["lr"] == 0.001 for group in groups)
    named = {name.rpartition(".")[2] for name, each in net.named_parameters() if id(each) in ids_of(groups)}
    assert len(ids_of(groups)) == slow
    assert named == ({"log_dt", "log_A_real", "A_imag", *(("omega", "eta") if options else ())} if slow else set())


def ids_of(groups):
    return {id(each) for group in groups for each in group["params"]}


@pytest.mark.slow
def test_training_goes_on_where_it_was_interrupted(tmp_path):
    options = {"architecture": "spiking-ssm", "data": "sequential-digits", "weight_decay": 0.1, "schedule": "constant"}
    options |= {
        "layers": 1,
        "width": 4,
        "state_size": 4,
        "batch_size": 250,
        "copies": 2,
        "learning_rate": 0.1,
        "recalibrate": 0,
    }
    train(TrainConfig(epochs=2, **options), tmp_path / "whole")
    for epochs in (1, 2):
        train(TrainConfig(epochs=epochs, **options), tmp_path / "parts", resume=True, extend=True)
    whole, parts = (load_network(tmp_path / name / "last.safetensors")[0] for name in ("whole", "parts"))
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), parts.parameters(), strict=True))


def test_operations_as_the_paper_counts_them():
    """Dense layers at 100 steps: 9.15 million for six layers of 128, as its published code counts."""
    net = S4DNet(40, 35, layers=6, width=128, state_size=64).eval()
    assert float(net(torch.rand(2, 100, 40) + 0.1).synaptic_operations) == 9_152_000
    spiking, spikes = made("spiking-ssm").eval(), []
    for block in spiking.blocks:
        block.neurons.register_forward_hook(lambda module, inputs, output: spikes.append(int(output.sum())))
    found = spiking(2 * torch.randn(2, 50, 5, dtype=torch.float64))
    assert float(found.synaptic_operations) == (12 * spikes[0] + 3 * spikes[1]) / 2
    assert found.firing_rates.mean().item() == pytest.approx(sum(spikes) / (2 * 50 * 24))


def test_operations_in_full():
    net = S4DNet(40, 35, layers=6, width=128, state_size=64, counting="full").eval()
    blocks = 6 * 100 * (128 * 256 + 6 * 128 * 32 + 128)
    assert float(net(torch.rand(2, 100, 40) + 0.1).synaptic_operations) == 100 * 40 * 128 + blocks + 128 * 35
    spiking, spikes = made("spiking-ssm", counting="full").eval(), []
    for block in spiking.blocks:
        block.neurons.register_forward_hook(lambda module, inputs, output: spikes.append(int(output.sum())))
    found = spiking(2 * torch.randn(2, 50, 5, dtype=torch.float64))
    blocks = 2 * 50 * (6 * 12 * 2 + 12 + 2 * 12) + sum(spikes) / 2 * 24
    assert float(found.synaptic_operations) == pytest.approx(50 * 5 * 12 + blocks + 12 * 3)
    mamba = made("mamba", counting="full").eval()
    block = 12 * 24 + 12 * 4 + 12 * (1 + 8) + 12 + 12 * 12 + 4 * 12 * 4 + 3 * 12
    found = mamba(torch.randn(2, 50, 5, dtype=torch.float64)).synaptic_operations
    assert float(found) == 50 * 5 * 12 + 2 * 50 * block + 12 * 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"architecture": "s4d", "layers": 0}, "layers: got 0; it must be positive"),
        ({"architecture": "s4d", "state_size": 5}, "state_size: got 5; it must be even"),
        ({"architecture": "s4d", "dt": [1.0]}, r"dt: got \(1.0,\); it must be two positive numbers"),
        ({"architecture": "mamba", "expand": 0}, "expand: got 0"),
        ({"architecture": "spiking-ssm", "membrane": "sdn", "through": "all"}, "through: got 'all'"),
        ({"architecture": "spiking-ssm", "tau": -1.0}, "tau: got -1.0"),
        ({"architecture": "spiking-linoss", "mixing": "sum"}, "mixing: got 'sum'; it must be one of spikes, gate"),
        ({"weight_decay": -1.0}, "weight_decay: got -1.0; it must be 0 or more"),
    ],
)
def test_settings_are_checked_before_anything_is_made(options, says):
    with pytest.raises(ValueError, match=says):
        TrainConfig(**options)


def test_inputs_that_do_not_fit():
    with pytest.raises(ValueError, match=r"inputs: got shape \(2, 9, 4\); it must be \[B, T, 5\]"):
        made("s4d")(torch.zeros(2, 9, 4))
    with pytest.raises(TypeError, match="they must be real"):
        made("s4d")(torch.zeros(2, 9, 5, dtype=torch.complex64))
    with pytest.raises(ValueError, match="lengths"):
        made("s4d")(torch.zeros(2, 9, 5), torch.tensor([0, 9]))


@pytest.mark.parametrize("kind", KINDS)
def test_states_stay_float32_under_autocast(kind):
    net, inputs = made(kind, dropout=0.0).float(), torch.randn(3, 30, 5)
    exact = net(inputs).scores
    with torch.autocast("cpu", torch.bfloat16):
        scores = net(inputs).scores
        scores.float().logsumexp(1).sum().backward()
    assert scores.isfinite().all()
    assert all(each.grad.isfinite().all() for each in net.parameters())
    if not kind.startswith("spiking"):  # where rounding moves spikes
        torch.testing.assert_close(scores.float(), exact, rtol=0.05, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_networks_are_exported(kind, tmp_path):
    net = made(kind).float().eval()
    inputs = torch.randn(2, 30, 5)
    program = torch.export.export(net, (inputs,))
    torch.export.save(program, tmp_path / "net.pt2")
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    with torch.no_grad():
        torch.testing.assert_close(loaded(inputs).scores, net(inputs).scores)


@pytest.mark.parametrize("kind", ["s4d", "spiking-ssm", "mamba"])
def test_sizes_of_the_papers_table_9_by_name(kind):
    """As contenders of comparisons, which tell runs apart by the name of the network."""
    for scale, sizes in SCALES.items():
        config = TrainConfig(architecture=f"{kind}-{scale}")
        assert (config.label, f"{kind}-{scale}" in classifiers()) == (f"{kind}-{scale}", True)
        one, other = (each.outline(40, 35) for each in (config, TrainConfig(architecture=kind, **sizes)))
        assert [each.shape for each in one.parameters()] == [each.shape for each in other.parameters()]
    if kind == "s4d":
        assert sum(each.numel() for each in one.parameters()) == 309_155
