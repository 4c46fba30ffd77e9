"""Speech from text, by the formant synthesiser espeak-ng.

espeak-ng is a program under the GPL. Nothing of it is part of this package: it is found where the wheel
``espeakng-loader`` (extra ``speech``) has installed it, and called through its C interface.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...optional import require

SAMPLE_RATE = 22050
"""Samples a second of everything that espeak-ng says."""

_OUTPUT_SYNCHRONOUS = 2  # samples come to a callback, in the thread that asks for them
_DONT_EXIT = 0x8000  # on missing data, return an error instead of ending the process
_CHARACTERS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # numbers of espeak-ng's parameters

_one_at_a_time = threading.Lock()

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def synthesise(
    text: str, voice: str, *, rate: int = 170, pitch: int = 50, pitch_range: int = 50, seed: int = 0
) -> NDArray[np.int16]:
    """Say a text; the same arguments give the same samples, whatever was said before.

    The library keeps hidden state between two texts: the phase of the pitch flutter, echoes, filters, a random
    generator that it seeds from the clock. So it is loaded anew for every text, which takes a few milliseconds, and
    its generator is seeded. So is the ``rand`` of the C library, from which a few voices take their breath.

    Args:
        text: What to say.
        voice: Language and variant, such as ``"en+f1"`` or ``"de"``.
        rate: Words a minute, 80 to 450.
        pitch: Pitch, 0 to 99.
        pitch_range: Range of the intonation, 0 to 99.
        seed: Seed of the breath noise.

    Returns:
        Samples at 22 050 Hz, [samples].

    Raises:
        ModuleNotFoundError: If espeakng-loader is not installed.
        RuntimeError: If espeak-ng cannot be started, or something else in this process uses it.
        ValueError: If espeak-ng does not know the voice, or a number is out of its range.

    Examples:
        >>> samples = synthesise("seven", "en+f1")
        >>> bool((samples == synthesise("seven", "en+f1")).all())
        True
    """
    for name, value, low, high in (
        ("rate", rate, 80, 450),
        ("pitch", pitch, 0, 99),
        ("pitch_range", pitch_range, 0, 99),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name}: got {value}, but it must be {low} to {high}")
    installed = require("espeakng_loader", extra="speech", purpose="Synthesising speech")
    data = Path(installed.get_data_path())
    # espeak-ng speaks with the plain voice if it does not know a variant.
    variant = voice.partition("+")[2]
    if "+" in voice and not (variant and (data / "voices" / "!v" / variant).is_file()):
        raise ValueError(f"voice: espeak-ng has no variant {variant!r}, which {voice!r} asks for")

    # Ctrl-C is for the main thread alone. Where a callback from C code runs there, it is lost in between them.
    with ThreadPoolExecutor(1) as thread:
        path = installed.get_library_path()
        return thread.submit(_speak, path, data, text, voice, rate, pitch, pitch_range, seed).result()


def _speak(
    path: str, data: Path, text: str, voice: str, rate: int, pitch: int, pitch_range: int, seed: int
) -> NDArray[np.int16]:
    chunks: list[bytes] = []
    raised: list[BaseException] = []

    def collect(samples: int | None, number: int, events: object) -> int:
        # An exception cannot cross C code: keep it, tell espeak-ng to stop, raise it later.
        try:
            if samples and number > 0:
                chunks.append(ctypes.string_at(samples, 2 * number))
            return 0
        except BaseException as error:
            raised.append(error)
            return 1

    callback = _Callback(collect)
    with _one_at_a_time:
        library = _load(path)
        try:
            got = library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data), _DONT_EXIT)
            if got != SAMPLE_RATE:
                raise RuntimeError(f"espeak-ng could not be started with the data in {data} ({got})")
            library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
            if sys.platform != "win32":
                ctypes.CDLL(None).srand(ctypes.c_uint(seed))
            library.espeak_SetSynthCallback(callback)
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"voice: espeak-ng has no voice {voice!r}")
            for parameter, value in ((_RATE, rate), (_VOLUME, 100), (_PITCH, pitch), (_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, value, 0)
            encoded = text.encode()
            size = ctypes.c_size_t(len(encoded) + 1)
            library.espeak_Synth(encoded, size, 0, 0, 0, _CHARACTERS_UTF8, None, None)
            library.espeak_Synchronize()
            library.espeak_Terminate()
        finally:
            _unload(library)
    if raised:
        raise raised[0]
    return np.frombuffer(b"".join(chunks), np.int16)


def _load(path: str) -> ctypes.CDLL:
    if hasattr(os, "RTLD_NOLOAD"):
        try:
            other = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        except OSError:
            pass  # as it should be: not in this process
        else:
            _unload(other)
            raise RuntimeError(
                f"{path} is in use elsewhere in this process, and its hidden state would change what is said: "
                "synthesise in a process of its own"
            )
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise RuntimeError(f"espeak-ng could not be loaded from {path}: {error}") from error


def _unload(library: ctypes.CDLL) -> None:
    import _ctypes

    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
