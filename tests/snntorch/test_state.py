"""What comes in packed goes out packed, and a state that does not fit is refused."""

import copy
import pickle

import pytest
import snntorch as snn
import torch
from torch import nn

from silif_plugins.snntorch import SecondOrderState, SiLIF, reset

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


def test_code_for_leaky(lif):
    mem = lif.init_leaky()
    spk, mem = lif(x, mem)
    spk, mem = lif(x, mem=mem)
    assert isinstance(mem, SecondOrderState)
    assert spk.shape == mem.mem.shape == mem.syn.shape == (B, N)


def test_a_plain_tuple_is_a_packed_state(lif):
    spk, state = lif(x, (torch.zeros(B, N), torch.zeros(B, N)))
    assert isinstance(state, SecondOrderState)
    assert spk.shape == (B, N)


@pytest.mark.parametrize("make", [lambda **o: snn.Synaptic(alpha=0.9, beta=0.8, **o), lambda **o: SiLIF(N, **o)])
@pytest.mark.parametrize("init_hidden", [False, True])
@pytest.mark.parametrize("output", [False, True])
def test_what_is_returned_is_what_synaptic_returns(make, init_hidden, output):
    result = make(init_hidden=init_hidden, output=output)(x)
    if init_hidden and not output:
        assert result.shape == (B, N)
    else:
        assert [r.shape for r in result] == [(B, N)] * 3


def test_the_output_of_leaky():
    """Both return spikes and membrane; the second state is the module's own affair."""
    for lif in (snn.Leaky(beta=0.9, init_hidden=True, output=True), SiLIF(N, init_hidden=True, output="mem")):
        spk, mem = lif(x)
        assert spk.shape == mem.shape == (B, N)
        assert torch.equal(mem, lif.mem)


def test_states_without_arguments_continue(lif):
    _, syn, mem = lif(x)
    _, syn, mem = lif(x, syn, mem)
    again = SiLIF(N)
    again.load_state_dict(lif.state_dict())
    again(x)
    assert torch.equal(again(x)[2], mem)


def test_torch_functions_see_the_membrane(lif):
    state = lif.init_leaky()
    record = []
    for _ in range(4):
        _, state = lif(x, state)
        record.append(state)
    assert torch.equal(torch.stack(record), torch.stack([state.mem for state in record]))
    assert torch.equal(torch.stack(tuple(record), dim=1)[:, 2], record[2].mem)
    target = torch.tensor([0, 2])
    assert nn.CrossEntropyLoss()(state, target) == nn.CrossEntropyLoss()(state.mem, target)
    assert nn.functional.mse_loss(state, target=state) == 0
    assert torch.equal(nn.Linear(N, 1).requires_grad_(False)(state), nn.Linear(N, 1)(state.mem)) is False
    assert torch.is_tensor(torch.exp(state))


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


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_of_code_for_leaky(name):
    """They mean what they mean with snn.Leaky: the membrane."""
    state = SecondOrderState(torch.rand(B, N), torch.rand(B, N))
    found, expected = (EXPRESSIONS[name](mem) for mem in (state, state.mem))
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


def test_a_packed_state_is_cut_in_place(lif):
    _, state = lif(x.clone().requires_grad_(), lif.init_leaky())
    assert state.detach_() is state
    assert not state.mem.requires_grad
    assert not state.syn.requires_grad
    _, after = lif(x, state)
    torch.stack([after]).sum().backward()


def test_a_packed_state_is_detached_whole(lif):
    _, state = lif(x.clone().requires_grad_(), lif.init_leaky())
    cut = state.detach()
    assert isinstance(cut, SecondOrderState)
    assert state.mem.requires_grad
    assert not (cut.mem.requires_grad)
    assert not (cut.syn.requires_grad)
    assert torch.equal(cut.mem, state.mem)
    assert torch.equal(cut.syn, state.syn)


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


def test_one_state_of_two_is_refused(lif):
    for arguments in ((torch.zeros(B, N),), (None, torch.zeros(B, N))):
        with pytest.raises(TypeError, match=r"two states and got one.*init_leaky"):
            lif(x, *arguments)
    with pytest.raises(TypeError, match="3 values"):
        lif(x, (x, x, x))


def test_states_with_init_hidden_are_refused_and_change_nothing():
    lif = SiLIF(N, init_hidden=True)
    lif(x)
    before = lif.mem, lif.syn
    for arguments in ((x, x), (SecondOrderState(x, x),)):
        with pytest.raises(TypeError, match="init_hidden"):
            lif(x, *arguments)
    assert (lif.mem, lif.syn) == before or (lif.mem is before[0] and lif.syn is before[1])


@pytest.mark.parametrize("wrong", [(N,), (1, N), (B + 1, N), (4, B, N), (B, N + 1), ()])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_given_state_of_another_shape_is_refused(lif, wrong, value):
    state = torch.full(wrong, value)
    for arguments in ((state, x), (x, state), (SecondOrderState(state, state),)):
        with pytest.raises(ValueError, match=r"(syn|mem): got shape .* the input needs \(2, 3\)"):
            lif(x, *arguments)


@pytest.mark.parametrize("sequence", [False, True])
def test_a_batch_of_another_size_is_refused_until_a_reset(sequence):
    lif = SiLIF(N, init_hidden=True, sequence=sequence)
    shape = (5,) if sequence else ()
    lif(torch.ones(*shape, 4, N))
    with pytest.raises(ValueError, match="reset it first"):
        lif(torch.ones(*shape, 3, N))
    reset(lif)
    assert lif(torch.ones(*shape, 3, N)).shape == (*shape, 3, N)


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
    with pytest.raises(ValueError, match="current: got shape"):
        lif(torch.ones(wrong))
    lif.sequence = True
    with pytest.raises(ValueError, match="current: got shape"):
        lif(torch.ones(4, *wrong))


def test_integers_and_booleans_are_currents(lif):
    expected = lif(torch.ones(B, N))
    for dtype in (torch.int64, torch.bool, torch.uint8):
        lif.reset_mem()
        for one, two in zip(lif(torch.ones(B, N, dtype=dtype)), expected, strict=True):
            assert torch.equal(one, two)
