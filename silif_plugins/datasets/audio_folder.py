"""A folder of recordings, one folder a word, as people keep them: any format, rate and rubbish beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .by_name import plain_name, split_by_name
from .clips import ClipDataset, Clips
from .errors import DataError
from .front_ends import Cochlea, FrontEnd
from .register import register_source
from .source import SPLITS, DataSource

LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
"""Files that say which clips are in which split; what is in neither is for training."""

ENDINGS = ("wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff")
"""Of the files that are clips, in capitals or not."""

HEARING = Cochlea(rate=16_000)
"""A model cochlea of 140 channels up to 8 kHz, 100 steps of 10 ms."""

_LONGEST = 1 << 24  # bytes of a list


@dataclass(frozen=True)
class Clip:
    """A file of a folder.

    Attributes:
        file: Where it is.
        word: Name of its folder, its class.
    """

    file: Path
    word: str

    @property
    def name(self) -> str:
        """Folder and file as lists name them, whatever the system that they come from."""
        return plain_name(f"{self.word}/{self.file.name}")


class AudioFolder(ClipDataset):
    """Recordings of one's own, a folder for each word.

    Clips are the files directly within the folders of words: wav (8 to 32 bit, float, any header), flac, ogg, opus, mp3
    and aiff, of any rate, whose channels are averaged. Hidden files, folders that begin with ``_`` or hold no clips,
    and all else that lies beside them or deeper are left out. A wav file of 16 bit and one channel needs no other
    package; the others need the extra ``audio``, as does resampling.

    Clips are in the split that ``validation_list.txt`` or ``testing_list.txt`` names for them, with lines such as
    ``yes/clip.wav``; the rest trains. What has no list is split by speakers, if ``speaker`` finds them in the names, so
    that nobody is heard in two splits; or else clip by clip. Both by a hash of the name, a tenth each for validation
    and test, which is much the same in all words: who adds a clip moves no other. (Where only a folder is given, one
    that holds both lists is taken for Speech Commands; ``load("audio", split, root=folder)`` is always this.)

    Args:
        root: The folder.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        speaker: Regular expression that finds the speaker in the name of a file, without its ending; what its first
            group finds, if it has one. ``"^[^_]+"`` is all before the first underscore.
        valid_speakers: Speakers that validate, as a list or text with commas, in the place of a tenth by hash.
        test_speakers: Speakers that are tested.
        front_end: What turns sound into samples; a model cochlea by default.
        skip_damaged: Leave out files that cannot be read, with a warning that names each, instead of refusing them.

    Raises:
        FileNotFoundError: If there is no such folder, it holds no words, or a clip that a list names is missing.
        ValueError: If the split or a speaker is unknown, or ``speaker`` is no regular expression.
        DataError: If a file or list is damaged, a name holds no speaker, or no clip is left for the split. It is a
            ValueError that names the file.
        ModuleNotFoundError: If the clips need soundfile or scipy, and they are not installed.

    Examples:
        >>> AudioFolder("my-words", "test", speaker="^[^_]+")    # doctest: +SKIP
        AudioFolder(312 samples, 100 steps, 140 channels, 6 classes)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        speaker: str = "",
        valid_speakers: str | Sequence[str] = "",
        test_speakers: str | Sequence[str] = "",
        front_end: FrontEnd = HEARING,
        skip_damaged: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split: got {split!r}; it must be train, valid or test")
        folder = Path(root).expanduser()
        found = clips_in(folder)
        who = speakers_of(found, speaker)
        parts = split_of(found, who, _named(valid_speakers), _named(test_speakers), folder)
        clips = part(found, parts, split, who, folder)
        super().__init__(clips, front_end, name=f"audio-{split}", skip_damaged=skip_damaged)


def clips_in(folder: Path) -> list[Clip]:
    """Return all clips, by words and names.

    Raises:
        FileNotFoundError: If there is no such folder, or no clips in folders within it.
    """
    found = [
        Clip(place / name, place.name)
        for place in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if place.name[0] not in "_." and place.is_dir()
        for name in sorted(os.listdir(place))
        if name[0] != "." and name.lower().rpartition(".")[2] in ENDINGS and not (place / name).is_dir()
    ]
    if not found:
        raise FileNotFoundError(f"{folder}: no such folder, or no folders of words in it, with clips directly in them")
    return found


def speakers_of(clips: Sequence[Clip], pattern: str) -> list[str]:
    """Return who speaks in every clip; nothing without a pattern.

    Raises:
        ValueError: If the pattern is no regular expression.
        DataError: If a name has no such part.
    """
    if not pattern:
        return []
    try:
        expression = re.compile(pattern)
    except (re.error, RecursionError) as error:
        raise ValueError(f"speaker: got {pattern!r}, which is no regular expression: {error}") from error
    found = []
    for clip in clips:
        part = expression.search(clip.file.stem)
        who = part and (part.group(1) if expression.groups else part.group())
        if not who:
            raise DataError("speaker", f"{pattern!r} finds nobody in the name", clip.file)
        found.append(who)
    return found


