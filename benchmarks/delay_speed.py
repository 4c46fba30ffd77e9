"""Times of delays, as ratios: training against DCLS, whole delays against the convolution, axonal ones against none.

Layers, and whole networks.

    python -m benchmarks.delay_speed

512 inputs and outputs, 25 lags, batches of 32, 100 steps, one thread; CPU time, medians of interleaved runs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import nn

from silif_plugins import tables
from silif_plugins.sparch import SpArchNet
from silif_plugins.synapses import AxonalLinear, DelayedLinear, DendriticLinear, SpikeLinear
from silif_plugins.synapses.taps import convolve

STEPS, BATCH, NEURONS, MAX_DELAY = 100, 32, 512, 24

WIDTHS = [12 * (0.23 / 12) ** (part / 3) for part in range(4)]
"""Widths of the Gaussian at the beginning, a third, two thirds and the end of its narrowing."""


def medians(runs: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Return milliseconds of CPU time by name."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if repeat:  # the first one compiles
                times[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(each) for name, each in times.items()}


def spikes(rate: float) -> torch.Tensor:
    return (torch.rand(STEPS, BATCH, NEURONS) < rate).float()


def step_of(layer: nn.Module, inputs: torch.Tensor, *, time_last: bool = False) -> Callable[[], None]:
    """Return a training step: forward, and backward to the inputs too."""
    grad = torch.randn(STEPS, BATCH, NEURONS)

    def run() -> None:
        x = inputs.clone().requires_grad_()
        if time_last:
            layer(nn.functional.pad(x.permute(1, 2, 0), (MAX_DELAY, 0))).backward(grad.permute(1, 2, 0))
        else:
            layer(x).backward(grad)

    return run


def training() -> list[list[str]]:
    rows = [["training step", "ms", "against DCLS"]]
    from DCLS.construct.modules import Dcls1d

    inputs = spikes(0.07)
    for sigma in (12.0, 6.0, 4.0, 2.0, 1.0, 0.23):
        theirs = Dcls1d(
            NEURONS, NEURONS, kernel_count=1, dilated_kernel_size=MAX_DELAY + 1, version="gauss", bias=False
        )
        nn.init.uniform_(theirs.P, -(MAX_DELAY // 2), MAX_DELAY // 2)
        nn.init.constant_(theirs.SIG, sigma)
        ours = DelayedLinear.from_dcls(theirs.state_dict(), MAX_DELAY)
        found = medians({"ours": step_of(ours, inputs), "DCLS": step_of(theirs, inputs, time_last=True)})
        rows.append([f"sigma {sigma:g}", f"{found['ours']:.0f}", f"{found['ours'] / found['DCLS']:.2f}"])
    return rows


def inference() -> list[list[str]]:
    rows = [["inference", "synaptic / convolution", "axonal / no delays", "axonal / convolution"]]
    synaptic = DelayedLinear(NEURONS, NEURONS, MAX_DELAY, bias=False).discretised()
    axonal, plain = AxonalLinear(NEURONS, NEURONS, MAX_DELAY, bias=False).discretised(), SpikeLinear(NEURONS, NEURONS)
    taps = (synaptic.weight * synaptic.taps()).detach()
    with torch.no_grad():
        for rate in (0.02, 0.07, 0.15):
            inputs = spikes(rate)
            window = torch.cat([inputs.new_zeros(MAX_DELAY, BATCH, NEURONS), inputs])
            runs = {
                "convolution": lambda window=window: convolve(window, taps),
                "synaptic": lambda inputs=inputs: synaptic(inputs),
                "axonal": lambda inputs=inputs: axonal(inputs),
                "plain": lambda inputs=inputs: plain(inputs),
            }
            found = medians(runs)
            pairs = (("synaptic", "convolution"), ("axonal", "plain"), ("axonal", "convolution"))
            rows.append([f"{100 * rate:g} % spikes", *(f"{found[a] / found[b]:.2f}" for a, b in pairs)])
    return rows


def over_training(times: dict[float, float]) -> float:
    """Return the mean of times by width, over the published schedule: a quarter of it narrowing, the rest narrow.

    Widths are equally far apart on the logarithmic scale on which they narrow.
    """
    narrowing = list(times.values())
    mean = (sum(narrowing) - (narrowing[0] + narrowing[-1]) / 2) / (len(narrowing) - 1)
    return 0.25 * mean + 0.75 * narrowing[-1]


def without_delays() -> list[list[str]]:
    rows = [["training step, 7 % spikes", "ms", "against nn.Linear", "against no delays, by events"]]
    inputs = spikes(0.07)
    layers = {
        "no delays, dense": SpikeLinear(NEURONS, NEURONS, events="never"),
        "no delays, by events": SpikeLinear(NEURONS, NEURONS),
        **{f"axonal, sigma {s:.2g}": AxonalLinear(NEURONS, NEURONS, MAX_DELAY, sigma=s) for s in WIDTHS},
        "dendritic": DendriticLinear(NEURONS, NEURONS, MAX_DELAY),
    }
    found = medians({name: step_of(layer, inputs) for name, layer in layers.items()}, 9)
    dense, events = found["no delays, dense"], found["no delays, by events"]
    found["axonal, over a published training"] = over_training({s: found[f"axonal, sigma {s:.2g}"] for s in WIDTHS})
    rows += [[name, f"{ms:.0f}", f"{ms / dense:.2f}", f"{ms / events:.2f}"] for name, ms in found.items()]
    return rows


def networks() -> list[list[str]]:
    """Compare training steps of networks 140-512-512-20 whose hidden neurons fire at about 6 %."""
    rows = [["training step of a network", "spikes, %", "ms", "against no delays"]]
    frames, labels = (torch.rand(BATCH, STEPS, 140) < 0.05).float(), torch.randint(20, (BATCH,))

    def network(connection: str, **options: float) -> SpArchNet:
        if connection != "linear":
            options = {"max_delay": MAX_DELAY, **options}
        net = SpArchNet(140, (NEURONS, NEURONS), 20, connection=connection, connection_options=options, dropout=0.25)
        for layer in net.hidden:  # a wide Gaussian smooths currents, and an untrained network fires less
            layer.current.norm.weight.data.mul_(3.4 if options.get("sigma", 0) > 10 else 2.2)
        return net

    def step(net: SpArchNet) -> Callable[[], None]:
        optimiser = torch.optim.Adam(net.parameters(), 1e-5)

        def run() -> None:
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(frames).scores, labels).backward()
            optimiser.step()

        return run

    nets = {"no delays": network("linear")}
    nets |= {f"axonal, sigma {s:.2g}": network("axonal", sigma=s) for s in WIDTHS}
    nets["dendritic"] = network("dendritic", sigma=0.23)
    found = medians({name: step(net) for name, net in nets.items()}, 9)
    found["axonal, over a published training"] = over_training({s: found[f"axonal, sigma {s:.2g}"] for s in WIDTHS})
    rates = {name: f"{100 * net(frames).firing_rates.mean():.1f}" for name, net in nets.items()}
    rows += [[name, rates.get(name, ""), f"{ms:.0f}", f"{ms / found['no delays']:.2f}"] for name, ms in found.items()]
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for table in ([training] if find_spec("DCLS") else []) + [inference, without_delays, networks]:
        print(tables.table(table(), markdown=True), "\n")
