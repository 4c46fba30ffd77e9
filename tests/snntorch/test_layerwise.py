"""One call over all steps gives what stepping gives, or says why it cannot."""

import copy
from collections import deque

import pytest
import snntorch as snn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from snntorch import utils
from snntorch.functional.quant import state_quant
from torch import nn

from silif_plugins.snntorch import CSiLIF, Membrane, SecondOrderState, SiLIF, over_time, reset

T, B, N = 7, 3, 5
HIDDEN = {"threshold": 0.1, "init_hidden": True}


class Own(nn.Module):
    """A network with a forward of its own for one step."""

    def __init__(self, make=SiLIF, **options):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(N, 8), make(8, **{"threshold": 0.1, **options})
        self.fc2, self.lif2 = nn.Linear(8, 4), make(4, **{"threshold": 0.1, **options})


class KeepsStates(Own):
    """The network keeps the states of its neurons."""

    def __init__(self):
        super().__init__()
        self.mem1, self.mem2 = self.lif1.init_leaky(), None

    def forward(self, x):
        spk, self.mem1 = self.lif1(self.fc1(x), self.mem1)
        if self.mem2 is None:
            self.mem2 = self.lif2.init_leaky()
        spk, self.mem2 = self.lif2(self.fc2(spk), self.mem2)
        return spk, self.mem2, torch.cat([self.mem1, 2 * self.mem2], dim=1)


class KeepsAList(Own):
    """So does this one, in a list."""

    def __init__(self):
        super().__init__()
        self.states = [self.lif1.init_leaky(), self.lif2.init_leaky()]

    def forward(self, x):
        spk, self.states[0] = self.lif1(self.fc1(x), self.states[0])
        spk, self.states[1] = self.lif2(self.fc2(spk), self.states[1])
        return spk


class Synaptic(Own):
    """Code for snn.Synaptic."""

    def __init__(self):
        super().__init__()
        self.syn1, self.mem1 = self.lif1.init_synaptic()
        self.syn2, self.mem2 = self.lif2.init_synaptic()

    def forward(self, x):
        spk, self.syn1, self.mem1 = self.lif1(self.fc1(x), self.syn1, self.mem1)
        spk, self.syn2, self.mem2 = self.lif2(self.fc2(spk), self.syn2, self.mem2)
        return spk, self.syn2, self.mem2


class Nested(Own):
    """Hidden states, and an output of many parts."""

    def __init__(self):
        super().__init__(init_hidden=True)

    def forward(self, x):
        spk1 = self.lif1(self.fc1(x))
        spk2 = self.lif2(self.fc2(spk1))
        return {"hidden": [spk1, (spk1 - 1).unsqueeze(1)], "last": (spk2, None), "name": "nested"}


class TakesStates(Own):
    """States come in and go out."""

    def forward(self, x, mem1=None, mem2=None):
        spk, mem1 = self.lif1(self.fc1(x), mem1)
        spk, mem2 = self.lif2(self.fc2(spk), mem2)
        return spk, mem1, mem2


def conv():
    return nn.Sequential(
        nn.Conv2d(N, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        CSiLIF((4, 1, 1), **HIDDEN),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * 2 * 2, 4),
        SiLIF(4, output=True, **HIDDEN),
    )


def sequential():
    lif = SiLIF(8, **HIDDEN)
    return nn.Sequential(nn.Linear(N, 8), lif, nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 8)), SiLIF(8, **HIDDEN))


NETS = {
    "Sequential": sequential,
    "conv": conv,
    "keeps states": KeepsStates,
    "keeps a list": KeepsAList,
    "Synaptic": Synaptic,
    "nested": Nested,
    "a neuron": lambda: SiLIF(N, **HIDDEN),
    "no neuron": lambda: nn.Linear(N, 2),
}


def data(name, steps=T, batch=B):
    return 2 * torch.rand(steps, batch, N, *([4, 4] if name == "conv" else []))


def stacked(outputs):
    """What a network returned at every step, time first."""
    first = outputs[0]
    if isinstance(first, torch.Tensor):
        return torch.stack(outputs)
    if isinstance(first, SecondOrderState):
        return SecondOrderState(*(torch.stack(field) for field in zip(*outputs, strict=True)))
    if isinstance(first, dict):
        return {key: stacked([output[key] for output in outputs]) for key in first}
    if isinstance(first, tuple | list):
        return type(first)(stacked(list(field)) for field in zip(*outputs, strict=True))
    return first


