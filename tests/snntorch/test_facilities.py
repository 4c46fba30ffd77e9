"""Every facility of snnTorch, over our neurons and over two of its own: where its own fail on 1.0.0, it says why."""

import copy
import gc
import io
import pickle
import warnings
import weakref

import pytest
import snntorch as snn
import snntorch.functional as SF
import torch
from snntorch import spikegen, utils
from snntorch.functional import probe, quant
from snntorch.functional.stdp_learner import STDPLearner
from torch import nn

from silif_plugins.snntorch import PRF, RF, S5RF

from .conftest import HOSTS, OURS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from snntorch import backprop

B, N, CLASSES = 4, 6, 3
LOUD = {  # those that start quietly
    "RF": lambda size, **options: RF(size, dt=0.25, **options),
    "PRF": lambda size, **options: PRF(size, dt=1.0, **options),
    "S5RF": lambda size, **options: S5RF(size, zoh=False, **options),
}
NEURONS = {**OURS, **LOUD, **HOSTS}
FACILITIES = {}


def facility(check):
    """A function of a constructor ``make(size, **options)`` and its name."""
    FACILITIES[check.__name__] = check
    return check


def data(batches=2):
    targets = torch.arange(B) % CLASSES
    return [(torch.rand(B, N) + targets[:, None], targets) for _ in range(batches)]


def network(make, **options):
    """A net as snntorch.backprop wants it: hidden states, and all values from the last layer."""
    return nn.Sequential(
        nn.Linear(N, N),
        make(N, init_hidden=True, spike_grad=snn.surrogate.atan(), **options),
        nn.Linear(N, CLASSES),
        make(CLASSES, init_hidden=True, output=True, spike_grad=snn.surrogate.atan(), **options),
    )


def run(lif, steps=5, scale=4.0, shape=(B, N)):
    """Spikes of a neuron that keeps its state."""
    return torch.stack([lif(scale * torch.rand(shape)) for _ in range(steps)])


def trains(net, **options):
    before = [p.detach().clone() for p in net.parameters()]
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    function = options.pop("function")
    for _ in range(2):
        loss = function(net, data(), optimiser, SF.mse_count_loss(), num_steps=5, time_var=False, **options)
        assert torch.isfinite(torch.as_tensor(loss))
    changed = [not torch.equal(p, q) for p, q in zip(net.parameters(), before, strict=True)]
    assert all(changed[:2])


@facility
def backprop_bptt(make):
    trains(network(make), function=backprop.BPTT)


@facility
def backprop_tbptt(make):
    trains(network(make), function=backprop.TBPTT, K=2, regularization=SF.l1_rate_sparsity(0.01))


@facility
def backprop_rtrl(make):
    trains(network(make), function=backprop.RTRL)


@facility
def utils_reset_of_children(make):
    net = network(make)
    for x, _ in data():
        outputs = [net(x) for _ in range(3)]
        outputs[-1][-1].sum().backward()
        utils.reset(net)
        assert not net[1].mem.any()


@facility
def monitors(make):
    net = network(make)
    kind = type(net[1])
    spikes = probe.OutputMonitor(net, instance=kind)
    currents = probe.InputMonitor(net, instance=kind)
    membranes = probe.AttributeMonitor("mem", False, net, instance=kind)
    grads = probe.GradOutputMonitor(net[:2], instance=kind)
    for x, _ in data():
        net(x)[-1].sum()
    assert spikes.monitored_layers == ["1", "3"]
    assert torch.equal(membranes["1"][-1], net[1].mem)
    assert currents["1"][0].shape == spikes["1"][0].shape == (B, N)
    net[1](net[0](data()[0][0])).sum().backward()
    assert grads["1"][0].shape == (B, N)


@facility
def monitor_before_forward(make):
    net = network(make)
    membranes = probe.AttributeMonitor("mem", True, net, instance=type(net[1]))
    net(data()[0][0])
    assert membranes["1"]


