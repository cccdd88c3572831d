"""Make `classes.zlib`, the one table of what each character is to the rules of words and sentences.

Run it again after changing the properties or the legend; it takes a few seconds and nothing but Python::

    python tools/unicode/make_classes.py

The file is a line of pairs of letters (the word letter and the sentence letter of class 0, of class 1, …) and then one
byte for each code point, the number of its class; compressed. `inferpoint.chunking.characters` explains the letters.
`properties-16.0.tsv.gz` holds Unicode 16.0's Word_Break, Sentence_Break, Script, Ideographic, Line_Break,
General_Category and Extended_Pictographic as ranges, under the Unicode licence.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PROPERTIES = HERE / "properties-16.0.tsv.gz"
TABLE = HERE.parents[1] / "src" / "inferpoint" / "chunking" / "classes.zlib"
CODE_POINTS = 0x110000
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)

SENTENCE_LETTERS = {
    "XX": "o", "AT": "A", "CL": "C", "FO": "e", "EX": "e", "LO": "L", "UP": "U", "LE": "O",
    "NU": "N", "SE": "S", "SP": "P", "ST": "T", "CR": "r", "LF": "n", "SC": "c",
}  # fmt: skip
WORD_LETTERS = {
    "NU": "N", "EX": "X", "WSegSpace": "w", "SQ": "q", "DQ": "d", "MB": "b", "ML": "c", "MN": "y",
    "CR": "r", "LF": "n", "NL": "l", "FO": "e", "ZWJ": "z", "KA": "K", "RI": "R", "HL": "H",
}  # fmt: skip
SETTLED = {"CR", "LF", "NL", "FO", "ZWJ", "KA"}  # no other property can change what these are


def word_letter(word_break: str, flags: str, *, hangul: bool) -> str:  # noqa: PLR0911 - a list of rules, the first that fits
    """The letter of the word rules' class, as the root rules of ICU 77 divide the characters."""
    han, hiragana, ideographic = "h" in flags, "k" in flags, "i" in flags
    southeast_asian, control, pictographic = "s" in flags, "c" in flags, "p" in flags
    if word_break == "Extend" and not han:
        return "m" if southeast_asian else "e"
    if word_break in SETTLED:
        return WORD_LETTERS[word_break]
    if hiragana:
        return "J"
    if han:
        return "I" if ideographic else "h"
    if ideographic:
        return "i"
    if word_break in ("RI", "HL"):
        return WORD_LETTERS[word_break]
    if hangul:
        return "G"
    if southeast_asian and word_break != "Extend" and not control:
        return "T"
    if word_break == "LE":
        return "M" if pictographic else "A"
    return WORD_LETTERS.get(word_break) or ("p" if pictographic else "o")


def ranges() -> Iterator[tuple[int, int, str, str, str]]:
    """The ranges of code points that share their properties; Hangul syllables apart from their neighbours."""
    with gzip.open(PROPERTIES, "rt", encoding="ascii") as lines:
        for line in lines:
            if not line.startswith("#"):
                first, last, word_break, sentence_break, flags = line.split()
                yield int(first, 16), int(last, 16) + 1, word_break, sentence_break, flags


def main() -> None:
    """Write the table and say how large it is."""
    pairs = ["oo"]  # the class of what no range names
    table = bytearray(CODE_POINTS)
    for first, end, word_break, sentence_break, flags in ranges():
        for point in range(first, end):
            word = word_letter(word_break, flags, hangul=point in HANGUL_SYLLABLES)
            pair = word + SENTENCE_LETTERS[sentence_break]
            if pair not in pairs:
                pairs.append(pair)
            table[point] = pairs.index(pair)
    data = zlib.compress("".join(pairs).encode() + b"\n" + table, 9)
    TABLE.write_bytes(data)
    print(f"{len(pairs)} classes, {len(data)} bytes in {TABLE.name}")


if __name__ == "__main__":
    main()
