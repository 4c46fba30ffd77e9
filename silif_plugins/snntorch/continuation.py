"""What one step leaves to the next step of the same sequence, so that it need not be computed again.

The coefficients of a neuron cost as much as its step, and the spike that resets it was computed a step ago. Both are
reused only where that cannot be told from computing them anew.
"""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from ..surrogate import is_plain
from .lean import LeanStep, is_constant
from .membrane import Membrane
from .motion import Motion
from .state import SecondOrderState


class Continuation:
    """Coefficients and state after a step.

    It holds for a next step that starts from the very tensors of this state, with unchanged parameters, surrogate
    and gradient mode, and before any backward pass through the coefficients. Changes that PyTorch does not count,
    those through ``.data`` and by optimisers with ``fused=True``, are seen at the latest from the next sequence on.

    Args:
        dynamics: What moves the layer.
        layer: The layer whose parameters and options it was made of.
    """

    __slots__ = (
        "_fired",
        "_input_dtype",
        "_is_counted",
        "_mechanism",
        "_mode",
        "_node",
        "_tensors",
        "_versions",
        "_watched",
        "dynamics",
        "lean",
        "scales_spikes",
        "state",
    )

    def __init__(self, dynamics: Motion, layer: Any) -> None:
        space, self._node = _through_one_node(dynamics.space)
        self.dynamics = replace(dynamics, space=space)
        is_plain = not (dynamics.scaled_reset or dynamics.quantiser)
        self.lean = LeanStep(space, dynamics.surrogate, dynamics.detach_reset) if is_plain else None
        self.scales_spikes = not is_constant(layer.graded_spikes_factor, 1.0)
        self.state: State | None = None
        self._fired = (math.nan, math.nan)
        self._input_dtype: torch.dtype | None = None
        self._mode = _mode()
        self._mechanism = layer.reset_mechanism
        values = [values for module in layer.modules() for values in (module._parameters, module._buffers)]
        self._watched = [(each, list(each.values())) for each in values if each]
        self._tensors = [tensor for _, found in self._watched for tensor in found if tensor is not None]
        self._versions = [_version(tensor) for tensor in self._tensors]
        self._is_counted = not any(map(math.isnan, self._versions))

    def holds(self, before: SecondOrderState, layer: Any) -> bool:
        """Whether a step from the state ``before`` would compute the same coefficients again."""
        if not (
            self.state is not None
            and before.mem is self.state.mem
            and before.syn is self.state.ada
            and layer.spike_grad is self.dynamics.surrogate
            and layer.state_quant is self.dynamics.quantiser
            and layer.reset_mechanism == self._mechanism
            and layer.detach_reset is self.dynamics.detach_reset
            and self._is_counted  # inference tensors keep no count
            and self._mode == _mode()
            and (self._node is None or _is_alive(self._node))
        ):
            return False
        for values, found in self._watched:
            if len(values) != len(found) or not all(map(operator.is_, values.values(), found)):
                return False
        return [tensor._version for tensor in self._tensors] == self._versions

    def step(self, current: Tensor, state: State | None) -> State:
        """Advance by one step and remember where it led."""
        if state is not None and self.lean is not None and self._fits(current, state):
            self.state = self.lean(current, state)
        else:
            after = self.dynamics.step(current, state)
            self.state = after._replace(mem=Membrane.of(after.mem, after.ada))
        self._fired = _version(self.state.mem), _version(self.state.spk)
        self._input_dtype = current.dtype
        return self.state

    def _fits(self, current: Tensor, state: State) -> bool:
        return current.shape == state.mem.shape and current.dtype == self._input_dtype

    def spikes(self) -> Tensor | None:
        """Return the spikes that the recorded membrane fired, if neither was edited or detached since.

        The layer may have returned these very spikes, which users drop out or mask in place.
        """
        assert self.state is not None
        mem, spk = self.state.mem, self.state.spk
        # Not as tuples, which find one and the same NaN equal to itself.
        unchanged = _version(mem) == self._fired[0] and _version(spk) == self._fired[1]
        return spk if unchanged and (mem.requires_grad or not spk.requires_grad) else None


def _through_one_node(space: StateSpace) -> tuple[StateSpace, Any]:
    """Route all trained coefficients through one multiplication by 1, and return that node of the graph.

    A backward pass through any of them frees what the node saved, which tells that their graph is gone.
    """
    trained = {name: field for name, field in space._asdict().items() if field.requires_grad}
    if not trained:
        return space, None
    fields = torch.stack(torch.broadcast_tensors(*trained.values())) * 1
    return space._replace(**dict(zip(trained, fields.unbind(), strict=True))), fields.grad_fn


def may_continue(tensor: Tensor) -> bool:
    """Whether steps on this tensor's device may share work: not where someone rewrites or repeats single steps."""
    if not is_plain():
        return False
    # Checkpointing runs a part of the sequence twice and needs both runs to do the same.
    if torch._C._autograd._top_saved_tensors_default_hooks(False) is not None:
        return False
    return not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())


def _version(tensor: Tensor) -> float:
    """Count of in-place changes; inference tensors keep none, and NaN is equal to nothing."""
    return math.nan if tensor.is_inference() else tensor._version


def _mode() -> tuple[bool, bool]:
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled()


def _is_alive(node: Any) -> bool:
    try:
        return node._saved_other is not None
    except RuntimeError:
        return False
