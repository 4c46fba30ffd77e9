"""A linear layer with a delay on each synapse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from .dropout import drop_inputs
from .lag_products import sum_over_lags
from .learnable_delay import DelayMemory, DelaySettings, LearnableDelay
from .linear import as_weight
from .taps import convolve
from .whole_delays import WholeSynapses, goes_by_events, transmit_whole, whole_synapses


class DelayedLinear(LearnableDelay):
    """Linear weights of which each has a learnable delay: DCLS, on sequences [T, B, N].

    Each sums its input over the lags l, with the shares of :func:`silif_plugins.synapses.gaussian_taps`::

        y[t, i] = sum over j, l of weight[i, j] * share[l, i, j] * x[t - l, j]

    No output depends on later inputs, and there are as many steps as before: what would arrive after the last one is
    lost. In the published networks each layer makes sequences ``max_delay // 2`` steps longer: ``lengthen`` does.

    Training starts with a wide Gaussian, which sees all lags, and narrows it, in the published recipe down to 0.23 (a
    width of 0.5, with DCLS's 0.27) after a quarter of the epochs; `silif_plugins.training` does that, and a loop of
    your own by `begin_epoch`. `discretised` gives the layer that then runs, with whole delays.

    Where no gradient is asked for, whole delays are computed from the spikes, at the cost of spikes times fan-out;
    training is dense, whatever the share of spikes. snnTorch's ``SynapticDelay`` and Norse's ``SynapseDelay`` have one
    delay per channel, as `AxonalDelay`; the ``DelayLinear`` of sc-neurocore interpolates between two lags.

    Args:
        in_features: Number of inputs.
        out_features: Number of outputs.
        max_delay: The longest delay, in steps.
        bias: Whether to add a bias.
        dropout: Share of inputs that are dropped in training.
        lengthen: Whether whole sequences get ``max_delay // 2`` steps longer, as published; `run` and `step` keep their
            steps. In networks that is for sequences without padding.
        settings: Options by name of how delays start, learn and run: see `DelaySettings`.

    Raises:
        ValueError: If an argument is not valid.

    Examples:
        >>> layer = DelayedLinear(64, 10, max_delay=25)
        >>> spikes = (torch.rand(100, 8, 64) < 0.05).float()
        >>> layer(spikes).shape
        torch.Size([100, 8, 10])
        >>> exact, state = layer.discretised(), None
        >>> for x in spikes:
        ...     y, state = exact.step(x, state)
        >>> torch.allclose(y, exact(spikes)[-1], atol=1e-5)
        True
    """

    takes_gate = True
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        max_delay: int,
        bias: bool = True,
        *,
        dropout: float = 0.0,
        lengthen: bool = False,
        **settings: Unpack[DelaySettings],
    ) -> None:
        super().__init__((out_features, in_features), max_delay, **settings)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: got {dropout}; it must be at least 0 and below 1")
        self.in_features, self.out_features, self.dropout = in_features, out_features, dropout
        self.lengthen = lengthen
        self.weight = nn.Parameter(self.delay.new_empty(out_features, in_features))
        self.register_parameter("bias", nn.Parameter(self.delay.new_empty(out_features)) if bias else None)
        self._synapses: tuple[list[Tensor], WholeSynapses] | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and bias as ``nn.Linear`` does, and the delays."""
        super().reset_parameters()
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        if self.bias is not None:
            bound = self.in_features**-0.5 if self.in_features else 0.0
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, inputs: Tensor, gate: Tensor | None = None) -> Tensor:
        """Return outputs [T, B, out_features] from inputs [T, B, in_features]; more steps if it lengthens.

        ``gate`` as for `spike_linear`.
        """
        dropped = drop_inputs(self, as_weight(inputs, self.weight), gate)
        if self.lengthen:
            dropped = functional.pad(dropped, (0, 0, 0, 0, 0, self.max_delay // 2))
        return self._outputs(self.window(dropped, None))

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence: outputs [T, B, out_features] and the state after inputs [T, B, in_features]."""
        window = self.window(drop_inputs(self, as_weight(inputs, self.weight)), state)
        return self._outputs(window), self.travelling(window)

    def _outputs(self, window: Tensor) -> Tensor:
        """Return outputs from a window of inputs."""
        if self.is_rounded and goes_by_events(window, self.weight):
            outputs = transmit_whole(window, self._whole(), self.max_delay)
        elif self.is_rounded or self.kernel != "gaussian":
            outputs = convolve(window, self.weight * self.taps())
        else:
            outputs = sum_over_lags(window, self.weight, self.limited(), self.sigma, self.max_delay)
        return outputs if self.bias is None else outputs + self.bias

    def travelling_on(self, past: Tensor) -> Tensor:
        """See `DelayedModule.travelling_on`."""
        return convolve(functional.pad(past, (0, 0, 0, 0, 0, self.max_delay)), self.weight * self.taps())

    def spread(self) -> Callable[[Tensor], Tensor]:
        """See `DelayedModule.spread`."""
        taps = self.weight * self.taps()
        matrix = taps.flatten(0, 1).t()  # [inputs, lags * outputs]

        def spread(inputs: Tensor) -> Tensor:
            dropped = functional.dropout(as_weight(inputs, self.weight), self.dropout, self.training)
            return (dropped @ matrix).unflatten(1, taps.shape[:2]).transpose(0, 1)

        return spread

    def arrive(self, brought: Tensor) -> Tensor:
        """Add the bias."""
        return brought if self.bias is None else brought + self.bias

    def operations_per_event(self) -> int:
        """Return twice the fan-out."""
        return 2 * self.out_features

    def memory(self) -> DelayMemory:
        """Return the delays of all synapses; each input waits in one buffer for the longest of its own."""
        delays = self.whole()
        entries = delays.amax(0).sum() if len(delays) else delays.sum()
        return DelayMemory(int(delays.count_nonzero()), int(entries), "spikes")

    def _whole(self) -> WholeSynapses:
        """Return the synapses as the kernels read them, laid out anew where weights or delays have changed.

        They are compared: a tensor's count of changes leaves out those by ``data`` and by PyTorch's fused optimisers.
        """
        parts = [self.weight, self.delay] if self.mask is None else [self.weight, self.delay, self.mask]
        if self._synapses is None or not all(map(_is_same, self._synapses[0], parts)):
            self._synapses = (
                [each.detach().clone() for each in parts],
                whole_synapses(self.weight, self.whole(), self.max_delay),
            )
        return self._synapses[1]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made anew: addresses differ in a copy."""
        return {**self.__dict__, "_synapses": None}

    def to_dcls(self) -> dict[str, Tensor]:
        """Return the state_dict of ``DCLS.construct.modules.Dcls1d(in_features, out_features, kernel_count=1, ...)``.

        It has ``dilated_kernel_size=max_delay + 1`` and ``version="gauss"``, and positions instead of delays.

        Examples:
            >>> {name: tuple(value.shape) for name, value in DelayedLinear(3, 2, 24).to_dcls().items()}
            {'weight': (2, 3, 1), 'P': (1, 2, 3, 1), 'SIG': (1, 2, 3, 1), 'bias': (2,)}
        """
        delay = self.delay.detach().clamp(0, self.max_delay)
        state = {
            "weight": self.weight.detach().unsqueeze(-1).clone(),
            "P": (self.max_delay // 2 - delay).view(1, *delay.shape, 1),
            "SIG": self.sigma.expand(1, *delay.shape, 1).clone(),
        }
        return state if self.bias is None else {**state, "bias": self.bias.detach().clone()}

    @classmethod
    def from_dcls(cls, state: Mapping[str, Tensor], max_delay: int, **options: Any) -> Self:
        """Return the layer of a state_dict of ``Dcls1d``, of version "gauss" and with one element per synapse.

        Args:
            state: ``weight`` [out, in, 1], ``P`` and ``SIG`` [1, out, in, 1], perhaps ``bias`` [out].
            max_delay: Its ``dilated_kernel_size`` - 1, which the state_dict does not tell.
            options: Further arguments of the layer.

        Raises:
            ValueError: If a tensor is missing, has another shape, or ``SIG`` is not the same everywhere.

        Examples:
            >>> layer = DelayedLinear(3, 2, 24)
            >>> torch.allclose(DelayedLinear.from_dcls(layer.to_dcls(), 24).delay, layer.delay)
            True
        """
        for name in ("weight", "P", "SIG"):
            if name not in state:
                raise ValueError(f"state: got {', '.join(state)}; it must have weight, P and SIG")
        weight, sigma = state["weight"], state["SIG"]
        if weight.dim() != 3 or weight.shape[2] != 1:
            raise ValueError(f"weight: got shape {tuple(weight.shape)}; it must be [outputs, inputs, 1]")
        for name in ("P", "SIG"):
            if state[name].shape != (1, *weight.shape):
                raise ValueError(f"{name}: got shape {tuple(state[name].shape)}; it must be {(1, *weight.shape)}")
        if not (sigma == sigma.flatten()[0]).all():
            raise ValueError(f"SIG: got {sigma.min():g} to {sigma.max():g}; it must be the same for all synapses")
        options = {"dtype": weight.dtype, "device": weight.device, **options}
        layer = cls(weight.shape[1], weight.shape[0], max_delay, "bias" in state, **options)
        with torch.no_grad():
            layer.weight.copy_(weight[..., 0])
            layer.delay.copy_(max_delay // 2 - state["P"][0, ..., 0])
            layer.sigma.copy_(sigma.flatten()[0].abs())
            if layer.bias is not None:
                layer.bias.copy_(state["bias"])
        return layer

    def extra_repr(self) -> str:
        """Show sizes and options."""
        sizes = f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        return f"{sizes}, {super().extra_repr()}, dropout={self.dropout:g}"


def _is_same(first: Tensor, second: Tensor) -> bool:
    """Whether tensors are alike in type and all values."""
    return first.dtype == second.dtype and first.device == second.device and torch.equal(first, second)
