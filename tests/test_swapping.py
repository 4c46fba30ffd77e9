"""What `replace` returns is one record, in whichever host."""

import copy

import pytest
import torch
from torch import nn

from silif_plugins.swapping import Replacement, Replacements, evaluating, input_shapes, swap


def replaced(host):
    """Return what the host's `replace` says of a net of two linear layers with a neuron between them."""
    pytest.importorskip(host)
    if host == "snntorch":
        import snntorch as snn

        from silif_plugins.snntorch import replace

        return replace(nn.Sequential(nn.Linear(2, 3), snn.Leaky(beta=0.9, init_hidden=True)), sample=torch.rand(1, 2))
    import norse.torch as snn

    from silif_plugins.norse import replace

    return replace(snn.SequentialState(nn.Linear(2, 3), snn.LIF()), sample=torch.rand(4, 1, 2))


@pytest.mark.parametrize("host", ["snntorch", "norse"])
def test_both_hosts_return_the_same(host):
    made = replaced(host)
    assert type(made) is Replacements
    assert made.left == ()
    assert [type(each) for each in made] == [Replacement]
    head, row = map(str.split, str(made).splitlines())
    assert head[:4] == ["name", "was", "is", "size"]
    assert head[-1] == "parameters"
    assert row[:4] == ["1", type(made[0].old).__name__, "SiLIF", "3"]
    assert row[-1] == "15"
    for twin in (copy.copy(made), copy.deepcopy(made)):
        assert str(twin) == str(made)


def test_what_the_sample_does_not_reach_is_listed():
    made = Replacements([Replacement("a", nn.ReLU(), nn.Linear(2, 2))], left=["b"])
    assert str(made).splitlines()[1:] == ["a     ReLU  Linear  6", "b: not reached by the sample, left as it is"]
    assert str(Replacements()) == ""


def test_shared_modules_are_swapped_under_every_name():
    shared, new = nn.ReLU(), nn.Tanh()
    net = nn.ModuleDict({"one": nn.Sequential(shared), "two": nn.Sequential(nn.Linear(2, 2), shared)})
    swap(net, [Replacement("one.0", shared, new)])
    assert net["one"][0] is net["two"][1] is new


def test_shapes_come_from_one_run_that_leaves_nothing_behind():
    net = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.ReLU())
    net[1].eval()
    with evaluating(net):
        assert not net.training
        assert input_shapes(net, [net[2]], torch.rand(4, 2)) == {net[2]: torch.Size([4, 3])}
    assert net.training
    assert not net[1].training
    assert not net[2]._forward_pre_hooks