@facility
def stdp_learner(make):
    net = nn.Sequential(nn.Linear(N, N, bias=False), make(N, init_hidden=True))
    with torch.no_grad():
        net[0].weight.fill_(1.0)
    learner = STDPLearner(net[0], net[1], tau_pre=2.0, tau_post=2.0)
    with torch.no_grad():
        for _ in range(5):
            net((torch.rand(B, N) < 0.7).float())
            learner.step(on_grad=True)
    assert net[0].weight.grad.isfinite().all()
    assert net[0].weight.grad.any()


@facility
def quantised_states(make):
    lif = make(N, init_hidden=True, state_quant=quant.state_quant(num_bits=4, threshold=1, uniform=True))
    spikes = run(lif)
    levels = torch.linspace(-1.0, 1.2, 16)
    for state in (lif.mem, getattr(lif, "syn", lif.mem)):
        assert (state.unsqueeze(-1) - levels).abs().amin(-1).max() < 1e-6
    assert spikes.any()


@facility
def graded_spikes(make):
    lif = make(N, init_hidden=True, graded_spikes_factor=0.3)
    plain = make(N, init_hidden=True)
    plain.load_state_dict({**lif.state_dict(), "graded_spikes_factor": torch.tensor(1.0)})
    x = 4 * torch.rand(5, B, N)
    for now in x:
        torch.testing.assert_close(lif(now), 0.3 * plain(now))
    assert torch.equal(lif.mem, plain.mem)


@facility
def learnt_grades(make):
    lif = make(N, init_hidden=True, graded_spikes_factor=0.3, learn_graded_spikes_factor=True)
    run(lif).sum().backward()
    assert lif.graded_spikes_factor.grad > 0


@facility
def learnt_thresholds(make):
    lif = make(N, init_hidden=True, threshold=torch.full((N,), 0.9), learn_threshold=True)
    optimiser = torch.optim.SGD([lif.threshold], lr=0.01)
    for _ in range(2):
        (run(lif).sum() + lif.mem.sum()).backward()
        optimiser.step()
        utils.reset(nn.Sequential(lif))
    assert lif.threshold.grad.any()
    assert (lif.threshold != 0.9).any()


@facility
def surrogate_disabled(make):
    lif = make(N, init_hidden=True, surrogate_disable=True)
    x = 4 * torch.rand(B, N).requires_grad_()
    assert not lif(x).requires_grad


@facility
def every_surrogate(make):
    for factory in ("atan", "fast_sigmoid", "straight_through_estimator", "triangular", "spike_rate_escape", "sigmoid"):
        lif = make(N, init_hidden=True, spike_grad=getattr(snn.surrogate, factory)())
        x = torch.rand(B, N).requires_grad_()
        lif(x).sum().backward()
        assert x.grad.any()


@facility
def strict_threshold(make):
    lif = make(N)
    assert lif.fire(torch.full((1, N), 1.0)).sum() == 0
    assert lif.fire(torch.full((1, N), 10.0)).sum() == N


@facility
def inhibition(make):
    lif = make(N, init_hidden=True, inhibition=True)
    spikes = run(lif, scale=40.0)
    assert spikes.any()
    assert (spikes.sum(-1) <= 1).all()
    strongest = lif.mem.argmax(-1)
    assert (spikes[-1].argmax(-1)[spikes[-1].any(-1)] == strongest[spikes[-1].any(-1)]).all()


@facility
def inhibition_after_a_convolution(make):
    lif = make((2, 1, 1) if make not in HOSTS.values() else None, init_hidden=True, inhibition=True)
    spikes = run(lif, scale=40.0, shape=(B, 2, 3, 3))
    assert spikes.any()
    assert (spikes.flatten(2).sum(-1) <= 1).all()


