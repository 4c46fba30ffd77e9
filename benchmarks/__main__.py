"""All speed tables: python -m benchmarks [--threads 1 2] [--only layer speedup memory scaling network gpu] [--quick].

Rivals run where they are installed (snntorch, norse, spikingjelly), the published code where SILIF_OFFICIAL names a
clone of SSM-inspired-LIF.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import torch

from . import figures, gpu, layer, network


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", default=["layer", "speedup", "memory", "scaling", "network", "gpu"])
    parser.add_argument("--quick", action="store_true", help="leave out rivals of quadratic time, and all but one size")
    parser.add_argument(
        "--compile", action="store_true", help="add the reference loop under torch.compile (slow to start)"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), help="folder of the plots")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    tables, sweeps = {}, None
    if "layer" in arguments.only:
        for threads in arguments.threads:
            for shape in layer.SHAPES[:1] if arguments.quick else layer.SHAPES:
                times = layer.table(shape, threads, compile=arguments.compile, quick=arguments.quick)
                tables[f"{list(shape)}, {threads} threads"] = times
    if "speedup" in arguments.only and max(arguments.threads) > 1:
        layer.speedup(max(arguments.threads))
    if "memory" in arguments.only:
        layer.memory((250, 32, 512))
    if "scaling" in arguments.only:
        sweeps = layer.scaling()
    if "network" in arguments.only:
        for threads in arguments.threads:
            network.table(threads)
        network.loss_curves()
    if "gpu" in arguments.only:
        gpu.run(arguments.output / "gpu.md")
    if tables and find_spec("matplotlib"):
        for file in figures.save(arguments.output, tables, sweeps):
            print(f"saved {file}")


if __name__ == "__main__":
    main()
