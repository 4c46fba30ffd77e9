"""What others do with a module: copies, averages, processes, attributions, monitors. Its state is no part of it."""

import copy
import os
import tempfile
import warnings
from pathlib import Path

import pytest
import snntorch as snn
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from silif_plugins.diagnosis import SilenceWarning
from silif_plugins.snntorch import CSiLIF, SiLIF, reset

T, B, N = 6, 3, 4


def network(make=SiLIF, **options):
    return nn.Sequential(nn.Linear(N, N), make(N, init_hidden=True, **options))


@pytest.mark.parametrize("make", [SiLIF, CSiLIF])
def test_the_state_is_no_part_of_what_is_saved_broadcast_or_averaged(make):
    net = network(make)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    buffers = [name for name, _ in net.named_buffers()]
    net(torch.rand(B, N))
    assert set(net.state_dict()) == set(before)
    assert [name for name, _ in net.named_buffers()] == buffers
    assert net[1].mem.shape == net[1].syn.shape == (B, N)
    fresh = network(make)
    fresh.load_state_dict(net.state_dict())
    assert fresh[1].mem.numel() == 0


def test_averaged_models_follow_the_weights_through_batches_of_any_size():
    net = network()
    average = AveragedModel(net)
    for batch in (4, 3, 1):
        reset(net)
        net(torch.rand(batch, N)).sum().backward()
        average.update_parameters(net)
    assert average(torch.rand(2, N)).shape == (2, N)
    with_buffers = AveragedModel(net, use_buffers=True)
    for batch in (4, 3):
        reset(net)
        net(torch.rand(batch, N))
        with_buffers.update_parameters(net)


def test_copies_go_on_from_the_same_state():
    net = network()
    net(torch.rand(B, N))
    x = torch.rand(B, N)
    twin = copy.deepcopy(net)
    assert torch.equal(twin(x), net(x))
    assert torch.equal(twin[1].mem, net[1].mem)
    assert twin[1].mem is not net[1].mem


class Loop(nn.Module):
    """A net with its own loop, with states passed on or kept in the module."""

    def __init__(self, hidden):
        super().__init__()
        self.fc, self.lif, self.hidden = nn.Linear(N, N), SiLIF(N, init_hidden=hidden), hidden

    def forward(self, x):
        mem = self.lif.init_leaky()
        for now in x:
            if self.hidden:
                spk = self.lif(self.fc(now))
            else:
                spk, mem = self.lif(self.fc(now), mem)
        return spk


def _train_on(rank, file, folder):
    """Two processes; the last batch of the second is smaller. Each keeps a state of its own between batches."""
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    torch.manual_seed(0)
    for hidden in (False, True):
        net = DistributedDataParallel(Loop(hidden))
        for _ in range(2):
            for batch in ((4, 4), (4, 3))[rank]:
                net(3 * torch.rand(T, batch, N)).sum().backward()
        steps = nn.Sequential(nn.Linear(N, N), SiLIF(N, init_hidden=True))
        stepped = DistributedDataParallel(steps)
        own = torch.full((2, N), float(rank + 1))
        expected = [copy.deepcopy(steps)(own)]
        found = [stepped(own)]
        state = steps[1].mem.clone()
        stepped(own)  # nothing of the other process's state may have come here
        assert torch.equal(found[0], expected[0])
        assert not torch.equal(steps[1].mem, state)
        gathered = [torch.empty_like(state) for _ in range(2)]
        dist.all_gather(gathered, state.detach())
        assert not torch.equal(*gathered)
    Path(folder, f"{rank}").write_text("fine")
    dist.barrier()
    os._exit(0)


@pytest.mark.slow
def test_processes_with_batches_of_their_own_sizes():
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_train_on, (os.path.join(folder, "store"), folder), nprocs=2)
        assert {path.name for path in Path(folder).iterdir()} >= {"0", "1"}


def test_data_parallel_replicas_start_at_rest():
    net = Loop(hidden=False)
    net(torch.rand(T, 5, N))
    replica = copy.copy(net)
    replica.lif = net.lif._replicate_for_data_parallel()
    assert replica(torch.rand(T, 2, N)).shape == (2, N)


@pytest.mark.parametrize("make", [lambda: snn.Leaky(beta=0.9, init_hidden=True), lambda: SiLIF(N, init_hidden=True)])
def test_monitors_find_the_membrane(make):
    from snntorch.functional import probe

    net = nn.Sequential(nn.Linear(N, N), make())
    monitor = probe.AttributeMonitor("mem", False, net, type(net[1]))
    x = torch.rand(T, B, N)
    mems = []
    for now in x:
        net(now)
        mems.append(net[1].mem.clone())
    assert len(monitor.records) == T
    for record, mem in zip(monitor.records, mems, strict=True):
        assert torch.equal(torch.as_tensor(record), mem)


def test_attributions_of_a_layer():
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")

    class Net(nn.Module):
        def __init__(self, make):
            super().__init__()
            self.fc, self.lif = nn.Linear(N, N), make()

        def forward(self, x):
            mem = self.lif.init_leaky()
            for _ in range(1):
                spk, mem = self.lif(self.fc(x), mem)
            return spk + mem

    for make in (lambda: snn.Leaky(beta=0.9), lambda: SiLIF(N)):
        net = Net(make)
        spk, mem = attr.LayerConductance(net, net.lif).attribute(torch.rand(B, N), target=0)
        assert mem.shape == spk.shape == (B, N)
        assert mem.abs().sum() > 0


def test_other_libraries_resets_reach_it():
    """SpikingJelly's reset_net calls reset() of every module that has one."""
    net = nn.Sequential(nn.Linear(N, N), SiLIF(N, init_hidden=True))
    first = net(torch.ones(B, N)), net[1].mem.clone()
    for module in net.modules():
        if hasattr(module, "reset"):
            module.reset()
    again = net(torch.ones(B, N)), net[1].mem.clone()
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one, two)


def test_full_backward_hooks_see_both_outputs():
    lif = SiLIF(N)
    seen = []
    lif.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(len(grad_output)))
    x = torch.rand(B, N, requires_grad=True)
    spk, mem = lif(x, lif.init_leaky())
    (spk.sum() + mem.sum()).backward()
    assert seen == [2]
    assert x.grad.abs().sum() > 0


def test_custom_functions_get_a_membrane_with_its_history():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    lif = SiLIF(N)
    grads = []
    for square in (Square.apply, lambda mem: mem * mem):
        x = torch.ones(B, N, requires_grad=True)
        _, mem = lif(x, lif.init_leaky())
        grads.append(*torch.autograd.grad(square(mem).sum(), x))
    assert torch.equal(*grads)
    assert grads[0].abs().sum() > 0


@pytest.mark.parametrize("sequence", [False, True])
def test_a_layer_that_stays_silent_in_training_says_so(sequence):
    lif = SiLIF(N, sequence=sequence, threshold=100.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(25):
            if sequence:
                lif(torch.rand(T, B, N))
            else:
                mem = lif.init_leaky()
                for now in torch.rand(T, B, N):
                    _, mem = lif(now, mem)
    (warning,) = [each for each in caught if issubclass(each.category, SilenceWarning)]
    assert "SiLIF of 4 neurons: no spike in its first 20" in str(warning.message)
    assert "threshold=" in str(warning.message)