def stepped(net, inputs):
    return stacked([net(x) for x in inputs])


def pair(make):
    """A network and a copy of it."""
    torch.manual_seed(0)
    net = make().eval()
    return net, copy.deepcopy(net)


def assert_same(a, b, **tolerance):
    torch.testing.assert_close(a, b, rtol=0, **{"atol": 1e-6, **tolerance})


def gradients(net, output):
    """Of a sum of all that was returned, weighted so that no part cancels another."""
    torch.manual_seed(1)
    parts = [(value * torch.rand_like(value)).sum() for value in flat(output)]
    loss = sum(part for part in parts if part.requires_grad)
    return torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, materialize_grads=True)


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else []
    return [tensor for item in values for tensor in flat(item)]


@pytest.mark.parametrize("name", NETS)
def test_it_is_stepping_and_so_are_its_gradients(double, name):
    one, other = pair(NETS[name])
    x = data(name)
    a, b = stepped(one, x), over_time(other, x)
    assert b.keys() == a.keys() if isinstance(a, dict) else type(b) is type(a)
    assert_same(flat(b), flat(a), atol=1e-12)
    for left, right in zip(flat(a), flat(b), strict=True):
        assert left.shape == right.shape
        if set(left.unique().tolist()) <= {0.0, 1.0}:
            assert torch.equal(left, right)
    assert name == "no neuron" or flat(b)[0].any()
    assert_same(gradients(other, b), gradients(one, a), atol=1e-10)


@pytest.mark.parametrize("name", NETS)
def test_in_single_precision(name):
    one, other = pair(NETS[name])
    x = data(name)
    with torch.no_grad():
        assert_same(flat(over_time(other, x)), flat(stepped(one, x)))


@pytest.mark.parametrize("name", NETS)
def test_chunks_continue_each_other_and_steps_can_follow(double, name):
    one, other = pair(NETS[name])
    x = data(name)
    a = stepped(one, x)
    b = [over_time(other, x[:3]), over_time(other, x[3:4])]
    c = [other(now) for now in x[4:]]
    for left, *right in zip(flat(a), *map(flat, [*b, stacked(c)]), strict=True):
        assert_same(torch.cat(right), left, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(
    steps=st.integers(1, 9),
    batch=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_all_sizes(steps, batch, sizes, seed):
    torch.manual_seed(seed)
    layers = []
    for before, after in zip([N, *sizes[:-1]], sizes, strict=True):
        layers += [nn.Linear(before, after), SiLIF(after, **HIDDEN)]
    one = nn.Sequential(*layers).double()
    other = copy.deepcopy(one)
    x = 4 * torch.rand(steps, batch, N, dtype=torch.float64)
    a, b = stepped(one, x), over_time(other, x)
    assert torch.equal(a, b)
    assert_same(gradients(other, b), gradients(one, a), atol=1e-10)
    assert_same(other[-1].mem, one[-1].mem, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"inhibition": True},
        {"graded_spikes_factor": 0.5, "learn_graded_spikes_factor": True},
        {"state_quant": state_quant(num_bits=6, threshold=0.1)},
        {"reset_mechanism": "zero"},
        {"reset_mechanism": "none"},
        {"learn_threshold": True},
        {"surrogate_disable": True},
        {"detach_reset": True},
        {"beta": 0.9, "output": True},
        {"spike_grad": snn.surrogate.triangular()},
    ],
    ids=lambda options: "-".join(options),
)
def test_the_options_of_a_neuron(double, options):
    one, other = pair(lambda: Own(**{"init_hidden": True, "output": "mem", **options}))
    for net in (one, other):
        net.forward = lambda x, net=net: net.lif2(net.fc2(net.lif1(net.fc1(x))[0]))
    x = data("")
    a, b = stepped(one, x), over_time(other, x)
    assert torch.equal(a[0], b[0])
    assert a[0].any()
    assert_same(b[1], a[1], atol=1e-12)
    # snnTorch's own surrogates compute in single precision.
    assert_same(gradients(other, b), gradients(one, a), atol=1e-6 if "spike_grad" in options else 1e-10)


