r"""Java's regular expressions, as Elasticsearch compiles separators, in the language of the `regex` module.

The two differ in small things that matter: what ends a line, that `\w` and `\b` know ASCII alone, how character
classes intersect. Whatever Java does not have, or is not translated faithfully, is refused and not passed on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import regex

from inferpoint.chunking.expression_size import ExpressionSize
from inferpoint.chunking.settings import SCOPE
from inferpoint.errors import Subject, invalid

LARGEST = 5_000  # characters of an expression with its repetitions written out: 1.4 MB once it is compiled
_TOO_LARGE = f"with its repetitions written out it has more than {LARGEST} characters"
_LINE_ENDS = r"\n\r\u0085\u2028\u2029"
_LAST_LINE = rf"(?=(?:\r\n|[{_LINE_ENDS}])?\Z)"
_WORD = "A-Za-z0-9_"
_BOUNDARY = f"(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}])"

_SETS = {
    "d": "0-9",
    "w": _WORD,
    "s": r" \t\n\x0b\f\r",
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": r"\n\x0b\f\r\u0085\u2028\u2029",
}
_PROPERTIES = {  # those that Java confines to ASCII
    "Lower": "a-z", "Upper": "A-Z", "ASCII": r"\x00-\x7f", "Alpha": "A-Za-z", "Digit": "0-9", "Alnum": "A-Za-z0-9",
    "Punct": r"!-/:-@\[-`{-\x7e", "Graph": r"!-\x7e", "Print": r" -\x7e", "Blank": r" \t", "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9A-Fa-f", "Space": _SETS["s"],
}  # fmt: skip
_ESCAPES = {
    "R": rf"(?:\r\n|[{_SETS['v']}])",
    "b": f"(?:{_BOUNDARY})",
    "B": f"(?!{_BOUNDARY})",
    "A": r"\A",
    "z": r"\Z",
    "Z": _LAST_LINE,
    "X": r"\X",
    "e": r"\x1b",
    **{letter: "\\" + letter for letter in "tnrfa"},
}
_ANY = {False: f"[^{_LINE_ENDS}]", True: "(?s:.)"}
_LINE_START = {False: r"\A", True: r"(?:(?<=\A|[\n\u0085\u2028\u2029]|\r(?!\n))(?!\Z))"}
_LINE_END = {False: _LAST_LINE, True: r"(?:(?=[\r\u0085\u2028\u2029]|\Z)|(?<!\r)(?=\n))"}

_TOKEN = re.compile(
    r"""
    \\Q (?P<quoted> .*? ) (?: \\E | \Z )
  | \\ (?: u (?P<utf16> [0-9a-fA-F]{4} ) | x (?P<byte> [0-9a-fA-F]{2} ) | x\{ (?P<point> [0-9a-fA-F]{1,6} ) \}
       | 0 (?P<octal> [0-3]?[0-7]{1,2} ) | c (?P<control> [@-_a-z] )
       | (?P<sign> [pP] ) (?: \{ (?P<property> [^{}]* ) \} | (?P<category> [A-Z] ) )
       | k< (?P<reference> \w+ ) > | (?P<number> [1-9] ) | (?P<escaped> . ) )
  | \(\? (?P<flags> [a-zA-Z]* (?: - [a-zA-Z]+ )? ) (?P<scope> [:)] )
  | (?P<group> \(\? (?: [=!>] | <[=!] | <[a-zA-Z][a-zA-Z0-9]*> ) )
  | (?P<set> \[\^? ) (?P<bracket> \]? )
  | (?P<repeat> \{ [0-9]+ (?: , [0-9]* )? \} )
  | (?P<plain> && | . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class _Mode:
    """The inline flags that hold at one place of an expression."""

    multiline: bool = True
    dot_all: bool = False


class _UntranslatableError(Exception):
    """A part of an expression that Java does not have, or that means something else here."""


@dataclass(frozen=True)
class Separator:
    """An expression, ready to search, and how many characters it has with all its repetitions written out.

    `remembers` is how many groups a search remembers for every character, at worst.
    """

    pattern: regex.Pattern[str]
    size: int
    remembers: int


@lru_cache(maxsize=64)
def compiled(expression: str) -> Separator:
    """The separator that *expression* is; raises where it is none, or one that is too large."""
    try:
        if len(expression) > LARGEST:
            raise _UntranslatableError(_TOO_LARGE)
        translation = _Translation(expression)
        pattern = regex.compile(translation.text, regex.VERSION1, cache_pattern=False)  # only this cache has a bound
        return Separator(pattern, translation.size.total, translation.size.groups * translation.size.repeats)
    except (_UntranslatableError, regex.error, RecursionError, OverflowError, ValueError) as error:
        raise invalid(
            f"[{SCOPE}] Invalid value [{expression}] received. [separators] must be regular expressions: {error}",
            subject=Subject.SETTINGS,
        ) from None


class _Translation:
    """One expression, translated token by token."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._modes = [_Mode()]
        self._sets = 0  # character classes that are open
        self._may_range = False  # whether a hyphen here could stand for a range
        self.size = ExpressionSize()
        self.text = "".join(map(self._measured, _TOKEN.finditer(expression)))
        if self.size.total > LARGEST:
            raise _UntranslatableError(_TOO_LARGE)

    def _measured(self, token: re.Match[str]) -> str:
        """The *token*, translated, its size told."""
        sets, groups = self._sets, len(self._modes)
        text = self._translated(token)
        if self._sets + len(self._modes) > sets + groups:
            self.size.opened(len(text))
        elif self._sets + len(self._modes) < sets + groups:
            self.size.closed(group=len(self._modes) < groups)
        elif self._sets or (text not in "*+?" and token.lastgroup != "repeat"):
            self.size.part(len(text))
        else:
            self.size.repeated(int((token["repeat"] or "{1}").strip("{}").partition(",")[0]), once=text == "?")
        return text

    def _translated(self, token: re.Match[str]) -> str:  # noqa: C901, PLR0911 - one case for each kind of token
        parts = token.groupdict()
        value = token[token.lastgroup or 0] or ""
        self._may_range, could_range = False, self._may_range
        match token.lastgroup:
            case "quoted":
                return "".join(map(_literal, value))
            case "utf16" | "byte" | "point" | "octal":
                return self._ranging(_literal(chr(int(value, 8 if token.lastgroup == "octal" else 16))))
            case "control":
                return self._ranging(_literal(chr(ord(value.upper()) ^ 64)))
            case "property" | "category":
                return _property(value, negated=parts["sign"] == "P")
            case "reference":
                return f"(?P={value})"
            case "number":
                return rf"\g<{value}>"
            case "escaped":
                return self._escaped(value)
            case "scope":
                return self._flags(parts["flags"], value)
            case "group":
                self._modes.append(self._modes[-1])
                return value
            case "bracket":
                self._sets += 1
                return parts["set"] + (_literal(value) if value else "")
            case "repeat":
                return "".join(map(_literal, value)) if self._sets else value
            case _:
                following = self._expression[token.end() : token.end() + 1]
                return (
                    self._in_set(value, following, could_range=could_range)
                    if self._sets
                    else self._outside(value, following)
                )

    def _ranging(self, literal: str) -> str:
        self._may_range = True
        return literal

    def _escaped(self, character: str) -> str:
        if character.lower() in _SETS:
            return f"[{'^' * character.isupper()}{_SETS[character.lower()]}]"
        if not (character.isascii() and character.isalnum()):
            return self._ranging(_literal(character))
        if character not in _ESCAPES or (self._sets and character not in "tnrfae"):
            raise _UntranslatableError(rf"\{character} is not supported here")
        return self._ranging(_ESCAPES[character])

    def _flags(self, flags: str, scope: str) -> str:
        on, _, off = flags.partition("-")
        if unsupported := set(flags) - set("imsu-"):
            raise _UntranslatableError(f"the flag {min(unsupported)} is not supported")
        before = self._modes[-1]
        mode = _Mode(
            multiline="m" not in off and ("m" in on or before.multiline),
            dot_all="s" not in off and ("s" in on or before.dot_all),
        )
        ignoring_case = "i" * ("i" in on) + "-i" * ("i" in off)
        if scope == ":":
            self._modes.append(mode)
            return f"(?{ignoring_case}:"
        self._modes[-1] = mode
        return f"(?{ignoring_case})" if ignoring_case else ""

    def _in_set(self, value: str, following: str, *, could_range: bool) -> str:
        if value == "]":
            self._sets -= 1
            return value
        if value == "&&" or (value == "-" and could_range and following != "]"):
            return value
        return self._ranging(_literal(value))

    def _outside(self, value: str, following: str) -> str:
        mode = self._modes[-1]
        match value:
            case ".":
                return _ANY[mode.dot_all]
            case "^":
                return _LINE_START[mode.multiline]
            case "$":
                return _LINE_END[mode.multiline]
            case "(":
                self._modes.append(mode)
            case ")" if len(self._modes) > 1:
                self._modes.pop()
            case _:
                pass
        if value in ("{", "\\") or (value == "(" and following in ("?", "*")):
            raise _UntranslatableError(f"{value}{following} is not supported here")
        return value if value in "()|*+?" else "".join(map(_literal, value))


def _literal(character: str) -> str:
    """The character, whatever it would mean in an expression."""
    return character if character.isascii() and character.isalnum() else f"\\U{ord(character):08x}"


def _property(name: str, *, negated: bool) -> str:
    if name in _PROPERTIES:
        return f"[{'^' * negated}{_PROPERTIES[name]}]"
    return rf"\{'P' if negated else 'p'}{{{name}}}"
