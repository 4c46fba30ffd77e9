"""Spikes of exported networks on all machines against Python's, sizes, instructions, and the latency of a stream.

    silif train --out runs/digits
    python -m benchmarks.machines runs/digits

Test utterances run on this machine, in WebAssembly and on an emulated Cortex-M4F with states in float32, and on the M4F
and the M0+ with states of 16 bits, all with weights of 8 bits; instructions are counted for eight of them. Then one
stream of the network runs a step at a time, in Python.
"""

from __future__ import annotations

import argparse
import time

import torch

from silif_plugins import tables
from silif_plugins.deploy import Host, Stream, Wasm, chip_report, prepared, run_on
from silif_plugins.formats import Model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("--utterances", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trained = Model.load(arguments.run)
    rows = [("machine", "states", "spikes that differ", "of", "flash", "RAM", "instructions", "busiest", "worst")]
    for state in ("float32", "int16"):
        net, test, front_end = prepared(trained, "8", state, 256)  # type: ignore[arg-type]
        frames = test.frames[: arguments.utterances].float()
        expected = torch.cat(net.run(frames)[0].spikes, dim=2)
        for machine in (Host(net), Wasm(net)):
            differ = int((run_on(machine, net, frames).spikes != expected).sum())
            size = f"{len(machine.module):,}" if isinstance(machine, Wasm) else ""
            rows.append((type(machine).__name__.lower(), state, str(differ), f"{expected.numel():,}", size, *[""] * 4))
        for chip in ("cortex-m4f", "cortex-m0+")[: 1 if state == "float32" else 2]:
            report = chip_report(net, frames, chip, front_end=front_end)
            sizes = (report.flash, report.ram, report.instructions, report.busiest, report.worst)
            rows.append((chip, state, str(report.differ), f"{report.spikes:,}", *(f"{size:,}" for size in sizes)))
    print(tables.table(rows, markdown=True))
    net, test, _ = prepared(trained, "8", "float32", 256)
    for name, each in (("float32", trained.net), ("8 bits", net)):
        stream, frames = Stream(each, horizon=test.steps), test.frames[:3].float().flatten(0, 1)
        stream.push(frames)  # compiles
        begun = time.process_time()
        for frame in frames:
            stream.push(frame)
        spent = 1000 * (time.process_time() - begun) / len(frames)
        print(f"Stream, {name}: {spent:.2f} ms of processor time a step, one at a time")


if __name__ == "__main__":
    main()
