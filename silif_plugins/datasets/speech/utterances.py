"""The plan of the spoken digits: who says what, how, and in which noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..front_ends import Cochlea
from .synthesiser import SAMPLE_RATE, synthesise
from .voices import ACCENTS, CLASSES, DIGITS, SPEAKERS, VOICES


@dataclass(frozen=True)
class Utterance:
    """Everything that decides how one recording sounds.

    Attributes:
        label: Index of the word in `CLASSES`.
        speaker: Index of the voice in `SPEAKERS`.
        accent: espeak-ng's name of the language or accent.
        rate: Words a minute.
        pitch: Pitch, 0 to 99.
        pitch_range: Range of the intonation, 0 to 99.
        signal_to_noise: Power of the speech over that of the white noise, in decibels.
        onset: Silence, but for the noise, before the word, in seconds.
        seed: Seed of everything random that follows.
    """

    label: int
    speaker: int
    accent: str
    rate: int
    pitch: int
    pitch_range: int
    signal_to_noise: float
    onset: float
    seed: int

    def sound(self) -> NDArray[np.float64]:
        """Say it: samples at 22 050 Hz with noise, [samples]."""
        spoken = synthesise(
            CLASSES[self.label],
            f"{self.accent}+{SPEAKERS[self.speaker]}",
            rate=self.rate,
            pitch=self.pitch,
            pitch_range=self.pitch_range,
            seed=self.seed,
        )
        said = _without_silence(spoken.astype(np.float64))
        sound = np.concatenate([np.zeros(round(self.onset * SAMPLE_RATE)), said])
        # Uniform noise is as white as Gaussian noise, and needs no function whose last digit varies with the library.
        noise = np.random.default_rng(self.seed).random(len(sound)) * 2 - 1
        power = np.mean(said**2) / 10 ** (self.signal_to_noise / 10)
        return sound + noise * np.sqrt(3 * power)

    def events(self, cochlea: Cochlea) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Say and hear it: times in seconds, in the middle of their milliseconds, and channels, both [events]."""
        milliseconds, units = cochlea.events(self.sound(), seed=self.seed + 1)
        return (milliseconds + 0.5) / 1000, units


def plan(split: str, number: int, *, seed: int = 0) -> Utterance:
    """Plan utterance ``number`` of a split; it depends on nothing else, such as how many there are.

    Words alternate fastest, then voices: every 20 utterances hold all words, every 480 train utterances all words
    by all 24 voices (160 in valid, 240 in test).

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``.
        number: 0, 1, 2, ...
        seed: Of the whole data set.

    Raises:
        ValueError: If the split is unknown, or a number negative.
    """
    if split not in VOICES:
        raise ValueError(f"split: got {split!r}, but there are {', '.join(VOICES)}")
    voices = VOICES[split]
    draw = np.random.default_rng([seed, list(VOICES).index(split), number])
    label = number % len(CLASSES)
    language = "en" if label < len(DIGITS["en"]) else "de"
    accents = ACCENTS[language]
    return Utterance(
        label=label,
        speaker=SPEAKERS.index(voices[number // len(CLASSES) % len(voices)]),
        accent=accents[draw.integers(len(accents))],
        rate=int(draw.integers(110, 261)),
        pitch=int(draw.integers(25, 76)),
        pitch_range=int(draw.integers(20, 81)),
        signal_to_noise=10 + 20 * draw.random(),
        onset=0.15 * draw.random(),
        seed=int(draw.integers(1 << 31)),
    )


def _without_silence(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut what espeak-ng appends: a pause of samples near zero."""
    loud = np.flatnonzero(abs(sound) > 0.005 * abs(sound).max())
    return sound[loud[0] : loud[-1] + 1]
