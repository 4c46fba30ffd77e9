"""Recognise three words of a speaker that the network has not heard in training.

Takes the folder of a run on spoken digits, such as `silif train` and `make demo` leave. If espeak-ng's library is here
(pip install "silif_plugins[speech]"), the words are spoken anew and written as wav files, which `silif predict` reads
as any recordings; otherwise they are taken from the test set.
"""

import argparse
import wave
from pathlib import Path

import numpy as np
import torch

from silif_plugins.datasets import Recording, spoken_digit_recordings
from silif_plugins.training import load_network

WORDS = 3


def speak(folder: Path) -> dict[str, Path]:
    """Write words of a test speaker as wav files: what was said, and where it is."""
    from silif_plugins.datasets.speech import CLASSES, SAMPLE_RATE, plan

    said = {}
    for number in range(5, 5 + 7 * WORDS, 7):
        utterance = plan("test", number, seed=1)  # other words than those of the shipped test set, by its first speaker
        sound = utterance.sound()
        path = folder / f"{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, len(sound), "NONE", ""))
            file.writeframes((0.9 * 32767 * sound / abs(sound).max()).astype("<i2").tobytes())
        said[CLASSES[utterance.label]] = path
    return said


def recorded() -> dict[str, Recording]:
    """Return words of a speaker of the test set: what was said, and its events."""
    test = spoken_digit_recordings("test")
    numbers = np.flatnonzero(test.speakers == test.speakers[0])[5::7][:WORDS]
    return {test.classes[test[number].label]: test[number] for number in numbers}


def main() -> None:
    """Print what was said, what was recognised, and how sure the network is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run on spoken digits")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    trained = load_network(arguments.run)
    samples: dict[str, Path] | dict[str, Recording]
    try:
        samples = speak(arguments.run)
        print("three words of a speaker who is not in the training set, spoken by espeak-ng:")
    except ModuleNotFoundError:
        samples = recorded()
        print("three recordings of a speaker who is not in the training set:")
    for word, sample in samples.items():
        said = trained.predict(sample)
        curve = " ".join(f"{100 * each:3.0f}" for each in said.confidences[9::10])
        print(
            f"  said {word:6}  recognised {said.word:6}  confidence {100 * said.confidence:3.0f} %   over time {curve}"
        )
    files = [str(each) for each in samples.values() if isinstance(each, Path)]
    if files:
        print(f"\nthe same from a shell: silif predict {arguments.run} {' '.join(files)}")


if __name__ == "__main__":
    main()
