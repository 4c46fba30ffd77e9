"""From samples of sound to decisions, as they come."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..datasets import FrontEnd, LogMel, frame_of
from .streaming import Decision, Stream


class Listener:
    """A front end before a stream, in memory that does not grow.

    Log-mel energies are computed frame by frame, so that a decision may come with any step. Other front ends hear whole
    recordings, the model cochlea because it scales them to their loudest moment: they get a piece of ``max_time`` at a
    time, and a step is decided on when its piece is complete.

    Args:
        stream: The network.
        front_end: What it was trained with.

    Raises:
        ValueError: If the stream does not take what the front end gives.

    Examples:
        >>> from silif_plugins.datasets import front_end
        >>> from silif_plugins.sparch import SpArchNet
        >>> hear = front_end("log-mel", rate=8000)
        >>> listener = Listener(Stream(SpArchNet(40, (16,), 3), horizon=50), hear)
        >>> sound = np.random.default_rng(0).normal(0, 0.1, 9000)
        >>> made = [each for part in np.split(sound, 9) for each in listener.push(part)]
        >>> [decision.begin for decision in made], listener.stream.steps
        ([0, 50], 111)
    """

    def __init__(self, stream: Stream, front_end: FrontEnd) -> None:
        if front_end.num_channels != stream.num_inputs:
            raise ValueError(
                f"front_end: got {front_end.name} of {front_end.num_channels} channels; the network reads "
                f"{stream.num_inputs}"
            )
        self.stream, self.front_end = stream, front_end
        self._by_frames = type(front_end) is LogMel
        if self._by_frames:
            self._hears: FrontEnd = dataclasses.replace(front_end, fill=False)
        else:
            self._hears = front_end
        self._left: NDArray[np.float64] = np.zeros(0)

    def push(self, samples: ArrayLike) -> list[Decision]:
        """Take the next samples, floats from -1 to 1 at the front end's rate, [samples].

        Raises:
            ValueError: If they are not finite floats of one channel.
        """
        given = np.asarray(samples)
        if given.ndim != 1 or not np.issubdtype(given.dtype, np.floating) or not np.isfinite(given).all():
            raise ValueError(f"samples: got {given.dtype} of shape {given.shape}; they must be finite, [samples]")
        decisions: list[Decision] = []
        for piece in np.array_split(given, max(1, len(given) // self.front_end.rate)):
            self._left = np.concatenate([self._left, piece])
            decisions += self._frames() if self._by_frames else self._pieces()
        return decisions

    def finish(self) -> list[Decision]:
        """Hear what is left of a piece: no more samples come."""
        if self._by_frames or not len(self._left):
            return []
        last, self._left = self._left, np.zeros(0)
        return self.stream.push(self._hears(last, self.front_end.rate))

    def _frames(self) -> list[Decision]:
        """Hear all frames that are complete, and keep what the next one needs."""
        frame, hop = frame_of(self.front_end.rate), max(1, round(self.front_end.step * self.front_end.rate))
        number = (len(self._left) - frame) // hop + 1
        if number < 1:
            return []
        heard = self._left[: (number - 1) * hop + frame]
        self._left = self._left[number * hop :]
        return self.stream.push(self._hears.frames([heard])[0])

    def _pieces(self) -> list[Decision]:
        """Hear a piece of ``max_time`` whenever there is one."""
        decisions: list[Decision] = []
        size = round(self.front_end.max_time * self.front_end.rate)
        while len(self._left) >= size:
            piece, self._left = self._left[:size], self._left[size:]
            decisions += self.stream.push(self._hears(piece, self.front_end.rate))
        return decisions
