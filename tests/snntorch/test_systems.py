"""Compilers, exporters, transforms, copies and mixed precision."""

import copy

import pytest
import snntorch as snn
import torch
import torch._dynamo as dynamo
from snntorch import utils
from torch import nn

from silif_plugins.snntorch import CSiLIF, SiLIF, reset

from .conftest import OURS

T, B, N = 4, 3, 5
KINDS = {name: OURS[name] for name in ("SiLIF", "CSiLIF", "hosted LIF")}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def fresh_compiler():
    dynamo.reset()
    yield
    dynamo.reset()


class Loop(nn.Module):
    """A time loop inside of forward, with packed states, hidden states or all steps at once."""

    def __init__(self, kind, way, **options):
        super().__init__()
        self.way = way
        self.fc = nn.Linear(N, N)
        with torch.no_grad():
            self.fc.weight.mul_(40)
        self.lif = KINDS[kind](N, init_hidden=way == "hidden", sequence=way == "sequence", **options)

    def forward(self, x):
        state = self.lif.reset_mem()
        if self.way == "sequence":
            return self.lif(self.fc(x), state)[0]
        spikes = []
        for now in x.unbind():
            out = self.lif(self.fc(now)) if self.way == "hidden" else self.lif(self.fc(now), state)
            spk, *state = out if isinstance(out, tuple) else (out,)
            state = state[0] if state else None
            spikes.append(spk)
        return torch.stack(spikes)


@pytest.mark.parametrize("way", ["packed", "hidden", "sequence"])
@each_kind
def test_compile_without_graph_breaks(kind, way):
    net = Loop(kind, way, spike_grad="atan")
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    x = torch.randn(T, B, N)
    results = []
    for run in (net, compiled, compiled):
        spikes = run(x)
        loss = (spikes * torch.arange(N)).sum()
        results.append((spikes, torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)))
    assert results[0][0].any()
    for spikes, grads in results[1:]:
        assert torch.equal(spikes, results[0][0])
        for one, two in zip(grads, results[0][1], strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_compiled_nets_meet_batches_of_other_sizes_after_snntorchs_reset():
    """It leaves zeros of the last batch's shape; what is left of a sequence must be refused all the same."""
    net = nn.Sequential(nn.Linear(N, N), SiLIF(N, threshold=0.1, init_hidden=True))
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    for batch in (4, 3, 5):
        xs = torch.rand(T, batch, N)
        utils.reset(net)
        found = torch.stack([compiled(x) for x in xs])
        reset(net)
        assert torch.equal(found, torch.stack([net(x) for x in xs]))
    with pytest.raises(RuntimeError, match="reset the neuron first"):  # of a step that was not compiled
        compiled(torch.rand(2, N))
    reset(net)
    compiled(torch.rand(4, N))
    with pytest.raises(RuntimeError, match="reset the neuron first"):
        compiled(torch.rand(2, N))


@pytest.mark.parametrize("surrogate", ["sigmoid", snn.surrogate.triangular()], ids=["ours", "snnTorch's"])
def test_compiled_sequences_with_any_surrogate(surrogate):
    """Those that the kernel does not know."""
    lif = SiLIF(N, init_hidden=True, sequence=True, spike_grad=surrogate)
    compiled = torch.compile(lif, fullgraph=True, backend="aot_eager")
    x = (4 * torch.rand(T, B, N)).requires_grad_()
    results = []
    for run in (lif, compiled):
        reset(lif)
        spikes = run(x)
        results.append((spikes, *torch.autograd.grad((spikes * torch.arange(N)).sum(), [x, *lif.parameters()])))
    assert torch.equal(results[0][0], results[1][0])
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["packed", "sequence"])
def test_compile_with_the_default_backend(way):
    net = Loop("SiLIF", way)
    x = torch.randn(T, B, N)
    assert torch.equal(torch.compile(net, fullgraph=True)(x), net(x))


@pytest.mark.parametrize("surrogate_disable", [False, True])
@each_kind
def test_no_graph_breaks_in_a_step(kind, surrogate_disable):
    lif = KINDS[kind](N, surrogate_disable=surrogate_disable)
    assert dynamo.explain(lif)(torch.ones(B, N)).graph_break_count == 0


@pytest.mark.parametrize("strict", [True, False])
@each_kind
def test_export_of_a_step(kind, strict):
    lif = KINDS[kind](N)
    lif(torch.rand(7, N))  # what the layer did before must not be part of the program
    batch = torch.export.Dim("batch", min=2)
    arguments = [4 * torch.rand(B, N) for _ in range(3)]
    program = torch.export.export(lif, tuple(arguments), dynamic_shapes=({0: batch},) * 3, strict=strict)
    for rows in (B, B - 1):
        given = [x[:rows] for x in arguments]
        for one, two in zip(program.module()(*given), lif(*given), strict=True):
            assert torch.equal(one, two)


def test_export_of_a_sequence():
    lif = SiLIF(N, sequence=True)
    arguments = (4 * torch.rand(T, B, N), torch.rand(B, N), torch.rand(B, N))
    program = torch.export.export(lif, arguments)
    for one, two in zip(program.module()(*arguments), lif(*arguments), strict=True):
        assert torch.equal(one, two)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@each_kind
