"""The cache: right answers always, quick ones when it can, and no trouble when it cannot."""

import errno
import logging
import multiprocessing
import os
import time
import zlib

import numpy as np
import pytest

from silif_plugins.datasets import cache
from silif_plugins.datasets.cache import cached


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setattr(cache, "TICK", 0)
    monkeypatch.setenv("SILIF_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "source.bin"
    path.write_bytes(b"12345")
    return path


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {
            "frames": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
            "labels": np.array([1, 0]),
            "classes": np.array(["no", "jä"]),
            "none": np.zeros((0, 3), np.float32),
        }


def assert_right(arrays):
    expected = Maker()()
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_made_once(source):
    make = Maker()
    for _ in range(3):
        assert_right(cached("x", {"steps": 3}, [source], make))
    assert make.calls == 1
    arrays = cached("x", {"steps": 3}, [source], make)
    arrays["frames"][:] = 0  # copied on write: the file stays
    assert_right(cached("x", {"steps": 3}, [source], make))


def test_settings_and_sources_are_part_of_the_key(source):
    make = Maker()
    cached("x", {"steps": 3}, [source], make)
    cached("x", {"steps": 4}, [source], make)
    assert make.calls == 2
    os.utime(source, ns=(0, 0))
    cached("x", {"steps": 3}, [source], make)
    source.write_bytes(b"123456")
    cached("x", {"steps": 3}, [source], make)
    assert make.calls == 4


def test_small_sources_and_off(source, monkeypatch, tmp_path):
    make = Maker()
    monkeypatch.setattr(cache, "SMALLEST", 6)
    cached("x", {}, [source], make)
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setenv("SILIF_CACHE", "off")
    cached("x", {}, [source], make)
    assert make.calls == 2
    assert not (tmp_path / "cache").exists()


def test_default_folder(monkeypatch):
    monkeypatch.delenv("SILIF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(cache.cache_folder()) == "/somewhere/silif_plugins"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert str(cache.cache_folder()).endswith(".cache/silif_plugins")


def test_a_source_rewritten_with_its_size_and_date_is_read_again(source):
    """As cp -p, rsync -t and unpacking an archive do."""

    def make():
        return {"first": np.frombuffer(source.read_bytes()[:1], np.uint8)}

    before = source.stat()
    assert cached("x", {}, [source], make)["first"] == ord("1")
    time.sleep(0.02)  # longer than the clock of the file system ticks
    source.write_bytes(b"54321")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cached("x", {}, [source], make)["first"] == ord("5")
    assert cached("x", {}, [source], make)["first"] == ord("5")


def test_an_entry_of_a_source_just_written_is_not_trusted(source, monkeypatch, tmp_path):
    """The clock of a file system is coarse: a change within its tick leaves no trace."""
    make = Maker()
    monkeypatch.setattr(cache, "TICK", 300_000_000)
    cached("x", {}, [source], make)
    cached("x", {}, [source], make)
    assert make.calls == 2
    time.sleep(0.35)
    for _ in range(3):
        assert_right(cached("x", {}, [source], make))
    assert make.calls == 3
    assert len(list((tmp_path / "cache").glob("x-*/manifest"))) == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest", "empty", "nothing listed"])
def test_damage_is_found_and_mended(source, tmp_path, caplog, damage):
    make = Maker()
    cached("x", {}, [source], make)
    (frames,) = (tmp_path / "cache").glob("x-*/frames.npy")
    content = bytearray(frames.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
        frames.write_bytes(content)
    elif damage == "cut":
        frames.write_bytes(content[:-3])
    elif damage == "remove":
        frames.unlink()
    else:
        manifest = frames.parent / "manifest"
        content = manifest.read_text()
        manifest.write_text(
            {
                "manifest": content.replace('"labels"', '"labelz"'),
                "empty": "",
                "nothing listed": f"{zlib.crc32(b'{}')}\n{{}}",
            }[damage]
        )
    with caplog.at_level(logging.WARNING):
        assert_right(cached("x", {}, [source], make))
    assert "damaged, made anew" in caplog.text
    assert make.calls == 2
    assert_right(cached("x", {}, [source], make))
    assert make.calls == 2


def test_a_full_disk_is_no_error(source, tmp_path, monkeypatch, caplog):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING):
        assert_right(cached("x", {}, [source], Maker()))
    assert "No space left" in caplog.text
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"] == []


def test_a_folder_that_cannot_be_written_is_no_error(source, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SILIF_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level(logging.WARNING):
        assert_right(cached("x", {}, [source], Maker()))
    assert "nothing is cached" in caplog.text


def test_an_error_while_making_leaves_nothing(source, tmp_path):
    def fail():
        raise RuntimeError("broken data")

    with pytest.raises(RuntimeError, match="broken data"):
        cached("x", {}, [source], fail)
    assert_right(cached("x", {}, [source], Maker()))


def _make_in_child(source, folder, answers):
    os.environ["SILIF_CACHE"] = str(folder)
    cache.SMALLEST, cache.TICK = 1, 0
    make = Maker()
    cached("x", {}, [source], make)
    answers.put(make.calls)


@pytest.mark.slow
def test_two_processes_make_it_once(source, tmp_path):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    folder = tmp_path / "cache"
    children = [context.Process(target=_make_in_child, args=(source, folder, answers)) for _ in range(2)]
    for child in children:
        child.start()
    assert sorted(answers.get(timeout=60) for _ in children) == [0, 1]
    for child in children:
        child.join()
