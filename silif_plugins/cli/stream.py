"""``silif stream``: a trained network recognises what comes on standard input, as it comes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from ..datasets import FrameDataset
from ..deploy import BITS, STEP, Decision, Listener, Stream, prepared
from ..formats import Model
from ..hints import did_you_mean
from ..training import front_end_of, load_split, step_of
from .output import Answer, note, show
from .parser import Parser, UsageError

KINDS = ("events", "frames", "pcm")

DESCRIPTION = """Recognise what comes on standard input, step by step, in memory that does not grow. Each decision is a
line: what, how sure, and when. Input is text: events, one a line, as TIME CHANNEL in seconds; or frames, one time step
a line, a number for each channel. Or it is pcm: samples of 16 bits, little endian, one channel, at the rate of the
front end that the network was trained with."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("stream", DESCRIPTION)
    found.add("run", help="Folder of a run, or a .safetensors file of one.")
    found.add("--input", default="events", metavar="NAME", help="events, frames or pcm. Default: events.")
    found.add("--confidence", type=float, metavar="X", help="Decide as soon as the network is so sure: 0 to 1.")
    found.add("--least-steps", type=int, default=1, metavar="N", help="But not before so many steps. Default: 1.")
    found.add("--horizon", type=int, metavar="N", help="Steps of a sequence. Default: those of its data set.")
    found.add("--bits", metavar="N", help="Stream the quantised network, with so many bits, or ternary.")
    return found


def run(settings: argparse.Namespace) -> None:
    """Read until the input ends."""
    if settings.input not in KINDS:
        hint = did_you_mean(settings.input, KINDS)
        raise UsageError(f"input: got {settings.input!r}; it must be one of {', '.join(KINDS)}{hint}")
    trained = Model.load(settings.run)
    assert trained.config is not None
    test = load_split(trained.config, "test")
    net = trained.net
    if settings.bits is not None:
        bits = next((each for each in BITS.__args__ if each == settings.bits), None)  # type: ignore[attr-defined]
        if bits is None:
            raise UsageError(f"bits: got {settings.bits!r}; it must be 2 to 8, or ternary")
        net = prepared(trained, bits, "float32", 256).net
    step = step_of(trained.facts) or STEP
    stream = Stream(
        net,
        horizon=settings.horizon or test.steps,
        confidence=settings.confidence,
        least_steps=settings.least_steps,
        step=step,
    )
    note(f"stream: {trained.config.label}, steps of {1000 * step:g} ms, sequences of {stream.horizon}")
    if settings.input == "pcm":
        front_end = front_end_of(trained.config)
        note(f"stream: {front_end.name} of {front_end.rate} samples a second")
        made = _samples(Listener(stream, front_end), sys.stdin.buffer)
    else:
        made = (_frames if settings.input == "frames" else _events)(stream, sys.stdin.buffer)
    begun = time.perf_counter()
    for decision in made:
        show(told(decision, test, step), settings.json)
        sys.stdout.flush()
    if stream.steps:
        spent = time.perf_counter() - begun
        note(f"stream: {stream.steps:,} steps, {1000 * spent / stream.steps:.2f} ms a step, waiting for input included")


def told(decision: Decision, test: FrameDataset, step: float) -> Answer:
    """Return a decision in words."""
    name, at = test.classes[decision.label], (decision.begin + decision.steps) * step
    data = {
        "class": name,
        "label": decision.label,
        "confidence": round(decision.confidence, 4),
        "time": round(at, 6),
        "begin": round(decision.begin * step, 6),
        "steps": decision.steps,
    }
    return Answer(data, f"{at:8.2f} s  {name}  {100 * decision.confidence:.0f} %")


def _lines(source: BinaryIO) -> Iterator[tuple[int, list[float]]]:
    """Read numbers line by line; empty lines and comments, which begin with #, are left out."""
    for number, line in enumerate(source, start=1):
        words = line.decode(errors="replace").partition("#")[0].replace(",", " ").split()
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise ValueError(f"stdin, line {number}: {error}; it must be numbers") from None
        if values:
            yield number, values


def _samples(listener: Listener, source: BinaryIO) -> Iterator[Decision]:
    odd = b""
    while content := os.read(source.fileno(), 1 << 14):  # what is there, without waiting for more
        content = odd + content
        whole = len(content) // 2 * 2
        yield from listener.push(np.frombuffer(content[:whole], "<i2") / 32768)
        odd = content[whole:]
    yield from listener.finish()
    yield from _rest(listener.stream)


def _frames(stream: Stream, source: BinaryIO) -> Iterator[Decision]:
    for number, values in _lines(source):
        try:
            yield from stream.push([values])
        except ValueError as error:
            raise ValueError(f"stdin, line {number}: {error}") from error
    yield from _rest(stream)


def _events(stream: Stream, source: BinaryIO) -> Iterator[Decision]:
    for number, values in _lines(source):
        if len(values) != 2 or not values[1].is_integer():
            raise ValueError(f"stdin, line {number}: got {values}; an event is a time in seconds and a channel")
        try:
            yield from stream.push_events([values[0]], [int(values[1])])
        except ValueError as error:
            raise ValueError(f"stdin, line {number}: {error}") from error
    yield from stream.finish()
    yield from _rest(stream)


def _rest(stream: Stream) -> Iterator[Decision]:
    """What would be decided of a sequence that has begun."""
    if stream.now().steps:
        yield stream.now()
