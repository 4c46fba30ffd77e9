"""Which split a sample is in, by its name alone, so that new files never move old ones."""

from __future__ import annotations

import hashlib
import unicodedata

SHARE = 10
"""Percent of the names that are for validation, and as many for the test."""


def plain_name(name: str) -> str:
    """Return a name as all systems have it: they differ in capitals, and in how they compose letters.

    Examples:
        >>> plain_name("Yes/A.WAV")
        'yes/a.wav'
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def split_by_name(name: str) -> str:
    """Draw the split of a file or a speaker from a hash of the name.

    Examples:
        >>> [split_by_name(f"yes/{number}.npy") for number in (4, 5, 12)]
        ['train', 'valid', 'test']
    """
    draw = int.from_bytes(hashlib.sha256(plain_name(name).encode()).digest()[:8], "big") % 100
    return "valid" if draw < SHARE else "test" if draw < 2 * SHARE else "train"
