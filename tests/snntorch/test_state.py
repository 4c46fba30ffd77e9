"""What is returned is what snnTorch's neurons return, and a state that does not fit is refused."""

import copy
import pickle

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from silif_plugins.snntorch import Membrane, SecondOrderState, SiLIF, reset

B, N = 2, 3


@pytest.fixture
def lif():
    return SiLIF(N)


x = torch.ones(B, N)


def test_code_for_synaptic(lif):
    syn, mem = lif.init_synaptic()
    spk, syn, mem = lif(x, syn, mem)
    assert spk.shape == syn.shape == mem.shape == (B, N)
    syn, mem = lif.reset_mem()
    assert all(isinstance(state, torch.Tensor) for state in (syn, mem))
    spk, syn, mem = lif(x)
    assert spk.shape == syn.shape == mem.shape == (B, N)
    assert lif.init_leaky().shape == (0,)
    spk, mem = lif(x)


def test_a_neuron_in_the_place_of_synaptic_answers_as_it_does():
    for make in (lambda **o: snn.Synaptic(alpha=0.8, beta=0.9, **o), lambda **o: SiLIF(N, alpha=0.8, beta=0.9, **o)):
        lif = make(init_hidden=True, output=True)
        spk, syn, mem = lif(x)
        assert spk.shape == syn.shape == mem.shape == (B, N)
        syn, mem = lif.reset_mem()
        spk, syn, mem = make()(x)


def test_code_for_synaptic_that_does_not_say_so(lif):
    """reset_mem is a method of both: what it returns may be taken apart."""
    syn, mem = lif.reset_mem()
    for _ in range(2):
        _, syn, mem = lif(x, syn, mem)
    again = SiLIF(N)
    again.load_state_dict(lif.state_dict())
    state = again.reset_mem()
    for _ in range(2):
        _, state = again(x, state)
    assert torch.equal(state, mem)
    assert torch.equal(state.syn, syn)


def test_code_for_leaky(lif):
    mem = lif.init_leaky()
    spk, mem = lif(x, mem)
    spk, mem = lif(x, mem=mem)
    assert isinstance(mem, torch.Tensor)
    assert spk.shape == mem.shape == mem.syn.shape == (B, N)


def test_a_plain_tuple_is_both_states(lif):
    spk, mem = lif(x, (torch.zeros(B, N), torch.zeros(B, N)))
    assert isinstance(mem, Membrane)
    assert spk.shape == (B, N)


@pytest.mark.parametrize("make", [lambda **o: snn.Leaky(beta=0.9, **o), lambda **o: SiLIF(N, **o)])
@pytest.mark.parametrize("start", ["fresh", "reset_mem", "init_leaky"])
@pytest.mark.parametrize("init_hidden", [False, True])
@pytest.mark.parametrize("output", [False, True])
def test_what_is_returned_is_what_leaky_returns(make, start, init_hidden, output):
    lif = make(init_hidden=init_hidden, output=output)
    if start != "fresh":
        getattr(lif, start)()
    result = lif(x)
    if init_hidden and not output:
        assert result.shape == (B, N)
    else:
        spk, mem = result
        assert spk.shape == mem.shape == (B, N)
        assert torch.equal(mem, lif.mem)


def test_states_without_arguments_continue(lif):
    _, mem = lif(x)
    _, mem = lif(x, mem)
    again = SiLIF(N)
    again.load_state_dict(lif.state_dict())
    again(x)
    assert torch.equal(again(x)[1], mem)


@pytest.mark.parametrize("make", [lambda: snn.Leaky(beta=0.9), lambda: SiLIF(1)], ids=["Leaky", "SiLIF"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 1)])
def test_a_single_neuron_takes_inputs_without_a_batch(make, shape):
    """As in snnTorch's tutorial 3, with its initial state."""
    lif, mem = make(), torch.zeros(1)
    for _ in range(5):
        spk, mem = lif(torch.ones(shape), mem)
        assert spk.shape == mem.shape == shape
    lif.reset_mem()
    for _ in range(5):
        assert torch.equal(lif(torch.ones(shape))[1], lif.mem)
    if isinstance(
        lif, SiLIF
    ):  # snn.Leaky goes on from where it was: its reset keeps the membrane's shape, not its value
        assert torch.equal(lif.mem, mem)


def test_torch_functions_see_the_membrane(lif):
    mem = lif.init_leaky()
    record = []
    for _ in range(4):
        _, mem = lif(x, mem)
        record.append(mem)
    assert torch.equal(torch.stack(tuple(record), dim=1)[:, 2], record[2])
    assert torch.stack(record).shape == (4, B, N)
    target = torch.tensor([0, 2])
    assert nn.CrossEntropyLoss()(mem, target).shape == ()
    assert nn.functional.mse_loss(mem, target=mem) == 0
    assert torch.is_tensor(torch.exp(mem))


STATES = {"a tensor": lambda mem, syn: Membrane.of(mem, syn), "a pair": lambda mem, syn: SecondOrderState(syn, mem)}
"""The two forms of a state; the second stands for the first in code that PyTorch rewrites."""


