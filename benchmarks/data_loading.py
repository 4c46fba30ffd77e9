"""What the cache of frames saves, and how long training waits for its data.

    python -m benchmarks.data_loading [--samples 10000] [--rounds 3] [--only cache waiting]

Data sets with random content are written in the published layouts: spikes as in the Spiking Speech Commands (8000
events a recording, their mean) and wav files of a second as in Google Speech Commands. "Made" is from these files to
frames in memory, without the cache; "read" is the same call again. All files are in the system's page cache, so that
the disk plays no part. Training is that of the paper's recipes, with two threads, on a part of the data; "waiting" is
the time in which the trainer stands still until its next batch is there, in percent of the epoch. The first batch
of an epoch is never there before it is asked for, which counts for more here than with the whole data set. Both
tables are printed and written to benchmarks/results.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from silif_plugins.datasets import (
    SSC,
    ChannelJitter,
    DropEvents,
    FrameDataset,
    Recordings,
    SpeechCommands,
    write_recordings,
)
from silif_plugins.datasets.batching import batches
from silif_plugins.paper import recipes
from silif_plugins.tables import table
from silif_plugins.training import Splits, TrainConfig, checkpoint, train

RESULTS = Path(__file__).parent / "results"
EVENTS = 8000
WORDS = 35
VALIDATION = 64  # samples: it is not what is measured

Row = tuple[str, str, str, str]


def spikes(number: int) -> Recordings:
    random = np.random.default_rng(0)
    sizes = random.normal(EVENTS, EVENTS / 5, number).clip(100).astype(int)
    return Recordings(
        [np.sort(random.random(size, dtype=np.float32)).astype(np.float16) for size in sizes],
        [random.integers(0, 700, size, dtype=np.uint16) for size in sizes],
        np.arange(number) % WORDS,
        classes=[str(word) for word in range(WORDS)],
        num_channels=700,
        speakers=np.arange(number) % 5,
    )


def write_clips(folder: Path, number: int) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 3000, 20 * 16_000).astype("<i2")
    for index in range(number):
        (folder / f"word{index % WORDS}").mkdir(parents=True, exist_ok=True)
        start = random.integers(len(noise) - 16_000)
        with wave.open(str(folder / f"word{index % WORDS}" / f"{index}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
            file.writeframes(noise[start : start + 16_000].tobytes())
    for name in ("validation_list", "testing_list"):
        (folder / f"{name}.txt").write_text("word0/0.wav\n")


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def cache_rows(name: str, load: Callable[[], FrameDataset], cache: Path, rounds: int) -> list[Row]:
    rows = []
    for _ in range(rounds):
        shutil.rmtree(cache, ignore_errors=True)
        made, read = seconds(load), min(seconds(load) for _ in range(3))
        rows.append((name, f"{made:.2f} s", f"{read:.2f} s", f"{made / read:.0f}"))
        print(*rows[-1], flush=True)
    return rows


def changing(number: int, config: TrainConfig) -> FrameDataset:
    """Frames binned from events that are augmented anew for every batch: the most that a loader here has to do."""
    assert config.steps
    assert config.max_time
    recordings = spikes(number)
    binning = {"max_time": config.max_time, "pool": config.pool or 1, "published": config.published}
    frames = FrameDataset.from_recordings(recordings, steps=config.steps, **binning)
    return frames.augmented(recordings, [ChannelJitter(20, 700), DropEvents(0.1)], **binning)


def settings(recipe: str) -> TrainConfig:
    return TrainConfig.from_mapping({**recipes.read(recipes.find(recipe)), "epochs": 2})


def waiting_row(name: str, config: TrainConfig, train_set: FrameDataset, rest: FrameDataset, folder: Path) -> Row:
    loader = batches(train_set, config.batch_size, shuffle=torch.Generator().manual_seed(0), augment=True)
    alone = seconds(lambda: sum(len(batch.labels) for batch in loader))
    shutil.rmtree(folder, ignore_errors=True)
    train(config, folder, data=Splits(train_set, rest, rest))
    progress = checkpoint.load(folder / "last.safetensors")[1]["progress"]
    whole = progress["seconds"] / config.epochs
    row = (
        name,
        f"{whole:.1f} s",
        f"{100 * alone / whole:.1f} %",
        f"{100 * progress['waiting'] / progress['seconds']:.2f} %",
    )
    print(*row, flush=True)
    return row


def save(name: str, head: Row, rows: list[Row]) -> None:
    """Print a table, and write it to the results."""
    text = table([head, *rows], markdown=True) + "\n"
    print("\n" + text)
    (RESULTS / f"{name}.md").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000, help="for the cache")
    parser.add_argument("--training", type=int, default=1024, help="for an epoch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["cache", "waiting"])
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as temporary:
        root, cache = Path(temporary), Path(temporary, "cache")
        os.environ["SILIF_CACHE"] = str(cache)
        number = arguments.samples if "cache" in arguments.only else arguments.training + VALIDATION
        recordings = spikes(number)
        write_recordings(root / "ssc_train.h5", recordings)
        write_clips(root / "gsc", number)

        def ssc() -> FrameDataset:
            return SSC(root, "train")

        def gsc() -> FrameDataset:
            return SpeechCommands(root / "gsc", "train")

        if "cache" in arguments.only:
            rows = cache_rows("spikes, 300 steps of 140", ssc, cache, arguments.rounds)
            rows += cache_rows("log-mel, 98 steps of 40", gsc, cache, arguments.rounds)
            save("data_loading_cache", (f"{number} samples", "made", "read from the cache", "times faster"), rows)
        if "waiting" in arguments.only:
            frames, features, size = ssc(), gsc(), arguments.training
            del recordings
            rows = []
            for _ in range(arguments.rounds):
                for name, dataset in (("gsc/silif-512", features), ("ssc/silif-4ms", frames)):
                    rest = dataset.subset(range(size, size + VALIDATION))
                    rows.append(waiting_row(name, settings(name), dataset.take(size), rest, root / "run"))
                name = "shd/c-silif-512"
                config = settings(name)
                rows.append(waiting_row(f"{name}, augmented", config, changing(size, config), rest, root / "run"))
            save("data_loading_waiting", ("training", "an epoch", "loading it alone", "waiting"), rows)


if __name__ == "__main__":
    main()
