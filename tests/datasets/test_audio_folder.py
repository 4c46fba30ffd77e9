"""Folders of one's own recordings: every format, whatever lies beside them, and what is refused by its name."""

import logging
import unicodedata

import numpy as np
import pytest
import torch

from silif_plugins.datasets import AudioFolder, DataError, LogMel, SpeechCommands, load
from silif_plugins.datasets.audio_folder import clips_in, split_of
from silif_plugins.training import Splits, TrainConfig, train

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("scipy")

RATE = 16_000
HEAR = LogMel(max_time=0.25, fill=True)


def tone(seconds=0.3, rate=RATE, frequency=440):
    return 0.4 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def write(path, samples=None, rate=RATE, subtype="PCM_16", format=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone() if samples is None else samples, rate, subtype=subtype, format=format)
    return path


@pytest.fixture
def root(tmp_path):
    """Two words of three clips: the first of each validates, the second tests."""
    folder = tmp_path / "words"
    for word in ("no", "yes"):
        for name in "abc":
            write(folder / word / f"{name}.wav")
    for file, name in (("validation_list.txt", "a"), ("testing_list.txt", "b")):
        (folder / file).write_text(f"no/{name}.wav\nyes/{name}.wav\n")
    return folder


def training(root, **options):
    return AudioFolder(root, "train", front_end=HEAR, **options)


STEREO = np.stack([tone(rate=44_100), tone(rate=44_100)], 1)

READ = {
    "8 bit": lambda no: write(no / "x.wav", subtype="PCM_U8"),
    "24 bit": lambda no: write(no / "x.wav", subtype="PCM_24"),
    "32 bit": lambda no: write(no / "x.wav", subtype="PCM_32"),
    "float": lambda no: write(no / "x.wav", subtype="FLOAT"),
    "double": lambda no: write(no / "x.wav", subtype="DOUBLE"),
    "extensible 16 bit": lambda no: write(no / "x.wav", format="WAVEX"),
    "extensible 24 bit stereo": lambda no: write(no / "x.wav", STEREO, 44_100, "PCM_24", "WAVEX"),
    "stereo at 44.1 kHz": lambda no: write(no / "x.wav", STEREO, 44_100),
    "8 kHz": lambda no: write(no / "x.wav", tone(rate=8000), 8000),
    "six channels at 96 kHz": lambda no: write(no / "x.wav", np.tile(tone(rate=96_000)[:, None], 6), 96_000),
    "big-endian": lambda no: soundfile.write(no / "x.wav", tone(), RATE, endian="BIG"),
    "rf64": lambda no: write(no / "x.wav", format="RF64"),
    "flac": lambda no: write(no / "x.flac"),
    "ogg": lambda no: write(no / "x.ogg", subtype="VORBIS"),
    "capitals": lambda no: write(no / "x.wav").rename(no / "X.WAV"),
    "spaces and signs": lambda no: write(no / " é x (1)#%.wav"),
    "a link": lambda no: (no / "x.wav").symlink_to(no / "c.wav"),
    "longer than all others": lambda no: write(no / "x.wav", tone(3.0)),
    "rubbish behind the samples": lambda no: write(no / "x.wav").open("ab").write(b"id3 \0\0"),
}


@pytest.mark.parametrize("what", READ)
def test_all_that_people_record_is_read(root, what):
    READ[what](root / "no")
    part = training(root)
    assert (len(part), part.classes, sorted(part.labels.tolist())) == (3, ("no", "yes"), [0, 0, 1])
    loudest = part.frames.mean(1).argmax(1)
    assert (loudest == loudest[0]).all()  # the tone is where it is in the others
    if what not in ("8 bit", "ogg"):
        near = loudest[0] - 1, loudest[0] + 2
        levels = part.frames[:, 5:20, slice(*near)]
        assert (levels - levels[-1]).abs().max() < 0.05


def hidden(root):
    for name in ("._c.wav", ".x.wav", ".DS_Store", "Thumbs.db", "notes.txt", "c.wav.part", "c.wav~"):
        (root / "no" / name).write_bytes(b"\0\5\x16\7")


def other_lists(root):
    list_ = root / "testing_list.txt"
    list_.write_bytes(b"\xef\xbb\xbf" + b".\\no\\B.WAV\r\n\r\nyes\\b.wav\r\n")


def deep(root):
    write(root / "old" / "2019" / "no" / "x.wav")
    write(root / "no" / "takes" / "x.wav")
    (root / "a" / "b" / "c" / "d").mkdir(parents=True)


def loops(root):
    (root / "no" / "again").symlink_to(root)
    (root / "self").symlink_to(root / "self")


