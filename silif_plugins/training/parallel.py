"""Several processes that share each batch, started by torchrun.

Every process holds the whole network and takes its share of each batch; PyTorch's DistributedDataParallel averages
the gradients, and batch norm takes its statistics over the whole batch. So the result is that of one process, up to
rounding and to random numbers (dropout, random initial states), of which each process draws its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Share(NamedTuple):
    """Which of how many processes this is.

    Attributes:
        rank: Its number; 0 writes the files.
        world: Number of processes.
    """

    rank: int = 0
    world: int = 1


ALONE = Share()


@contextlib.contextmanager
def group(device: str) -> Iterator[Share]:
    """Join the processes that torchrun has started; alone, do nothing.

    Args:
        device: Where to train; ``cuda`` needs NCCL, anything else uses gloo.

    Examples:
        >>> with group("cpu") as share:
        ...     share
        Share(rank=0, world=1)
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield current()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(local_device(device))
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield current()
        wait()  # nobody leaves while another may still be reading from it
    finally:
        dist.destroy_process_group()


def current() -> Share:
    """Return this process's share."""
    return Share(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else ALONE


def local_device(device: str) -> str:
    """Return the device of this process: of several with ``cuda`` each takes one GPU of its machine."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and "LOCAL_RANK" in os.environ else device


def wait() -> None:
    """Wait until all processes have come here."""
    if dist.is_initialized():
        dist.barrier()


def total(values: Tensor, processes: dist.ProcessGroup | None = None) -> Tensor:
    """Sum a tensor over the processes, in place; without gradient."""
    if dist.is_initialized():
        dist.all_reduce(values, group=processes)
    return values


class _Total(torch.autograd.Function):
    """The sum over the processes; its gradient is the sum of the processes' gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: dist.ProcessGroup | None) -> Tensor:
        ctx.processes = processes
        return total(values.clone(), processes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return total(gradients[0].clone(), ctx.processes), None


def _total(values: Tensor, processes: dist.ProcessGroup | None) -> Tensor:
    result: Tensor = _Total.apply(values, processes)  # type: ignore[no-untyped-call]
    return result


class SharedBatchNorm(nn.BatchNorm1d):
    """Batch norm with statistics of the samples of all processes, on any device.

    (PyTorch's SyncBatchNorm refuses CPUs, where this is tested.)

    Examples:
        >>> SharedBatchNorm(3)(torch.randn(8, 3)).shape
        torch.Size([8, 3])
    """

    processes: dist.ProcessGroup | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [samples, features] or [samples, features, steps]; in evaluation, or alone, as BatchNorm1d."""
        if not (self.training and dist.is_initialized()):
            return super().forward(input)
        if input.dim() == 3:
            rows = self.forward(input.transpose(1, 2).flatten(0, 1))
            return rows.view(len(input), input.shape[2], self.num_features).transpose(1, 2)
        values = input.float()
        count = total(values.new_tensor(len(values)), self.processes)
        mean = _total(values.sum(dim=0), self.processes) / count
        centred = values - mean
        variance = _total(centred.square().sum(dim=0), self.processes) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1).clamp_min(1))
        normalised = centred * (variance + self.eps).rsqrt()
        return normalised * self.weight + self.bias if self.affine else normalised

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics; with a momentum of None they are the plain average over batches."""
        if self.running_mean is None:
            return
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance, weight)


def share_batch_norm(net: nn.Module) -> None:
    """Make every BatchNorm1d of a network a SharedBatchNorm, in place; parameters and names stay."""
    # A group of their own: their sums must not wait for, or be taken for, those of the gradients.
    processes = dist.new_group()
    for module in net.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = SharedBatchNorm
            module.processes = processes