def split_of(
    clips: Sequence[Clip], who: Sequence[str], valid: set[str], test: set[str], folder: Path
) -> dict[str, list[int]]:
    """Return the places of the clips of every split.

    Raises:
        FileNotFoundError: If a clip that a list names is missing.
        ValueError: If speakers are named that are nobody's, or twice.
        DataError: If a list is damaged.
    """
    if unknown := sorted((valid | test) - set(who)):
        known = ", ".join(sorted(set(who))[:20]) or "none: speaker must say how to find them"
        raise ValueError(f"valid_speakers, test_speakers: got {unknown[0]!r}, but the speakers are {known}")
    if twice := sorted(valid & test):
        raise ValueError(f"valid_speakers, test_speakers: got {twice[0]!r} in both")
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    places = {name: listed(folder / file, clips) for name, file in LISTS.items() if (folder / file).is_file()}
    if len(places) == len(LISTS) and (both := sorted(places["valid"] & places["test"])):
        raise DataError("list", f"names {clips[both[0]].name}, which {LISTS['valid']} has too", folder / LISTS["test"])
    for place, clip in enumerate(clips):
        chosen = next((each for each in places if place in places[each]), None)
        if chosen is None:
            drawn = _drawn(who[place] if who else clip.name.rpartition(".")[0], valid, test)
            chosen = "train" if drawn in places else drawn  # a list is whole
        parts[chosen].append(place)
    return parts


def _drawn(name: str, valid: set[str], test: set[str]) -> str:
    """Return the split of a speaker or clip that no list names."""
    if name in valid or name in test:
        return "valid" if name in valid else "test"
    drawn = split_by_name(name)
    named = {"valid": valid, "test": test}
    return "train" if named.get(drawn) else drawn  # who is named takes the place of a tenth


def part(clips: Sequence[Clip], parts: dict[str, list[int]], split: str, who: Sequence[str], folder: Path) -> Clips:
    """Return the clips of a split with their numbers.

    Raises:
        DataError: If there are none.
    """
    if not parts[split]:
        sizes = ", ".join(f"{len(places)} {name}" for name, places in parts.items())
        how = "name speakers (valid_speakers, test_speakers)" if who else f"write {' or '.join(LISTS.values())}"
        raise DataError(split, f"no clip is left for it ({sizes}); {how}, or add clips", folder)
    words, people = sorted({clip.word for clip in clips}), sorted(set(who))
    return Clips(
        [clips[place].file for place in parts[split]],
        [words.index(clips[place].word) for place in parts[split]],
        words,
        [people.index(who[place]) for place in parts[split]] if who else (),
    )


def listed(path: Path, clips: Sequence[Clip]) -> set[int]:
    """Return the places of the clips that a list names, one ``FOLDER/FILE`` a line.

    Raises:
        FileNotFoundError: If there is no list, or a clip is missing.
        DataError: If it is empty, no text, or names a folder that is none of a word.
    """
    with open(path, "rb") as file:
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        raise DataError("list", f"has more than {_LONGEST} bytes", path)
    try:
        text = content.decode("utf-8-sig")  # editors on Windows begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise DataError("list", f"not text ({error})", path) from error
    lines = {line.strip().replace("\\", "/").removeprefix("./") for line in text.splitlines() if line.strip()}
    if not lines:
        raise DataError("list", "is empty", path)
    places: dict[str, set[int]] = {}  # names that differ in capitals alone are taken for one another
    for place, clip in enumerate(clips):
        places.setdefault(clip.name, set()).add(place)
    words = {plain_name(clip.word) for clip in clips}
    found: set[int] = set()
    for line in sorted(lines):
        if line.count("/") != 1 or plain_name(line.split("/")[0]) not in words:
            raise DataError("list", f"got {line!r}, which is not FOLDER/FILE with one of the folders beside it", path)
        if plain_name(line) not in places:
            raise FileNotFoundError(f"{path.parent / line}: missing, but {path.name} names it")
        found |= places[plain_name(line)]
    return found


def _named(speakers: str | Sequence[str]) -> set[str]:
    names = speakers.strip("[]() ").split(",") if isinstance(speakers, str) else speakers
    return {str(name).strip(" '\"") for name in names} - {""}


register_source(
    DataSource(
        "audio",
        "Recordings of your own, a folder for each word",
        load=AudioFolder,
        files=("*/*.wav",),
        optional=tuple(f"*/*.{end}" for each in ENDINGS for end in (each, each.upper()) if end != "wav"),
        where="record some, and put those of each word into a folder of its name",
        own=True,
    )
)