BESIDE = {
    "hidden files and notes": hidden,
    "a byte order mark, backslashes and capitals in a list": other_lists,
    "folders without clips": lambda root: (root / "figures").mkdir(),
    "a folder of pictures": lambda root: write(root / "figures" / "x.wav").rename(root / "figures" / "x.png"),
    "clips deeper down": deep,
    "noise": lambda root: write(root / "_background_noise_" / "x.wav"),
    "a hidden folder": lambda root: write(root / ".git" / "x.wav"),
    "clips beside the folders": lambda root: write(root / "x.wav"),
    "a folder that is called a clip": lambda root: (root / "no" / "x.wav").mkdir(),
    "links in a circle": loops,
}


@pytest.mark.parametrize("what", BESIDE)
def test_what_lies_beside_the_clips_changes_nothing(root, what):
    before = {split: AudioFolder(root, split, front_end=HEAR) for split in ("train", "valid", "test")}
    BESIDE[what](root)
    for split, part in before.items():
        now = AudioFolder(root, split, front_end=HEAR)
        assert now.classes == part.classes
        assert torch.equal(now.labels, part.labels)
        assert torch.equal(now.frames, part.frames)


NAN = np.where(np.arange(1000) == 7, np.nan, 0)


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def zero_rate(no):
    content = bytearray(write(no / "x.wav").read_bytes())
    content[24:28] = bytes(4)
    (no / "x.wav").write_bytes(content)