def test_every_step_of_a_forward_that_starts_at_rest_continues():
    """init_leaky() is called once: for the sequence, not for its steps."""

    class StartsAtRest(Own):
        def forward(self, x):
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            spk, mem1 = self.lif1(self.fc1(x), mem1)
            spk, mem2 = self.lif2(self.fc2(spk), mem2)
            return spk, mem2

    torch.manual_seed(0)
    one, other = TakesStates(), StartsAtRest()
    other.load_state_dict(one.state_dict())
    x = data("")
    mem1, mem2, expected = one.lif1.init_leaky(), one.lif2.init_leaky(), []
    for now in x:
        spk, mem1, mem2 = one(now, mem1, mem2)
        expected.append((spk, mem2))
    for _ in range(2):
        assert_same(over_time(other, x), stacked(expected))


def test_states_taken_and_returned():
    torch.manual_seed(0)
    one = TakesStates()
    other = copy.deepcopy(one)
    x = data("")
    mem1, mem2, expected = one.lif1.init_leaky(), one.lif2.init_leaky(), []
    for now in x:
        spk, mem1, mem2 = one(now, mem1, mem2)
        expected.append((spk, mem1, mem2))
    first = over_time(other, (x[:3], other.lif1.init_leaky(), other.lif2.init_leaky()))
    assert_same(first, stacked(expected[:3]))
    _, mem1, mem2 = first
    assert isinstance(mem1, Membrane)
    assert mem1.syn.shape == mem1.shape == (3, B, 8)
    assert_same(over_time(other, (x[3:4], mem1[-1], mem2[-1])), stacked(expected[3:4]))
    assert_same(over_time(other, (x[4:5], None, None)), stacked(expected[4:5]))
    assert_same(over_time(other, (x[5:6], other.lif1.mem, other.lif2.mem)), stacked(expected[5:6]))
    with pytest.raises(ValueError, match="lif1: it is given a state"):
        over_time(other, (x[6:], mem1[-1], None))
    rest = torch.zeros(1)  # as snnTorch's tutorials start
    assert_same(over_time(other, (x[:3], rest, rest)), stacked(expected[:3]))


@pytest.mark.parametrize("init_hidden", [False, True])
@pytest.mark.parametrize("output", [False, True, "mem"])
@pytest.mark.parametrize("two_states", [False, True])
def test_it_returns_what_a_step_returns(double, init_hidden, output, two_states):
    """Two values, three to code for snn.Synaptic, spikes alone where the neuron keeps its state."""

    class Whole(Own):
        def forward(self, x):
            spk1 = self.lif1(self.fc1(x))
            return self.lif2(self.fc2(spk1 if isinstance(spk1, torch.Tensor) else spk1[0]))

    one, other = pair(lambda: Whole(init_hidden=init_hidden, output=output))
    if two_states:
        for net in (one, other):
            net.lif1.init_synaptic()
            net.lif2.init_synaptic()
    x = data("")
    a, b = stepped(one, x), over_time(other, x)
    assert_same(flat(b), flat(a), atol=1e-12)
    assert len(flat(b)) == (1 if init_hidden and not output else 3 if two_states and output != "mem" else 2)
    assert_same(gradients(other, b), gradients(one, a), atol=1e-10)


def test_zeros_are_rest():
    torch.manual_seed(0)
    net = TakesStates()
    x = data("")
    net.forward = lambda x: net.lif1(net.fc1(x), torch.zeros(B, 8))[0]
    net(x[0])
    spk = over_time(net, x)
    reset(net)
    assert torch.equal(spk, torch.stack([net.lif1(net.fc1(now))[0] for now in x]))


def test_a_network_that_is_reset_by_the_host_starts_at_rest():
    net, x = sequential().eval(), data("")
    over_time(net, data("", batch=B + 1))
    utils.reset(net)
    first = over_time(net, x)
    utils.reset(net)
    assert torch.equal(over_time(net, x), first)


def test_several_inputs():
    class Two(Own):
        def forward(self, x, scale):
            return self.lif1(self.fc1(x) * scale)[0]

    torch.manual_seed(0)
    one = Two()
    other = copy.deepcopy(one)
    x, scale = data(""), torch.rand(T, B, 1)
    assert_same(over_time(other, (x, scale)), torch.stack([one(*now) for now in zip(x, scale, strict=True)]))
    with pytest.raises(ValueError, match=r"\[T, B\] = \[7, 3\] and \[6, 3\]"):
        over_time(other, (x, scale[1:]))


