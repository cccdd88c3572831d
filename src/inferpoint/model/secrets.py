"""Secrets, kept out of a text however they are written in it: providers quote the keys that they refuse."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache

from inferpoint.model.wording import HIDDEN

# A shorter value is a part of ordinary words, and nothing would be left of a text if it were hidden in all of them.
SHORTEST = 4
# How many characters a secret has in its longest form for each of its own: four bytes are 5.3 letters in base64, of
# which each may be `\u002b`.
_LONGEST_FORM = 40
_ESCAPED_NOWHERE = frozenset(string.ascii_letters + string.digits)
_JSON_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
_BASE64 = (
    *(string.ascii_uppercase + string.ascii_lowercase + string.digits),
    r"(?:[+-]|%2[Bb]|\\u002[Bb])",
    r"(?:[/_]|%2[Ff]|\\/|\\u002[Ff])",
)
_PADDING = r"(?:=|%3[Dd]|\\u003[Dd]){0,2}"


@dataclass(frozen=True)
class Secrets:
    """Values that no text may show, in none of these forms.

    - as they are
    - percent-encoded (RFC 3986), however many of the characters, a blank as `%20` or `+`
    - escaped in a JSON string, however many of the characters
    - in base64 (RFC 4648), in both its alphabets, with padding or without, alone or inside of something longer that is
      encoded, such as `user:secret`

    ASCII letters and digits are looked for as they are: nothing escapes them. A value of fewer than `SHORTEST`
    characters is hidden where it is a word of its own, and not in base64.
    """

    values: tuple[str, ...] = field(repr=False)

    def hide(self, text: str) -> str:
        """*text* with `***` in place of every secret; of two that begin at one place, of the longer."""
        forms = _any_of(self.values)
        return text if forms is None else forms.sub(HIDDEN, text)

    def hide_start(self, text: str, length: int) -> str:
        """The first *length* characters of what `hide` makes of *text*, however long that is at the cost of no more."""
        forms, shown, at = _any_of(self.values), "", 0
        reach = _LONGEST_FORM * max(map(len, self.values), default=0)
        while forms is not None and len(shown) < length:
            secret = forms.search(text, at, at + length - len(shown) + reach)
            if secret is None:
                break
            shown += text[at : secret.start()] + HIDDEN
            at = secret.end()
        return (shown + text[at : at + length])[:length]


@lru_cache(maxsize=256)  # an endpoint's calls may each have a copy of its secrets
def _any_of(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    """A pattern of all forms of all *secrets*; None where there are none."""
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    return re.compile("|".join(map(_any_form, longest_first))) if longest_first else None


def _any_form(secret: str) -> str:
    """A regular expression for *secret*. No text matches an alternative in two ways, so that matching is linear."""
    escaped = ("".join(map(_percent_encoded, secret)), "".join(map(_json_escaped, secret)), re.escape(secret))
    if len(secret) < SHORTEST:
        return rf"(?<!\w)(?:{_either(*escaped)})(?!\w)"
    return _either(*escaped, *_in_base64(secret.encode("utf-8", "surrogatepass")))


def _percent_encoded(character: str) -> str:
    if character in _ESCAPED_NOWHERE:
        return re.escape(character)
    encoded = "".join(f"%{_hexadecimal(byte, 2)}" for byte in character.encode("utf-8", "surrogatepass"))
    match character:
        case "%":
            return encoded
        case " ":
            return _either(" ", r"\+", encoded)
        case _:
            return _either(re.escape(character), encoded)


def _json_escaped(character: str) -> str:
    if character in _ESCAPED_NOWHERE:
        return re.escape(character)
    utf16 = character.encode("utf-16-be", "surrogatepass")
    units = [int.from_bytes(utf16[at : at + 2], "big") for at in range(0, len(utf16), 2)]
    forms = ["".join(rf"\\u{_hexadecimal(unit, 4)}" for unit in units)]
    if character in _JSON_ESCAPES:
        forms.append(rf"\\{re.escape(_JSON_ESCAPES[character])}")
    if character not in ('"', "\\"):
        forms.append(re.escape(character))
    return _either(*forms)


def _in_base64(secret: bytes) -> Iterator[str]:
    """The three forms of *secret* in base64: it begins with the first, second or third byte of a group of three.

    A letter that also has bits of a neighbouring byte may be any that has those of *secret*.
    """
    bits = "".join(f"{byte:08b}" for byte in secret)
    for before in ("", "??", "????"):
        known = before + bits
        known += "?" * (-len(known) % 6)
        yield "".join(_letter(known[at : at + 6]) for at in range(0, len(known), 6)) + _PADDING


@cache
def _letter(bits: str) -> str:
    """The letters of base64 for six *bits*, of which those that are `?` may be either."""
    fitting = re.compile(bits.replace("?", "."))
    return _either(*(form for value, form in enumerate(_BASE64) if fitting.fullmatch(f"{value:06b}")))


def _hexadecimal(number: int, digits: int) -> str:
    """*number* in hexadecimal digits of either case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{number:0{digits}x}")


def _either(*forms: str) -> str:
    distinct = dict.fromkeys(forms)
    return "|".join(distinct) if len(distinct) == 1 else f"(?:{'|'.join(distinct)})"