@facility
def after_a_convolution(make):
    lif = make((2, 1, 1) if make not in HOSTS.values() else None, init_hidden=True)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), lif, nn.MaxPool2d(2), nn.Flatten())
    assert net(torch.rand(B, 1, 8, 8)).shape == (B, 18)


@facility
def losses_and_accuracy(make):
    lif = make(CLASSES, spike_grad=snn.surrogate.atan())
    fc = nn.Linear(N, CLASSES)
    x, targets = data()[0]
    states = lif.reset_mem()
    states = states if isinstance(states, tuple) else (states,)
    spikes, membranes = [], []
    for now in spikegen.rate(x.clamp(0, 1), num_steps=5):
        spk, *states = lif(fc(now), *states)
        spikes.append(spk)
        membranes.append(states[-1])
    spk, mem = torch.stack(spikes), torch.stack(membranes)
    loss = SF.ce_rate_loss()(spk, targets) + SF.ce_max_membrane_loss()(mem, targets)
    loss = loss + SF.mse_count_loss()(spk, targets) + SF.mse_membrane_loss()(mem, targets)
    loss.backward()
    assert fc.weight.grad.any()
    assert 0 <= SF.accuracy_rate(spk, targets) <= 1


@facility
def states_are_not_in_the_state_dict(make):
    lif = make(N, init_hidden=True)
    run(lif)
    assert not {"mem", "syn"} & set(lif.state_dict())
    other = make(N, init_hidden=True)
    other.load_state_dict(lif.state_dict())
    utils.reset(nn.Sequential(lif, other))
    x = torch.rand(B, N)
    assert torch.equal(lif(x), other(x))


@facility
def states_move_with_the_module(make):
    lif = make(N, init_hidden=True)
    run(lif)
    assert lif.double().mem.dtype == torch.float64
    assert lif.to("meta").mem.device.type == "meta"


@facility
def reset_mechanism_set_later(make):
    lif, other = make(N, init_hidden=True), make(N, init_hidden=True, reset_mechanism="none")
    other.load_state_dict({**lif.state_dict(), "reset_mechanism_val": torch.tensor(2)})
    lif.reset_mechanism = "none"
    for x in 4 * torch.rand(5, B, N):
        lif(x), other(x)
    assert torch.equal(lif.mem, other.mem)


@facility
def reset_mechanism_loaded(make):
    saved = make(N, init_hidden=True, reset_mechanism="none")
    lif = make(N, init_hidden=True)
    lif.load_state_dict(saved.state_dict())
    assert lif.reset_mechanism == "none"
    for x in 4 * torch.rand(5, B, N):
        lif(x), saved(x)
    assert torch.equal(lif.mem, saved.mem)


@facility
def deepcopy_in_the_middle_of_a_sequence(make):
    lif = make(N, init_hidden=True)
    lif(torch.rand(B, N).requires_grad_())
    twin = copy.deepcopy(lif)
    x = torch.rand(B, N)
    assert torch.equal(twin(x), lif(x))


@facility
def pickle_in_the_middle_of_a_sequence(make):
    lif = make(N, init_hidden=True)
    lif(torch.rand(B, N))
    twin = pickle.loads(pickle.dumps(lif))
    file = io.BytesIO()
    torch.save(lif, file)
    file.seek(0)
    third = torch.load(file, weights_only=False)
    x = torch.rand(B, N)
    expected = lif(x)
    for copied in (twin, third):
        assert torch.equal(copied(x), expected)
        assert torch.equal(copied.mem, lif.mem)


@facility
def pickle_with_a_surrogate_of_snntorch(make):
    lif = make(N, init_hidden=True, spike_grad=snn.surrogate.fast_sigmoid(slope=10))
    x = torch.rand(B, N)
    assert torch.equal(pickle.loads(pickle.dumps(lif))(x), lif(x))


@facility
def sigmoid_far_below_the_threshold(make):
    lif = make(N, init_hidden=True, spike_grad=snn.surrogate.sigmoid())
    x = torch.full((B, N), -1000.0, requires_grad=True)
    (lif(x) + lif(x)).sum().backward()
    assert x.grad.isfinite().all()