DAMAGED = {
    "cut off": ("x.wav: wav: has .* cut off", lambda no: cut(write(no / "x.wav"))),
    "cut off in the header": ("x.wav: wav: damaged", lambda no: cut(write(no / "x.wav"), 0.002)),
    "float, cut off": ("x.wav: wav: has .* cut off", lambda no: cut(write(no / "x.wav", subtype="FLOAT"))),
    "flac, cut off": ("x.flac: sound: ", lambda no: cut(write(no / "x.flac", tone(2.0)))),
    "text": ("x.wav: wav: .* not a wav file", lambda no: (no / "x.wav").write_text("hello")),
    "text as ogg": ("x.ogg: sound: .* libsndfile", lambda no: (no / "x.ogg").write_text("hello")),
    "nothing": ("x.wav: sound: is empty", lambda no: (no / "x.wav").touch()),
    "no samples": ("x.wav: wav: has 0 of 0 bytes", lambda no: write(no / "x.wav", np.zeros(0))),
    "flac without samples": ("x.flac: sound: ", lambda no: write(no / "x.flac", np.zeros(0))),
    "nan": ("x.wav: sound: sample 7 is not finite", lambda no: write(no / "x.wav", NAN, subtype="FLOAT")),
    "a rate of 0": ("x.wav: rate: got 0 samples a second", zero_rate),
    "a link to nowhere": ("x.wav: file: cannot be read", lambda no: (no / "x.wav").symlink_to(no / "gone")),
    "a rate of 100": ("x.wav: rate: got 100 samples", lambda no: write(no / "x.wav", tone(), 100)),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_clips_are_named_and_left_out_only_if_asked_for(root, what, caplog):
    says, spoil = DAMAGED[what]
    spoil(root / "no")
    with pytest.raises(DataError, match=says) as raised:
        training(root)
    assert raised.value.path.parent == root / "no"
    with caplog.at_level(logging.WARNING):
        part = training(root, skip_damaged=True)
    assert part.labels.tolist() == [0, 1]
    assert len(caplog.messages) == 1
    assert str(raised.value) in caplog.messages[0]


def test_bad_lists_and_folders_are_named(root, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        training(tmp_path / "nowhere")
    (tmp_path / "empty" / "no").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no folders of words in it, with clips directly in them"):
        training(tmp_path / "empty")
    with pytest.raises(ValueError, match="split: got 'dev'"):
        AudioFolder(root, "dev")
    tests = root / "testing_list.txt"
    for content, error, says in (
        (b"no/z.wav\n", FileNotFoundError, r"no/z.wav: missing, but testing_list.txt names it"),
        (b"../b.wav\n", DataError, r"testing_list.txt: list: got '../b.wav', which is not FOLDER/FILE"),
        (b"b.wav\n", DataError, r"testing_list.txt: list: got 'b.wav'"),
        (b"\n", DataError, "testing_list.txt: list: is empty"),
        (b"\xff\xfe\0", DataError, "testing_list.txt: list: not text"),
        (b"no/a.wav\n", DataError, "testing_list.txt: list: names no/a.wav, which validation_list.txt has too"),
    ):
        tests.write_bytes(content)
        with pytest.raises(error, match=says):
            training(root)
    tests.write_text("no/b.wav\nno/c.wav\nyes/b.wav\nyes/c.wav\n")
    with pytest.raises(DataError, match=r"words: train: no clip is left for it \(0 train, 2 valid, 4 test\)"):
        training(root)


def test_all_damaged(root):
    for file in root.glob("*/c.wav"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="clips: all are damaged"):
        training(root, skip_damaged=True)


def test_a_list_made_elsewhere_names_words_in_any_form_of_unicode(root):
    composed, decomposed = (unicodedata.normalize(form, "fünf") for form in ("NFC", "NFD"))
    write(root / decomposed / "b.wav")
    with (root / "testing_list.txt").open("a", encoding="utf-8") as file:
        file.write(f"{composed}/b.wav\n")
    part = AudioFolder(root, "test", front_end=HEAR)
    assert part.classes == (decomposed, "no", "yes")
    assert part.labels.tolist() == [0, 1, 2]


@pytest.fixture
def many(tmp_path):
    """Names of 30 speakers, four clips each, without lists; the files are links to one."""
    clip = write(tmp_path / "clip.wav", tone(0.05))
    for word in ("left", "right"):
        (tmp_path / "many" / word).mkdir(parents=True)
        for who in range(30):
            for take in range(2):
                (tmp_path / "many" / word / f"p{who:02d}_{take}.wav").symlink_to(clip)
    return tmp_path / "many"


def names(root, **options):
    """File names of every split, with their words."""
    found = clips_in(root)
    who = [clip.file.stem[:3] for clip in found] if options.pop("speaker", False) else []
    parts = split_of(found, who, options.get("valid", set()), options.get("test", set()), root)
    return {split: {found[place].name for place in places} for split, places in parts.items()}


@pytest.mark.parametrize("speaker", [False, True])
def test_new_clips_never_move_old_ones(many, speaker):
    before = names(many, speaker=speaker)
    assert all(len(part) >= 4 for part in before.values())
    assert sum(map(len, before.values())) == 120
    for name in ("a00_0.wav", "p00_9.wav", "z99_3.wav"):
        (many / "left" / name).symlink_to(many / "left" / "p01_0.wav")
    after = names(many, speaker=speaker)
    assert all(before[split] <= after[split] for split in before)
    assert sum(map(len, after.values())) == 123


def test_no_speaker_is_in_two_splits(many):
    parts = {
        split: AudioFolder(many, split, speaker=r"^([^_]+)_", front_end=HEAR) for split in ("train", "valid", "test")
    }
    heard = [set(part.speakers.tolist()) for part in parts.values()]
    assert sum(map(len, heard)) == len(set().union(*heard)) == 30
    chosen = AudioFolder(
        many, "test", speaker="^[^_]+", test_speakers="p03, p04", valid_speakers=["p05"], front_end=HEAR
    )
    assert sorted(set(chosen.speakers.tolist())) == [3, 4]
    rest = AudioFolder(
        many, "train", speaker="^[^_]+", test_speakers="p03, p04", valid_speakers=["p05"], front_end=HEAR
    )
    assert len(set(rest.speakers.tolist())) == 27


def test_wrong_speakers_are_refused(many):
    for options, says in (
        ({"speaker": "("}, r"speaker: got '\(', which is no regular expression"),
        ({"speaker": "q"}, r"p00_0.wav: speaker: 'q' finds nobody in the name"),
        ({"speaker": "p..", "test_speakers": "p99"}, "got 'p99', but the speakers are p00, p01"),
        ({"test_speakers": "p01"}, "got 'p01', but the speakers are none: speaker must say how"),
        ({"speaker": "p..", "test_speakers": "p01", "valid_speakers": "p01"}, "got 'p01' in both"),
    ):
        with pytest.raises(ValueError, match=says):
            AudioFolder(many, "train", front_end=HEAR, **options)


def test_a_folder_is_known_by_its_look_and_trained_on(root, tmp_path):
    assert type(load(root, "train")) is SpeechCommands  # it has the lists
    for name in ("validation_list.txt", "testing_list.txt"):
        (root / name).unlink()
    for word, frequency in (("no", 440), ("yes", 2000)):
        for name in "efghijklmnopqrst":
            write(root / word / f"{name}.wav", tone(frequency=frequency))
    part = load(root, "train", front_end="log-mel", bands=20)
    assert (type(part), part.num_channels, part.classes) == (AudioFolder, 20, ("no", "yes"))
    assert load(root, "train").num_channels == 140
    config = TrainConfig(data=str(root), data_options={"channels": 40}, hidden_sizes=(8,), epochs=3, batch_size=8)
    assert Splits.load(config).test.frames.shape[1:] == (100, 40)
    assert 0 <= train(config, tmp_path / "run")["test_accuracy"] <= 1
    with pytest.raises(ValueError, match=r"chanels: got 40, but for audio it must be None; did you mean channels\?"):
        load(root, "train", chanels=40)
    with pytest.raises(ValueError, match="bands: got 40, but for audio it must be None"):
        load(root, "train", bands=40)
