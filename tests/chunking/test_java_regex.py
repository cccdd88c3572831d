"""Separators mean what they mean to Java."""

from __future__ import annotations

import pytest

from inferpoint.chunking import settings
from inferpoint.chunking.java_regex import compiled
from inferpoint.errors import InferenceError

LINE_ENDS = "\n|\r|\x85|\u2028|\u2029|\r\n"


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        (".", "a\n\r\x85\u2028\u2029b", ["a", "b"]),
        ("(?s).", "a\n", ["a", "\n"]),
        ("(?s:.)b.", "\nbc\nb\n", ["\nbc"]),
        ("(?-s:.)", "\n", []),
        ("^.", "a\nb\r\nc\u2028d", ["a", "b", "c", "d"]),
        (".$", "a\nb\r\nc\u2028d", ["a", "b", "c", "d"]),
        ("(?-m)^.", "a\nb", ["a"]),
        ("(?-m).$", "a\nb\n", ["b"]),
        ("(?:(?-m)^)a|^b", "a\nb\na", ["a", "b"]),
        (r"\s+", " \t\x0b\x85\xa0\u3000", [" \t\x0b"]),
        (r"\S", " \x85", ["\x85"]),
        (r"\d+", "1٣", ["1"]),
        (r"\w+", "aé_1", ["a", "_1"]),
        (r"[\w&&[^a]]+", "abca", ["bc"]),
        (r"[a-c&&b-d]", "abcd", ["b", "c"]),
        (r"[^\W\d]+", "a1é_", ["a", "_"]),
        (r"\bb", "éb b", ["b", "b"]),
        (r"\Ba", "aa", ["a"]),
        (r"\R", LINE_ENDS, LINE_ENDS.split("|")),
        (r"\h\v", " \n\xa0\u2028", [" \n", "\xa0\u2028"]),
        (r"\Q.*[\E.", ".*[x.*", [".*[x"]),
        (r"\Q(", "(", ["("]),
        (r"\p{L}\pN\P{Lu}", "é1e", ["é1e"]),
        (r"\p{Lower}\p{IsAlphabetic}", "aéé", ["aé"]),
        (r"\p{Punct}+", "!~a\\[]", ["!~", "\\[]"]),
        (r"\x41\x{1F600}\u0042\0103\cJ\e", "A\U0001f600BC\n\x1b", ["A\U0001f600BC\n\x1b"]),
        (r"(?<twice>a|b)\k<twice>", "abba", ["bb"]),
        (r"(a|b)\1", "abba", ["bb"]),
        (r"(?i)THE ", "the The ", ["the ", "The "]),
        (r"(?i:a)b", "Ab AB", ["Ab"]),
        (r"[-a]|[b-]|[+--]|[c-e]", "-a+,d", ["-", "a", "+", ",", "d"]),
        (r"[]x]", "]x", ["]", "x"]),
        (r"[[:a:]]", ":b", [":"]),
        (r"[a|b||~~^.{1}]", "|~^.{}", ["|", "~", "^", ".", "{", "}"]),
        (r"a{2}b{1,}c{0,1}d++", "aabbcdd", ["aabbcdd"]),
        (r"(?>a+)a", "aaa", []),
        (r"(?<![a-z]{1,3})b(?=c)", "abc bc", ["b"]),
        (r"a\.\*\-\ ", "a.*- ", ["a.*- "]),
        (r"a\Z", "a\r\n", ["a"]),
        (r"a\z", "a\n", []),
        ("}", "}", ["}"]),
        ("#  x", "#  x", ["#  x"]),
    ],
)
def test_meaning(expression: str, text: str, found: list[str]) -> None:
    """An expression finds what it finds in Java."""
    assert [match.group() for match in compiled(expression).pattern.finditer(text)] == found


@pytest.mark.parametrize(
    ("expression", "size", "remembers"),
    [
        ("abc", 3, 0),
        ("a{9}", 10, 0),
        ("(ab){3,9}c", 14, 1),
        ("((a|b){10}){10}", 531, 2),
        ("[a-z]{2,}", 11, 0),
        ("(?:ab)?c", 8, 0),
        ("(?:(a)|b)*", 10, 2),
        ("(?:ab)??", 8, 0),
    ],
)
def test_size(expression: str, size: int, remembers: int) -> None:
    """Repetitions are written out, and groups count that a repetition makes a search remember."""
    separator = compiled(expression)
    assert (separator.size, separator.remembers) == (size, remembers)


@pytest.mark.parametrize(
    "expression",
    [
        "(a?){9999999}",
        "((a{99}){99}){99}",
        "(?<=a{9999999})b",
        r"(\b){999999}",
        r"(?:\R\R){999999}",
        "[ab]{9999}",
        "a" * 5001,
    ],
)
def test_what_would_be_too_large_is_not_compiled(expression: str) -> None:
    """A few characters that stand for millions are refused by arithmetic, for compiled they fill the machine."""
    with pytest.raises(InferenceError, match=r"it has more than 5000 characters"):
        compiled(expression)


def test_all_separators_together_are_no_larger_than_one() -> None:
    """Fifty separators that are each as large as one may be are refused."""
    problems: list[str] = []
    settings.read({"strategy": "recursive", "separators": ["a{3000}", "b{3000}"]}, problems=problems)
    assert problems == [
        "[chunking_settings] Invalid value. [separators] have, with their repetitions written out, more than [5000]"
        " characters"
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "[a", "(a", "a)", "*a", "a**", "a{e}", "(?R)", "(*FAIL)", "(?|a|b)", "(?P<n>a)", "(?x) a", "(?U)a", r"\Ga",
        r"\K", "\\", r"\p{Nonsense}", r"\L<names>", r"\m", "a{2,1}", r"\2", "(" * 5000 + ")" * 5000,
    ],
)  # fmt: skip
def test_refuse(expression: str) -> None:
    """What Java does not have, or we do not translate, is refused where the settings are read, with a reason."""
    with pytest.raises(InferenceError, match="must be regular expressions: "):
        compiled(expression)
    problems: list[str] = []
    settings.read({"strategy": "recursive", "separators": ["a", expression]}, problems=problems)
    assert [problem.startswith("[chunking_settings] Invalid value [") for problem in problems] == [True]