EXPRESSIONS = {
    "arithmetic": lambda mem: 2 * mem - mem / 3 + mem**2 + (1 - mem) * abs(-mem),
    "with tensors": lambda mem: torch.ones(N) * mem - mem @ torch.ones(N, N) + (mem - mem),
    "comparisons": lambda mem: ((mem > 0.5) & (mem <= 0.9) | (mem < 0.1) | (mem >= 2)).float(),
    "slices": lambda mem: mem[:, :2].sum() + mem[..., -1:] + mem[mem > 0.5].sum() + mem[None, 0],
    "methods": lambda mem: mem.max() + mem.mean(0) + mem.view(-1).sum() + mem.unsqueeze(0),
    "attributes": lambda mem: torch.zeros(mem.shape, dtype=mem.dtype, device=mem.device) + mem.dim() + mem.size(1),
    "a penalty": lambda mem: torch.relu(mem - 0.5).pow(2).mean(),
    "a copy": lambda mem: torch.from_numpy(mem.detach().clone().cpu().numpy()),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_of_code_for_leaky(name, state):
    """They mean what they mean with snn.Leaky: the membrane."""
    plain = torch.rand(B, N)
    found, expected = (EXPRESSIONS[name](mem) for mem in (STATES[state](plain, torch.rand(B, N)), plain))
    assert isinstance(found, torch.Tensor)
    assert torch.equal(found, expected)


def test_a_packed_state_is_a_pair_all_the_same():
    state = SecondOrderState(torch.rand(B, N), torch.rand(B, N))
    assert state[0] is state.syn
    assert state[1] is state[-1] is state.mem
    assert len(state) == len(list(state)) == 2
    for twin in (copy.deepcopy(state), pickle.loads(pickle.dumps(state)), state.clone(), state.to(torch.float64)):
        assert isinstance(twin, SecondOrderState)
        for one, two in zip(twin, state, strict=True):
            assert one is not two
            assert torch.equal(one.float(), two)
    with pytest.raises(AttributeError, match="membrane_potential"):
        _ = state.membrane_potential


def test_a_state_is_cut_in_place(lif):
    _, mem = lif(x.clone().requires_grad_(), lif.init_leaky())
    assert mem.detach_() is mem
    assert not mem.requires_grad
    assert not mem.syn.requires_grad
    _, after = lif(x, mem)
    torch.stack([after]).sum().backward()


MOVES = {
    "detach": lambda mem: mem.detach(),
    "clone": lambda mem: mem.clone(),
    "to": lambda mem: mem.to(torch.float64),
    "double": lambda mem: mem.double(),
    "deepcopy": lambda mem: copy.deepcopy(mem.detach()),
    "pickle": lambda mem: pickle.loads(pickle.dumps(mem.detach())),
    "a part": lambda mem: mem[:],
}


@pytest.mark.parametrize("move", MOVES)
def test_a_state_is_moved_whole(lif, move):
    _, mem = lif(x.clone().requires_grad_(), lif.init_leaky())
    moved = MOVES[move](mem)
    assert isinstance(moved, Membrane)
    assert moved is not mem
    for one, two in ((moved, mem), (moved.syn, mem.syn)):
        torch.testing.assert_close(one, two, check_dtype=False)
        assert one.dtype == moved.dtype
        assert one.requires_grad == moved.requires_grad
    assert mem.syn.requires_grad


EDITS = {
    "a mask": lambda mem: mem * torch.tensor([1.0, 0.0, 1.0]),
    "from the right": lambda mem: torch.tensor([1.0, 0.0, 1.0]) * mem,
    "where": lambda mem: torch.where(torch.tensor([True, False, True]), mem, 0.0),
    "clamp": lambda mem: mem.clamp(max=0.5),
    "in place": lambda mem: mem.index_fill_(1, torch.tensor([1]), 0.0),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_membrane_keeps_the_adaptation_and_its_gradient(lif, edit):
    """What is passed on is what a pair of edited membrane and adaptation says."""
    now = (3 * x).requires_grad_()
    found = []
    for way in ("one value", "two values"):
        _, mem = lif(now, lif.init_leaky())
        syn = mem.syn
        edited = EDITS[edit](mem)
        if way == "two values":
            spk, syn, mem = lif(x, syn, edited)
        else:
            spk, mem = lif(x, edited)
        found.append((spk, mem, *torch.autograd.grad(mem.sum() + spk.sum(), [now, lif.neuron.a])))
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)


def test_new_tensors_are_states_at_rest(lif):
    _, mem = lif(3 * x)
    for fresh in (torch.zeros_like(mem), mem.new_zeros(B, N), torch.zeros(B, N)):
        assert type(fresh) is torch.Tensor
        _, after = lif(x, fresh)
        assert torch.equal(after, lif(x, lif.init_leaky())[1])


def test_plots_see_the_values(lif):
    _, mem = lif(x)
    assert mem.requires_grad
    record = torch.stack([mem, mem])
    for values in (mem, record, record[:, 0], record[0]):
        assert torch.equal(torch.from_numpy(np.asarray(values)), values.detach())


def test_the_gradient_of_a_membrane_is_that_of_all_steps(lif):
    _, mem = lif(x, lif.init_leaky())
    mem.retain_grad()
    _, after = lif(x, mem)
    after.sum().backward()
    assert mem.grad.abs().sum() > 0
    assert type(mem.grad) is torch.Tensor


def test_a_net_written_for_leaky_with_its_records():
    """The forward of snnTorch's tutorial 5, word for word."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(5, 8)
            self.lif1 = SiLIF(8)
            self.fc2 = nn.Linear(8, N)
            self.lif2 = SiLIF(N)

        def forward(self, x):
            mem1 = self.lif1.init_leaky()
            mem2 = self.lif2.init_leaky()
            spk2_rec = []
            mem2_rec = []
            for _ in range(6):
                cur1 = self.fc1(x)
                spk1, mem1 = self.lif1(cur1, mem1)
                cur2 = self.fc2(spk1)
                spk2, mem2 = self.lif2(cur2, mem2)
                spk2_rec.append(spk2)
                mem2_rec.append(mem2)
            return torch.stack(spk2_rec, dim=0), torch.stack(mem2_rec, dim=0)

    net = Net()
    for batch in (4, 2):  # the last batch of an epoch is smaller
        spk_rec, mem_rec = net(torch.rand(batch, 5))
        assert spk_rec.shape == mem_rec.shape == (6, batch, N)
        loss = sum(nn.CrossEntropyLoss()(mem_rec[step], torch.zeros(batch, dtype=torch.long)) for step in range(6))
        loss.backward()
    assert net.lif2.neuron.log_dt.grad.abs().sum() > 0


def test_what_is_no_state_is_refused(lif):
    with pytest.raises(TypeError, match="mem: got tuple"):
        lif(x, (x, x, x))
    with pytest.raises(TypeError, match="syn, mem: got Tensor and float"):
        lif(x, x, 0.0)


def test_states_with_init_hidden_are_refused_and_change_nothing():
    lif = SiLIF(N, init_hidden=True)
    lif(x)
    before = lif.mem, lif.syn
    for arguments in ((x,), (x, x), (SecondOrderState(x, x),)):
        with pytest.raises(TypeError, match="init_hidden"):
            lif(x, *arguments)
    assert lif.mem is before[0]
    assert lif.syn is before[1]


@pytest.mark.parametrize("wrong", [(N,), (1, N), (B + 1, N), (4, B, N), (B, N + 1)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_given_state_of_another_shape_is_refused(lif, wrong, value):
    state = torch.full(wrong, value)
    for arguments in ((state, x), (x, state), (SecondOrderState(state, state),)):
        with pytest.raises(ValueError, match=r"(syn|mem): got shape .* the input needs \(2, 3\)"):
            lif(x, *arguments)


def test_a_batch_of_another_size_is_refused_until_a_reset():
    lif = SiLIF(N, init_hidden=True)
    lif(torch.ones(4, N))
    with pytest.raises(ValueError, match="reset it first"):
        lif(torch.ones(3, N))
    reset(lif)
    assert lif(torch.ones(3, N)).shape == (3, N)


def test_after_snntorchs_own_reset_batches_of_any_size_start_anew():
    from snntorch import utils

    net = nn.Sequential(nn.Linear(4, N), SiLIF(N, init_hidden=True))
    fresh = net(torch.ones(1, 4))
    utils.reset(net)
    for batch in (5, 3, 7):
        net(torch.rand(batch, 4))
        utils.reset(net)
        assert torch.equal(net(torch.ones(1, 4)), fresh)
        utils.reset(net)


@pytest.mark.parametrize("wrong", [(B, N + 1), (N + 1,), ()])
def test_an_input_that_does_not_fit_is_refused(lif, wrong):
    with pytest.raises(ValueError, match=r"(current|input_): got shape"):
        lif(torch.ones(wrong))
    lif.sequence = True
    with pytest.raises(ValueError, match=r"(current|input_): got shape"):
        lif(torch.ones(4, *wrong))


@pytest.mark.parametrize(
    ("size", "shape", "advice"),
    [
        (12, (4, 12, 12, 12), r"SiLIF\(\(1, 12\)\)|SiLIF\(\(12, 1, 1\)\)"),
        (12, (4, 12, 5, 5), r"After a convolution with 12 channels write SiLIF\(\(12, 1, 1\)\)"),
        (N, (5, B, N), "For a sequence, .* write sequence=True"),
        ((12, 1, 1), (12, 5), r"it must be \[B, 12, 1, 1\]"),
    ],
)
def test_an_input_of_other_dimensions_is_not_taken_for_something_else(size, shape, advice):
    with pytest.raises(ValueError, match=rf"input_: got shape .*{advice}"):
        SiLIF(size)(torch.ones(shape))


def test_integers_and_booleans_are_currents(lif):
    expected = lif(torch.ones(B, N))
    for dtype in (torch.int64, torch.bool, torch.uint8):
        lif.reset_mem()
        for one, two in zip(lif(torch.ones(B, N, dtype=dtype)), expected, strict=True):
            assert torch.equal(one, two)
