"""The Free Spoken Digit Dataset from a local folder: people who say the digits, in English."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from .clips import ClipDataset, Clips
from .errors import DataError
from .front_ends import Cochlea, FrontEnd
from .register import register_source
from .source import SPLITS, DataSource

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

HEARING = Cochlea(rate=8000)
"""A model cochlea of 140 channels up to 4 kHz, 100 steps of 10 ms."""

LEFT_OUT = "lucas,theo"
"""Speakers of the test set, unless others are named."""

_INSIDE = "recordings"
_NAME = re.compile(r"([0-9])_([^_]+)_([0-9]+)\.wav", re.IGNORECASE)
_PUBLISHED = {"test": range(5), "valid": range(5, 10)}
"""Indices of the test set, as published, and of those that we take from training for validation."""


class FreeSpokenDigits(ClipDataset):
    """Free Spoken Digit Dataset (Jakobovski and others; CC BY-SA 4.0): 3000 recordings of the digits by six people.

    Reads the published layout, ``recordings/{digit}_{speaker}_{index}.wav``: 16 bit, mono, 8 kHz, 0.14 to 2.28 s, 50
    of every digit by every speaker.

    There are two ways to split it. With ``speakers``, nobody who is tested was heard in training: the speakers of
    ``leave_out`` are tested, and the next one by name validates (after the last, the first): by default lucas and theo,
    and yweweler; george, jackson and nicolas train. With ``published``, the recordings 0 to 4 of every speaker and
    digit are tested, as its authors have it, and 5 to 9 validate: all speakers are known then, and the task is easy.

    Args:
        root: The folder, such as a clone of its repository.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        split_by: ``"speakers"`` or ``"published"``.
        leave_out: Speakers of the test set, as a list or text with commas; of ``speakers`` only.
        front_end: What turns sound into samples; a model cochlea by default.
        skip_damaged: Leave out files that cannot be read, with a warning, instead of refusing them.

    Raises:
        FileNotFoundError: If there are no such recordings.
        ValueError: If ``split`` or ``split_by`` is unknown, or a speaker is not in the folder.
        DataError: If a file is damaged. It is a ValueError that names the file.

    Examples:
        >>> FreeSpokenDigits("free-spoken-digit-dataset", "test")                        # doctest: +SKIP
        FreeSpokenDigits(1000 samples, 100 steps, 140 channels, 10 classes)
        >>> FreeSpokenDigits("free-spoken-digit-dataset", "test", leave_out="george")    # doctest: +SKIP
        FreeSpokenDigits(500 samples, 100 steps, 140 channels, 10 classes)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        split_by: Literal["speakers", "published"] = "speakers",
        leave_out: str | Sequence[str] = LEFT_OUT,
        front_end: FrontEnd = HEARING,
        skip_damaged: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split: got {split!r}, but FreeSpokenDigits has {', '.join(SPLITS)}")
        if split_by not in ("speakers", "published"):
            raise ValueError(f"split_by: got {split_by!r}; it must be speakers or published")
        found = recordings_in(root)
        people = sorted({speaker for _, _, speaker, _ in found})
        if split_by == "speakers":
            part = {"test": tested(people, leave_out)}
            part["valid"] = (_next(people, part["test"]),)
            part["train"] = tuple(each for each in people if each not in (*part["test"], *part["valid"]))
            chosen = [each for each in found if each[2] in part[split]]
        else:
            places = {name: [each for each in found if each[3] in indices] for name, indices in _PUBLISHED.items()}
            others = [each for each in found if not any(each in part for part in places.values())]
            chosen = {**places, "train": others}[split]
        if not chosen:
            raise DataError(split, "no recording is left for it", root)
        super().__init__(
            Clips(
                [file for file, _, _, _ in chosen],
                [digit for _, digit, _, _ in chosen],
                CLASSES,
                [people.index(speaker) for _, _, speaker, _ in chosen],
            ),
            front_end,
            name=f"free-spoken-digits-{split}",
            skip_damaged=skip_damaged,
        )


def recordings_in(root: str | os.PathLike[str]) -> list[tuple[Path, int, str, int]]:
    """Return file, digit, speaker and index of every recording, in the order of digits, speakers and indices.

    Raises:
        FileNotFoundError: If there is none.
    """
    folder = Path(root).expanduser()
    for place in (folder, folder / _INSIDE):
        files = sorted(place.iterdir()) if place.is_dir() else []
        named = [(file, found) for file in files if (found := _NAME.fullmatch(file.name))]
        if named:
            parts = [(file, int(found[1]), found[2].lower(), int(found[3])) for file, found in named]
            return sorted(parts, key=lambda each: each[1:])
    raise FileNotFoundError(f"{os.fspath(root)}: no such folder, or no recordings as 7_jackson_32.wav in it")


def tested(people: Sequence[str], leave_out: str | Sequence[str]) -> tuple[str, ...]:
    """Return the speakers of the test set.

    Raises:
        ValueError: If one is unknown, or fewer than two others are left.

    Examples:
        >>> tested(["ada", "bob", "cy", "dot"], "dot, ada")
        ('ada', 'dot')
    """
    names = leave_out.strip("[]() ").split(",") if isinstance(leave_out, str) else list(leave_out)
    chosen = {str(name).strip(" '\"").lower() for name in names}
    if unknown := sorted(chosen - set(people)):
        raise ValueError(f"leave_out: got {unknown[0]!r}, but the speakers are {', '.join(people)}")
    if len(people) - len(chosen) < 2:
        raise ValueError(f"leave_out: got {', '.join(sorted(chosen))} of {', '.join(people)}; two others must be left")
    return tuple(sorted(chosen))


def _next(people: Sequence[str], left_out: Sequence[str]) -> str:
    """The first speaker after the last that is left out who is not left out too, by name and in a circle."""
    last = people.index(left_out[-1])
    circle = [*people[last + 1 :], *people[:last]]
    return next(each for each in circle if each not in left_out)


register_source(
    DataSource(
        "free-spoken-digits",
        "Free Spoken Digit Dataset",
        load=FreeSpokenDigits,
        files=("[0-9]_*_*.wav",),
        where="run 'git clone https://github.com/Jakobovski/free-spoken-digit-dataset' (3000 recordings, 21 MB)",
        inside=_INSIDE,
        licence="CC BY-SA 4.0",
        origin="Jakobovski and others, Free Spoken Digit Dataset; recordings of six people",
    )
)
