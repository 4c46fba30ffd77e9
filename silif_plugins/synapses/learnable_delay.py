"""What all learnable delays have: the delays, their width, their rounded form, and the inputs that still travel."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Self, TypedDict, TypeVar, Unpack, get_args

import torch
from torch import Tensor, nn

from .taps import LEAST_WIDTH, gaussian_taps, rounded_taps, triangle_taps, within

Module = TypeVar("Module", bound=nn.Module)

DelaySchedule = Literal["cosine", "one-cycle", "constant"]
DelayKernel = Literal["gaussian", "triangle"]


class DelaySettings(TypedDict, total=False):
    """Options that all learnable delays have, by name; those of how they learn act in `silif_plugins.training`.

    Attributes:
        kernel: ``"gaussian"``, of DCLS, or ``"triangle"``, of DelRec, whose base is 2 + 2 sigma wide.
        learn_width: Whether each delay of a triangle has a width of its own, sigma times 0 to 2, which is learnt with
            the weights.
        sigma: Width of the Gaussian at the start, in steps, before DCLS's 0.27 is added; by default half of
            ``max_delay``, rounded up, as published.
        last_sigma: Width after ``narrowing``, 0.23 by default; in between it falls by the same factor every epoch.
        narrowing: Share of the training in which the Gaussian narrows, 0.25 by default.
        delay_rate: Learning rate of the delays, 0.1 by default: about a tenth of a step for each of the optimiser's.
        delay_schedule: ``"cosine"``, over the whole training, ``"one-cycle"``, or ``"constant"``.
        kept: Share of the delays that training keeps, all by default; the others become 0. Which ones matter is told by
            the mean of abs(delay * gradient), what the loss would change without them. They are taken away between
            ``narrowing`` and half of the rest of the training.
        rounded: Whether delays are rounded to whole steps, exactly; they are not learnt then.
        round_in_eval: Whether they are rounded in evaluation, as published, while they are still learnt.
        device: As for ``nn.Linear``.
        dtype: As for ``nn.Linear``.
    """

    kernel: DelayKernel
    learn_width: bool
    sigma: float | None
    last_sigma: float
    narrowing: float
    delay_rate: float
    delay_schedule: DelaySchedule
    kept: float
    rounded: bool
    round_in_eval: bool
    device: torch.device | str | None
    dtype: torch.dtype | None


class DelayMemory(NamedTuple):
    """What the whole delays of a connection need on a chip, for one sequence.

    Attributes:
        delays: Number of delays that are not 0, each to be stored once.
        entries: Places in buffers, in which what is sent waits.
        holds: What waits there: ``"spikes"``, or ``"currents"``, which are numbers.
    """

    delays: int
    entries: int
    holds: Literal["spikes", "currents"]


class DelayedModule(nn.Module):
    """Runs whole sequences, parts of them and single steps by one method, `run`; the base of layers with delays.

    Examples:
        >>> from silif_plugins.synapses import AxonalDelay
        >>> delays, spikes = AxonalDelay(5, 9), torch.ones(100, 2, 5)
        >>> first, state = delays.run(spikes[:60])
        >>> rest, state = delays.run(spikes[60:], state)
        >>> torch.allclose(torch.cat([first, rest]), delays(spikes))
        True
    """

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence.

        Args:
            inputs: The next steps, [T, B, inputs].
            state: The inputs of the steps before, oldest first, [max_delay, B, inputs]: one buffer for each input, not
                for each synapse. By default they were zero.

        Returns:
            What arrives in these steps, [T, B, outputs], and the state after them.

        Raises:
            ValueError: If the shapes do not fit.
            TypeError: If the inputs are complex.
        """
        raise NotImplementedError

    @property
    def is_rounded(self) -> bool:
        """Whether delays are whole steps now."""
        raise NotImplementedError

    def state_after(self, past: Tensor) -> Tensor:
        """Return the state after the inputs of the last max_delay steps: those themselves, if nothing else is kept."""
        return past

    def travelling_on(self, past: Tensor) -> Tensor:
        """Return what inputs of the past bring in as many steps, from their last one on.

        Inputs are [max_delay + 1, B, inputs]; the result is [max_delay + 1, B, M], still to go through `arrive`.
        """
        raise NotImplementedError

    def spread(self) -> Callable[[Tensor], Tensor]:
        """Return a function from inputs [B, inputs] of a step to what they bring in the steps from that one on.

        The result is that of `travelling_on`. Shares of the lags are computed once: for loops over steps that train.
        """
        raise NotImplementedError

    def arrive(self, brought: Tensor) -> Tensor:
        """Return outputs [B, outputs] of a step from all that was brought to it, [B, M]."""
        return brought

    def operations_per_event(self) -> int:
        """Return the synaptic operations that an input costs: its fan-out, doubled where each synapse delays."""
        raise NotImplementedError

    def memory(self) -> DelayMemory:
        """Return what whole delays need on a chip."""
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        """Return outputs [T, B, outputs] from inputs [T, B, inputs]; nothing came before them."""
        return self.run(inputs)[0]

    def step(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take one step: outputs [B, outputs] from inputs [B, inputs], and the state for the next one.

        The state that is given stays as it is, so that gradients flow through steps, and one can step again from it.
        """
        outputs, state = self.run(inputs.unsqueeze(0), state)
        return outputs.squeeze(0), state

    def discretised(self) -> Self:
        """Return a copy with whole delays, exactly; this layer stays as it is. See `discretised`."""
        return discretised(self)


class LearnableDelay(DelayedModule):
    """Delays from 0 to ``max_delay`` steps, learnt through a Gaussian over the lags; the base of what uses them.

    `silif_plugins.training` asks every module, whatever it is, for `optimizer_groups`, and calls `begin_epoch` and
    `after_step` where they are; a training loop of your own may do the same.

    Args:
        shape: Of the delays.
        max_delay: The longest delay.
        settings: See `DelaySettings`.

    Raises:
        ValueError: If an argument is not valid.

    Attributes:
        delay: In steps; drawn uniformly from 0 to ``max_delay``. What an optimiser takes beyond counts as the limit.
        sigma: Width of the Gaussian, a buffer: training narrows it by `begin_epoch`, or ``layer.sigma.fill_(...)``.
        max_delay: The longest delay.
        rounded: Whether each input arrives at the whole step next to its delay, and nowhere else.

    Examples:
        >>> from silif_plugins.synapses import DelayedLinear
        >>> layer = DelayedLinear(3, 2, max_delay=9)
        >>> layer.taps().shape
        torch.Size([10, 2, 3])
    """

    width: nn.Parameter | None
    sigma: Tensor
    mask: Tensor | None
    relevance: Tensor | None

    def __init__(self, shape: tuple[int, ...], max_delay: int, **settings: Unpack[DelaySettings]) -> None:
        super().__init__()
        if unknown := sorted(settings.keys() - DelaySettings.__annotations__.keys()):
            raise ValueError(f"{unknown[0]}: unknown option; known are {', '.join(DelaySettings.__annotations__)}")
        if isinstance(max_delay, bool) or not isinstance(max_delay, int) or max_delay < 0:
            raise ValueError(f"max_delay: got {max_delay!r}; it must be a whole number of steps, 0 or more")
        sigma = settings.get("sigma")
        first = float((max_delay + 1) // 2) if sigma is None else sigma
        last, narrowing = settings.get("last_sigma", 0.23), settings.get("narrowing", 0.25)
        rate, schedule = settings.get("delay_rate", 0.1), settings.get("delay_schedule", "cosine")
        for name, width in (("sigma", first), ("last_sigma", last)):
            if not (isinstance(width, (int, float)) and 0 <= width < math.inf):
                raise ValueError(f"{name}: got {width!r}; it must be a finite number of steps, 0 or more")
        if not 0 <= narrowing <= 1:
            raise ValueError(f"narrowing: got {narrowing}; it must be a share of the training, 0 to 1")
        if not 0 <= rate < math.inf:
            raise ValueError(f"delay_rate: got {rate}; it must be finite, 0 or more")
        if not 0 <= (kept := settings.get("kept", 1.0)) <= 1:
            raise ValueError(f"kept: got {kept}; it must be a share of the delays, 0 to 1")
        if schedule not in get_args(DelaySchedule):
            raise ValueError(f"delay_schedule: got {schedule!r}; it must be 'cosine', 'one-cycle' or 'constant'")
        if (kernel := settings.get("kernel", "gaussian")) not in get_args(DelayKernel):
            raise ValueError(f"kernel: got {kernel!r}; it must be 'gaussian' or 'triangle'")
        rounded, round_in_eval = settings.get("rounded", False), settings.get("round_in_eval", False)
        learn_width = settings.get("learn_width", False)
        for name, choice in (("rounded", rounded), ("round_in_eval", round_in_eval), ("learn_width", learn_width)):
            if not isinstance(choice, bool):
                raise ValueError(f"{name}: got {choice!r}; it must be True or False")
        if learn_width and kernel != "triangle":
            raise ValueError("learn_width: got True; only a triangle has a width that is learnt")
        self.kernel: DelayKernel = kernel
        self.max_delay, self.rounded, self.round_in_eval = max_delay, rounded, round_in_eval
        self.first_sigma, self.last_sigma, self.narrowing = float(first), float(last), float(narrowing)
        self.delay_rate = float(rate)
        self.delay_schedule: DelaySchedule = schedule
        device, dtype = settings.get("device"), settings.get("dtype")
        self.delay = nn.Parameter(torch.empty(shape, device=device, dtype=dtype), requires_grad=not rounded)
        self.register_parameter("width", nn.Parameter(torch.zeros_like(self.delay)) if learn_width else None)
        self.register_buffer("sigma", torch.full((), self.first_sigma, device=device, dtype=dtype))
        self.kept = float(kept)
        self.register_buffer("mask", self.delay.detach().new_ones(shape, dtype=torch.bool) if kept < 1 else None)
        self.register_buffer("relevance", self.delay.detach().new_zeros(shape) if kept < 1 else None)

    @property
    def is_rounded(self) -> bool:
        """Whether delays are whole steps now."""
        return self.rounded or (self.round_in_eval and not self.training)

    def settings(self) -> DelaySettings:
        """Return the options that make a layer like this, but for its device and data type.

        Examples:
            >>> from silif_plugins.synapses import AxonalDelay
            >>> delays = AxonalDelay(5, 20, kernel="triangle", kept=0.2)
            >>> AxonalDelay(5, 20, **delays.settings()).settings() == delays.settings()
            True
        """
        return {
            "kernel": self.kernel,
            "learn_width": self.width is not None,
            "sigma": self.first_sigma,
            "last_sigma": self.last_sigma,
            "narrowing": self.narrowing,
            "delay_rate": self.delay_rate,
            "delay_schedule": self.delay_schedule,
            "kept": self.kept,
            "rounded": self.rounded,
            "round_in_eval": self.round_in_eval,
        }

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """Return the delays as a group for an optimiser, with the rate and schedule of their own.

        Examples:
            >>> from silif_plugins.synapses import AxonalDelay
            >>> [group["lr"] for group in AxonalDelay(5, 9).optimizer_groups()]
            [0.1]
        """
        if self.rounded:
            return []
        return [{"params": [self.delay], "lr": self.delay_rate, "schedule": self.delay_schedule, "weight_decay": 0.0}]

    @torch.no_grad()
    def begin_epoch(self, done: float) -> None:
        """Narrow the Gaussian to what it is after a share ``done`` of the training.

        Examples:
            >>> from silif_plugins.synapses import AxonalDelay
            >>> delays = AxonalDelay(5, 20)
            >>> for done in (0, 0.125, 0.25, 0.9):
            ...     delays.begin_epoch(done)
            ...     print(round(delays.sigma.item(), 2))
            10.0
            1.52
            0.23
            0.23
        """
        share = min(1.0, done / self.narrowing) if self.narrowing else 1.0
        widths = self.first_sigma + LEAST_WIDTH, self.last_sigma + LEAST_WIDTH
        if self.first_sigma and self.last_sigma:  # as published, where 0.27 is added afterwards
            self.sigma.fill_(self.first_sigma * (self.last_sigma / self.first_sigma) ** share)
        else:
            self.sigma.fill_(widths[0] * (widths[1] / widths[0]) ** share - LEAST_WIDTH)
        self._prune(done)

    @torch.no_grad()
    def after_step(self) -> None:
        """Do what follows each step of an optimiser: take note of which delays matter, and `clamp_`."""
        if self.relevance is not None and self.delay.grad is not None:
            self.relevance.lerp_((self.delay * self.delay.grad).abs(), 0.01)
        self.clamp_()

    def _prune(self, done: float) -> None:
        """Take away the delays that matter least, as many as are to be gone by now."""
        if self.mask is None or self.relevance is None or not self.mask.numel():
            return
        half = (1 - self.narrowing) / 2
        passed = min(1.0, max(0.0, done - self.narrowing) / half) if half else float(done >= 1)
        left = round((1 - passed * (1 - self.kept)) * self.mask.numel())
        if left < int(self.mask.sum()):
            ranked = self.relevance.masked_fill(~self.mask, -1).flatten().argsort(descending=True)
            self.mask.view(-1)[ranked[left:]] = False
        self.clamp_()

    def reset_parameters(self) -> None:
        """Draw the delays anew."""
        nn.init.uniform_(self.delay, 0, self.max_delay)

    def taps(self) -> Tensor:
        r"""Return the share of an input that arrives after 0 to ``max_delay`` steps, [max_delay + 1, \*delays]."""
        delay = self.limited()
        if self.is_rounded:
            return rounded_taps(delay.detach(), self.max_delay)
        if self.kernel == "triangle":
            share = 1 if self.width is None else 2 * torch.sigmoid(self.width)
            return triangle_taps(delay, 1 + self.sigma * share, self.max_delay)
        return gaussian_taps(delay, self.sigma, self.max_delay)

    def limited(self) -> Tensor:
        """Return the delays that act: within 0 and ``max_delay``, and 0 where they were pruned."""
        delay = within(self.delay, self.max_delay)
        return delay if self.mask is None else delay * self.mask

    @torch.no_grad()
    def clamp_(self) -> None:
        """Take delays that are beyond 0 or ``max_delay`` to that limit, as DCLS does after each step of training.

        Those that were pruned become 0.
        """
        self.delay.copy_(self.limited())

    def whole(self) -> Tensor:
        """Return the delays in whole steps, without gradient."""
        return self.limited().detach().round()

    def window(self, inputs: Tensor, past: Tensor | None) -> Tensor:
        """Put the inputs of the ``max_delay`` steps before in front of ``inputs`` [T, B, N]; zeros without a ``past``.

        Raises:
            ValueError: If the shapes do not fit.
        """
        shape = self.past_shape(inputs, past)
        return torch.cat([inputs.new_zeros(shape) if past is None else past, inputs])

    def past_shape(self, inputs: Tensor, past: Tensor | None) -> tuple[int, ...]:
        """Return the shape of the past of inputs [T, B, N]; raise ValueError if theirs, or its own, does not fit."""
        num_inputs = self.delay.shape[-1]
        if inputs.dim() != 3 or inputs.shape[-1] != num_inputs:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be [T, B, {num_inputs}]")
        shape = (self.max_delay, *inputs.shape[1:])
        if past is not None and past.shape != shape:
            raise ValueError(
                f"state: got shape {tuple(past.shape)}; it must be {shape}, the inputs of the steps before"
            )
        return shape

    def travelling(self, window: Tensor) -> Tensor:
        """Return the end of a window, of which inputs are still to arrive: the state [max_delay, B, N]."""
        return window[window.shape[0] - self.max_delay :]

    def extra_repr(self) -> str:
        """Show the options."""
        return f"max_delay={self.max_delay}, rounded={self.rounded}"


def delay_memory(net: nn.Module) -> dict[str, DelayMemory]:
    """Return what the whole delays of a network need on a chip, by the names of its connections.

    With a delay per synapse, each input must be kept for the longest of its delays; with one per input for that one.

    Examples:
        >>> from silif_plugins.synapses import AxonalLinear
        >>> net = nn.Sequential(AxonalLinear(3, 2, 9))
        >>> net[0].delays.delay.data.copy_(torch.tensor([0.0, 4.0, 9.0]))
        tensor([0., 4., 9.])
        >>> delay_memory(net)
        {'0': DelayMemory(delays=2, entries=13, holds='spikes')}
    """
    found, inner = {}, set()
    for name, module in net.named_modules():
        if isinstance(module, DelayedModule) and module not in inner:
            found[name] = module.memory()
            inner |= set(module.modules())
    return found


def discretised(module: Module) -> Module:
    """Return a copy of a layer or network whose delays are whole steps, exactly; the original stays as it is.

    Delays are rounded to the next step, and each input arrives there with its full weight. Weights can be trained
    on; delays are fixed.

    Examples:
        >>> from silif_plugins.synapses import AxonalDelay
        >>> net = nn.Sequential(AxonalDelay(3, 9), nn.Linear(3, 2))
        >>> discretised(net)[0]
        AxonalDelay(3, max_delay=9, rounded=True)
    """
    exact = copy.deepcopy(module)
    for layer in exact.modules():
        if isinstance(layer, LearnableDelay):
            layer.rounded = True
            layer.clamp_()
            layer.delay.requires_grad_(False).round_()
    return exact