def test_jit_trace(kind):
    lif = KINDS[kind](N)
    arguments = [4 * torch.rand(B, N) for _ in range(3)]
    lif(*arguments)
    traced = torch.jit.trace(lif, arguments)
    with torch.no_grad():
        for p in lif.parameters():
            p.mul_(0.9)  # they are inputs of the trace, not numbers in it
    other = [x * 0.7 for x in arguments]
    for one, two in zip(traced(*other), lif(*other), strict=True):
        assert torch.equal(one, two)


def stepped(lif, x, parameters):
    state = torch.zeros_like(x[0]), torch.zeros_like(x[0])
    total = 0
    for now in x:
        spk, *state = torch.func.functional_call(lif, parameters, (now, *state))
        total = total + (spk * torch.arange(N)).sum()
    return total + state[-1].sum()


@each_kind
def test_functional_gradients_and_maps(kind):
    lif = KINDS[kind](N, spike_grad="atan")
    x = 4 * torch.rand(T, B, N)
    parameters = dict(lif.named_parameters())
    expected = torch.autograd.grad(stepped(lif, x, parameters), list(parameters.values()))
    found = torch.func.grad(lambda p: stepped(lif, x, p))({k: v.detach() for k, v in parameters.items()})
    for one, two in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(one, two)
    each = torch.vmap(lambda one: stepped(lif, one[:, None], parameters), in_dims=1)(x)
    torch.testing.assert_close(each.sum(), stepped(lif, x, parameters))
    lif.reset_mem()
    assert lif(x[0])[0].shape == (B, N)


@each_kind
def test_many_rows_of_a_jacobian_at_once(kind):
    lif = KINDS[kind](N, spike_grad="atan")

    def membranes(x):
        state = lif.init_leaky()
        for now in x:
            _, state = lif(now, state)
        return state.mem if isinstance(state, tuple) else state

    x = 4 * torch.rand(T, 1, N)
    one, all_at_once = (torch.autograd.functional.jacobian(membranes, x, vectorize=v) for v in (False, True))
    assert one.any()
    torch.testing.assert_close(all_at_once, one)


@each_kind
def test_copies_in_the_middle_of_a_sequence_go_their_own_ways(kind):
    lif = KINDS[kind](N, init_hidden=True)
    x = 4 * torch.rand(T, B, N).requires_grad_()
    lif(x[0])
    assert lif.mem.requires_grad
    twin = copy.deepcopy(lif)
    expected = torch.stack([lif(now) for now in x[1:]])
    assert torch.equal(torch.stack([twin(now) for now in x[1:]]), expected)
    reset(twin)
    assert lif.mem.numel()
    for one, two in zip(lif.parameters(), twin.parameters(), strict=True):
        assert one is not two


def test_a_net_whose_neurons_were_trained_is_saved_and_loaded_whole(tmp_path):
    net = nn.Sequential(nn.Linear(N, N), SiLIF(N, init_hidden=True), nn.Linear(N, 2), CSiLIF(2, init_hidden=True))
    x = 4 * torch.rand(T, B, N)
    torch.stack([net(now) for now in x]).sum().backward()
    torch.save(net, tmp_path / "net.pt")
    again = torch.load(tmp_path / "net.pt", weights_only=False)
    reset(net)
    reset(again)
    assert torch.equal(torch.stack([net(now) for now in x]), torch.stack([again(now) for now in x]))


def test_slow_decays_survive_autocast():
    """At 1 ms a decay of 0.998 is 1 - 1/512, which bfloat16 rounds; an impulse must last as long as without."""
    lif = SiLIF(1, dt=0.001, tau_u=0.5, tau_w=0.5, a=0.0, b=0.0, init_hidden=True)
    net = nn.Sequential(nn.Linear(1, 1, bias=False), lif)
    nn.init.constant_(net[0].weight, 100.0)
    membranes = []
    for enabled in (False, True):
        reset(net)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            net(torch.ones(1, 1))
            for _ in range(1000):
                spikes = net(torch.zeros(1, 1))
        assert spikes.dtype == (torch.bfloat16 if enabled else torch.float32)
        membranes.append(lif.mem)
    assert membranes[0] > 0.02
    torch.testing.assert_close(membranes[1], membranes[0], rtol=1e-2, atol=0)


@pytest.mark.parametrize("sequence", [False, True])
def test_backward_inside_of_autocast(sequence):
    lif = SiLIF(N, init_hidden=True, sequence=sequence, spike_grad="atan")
    x = 4 * torch.rand(T, B, N)
    gradients = []
    for enabled in (False, True):
        reset(lif)
        lif.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            spikes = lif(x) if sequence else torch.stack([lif(now) for now in x])
            (spikes * torch.arange(N)).sum().backward()
        gradients.append([p.grad.clone() for p in lif.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


def test_inference_holds_no_history():
    lif = SiLIF(N, init_hidden=True)
    with torch.inference_mode():
        for now in torch.rand(T, B, N):
            lif(now)
    assert lif.mem.grad_fn is None
    lif.reset_mem()
    lif(torch.rand(B, N)).sum().backward()


def test_importing_without_snntorch_says_what_to_install(monkeypatch):
    import importlib
    import sys

    for name in [name for name in sys.modules if name.startswith(("snntorch", "silif_plugins.snntorch"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "snntorch", None)
    with pytest.raises(ImportError, match=r'pip install "silif_plugins\[snntorch\]"'):
        importlib.import_module("silif_plugins.snntorch")


def test_the_host_is_not_shadowed():
    import silif_plugins.snntorch as plugin

    assert plugin.__name__ == "silif_plugins.snntorch"
    assert snn.Leaky.__module__.startswith("snntorch.")
