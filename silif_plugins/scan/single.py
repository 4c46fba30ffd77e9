"""One step of neurons as one node of the graph, on the fused kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from ..kernels.operators import is_direct
from ..surrogate import SpikeFunction
from .backends import NUMBA
from .layout import GIVEN, in_kernel

FEWEST = 16
"""Elements of a state that make a vector on any processor."""


class SingleStep:
    r"""A step of given neurons, to be called again and again.

    It gives the numbers of :func:`silif_plugins.scan.step` to the last bit, and its gradients to rounding.

    Args:
        space: Coefficients.
        shape: Of the states, [B, \*neurons].
        surrogate: Spike function that kernels know.
        detach_reset: Whether no gradient flows to the spikes that reset.
        wrap: What is done with the membrane before it is returned: a tensor class of the host's.

    Raises:
        ValueError: If there is no kernel for these neurons, as :meth:`fits` says: it would write where it must not.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> from silif_plugins.surrogate import ATan
        >>> space, state = SiLIF(20).state_space(), State.zeros((2, 20))
        >>> advance = SingleStep(space, state.mem.shape, ATan())
        >>> for current in 3 * torch.rand(10, 2, 20):
        ...     state = State(*advance(current, *state))
        >>> state.mem.shape
        torch.Size([2, 20])
    """

    def __init__(
        self,
        space: StateSpace,
        shape: torch.Size,
        surrogate: SpikeFunction,
        detach_reset: bool = False,
        wrap: Callable[[Tensor], Tensor] = lambda mem: mem,
    ) -> None:
        from .cpu.single import Step, fewest

        if not self.fits(space, shape, surrogate):
            found = f"got a shape {tuple(shape)}, or neurons or a surrogate, that the kernel does not run"
            raise ValueError(f"space, shape, surrogate: {found}; use step")
        self.shape, self.surrogate, self.detach_reset, self.wrap = shape, surrogate, detach_reset, wrap
        self.sizes = shape[len(shape) - len(space.shape) :]
        if self.sizes.numel() < fewest(space.dtype):  # then each sample has coefficients of its own
            self.sizes = shape
        packed = torch.stack([field.expand(self.sizes) for field in space])
        self.coefficients = packed.reshape(len(space), self.sizes.numel())
        self.kernel = Step(self.coefficients.detach(), shape, in_kernel(surrogate), detach_reset)

    @staticmethod
    def fits(space: StateSpace, shape: torch.Size, surrogate: SpikeFunction) -> bool:
        """Whether there is a kernel for these neurons."""
        dtype, dims = space.dtype, len(space.shape)
        return (
            NUMBA
            and in_kernel(surrogate)[0] != GIVEN
            and dtype in (torch.float32, torch.float64)
            and all(field.device.type == "cpu" and field.dtype == dtype for field in space)
            and 0 < dims <= len(shape)
            and shape.numel() >= FEWEST
            and not torch._C._len_torch_dispatch_stack()
        )

    def takes(self, current: Tensor, mem: Tensor, ada: Tensor, spk: Tensor) -> bool:
        """Whether these are tensors that the kernel reads: of its shape and data type, without gaps."""
        return (  # written out: a loop would take a tenth of a small step
            current.shape == mem.shape == ada.shape == spk.shape == self.shape
            and current.dtype == mem.dtype == ada.dtype == spk.dtype == self.coefficients.dtype
            and (current.is_cpu and mem.is_cpu and ada.is_cpu and spk.is_cpu)
            and (current.is_contiguous() and mem.is_contiguous() and ada.is_contiguous() and spk.is_contiguous())
            and is_direct(current, ada, spk)
        )

    def __call__(self, current: Tensor, mem: Tensor, ada: Tensor, spk: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mem, ada and spk after the step."""
        if torch.is_grad_enabled():
            run: Any = _Step.apply
            state: tuple[Tensor, Tensor, Tensor] = run(self, current, mem, ada, spk, self.coefficients)
            return state
        return self.run(current, mem, ada, spk)

    def run(self, current: Tensor, mem: Tensor, ada: Tensor, spk: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Do it without a graph."""
        after = self.kernel.forward(current, mem, ada, spk).unbind()
        # Tensors of their own, not views: they may be edited in place, each for itself.
        return self.wrap(after[0].data), after[1].data, after[2].data


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, single: SingleStep, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.single = single
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return single.run(*tensors[:4])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        with torch._C.DisableTorchFunctionSubclass():  # the states may be of a class of the host's
            tensors, single = ctx.saved_tensors, ctx.single
            if torch.is_grad_enabled():  # someone wants to differentiate again
                return None, *_differentiable(single, tensors, ctx.needs_input_grad[1:], grads)
            current, state, coefficients = single.kernel.backward(*tensors[:4], grads)
            return None, current, *state.unbind(), coefficients


def _differentiable(
    single: SingleStep, tensors: tuple[Tensor, ...], needed: tuple[bool, ...], grads: tuple[Tensor | None, ...]
) -> list[Tensor | None]:
    """Do what backward does by differentiating the definition of a step."""
    # Aliases: the gradient of this step alone, although its inputs depend on each other through earlier steps.
    aliases = [tensor.view_as(tensor) for tensor in tensors]
    current, *state, packed = aliases
    space = StateSpace(*packed.unflatten(1, single.sizes))
    after = space.step(current, State(*state), single.surrogate, detach_reset=single.detach_reset)
    given = [pair for pair in zip(after, grads, strict=True) if pair[1] is not None and pair[0].requires_grad]
    wanted = [alias for alias, needs in zip(aliases, needed, strict=True) if needs]
    fields, weights = zip(*given, strict=True)
    found = iter(torch.autograd.grad(fields, wanted, weights, create_graph=True, allow_unused=True))
    return [next(found) if needs else None for needs in needed]
