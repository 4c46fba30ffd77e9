import ctypes
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from silif_plugins.datasets.speech import ACCENTS, VOICES, synthesise

loader = pytest.importorskip("espeakng_loader", reason="espeakng-loader (extra speech) is not installed")


@pytest.mark.parametrize("voice", ["en+f2", "de+m3", "en-us+Reed", "de+Gene", "en+sandro", "en+caleb"])
def test_what_was_said_before_does_not_matter(voice):
    """Variants with flutter, breath, echo and the Klatt synthesiser: each keeps another hidden state in the library."""
    alone = synthesise("seven", voice, seed=3)
    for before in ("one", "zweiundzwanzig"):
        synthesise(before, "de+f5", rate=400, pitch=99, seed=7)
        np.testing.assert_array_equal(synthesise("seven", voice, seed=3), alone)


def test_every_argument_is_heard():
    plain = synthesise("nine", "en+f5")
    changes = [{"rate": 120}, {"pitch": 80}, {"pitch_range": 0}, {"seed": 1}]
    for change in changes:
        assert not np.array_equal(synthesise("nine", "en+f5", **change), plain), change
    assert len(synthesise("nine", "en+f5", rate=120)) > len(plain)


def test_all_voices_and_accents_exist():
    for voice in sum(VOICES.values(), ()):
        assert abs(synthesise("null", f"de+{voice}")).max() > 1000, voice
    for accent in sum(ACCENTS.values(), ()):
        assert len(synthesise("two", accent)) > 1000, accent


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"voice": "xx"}, "no voice 'xx'"),
        ({"voice": ""}, "no voice ''"),
        ({"voice": "en+nobody"}, "no variant 'nobody'"),
        ({"rate": 0}, "rate: got 0, but it must be 80 to 450"),
        ({"pitch": 100}, "pitch: got 100"),
        ({"pitch_range": -1}, "pitch_range: got -1"),
    ],
)
def test_bad_arguments_are_named(arguments, says):
    with pytest.raises(ValueError, match=says):
        synthesise("one", **({"voice": "en"} | arguments))


def test_threads_take_turns():
    voices = ["en+f1", "de+m2", "en+adam", "de+f5"] * 3
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda voice: synthesise("acht", voice), voices))
    for voice, samples in zip(voices, together, strict=True):
        np.testing.assert_array_equal(samples, synthesise("acht", voice))


@pytest.mark.skipif(not hasattr(__import__("os"), "RTLD_NOLOAD"), reason="this system cannot tell what is loaded")
def test_another_user_of_the_library_is_noticed():
    import _ctypes

    other = ctypes.CDLL(loader.get_library_path())
    try:
        with pytest.raises(RuntimeError, match="in use elsewhere in this process"):
            synthesise("one", "en")
    finally:
        _ctypes.dlclose(other._handle)
    assert len(synthesise("one", "en")) > 1000
