"""Run snnTorch's own notebooks with SiLIF and CSiLIF in the place of snn.Leaky, and compare how they learn.

    SNNTORCH_SOURCE=checkout python -m benchmarks.snntorch_notebooks [--notebooks ...] [--ways ...] [--seeds ...]

SNNTORCH_SOURCE names a checkout of github.com/jeshraghian/snntorch. It needs, beside the package, matplotlib, pandas,
torchvision, tonic, scikit-learn and IPython. The ways are: SiLIF, only the constructor is another, without its beta=;
SiLIF-beta, the same with beta= and learn_beta= as they were; SiLIF-replace, the code as it is and replace() after the
network is made; and these three with CSiLIF. Data are stand-ins of the same shape, trainings are shortened, all alike,
and weights and the order of the data are the same with every neuron. Runs are kept as they end, and are not repeated
unless --again is given: it can be stopped at any time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from silif_plugins.files import write_file

from .notebooks import NOTEBOOKS
from .report import WAYS, markdown
from .run import work

RESULTS = Path(__file__).parents[1] / "results" / "snntorch_notebooks.json"


SERVER = multiprocessing.get_context("forkserver")  # it imports all once, and a run starts at once in its own process
SERVER.set_forkserver_preload(["benchmarks.snntorch_notebooks.run"])


def run(notebook: str, way: str, seed: int, limit: float) -> dict[str, Any]:
    """Run a notebook in a process of its own."""
    receiver, sender = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=work, args=(sender, notebook, way, seed))
    process.start()
    sender.close()
    try:
        if receiver.poll(limit):
            return dict(receiver.recv())
        return {"failed": {"all": f"took more than {limit:g} s"}, "trainings": []}
    except EOFError:
        return {"failed": {"all": "the process ended without a result"}, "trainings": []}
    finally:
        process.kill()
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.snntorch_notebooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--notebooks", nargs="+", choices=list(NOTEBOOKS), default=list(NOTEBOOKS), metavar="NAME")
    parser.add_argument("--ways", nargs="+", choices=["leaky", *WAYS], default=["leaky", *WAYS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each of one thread")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that a run may take")
    parser.add_argument("--again", action="store_true", help="repeat what has been run")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON; the table is written beside it, as .md")
    arguments = parser.parse_args()
    if not Path(os.environ.get("SNNTORCH_SOURCE", ""), "examples", "quickstart.ipynb").exists():
        parser.error("SNNTORCH_SOURCE: set it to a checkout of github.com/jeshraghian/snntorch")

    runs: dict[str, dict[str, Any]] = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    wanted = [
        (notebook, way, seed)
        for seed in arguments.seeds
        for notebook in arguments.notebooks
        for way in arguments.ways
        if NOTEBOOKS[notebook].made or not way.endswith("-replace")  # replace() takes no StateLeaky
        if arguments.again or f"{notebook}/{way}/{seed}" not in runs
    ]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    pool = ThreadPoolExecutor(arguments.jobs)
    try:
        futures = {pool.submit(run, *each, arguments.limit): "/".join(map(str, each)) for each in wanted}
        with tqdm(total=len(wanted), unit="run") as progress:
            for future in as_completed(futures):
                progress.set_postfix_str(futures[future])
                progress.update()
                runs[futures[future]] = future.result()
                write_file(arguments.output, (json.dumps(dict(sorted(runs.items())), indent=1) + "\n").encode())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    text = markdown(runs)
    write_file(arguments.output.with_suffix(".md"), text.encode())
    print(text)


if __name__ == "__main__":
    main()
