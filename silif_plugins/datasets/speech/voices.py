"""Who speaks: the voices of the spoken digits, the split that each belongs to, and the accents they use."""

from __future__ import annotations

VOICES: dict[str, tuple[str, ...]] = {
    "train": (
        *("f1", "f2", "f3", "f5", "belinda", "Alicia", "shelby", "steph"),
        *(
            "m1",
            "m2",
            "m4",
            "m6",
            "max",
            "Mike",
            "pablo",
            "adam",
            "grandpa",
            "Diogo",
            "miguel",
            "Gene",
            "Alex",
            "Mario",
        ),
        *("ed", "rob"),
    ),
    "valid": ("anika", "grandma", "m5", "iven", "victor", "edward", "Denis", "antonio"),
    "test": (
        *("f4", "aunty", "Annie", "Andrea"),
        *("m7", "m8", "quincy", "ian", "norbert", "david", "announcer", "sandro"),
    ),
}
"""Variants of espeak-ng that sound like a person: no whispers, robots or effects, the first three formants at 70 to
150 % of the plain voice's, and no noise from the C library's generator, which differs between systems.

Variants with the same formants, such as f2 and f5, are in the same split. A quarter to a third of the
voices of each split are female.
"""

SPEAKERS: tuple[str, ...] = VOICES["train"] + VOICES["valid"] + VOICES["test"]
"""All voices: the speaker index of a recording is a position here, the same in every split."""

ACCENTS: dict[str, tuple[str, ...]] = {
    "en": ("en", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp"),
    "de": ("de",),
}
"""espeak-ng's names of the accents of each language."""

DIGITS: dict[str, tuple[str, ...]] = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "de": ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
}
"""The words; the class of a recording counts through English, then German."""

CLASSES: tuple[str, ...] = DIGITS["en"] + DIGITS["de"]