def test_batch_norm_in_training_sees_all_steps():
    net = nn.Sequential(nn.BatchNorm1d(N), SiLIF(N, **HIDDEN)).train()
    alone = copy.deepcopy(net[0])
    x = data("")
    spk = over_time(net, x)
    assert net[0].num_batches_tracked == 1
    expected = alone(x.flatten(0, 1)).view_as(x)
    reset(net)
    assert torch.equal(spk, torch.stack([net[1](now) for now in expected]))


def test_dropout_in_training_draws_for_every_step():
    spk = over_time(nn.Sequential(nn.Dropout(0.5)).train(), torch.ones(50, 2, 10))
    assert 400 < spk.count_nonzero() < 600
    assert not torch.equal(spk[0], spk[1])


def test_a_layer_that_is_made_at_its_first_call():
    net = nn.Sequential(nn.LazyLinear(8), SiLIF(8, **HIDDEN), nn.LazyBatchNorm1d())
    assert over_time(net, data("")).shape == (T, B, 8)


def test_no_steps():
    net = sequential()
    assert over_time(net, data("", steps=0)).shape == (0, B, 8)


class StoresItsOutput(Own):
    def __init__(self, start):
        super().__init__(init_hidden=True)
        self.last = start

    def forward(self, x):
        cur = self.fc1(x) if self.last is None else self.fc1(x) + self.last
        self.last = self.lif1(cur)
        return self.last


class DelayLine(Own):
    def __init__(self):
        super().__init__(init_hidden=True)
        self.line = deque([torch.zeros(B, N), torch.zeros(B, N)])

    def forward(self, x):
        self.line.append(x)
        return self.lif1(self.fc1(self.line.popleft()))


class Trace(Own):
    def __init__(self):
        super().__init__(init_hidden=True)
        self.register_buffer("trace", torch.zeros(1, 8))

    def forward(self, x):
        self.trace.mul_(0.9).add_(x.mean())
        return self.lif1(self.fc1(x) + self.trace)


class Counts(Own):
    def __init__(self):
        super().__init__(init_hidden=True)
        self.steps = 0

    def forward(self, x):
        self.steps += 1
        return self.lif1(self.fc1(x) * self.steps)


class ReadsState(Own):
    def __init__(self, read, **options):
        super().__init__(init_hidden=True, **options)
        self.read = read

    def forward(self, x):
        return self.read(self, self.fc1(x))


def twice(net, cur):
    return net.lif1(net.lif1(cur))


def own_state_fed_back(net, cur):
    return net.lif1(cur + net.lif1.mem if net.lif1.mem.numel() else cur)


def state_of_the_last_step(net, cur):
    return net.lif1(cur), net.lif1.mem


def truncated(net, cur):
    net.lif1.mem.detach_()
    return net.lif1(cur)


def other_state(net, cur):
    net.lif1.init_hidden = net.lif2.init_hidden = False
    spk, *state = net.lif1(cur, *net.lif1.init_synaptic())
    return net.lif2(net.fc2(spk), *(torch.ones(B, 4) for _ in state))


def written_batch(net, cur):
    return net.lif1(cur).view(B, 8)


def written_batch_before_a_neuron(net, cur):
    return net.lif1(cur.reshape(B, -1, 8).sum(1))


def mean_over_the_batch(net, cur):
    return net.lif1(cur).mean()


