"""What a step takes over from the last one must never be told from computing it anew."""

import copy
import gc
import weakref

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from silif_plugins.scan import scan
from silif_plugins.snntorch import CSiLIF, Membrane, SiLIF
from silif_plugins.snntorch import continuation as module_under_test

T, B, N = 12, 3, 4

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def lif():
    return SiLIF(N, spike_grad="atan", learn_threshold=True, init_hidden=True)


@pytest.fixture
def counted(monkeypatch):
    """Count how often coefficients are computed."""
    calls = []
    original = SiLIF.state_space
    monkeypatch.setattr(SiLIF, "state_space", lambda self: calls.append(1) or original(self))
    return calls


def currents():
    return 4 * torch.randn(T, B, N)


def anew(monkeypatch):
    """Turn all reuse off."""
    monkeypatch.setattr("silif_plugins.snntorch.spiking.may_continue", lambda tensor: False)


def test_coefficients_are_computed_once_a_sequence(lif, counted):
    for _ in range(2):
        lif.reset_mem()
        torch.stack([lif(now) for now in currents()]).sum().backward()
    assert len(counted) == 2


def between_steps(change):
    """Spikes and gradients of a sequence with ``change(lif, optimiser)`` in its middle, with and without reuse."""

    def run(lif, current):
        optimiser = torch.optim.SGD(lif.parameters(), lr=0.3)
        lif.reset_mem()
        spikes = []
        for t, now in enumerate(current):
            if t == T // 2:
                change(lif, optimiser, spikes)
            spikes.append(lif(now))
        rest = torch.stack(spikes[T // 2 :]) if spikes[T // 2].requires_grad else None
        grads = None
        if rest is not None:
            lif.zero_grad()
            ((rest * torch.arange(N)).sum() + lif.mem.sum()).backward()
            grads = [None if p.grad is None else p.grad.clone() for p in lif.parameters()]
        return torch.stack([s.detach() for s in spikes]), lif.mem.detach(), grads

    return run


def step_optimiser(lif, optimiser, spikes):
    torch.stack(spikes).sum().backward(retain_graph=False)
    optimiser.step()
    lif.mem, lif.syn = lif.mem.detach(), lif.syn.detach()


def truncate_in_place(lif, optimiser, spikes):
    """As snnTorch's TBPTT does."""
    torch.stack(spikes).sum().backward()
    type(lif).detach_hidden()


def truncate_without_a_step(lif, optimiser, spikes):
    """The parameters are the same, but their graph is gone."""
    torch.stack(spikes).sum().backward()
    lif.mem.detach_()
    lif.syn.detach_()


def edit_parameter(lif, optimiser, spikes):
    with torch.no_grad():
        lif.neuron.log_dt.add_(1.0)


def replace_parameter(lif, optimiser, spikes):
    lif.neuron.log_dt = torch.nn.Parameter(lif.neuron.log_dt.detach() + 1.0)


def load(lif, optimiser, spikes):
    lif.mem, lif.syn = lif.mem.detach(), lif.syn.detach()
    state = copy.deepcopy(lif.state_dict())
    state["neuron.log_dt"] += 1.0
    state["threshold"] += 0.3
    lif.load_state_dict(state)


def edit_threshold(lif, optimiser, spikes):
    with torch.no_grad():
        lif.threshold.mul_(0.5)


def edit_graded_factor(lif, optimiser, spikes):
    lif.graded_spikes_factor.fill_(3.0)


def change_surrogate(lif, optimiser, spikes):
    lif.spike_grad = torch.nn.functional.relu  # not even spikes


def change_reset(lif, optimiser, spikes):
    lif.reset_mechanism = "none"


def change_quantiser(lif, optimiser, spikes):
    lif.state_quant = torch.round


def edit_membrane(lif, optimiser, spikes):
    lif.mem = lif.mem.clone()
    with torch.no_grad():
        lif.mem[0] += 3.0


def edit_membrane_in_the_graph(lif, optimiser, spikes):
    lif.mem.mul_(2.0)


def edit_spikes_that_were_returned(lif, optimiser, spikes):
    """As dropout with inplace=True does."""
    spikes[-1] *= 0


def freeze(lif, optimiser, spikes):
    lif.requires_grad_(False)


CHANGES = [
    step_optimiser,
    truncate_in_place,
    truncate_without_a_step,
    edit_parameter,
    replace_parameter,
    load,
    edit_threshold,
    edit_graded_factor,
    change_surrogate,
    change_reset,
    change_quantiser,
    edit_membrane,
    edit_membrane_in_the_graph,
    edit_spikes_that_were_returned,
    freeze,
]


@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no_grad"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changes_in_the_middle_of_a_sequence_are_seen(change, grad, lif, monkeypatch):
    if not grad and change in (step_optimiser, truncate_in_place, truncate_without_a_step, freeze):
        pytest.skip("needs gradients")
    current = currents()
    other = copy.deepcopy(lif)
    with torch.set_grad_enabled(grad):
        found = between_steps(change)(lif, current)
        anew(monkeypatch)
        expected = between_steps(change)(other, current)
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1], rtol=1e-12, atol=1e-12)
    assert (found[2] is None) == (expected[2] is None)
    for one, two in zip(found[2] or [], expected[2] or [], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("optimiser", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("how", [{}, {"foreach": True}, {"fused": True}], ids=["plain", "foreach", "fused"])
def test_every_kind_of_optimiser_step_is_seen(optimiser, how, lif):
    """Without a backward pass through the coefficients, which would tell as well."""
    step = getattr(torch.optim, optimiser)(lif.parameters(), lr=0.5, **how)
    with torch.no_grad():
        lif(torch.ones(B, N))
        for p in lif.parameters():
            p.grad = torch.ones_like(p)
        step.step()
        if how.get("fused"):  # PyTorch does not count these changes: they are seen from the next sequence on
            lif.reset_mem()
        mem, syn = lif.mem.clone(), lif.syn.clone()
        lif(torch.ones(B, N))
    fresh = copy.deepcopy(lif)
    fresh.syn, fresh.mem = syn, mem
    with torch.no_grad():
        fresh(torch.ones(B, N))
    assert torch.equal(lif.mem, fresh.mem)


def test_two_backward_passes_without_an_optimiser_step(lif):
    """Gradient accumulation, without and with a reset between the two."""
    for reset in (True, False):
        lif.zero_grad()
        for _ in range(2):
            if reset:
                lif.reset_mem()
            else:
                lif.mem, lif.syn = lif.mem.detach(), lif.syn.detach()
            torch.stack([lif(now) for now in currents()]).sum().backward()
        assert all(p.grad is not None for p in lif.parameters())


def test_gradients_after_evaluation_without_gradients(lif):
    """The same sequence continues in another mode."""
    for first, second in ((torch.no_grad, torch.enable_grad), (torch.inference_mode, torch.no_grad)):
        lif.reset_mem()
        with first():
            lif(torch.ones(B, N))
        lif.mem, lif.syn = lif.mem.clone(), lif.syn.clone()
        with second():
            assert lif(torch.ones(B, N)).requires_grad == (second is torch.enable_grad)


def test_inference_mode_gives_the_same(lif):
    current = currents()
    with torch.no_grad():
        expected = torch.stack([lif(now) for now in current])
    lif.reset_mem()
    with torch.inference_mode():
        found = []
        for now in current:
            found.append(lif(now))
            lif.mem.mul_(1.0)  # an edit that inference tensors do not count
        assert torch.equal(torch.stack(found), expected)
        lif.mem.fill_(5.0)
        mem, syn = lif.mem.clone(), lif.syn.clone()
        after = lif(current[0])
        lif.mem, lif.syn = mem, syn
        assert torch.equal(lif(current[0]), after)


def test_branches_from_one_state(lif):
    """Two continuations of one state do not see each other."""
    lif.init_hidden = False
    current = currents()
    _, syn, mem = lif(current[0], *lif.init_synaptic())
    once = lif(current[1], syn, mem)
    twice = lif(current[1], syn, mem)
    lif(current[2], *once[1:])
    again = lif(current[1], syn, mem)
    for other in (twice, again):
        for x, y in zip(once, other, strict=True):
            assert torch.equal(x, y)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_of_chunks(reentrant):
    lif = CSiLIF(N, spike_grad="atan")
    current = currents().requires_grad_()

    def chunk(current, syn, mem):
        spikes = []
        for now in current:
            spk, syn, mem = lif(now, syn, mem)
            spikes.append(spk)
        return torch.stack(spikes), syn, mem

    gradients = []
    for run in (lambda *a: chunk(*a), lambda *a: checkpoint(chunk, *a, use_reentrant=reentrant)):
        syn, mem = torch.zeros(B, N), torch.zeros(B, N)
        spikes = []
        for part in current.split(4):
            spk, syn, mem = run(part, syn, mem)
            spikes.append(spk)
        lif.zero_grad()
        ((torch.cat(spikes) * torch.arange(N)).sum() + mem.sum()).backward()
        gradients.append([current.grad.clone(), *(p.grad.clone() for p in lif.parameters())])
        current.grad = None
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


def test_functional_calls_with_other_parameters(lif):
    """torch.func.functional_call swaps parameters in and out."""
    other = {name: p.detach() * 0.5 for name, p in lif.named_parameters()}
    twin = copy.deepcopy(lif)
    twin.load_state_dict({**twin.state_dict(), **other})
    lif(torch.ones(B, N))
    twin.syn, twin.mem = lif.syn.detach().clone(), lif.mem.detach().clone()
    found = torch.func.functional_call(lif, other, (torch.ones(B, N),))
    assert torch.equal(found, twin(torch.ones(B, N)))
    assert torch.equal(lif.mem, twin.mem)


def test_a_frozen_neuron_is_shared_by_all_modes():
    lif = SiLIF(N, learn=False, init_hidden=True)
    current = currents().requires_grad_()
    torch.stack([lif(now) for now in current]).sum().backward()
    assert current.grad.abs().sum() > 0


def test_nothing_of_a_sequence_is_kept_after_the_next_reset():
    lif = SiLIF(N, init_hidden=True)
    spikes = [lif(now) for now in currents()]
    seen = weakref.ref(spikes[3])
    del spikes
    lif.reset_mem()
    lif(torch.ones(B, N))
    gc.collect()
    assert seen() is None


def test_the_reuse_is_off_where_others_watch():
    assert module_under_test.may_continue(torch.ones(1))
    with torch.autograd.graph.save_on_cpu():
        assert not module_under_test.may_continue(torch.ones(1))


@pytest.mark.parametrize("surrogate", ["atan", torch.sigmoid], ids=["ours", "callable"])
def test_second_derivatives(surrogate):
    """Through states, currents and parameters, of steps that are one node each."""
    lif = SiLIF(2, spike_grad=surrogate, learn_threshold=True, detach_reset=False)
    current = (3 + torch.randn(4, 1, 2)).requires_grad_()
    inputs = [current, *lif.parameters()]

    def stepped():
        state = lif.init_leaky()
        for now in current:
            _, state = lif(now, state)
        return state

    def core():
        _, last = scan(lif.state_space(), current, surrogate=surrogate, backend="reference")
        return Membrane.of(last.mem, last.ada)

    derivatives = []
    for run in (stepped, core):
        state = run()
        first = torch.autograd.grad(state.sum() + (state.syn * 2).sum(), inputs, create_graph=True)
        weighted = sum((g * torch.arange(g.numel()).view_as(g)).sum() for g in first)
        derivatives.append([*first, *torch.autograd.grad(weighted, inputs)])
    for one, two in zip(*derivatives, strict=True):
        assert two.abs().sum() > 0
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9)


def test_packed_states_share_the_work_too(counted):
    lif = SiLIF(N)
    state = lif.init_leaky()
    for now in currents():
        _, state = lif(now, state)
    assert len(counted) == 1
    _, state = lif(now, Membrane.of(state, state.syn.clone()))
    assert len(counted) == 2