@facility
def spikes_masked_in_place(make):
    """By dropout with inplace=True, for example: what leaves the layer is not what resets it."""
    lif, other = make(N, init_hidden=True), make(N, init_hidden=True)
    other.load_state_dict(lif.state_dict())
    for x in 4 * torch.rand(5, B, N):
        lif(x).zero_()
        other(x)
    assert torch.equal(lif.mem, other.mem)


@facility
def copies_are_reset(make):
    lif = make(N, init_hidden=True)
    run(lif)
    with torch.no_grad():
        lif.mem = lif.mem.detach()
    twin = copy.deepcopy(lif.requires_grad_(False))
    utils.reset(nn.Sequential(twin))
    assert not twin.mem.any()


@facility
def spikes_in_the_dtype_of_the_input(make):
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        net = nn.Sequential(nn.Linear(N, N), make(N, init_hidden=True), nn.Linear(N, 1)).to(dtype)
        for _ in range(2):
            assert net(torch.rand(B, N, dtype=dtype)).dtype == dtype


@facility
def autocast_keeps_the_state_in_float32(make):
    net = nn.Sequential(nn.Linear(N, N), make(N, init_hidden=True), nn.Linear(N, 1))
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(3):
            net(torch.rand(B, N))
    assert net[1].mem.dtype == torch.float32


@facility
def states_with_init_hidden_are_refused_unchanged(make):
    lif = make(N, init_hidden=True)
    run(lif)
    before = lif.mem
    states = [torch.rand(B, N)] * (2 if isinstance(lif, snn.Synaptic) else 1)
    with pytest.raises(TypeError):
        lif(torch.rand(B, N), *states)
    assert lif.mem is before


@facility
def wrong_states_are_refused(make):
    lif = make(N)
    states = [torch.rand(N)] * (2 if isinstance(lif, snn.Synaptic) else 1)
    with pytest.raises(ValueError, match="shape"):
        lif(torch.rand(B, N), *states)


@facility
def smaller_batches_never_restart_silently(make):
    lif = make(N, init_hidden=True)
    run(lif)
    with pytest.raises(ValueError, match="shape"):
        lif(torch.rand(B - 1, N))


@facility
def dropped_neurons_are_freed(make):
    lif = make(N, init_hidden=True)
    run(lif)
    seen = weakref.ref(lif)
    del lif
    gc.collect()
    assert seen() is None


@facility
def nets_of_several_kinds_under_tbptt(make):
    net = network(make)
    net[1] = snn.Lapicque(beta=0.9, init_hidden=True)
    trains(net, function=backprop.TBPTT, K=2)


@facility
def data_parallel_replicas_run_on_their_own_parameters(make):
    lif = make(N, init_hidden=True)
    replica = replicate(lif, scale=0.5)
    twin = copy.deepcopy(lif)
    twin.load_state_dict({k: v * 0.5 if v.is_floating_point() else v for k, v in lif.state_dict().items()})
    x = 4 * torch.rand(5, B, N)
    for now in x:
        assert torch.equal(replica(now), twin(now))
    assert not lif.mem.any()


def replicate(module, scale):
    """What torch.nn.parallel.replicate does, without GPUs: copies, of which we scale the values."""
    replica = module._replicate_for_data_parallel()
    for key, child in module._modules.items():
        setattr(replica, key, replicate(child, scale))
    for key, parameter in module._parameters.items():
        if parameter is not None:
            setattr(replica, key, parameter * scale)
    for key, buffer in module._buffers.items():
        is_saved = key not in module._non_persistent_buffers_set
        replica._buffers[key] = buffer * scale if is_saved and buffer.is_floating_point() else buffer.clone()
    return replica