REFUSED = {
    "snn.Leaky": (lambda: nn.Sequential(nn.Linear(N, 4), snn.Leaky(0.9, init_hidden=True)), "1: snntorch's Leaky"),
    "snn.Synaptic": (lambda: nn.Sequential(snn.Synaptic(0.9, 0.9, init_hidden=True)), "0: snntorch's Synaptic"),
    "LSTM": (lambda: nn.Sequential(nn.Sequential(nn.LSTM(N, 4))), "0.0: torch's LSTM"),
    "GRUCell": (lambda: nn.Sequential(nn.GRUCell(N, 4)), "0: torch's GRUCell"),
    "sequence=True": (lambda: nn.Sequential(SiLIF(N, sequence=True)), "0: it is made with sequence=True"),
    "twice": (lambda: ReadsState(twice), "lif1: it is called twice"),
    "stores its output": (lambda: StoresItsOutput(None), "StoresItsOutput.last: it"),
    "reads its output": (lambda: StoresItsOutput(torch.zeros(1, 8)), "StoresItsOutput.last: it"),
    "delay line": (DelayLine, r"DelayLine.line\[0\]: it is stored"),
    "trace": (Trace, "Trace.trace: it is stored"),
    "counter": (Counts, "Counts.steps: it is stored"),
    "state fed back": (lambda: ReadsState(own_state_fed_back), "lif1: its state is read"),
    "state returned": (lambda: ReadsState(state_of_the_last_step), "net: a tensor that it returns"),
    "truncated": (lambda: ReadsState(truncated), "lif1: its state is read"),
    "another state": (lambda: ReadsState(other_state), "lif2: it is given a state that is neither rest"),
    "batch in the output": (lambda: ReadsState(written_batch), "it has a batch size written into its forward"),
    "batch before a neuron": (lambda: ReadsState(written_batch_before_a_neuron), "lif1: its input has shape"),
    "mean": (lambda: ReadsState(mean_over_the_batch), r"net: a tensor that it returns has shape \(\)"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("started", [False, True], ids=["at rest", "started"])
def test_what_is_refused(name, started):
    """Also where a state of a batch of one would broadcast to all steps."""
    make, match = REFUSED[name]
    torch.manual_seed(0)
    net = make()
    if started and name not in ("sequence=True", "LSTM", "twice", "another state"):
        net(torch.rand(B, N))
    elif name in ("state fed back", "truncated"):
        pytest.skip("nothing can be read from a neuron at rest")
    before = [lif._state for lif in net.modules() if isinstance(lif, SiLIF)]
    with pytest.raises((ValueError, RuntimeError), match=match):
        over_time(net, torch.rand(T, B, N))
    after = [lif._state for lif in net.modules() if isinstance(lif, SiLIF)]
    assert all(a is b for a, b in zip(before, after, strict=True))
    if started and name not in ("sequence=True", "LSTM", "GRUCell", "twice", "another state"):
        net(torch.rand(B, N))  # works on single steps as before


def test_a_refused_network_is_as_it_was():
    """Its own neurons' states and those that it keeps, so that it can be stepped."""

    class Records(KeepsStates):
        def __init__(self):
            super().__init__()
            self.record = []

        def forward(self, x):
            spk, mem, _ = super().forward(x)
            self.record.append(spk)
            return spk, mem

    one, other = pair(Records)
    x = data("")
    with pytest.raises(ValueError, match=r"Records.record\[0\]: it is stored"):
        over_time(other, x)
    assert other.mem2 is None
    assert_same(stepped(other, x), stepped(one, x))
    with pytest.raises(ValueError, match=r"Records.record\[8\]: it is stored"):
        over_time(other, x)
    assert_same(stepped(other, x), stepped(one, x))


def test_a_kept_state_that_is_read():
    class Peeks(KeepsStates):
        def forward(self, x):
            spk, self.mem1 = self.lif1(self.fc1(x) + (0 if self.mem1.numel() == 0 else self.mem1.mean()), self.mem1)
            return spk

    net = Peeks()
    net(torch.rand(1, N))
    with pytest.raises(ValueError, match="lif1: its state is read"):
        over_time(net, torch.rand(T, 1, N))


def test_a_state_of_another_batch():
    net = sequential()
    net(torch.rand(B + 1, N))
    with pytest.raises(ValueError, match="reset it first"):
        over_time(net, data(""))
    reset(net)
    over_time(net, data(""))


@pytest.mark.parametrize(
    ("net", "inputs", "error", "match"),
    [
        (nn.ReLU(), torch.zeros(3), ValueError, r"shape \(3,\)"),
        (nn.ReLU(), [torch.zeros(3, 2)], TypeError, "got list"),
        (nn.ReLU(), (), ValueError, "no tensor"),
        (torch.relu, torch.zeros(3, 2), TypeError, "net: got builtin"),
    ],
)
def test_wrong_arguments(net, inputs, error, match):
    with pytest.raises(error, match=match):
        over_time(net, inputs)


def test_errors_of_the_network_itself_pass():
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        over_time(Fails(), torch.zeros(2, 3, 4))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["network", "layer", "caller"])
def test_what_is_compiled_gives_the_same(how):
    one, other = pair(sequential)
    x = data("")
    expected = over_time(one, x)
    run = over_time
    if how == "network":
        other = torch.compile(other, backend="aot_eager")
    elif how == "layer":
        other[0].compile(backend="aot_eager")
    else:
        run = torch.compile(run, backend="aot_eager")
    assert torch.equal(run(other, x), expected)
