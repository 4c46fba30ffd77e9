"""Wav files: both headers, what stands around the samples, and every kind of damage."""

import struct

import numpy as np
import pytest

from silif_plugins.datasets import DataError
from silif_plugins.datasets.wav import read_sound

SAMPLES = np.array([0, 1, -32768, 32767, 16384], "<i2")
PLAIN = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
GUID = bytes.fromhex("0100000000001000800000aa00389b71")  # of PCM
EXTENSIBLE = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4) + GUID


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav(*chunks):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


WHOLE = wav(chunk(b"fmt ", PLAIN), chunk(b"data", SAMPLES.tobytes()))


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        wav(chunk(b"fmt ", EXTENSIBLE), chunk(b"data", SAMPLES.tobytes())),
        wav(chunk(b"LIST", b"odd"), chunk(b"fmt ", PLAIN), chunk(b"fact", b"four"), chunk(b"data", SAMPLES.tobytes())),
        WHOLE + chunk(b"id3 ", b"name"),
        WHOLE[:4] + b"\xff\xff\xff\xff" + WHOLE[8:],  # by programs that write into a pipe
    ],
    ids=["plain", "extensible", "other chunks", "trailer", "size unknown"],
)
def test_good_files(content, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_sound(path)[0], SAMPLES / np.float32(32768))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\0\5\x16\7" + bytes(80), "does not start with RIFF"),
        (wav(chunk(b"fmt ", PLAIN)), "has no samples"),
        (wav(chunk(b"data", b"four"), chunk(b"fmt ", PLAIN)), "samples come before their format"),
        (wav(chunk(b"fmt ", PLAIN[:12]), chunk(b"data", b"four")), "its format is cut off"),
        (wav(chunk(b"fmt ", PLAIN), chunk(b"data", b"")), "cut off or empty"),
        (wav(chunk(b"fmt ", PLAIN), chunk(b"data", b"odd")), "has 3 of 3 bytes"),
        (WHOLE[:-2], "has 8 of 10 bytes of samples"),
    ],
)
def test_bad_files_are_told(content, says, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as raised:
        read_sound(path)
    assert raised.value.field in ("wav", "sound")
    assert raised.value.path == path


def test_a_file_of_hours_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("silif_plugins.datasets.wav._LARGEST", 20)
    (tmp_path / "clip.wav").write_bytes(WHOLE)
    with pytest.raises(DataError, match="more than 20 bytes"):
        read_sound(tmp_path / "clip.wav")


def test_damaged_files_are_read_or_told(fuzz):
    assert fuzz("clip.wav", WHOLE, read_sound, DataError, seeds=range(1500)) > 0.5