STATES_RESTART = "1.0.0 replaces a state that does not fit by zeros"
BOUND = "1.0.0 binds its reset function when a neuron is made"
FLOAT32 = "spikes of 1.0.0 are float32"
HOST_FAILS = {
    ("monitor_before_forward", None): "AttributeMonitor(pre_forward=True) of 1.0.0 raises TypeError for any neuron",
    ("nets_of_several_kinds_under_tbptt", None): "TBPTT of 1.0.0 detaches the last of its kinds of neurons only",
    ("graded_spikes", "Synaptic"): "has no graded spikes",
    ("learnt_grades", "Synaptic"): "has no graded spikes",
    ("inhibition_after_a_convolution", "Leaky"): "inhibition of 1.0.0 is for dense layers: IndexError",
    ("inhibition_after_a_convolution", "Synaptic"): "inhibition of 1.0.0 is for dense layers: IndexError",
    ("reset_mechanism_set_later", "Leaky"): BOUND,
    ("reset_mechanism_set_later", "Synaptic"): BOUND,
    ("reset_mechanism_loaded", "Leaky"): BOUND,
    ("reset_mechanism_loaded", "Synaptic"): BOUND,
    ("deepcopy_in_the_middle_of_a_sequence", "Leaky"): "states of 1.0.0 keep their history, which cannot be copied",
    ("deepcopy_in_the_middle_of_a_sequence", "Synaptic"): "states of 1.0.0 keep their history, which cannot be copied",
    ("pickle_in_the_middle_of_a_sequence", "Leaky"): "the default surrogate of 1.0.0 is a closure",
    ("pickle_in_the_middle_of_a_sequence", "Synaptic"): "the default surrogate of 1.0.0 is a closure",
    ("pickle_with_a_surrogate_of_snntorch", "Leaky"): "surrogates of 1.0.0 are closures",
    ("pickle_with_a_surrogate_of_snntorch", "Synaptic"): "surrogates of 1.0.0 are closures",
    ("sigmoid_far_below_the_threshold", "Leaky"): "sigmoid of 1.0.0 overflows",
    ("sigmoid_far_below_the_threshold", "Synaptic"): "sigmoid of 1.0.0 overflows",
    ("copies_are_reset", "Leaky"): "copies are not in the list of neurons of 1.0.0",
    ("copies_are_reset", "Synaptic"): "copies are not in the list of neurons of 1.0.0",
    ("spikes_in_the_dtype_of_the_input", "Leaky"): FLOAT32,
    ("spikes_in_the_dtype_of_the_input", "Synaptic"): FLOAT32,
    ("states_with_init_hidden_are_refused_unchanged", "Leaky"): "1.0.0 overwrites the state, then refuses it",
    ("states_with_init_hidden_are_refused_unchanged", "Synaptic"): "1.0.0 overwrites the state, then refuses it",
    ("wrong_states_are_refused", "Leaky"): STATES_RESTART,
    ("wrong_states_are_refused", "Synaptic"): STATES_RESTART,
    ("smaller_batches_never_restart_silently", "Leaky"): STATES_RESTART,
    ("smaller_batches_never_restart_silently", "Synaptic"): STATES_RESTART,
    ("dropped_neurons_are_freed", "Leaky"): "SpikingNeuron.instances of 1.0.0 keeps every neuron",
    ("dropped_neurons_are_freed", "Synaptic"): "SpikingNeuron.instances of 1.0.0 keeps every neuron",
    ("data_parallel_replicas_run_on_their_own_parameters", "Leaky"): BOUND + ", to the original module",
    ("data_parallel_replicas_run_on_their_own_parameters", "Synaptic"): BOUND + ", to the original module",
}
"""Which facility fails for which of the host's own neurons; None: for every neuron, by the host's fault."""


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("check", FACILITIES)
def test_facility(check, name, request):
    reason = HOST_FAILS.get((check, name), HOST_FAILS.get((check, None)))
    if reason:
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    FACILITIES[check](NEURONS[name])
