"""Chunks are those that Elasticsearch's own chunkers make, of whatever text."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from inferpoint.chunking import characters, chunk, count_words, memory
from inferpoint.chunking.java_regex import compiled
from inferpoint.chunking.search_time import SearchTime
from inferpoint.chunking.sentences import sentence_ends
from inferpoint.chunking.separators import Separators
from inferpoint.chunking.settings import SEPARATOR_GROUPS, accept
from inferpoint.chunking.words import word_ends, words
from inferpoint.errors import InferenceError, Kind

Span = tuple[int, int]

PIECES = [
    *"aZ9 .!?,:;'\"_-\n\r\t\0\v\x85\u2028\xad\u200d\u0301#=",
    *"éßΣжאبकก็ลາກကខកសកเ中文々日本カナーｰ한글조。！",
    *"\U0001f600\U0001f1e9\U0001f1ea\U0001f468\U0001f3fd\U00020000\ud800\udfff",
    "word ", "Sentence. ", "line\r\n", "\n\n", "Mr. Smith", "3.14", "a:b", "ภาษาไทย", "東京都", "한국어", "\n# Title\n",
    "\nTitle\n---\n",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=200)
sizes = st.integers(1, 30)


def golden() -> Iterator[dict[str, Any]]:
    path = Path(__file__).with_name("golden.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8", errors="surrogatepass") as lines:
        yield from map(json.loads, lines)


def tiles(spans: list[Span], text: str) -> bool:
    """Whether the spans follow one another without a gap, from the beginning of the text to its end."""
    return [start for start, _ in spans] + [len(text)] == [0] + [end for _, end in spans]


def ordered(spans: list[Span], text: str) -> bool:
    """Whether the spans lie in the text, each ends further on, and nothing is left out between two of them."""
    inside = all(0 <= start <= end <= len(text) for start, end in spans)
    return inside and spans[0][0] == 0 and all(a <= c <= b < d for (a, b), (c, d) in pairwise(spans))


def test_golden() -> None:
    """Every case that Elasticsearch's chunkers were recorded on comes out the same."""
    cases = list(golden())
    wrong = [case["id"] for case in cases if list(map(list, chunk(case["text"], case["settings"]))) != case["chunks"]]
    assert (len(cases), wrong) == (2924, [])


@examples(max_examples=300, deadline=None)
@given(texts, sizes, st.data())
def test_words(text: str, size: int, data: st.DataObject) -> None:
    """Chunks of words go forward, hold as many words as asked for, and share as many as asked for."""
    overlap = data.draw(st.integers(0, size - 1))
    spans = chunk(text, {"strategy": "word", "max_chunk_size": size, "overlap": overlap})
    assert ordered(spans, text)
    *full, last = count_words(text, spans)
    assert full == [size] * len(full)
    assert last <= size
    shared = [(start, end) for (_, end), (start, _) in pairwise(spans)]
    assert count_words(text, shared) == [overlap] * len(shared)


@examples(max_examples=300, deadline=None)
@given(texts, sizes, st.integers(0, 1))
def test_sentences(text: str, size: int, overlap: int) -> None:
    """Chunks of sentences go forward and lose nothing but a tail without words."""
    spans = chunk(text, {"strategy": "sentence", "max_chunk_size": size, "sentence_overlap": overlap})
    assert ordered(spans, text)
    assert not len(words(text[spans[-1][1] :]).ends)


@examples(max_examples=300, deadline=None)
@given(texts, sizes, st.sampled_from([*SEPARATOR_GROUPS.values(), ("", "x"), (r"\b",), ("(?=[aw])", r"\s")]))
def test_separators(text: str, size: int, separators: tuple[str, ...]) -> None:
    """Chunks made by separators start where the text starts and go forward."""
    spans = chunk(text, {"strategy": "recursive", "max_chunk_size": size, "separators": list(separators)})
    assert ordered(spans, text)


@examples(deadline=None)
@given(texts)
def test_whole(text: str) -> None:
    """Without a strategy a text is one chunk."""
    assert chunk(text, {"strategy": "none"}) == [(0, len(text))]


@examples(max_examples=500, deadline=None)
@given(texts)
def test_two_ways_to_find_words(text: str) -> None:
    """The quick way finds the ends of words that the thorough one finds."""
    assert word_ends(text).tolist() == words(text).ends.tolist()


@examples(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["\n", "\r\n", " ", "\t", "\x85", "\u2028", "T", "-", "--", "=", "# ", "## "])))
def test_groups(pieces: list[str]) -> None:
    """The separators of the groups, which are expressions of our own, find what the ones they stand for find."""
    text = "".join(pieces)
    for separators in SEPARATOR_GROUPS.values():
        ours = Separators(separators, SearchTime())
        for level, separator in enumerate(separators):
            theirs = {match.start() for match in compiled(separator).pattern.finditer(text)} - {0, len(text)}
            assert ours.cuts(level, text).tolist() == sorted(theirs)


@examples(max_examples=500, deadline=None)
@given(texts, st.integers(1, 20))
def test_blocks(text: str, block: int) -> None:
    """A long text that is read in blocks has the words and sentences that it has when read at once."""
    at_once = words(text), word_ends(text), sentence_ends(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(characters, "_BLOCK", block)
        found = words(text), word_ends(text), sentence_ends(text)
    assert found[0].boundaries.tolist() == at_once[0].boundaries.tolist()
    assert found[0].end_words.tolist() == at_once[0].end_words.tolist()
    assert [ends.tolist() for ends in found[1:]] == [ends.tolist() for ends in at_once[1:]]


STRATEGIES = [
    {"strategy": "word", "max_chunk_size": 20, "overlap": 10},
    {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 1},
    {"strategy": "recursive", "max_chunk_size": 20, "separator_group": "plaintext"},
    {"strategy": "recursive", "max_chunk_size": 20, "separator_group": "markdown"},
]


@pytest.mark.parametrize("settings", [None, {"strategy": "none"}, *STRATEGIES])
def test_empty(settings: dict[str, Any] | None) -> None:
    """Nothing at all is one chunk of nothing."""
    assert chunk("", settings) == [(0, 0)]


@pytest.mark.parametrize("settings", STRATEGIES)
@pytest.mark.parametrize("text", [" " * 500, "\n" * 500, "\0" * 500, "\u3000" * 500, "\u200d" * 500, "\u0301" * 500])
def test_no_words(text: str, settings: dict[str, Any]) -> None:
    """A text without words is one chunk, however long."""
    assert chunk(text, settings) == [(0, 500)]


@pytest.mark.parametrize("settings", STRATEGIES)
@pytest.mark.parametrize("repeated", ["x", "中", "ก", "\n", "a\n", "á", "\U0001f600\u200d", "カ", "\ud800", "word "])
def test_long(repeated: str, settings: dict[str, Any]) -> None:
    """A text that is one word, line or mark over and over is cut in time that grows with its length."""
    text = repeated * (200_000 // len(repeated))
    assert ordered(chunk(text, settings), text)


@pytest.mark.parametrize("settings", STRATEGIES)
def test_one_word_of_ten_megabytes(settings: dict[str, Any]) -> None:
    """One word is one chunk."""
    assert chunk("x" * 10_000_000, settings) == [(0, 10_000_000)]


@pytest.mark.parametrize(
    "word",
    [
        "naïve", "größe", "слово", "λόγος", "עברית", "العربية", "हिन्दी", "বাংলা", "தமிழ்", "한국어", "日本", "中国",
        "ไทย", "ລາວ", "ខ្មែរ", "မြန်မာ", "አማርኛ", "ქართული", "հայերեն", "тоҷикӣ", "𞤊𞤵𞤤𞤢𞤪", "ᠮᠣᠩᠭᠣᠯ", "ᏣᎳᎩ", "བོད་ཡིག",
    ],
)  # fmt: skip
def test_every_script(word: str) -> None:
    """Offsets slice to words of any script, a space after each one in front of the next."""
    text = " ".join([word] * 40)
    spans = chunk(text, {"strategy": "word", "max_chunk_size": len(words(word).ends) * 10, "overlap": 0})
    assert [text[start:end].strip() for start, end in spans] == [" ".join([word] * 10)] * 4


@pytest.mark.parametrize("emoji", ["👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"])
def test_emoji(emoji: str) -> None:
    """No boundary falls inside of an emoji, however many characters it is made of."""
    assert words(f"a {emoji} b").boundaries.tolist() == [0, 1, 2, 2 + len(emoji), 3 + len(emoji), 4 + len(emoji)]


@pytest.mark.parametrize(
    ("letters", "boundaries"), [(1, [0, 1]), (2, [0, 2]), (3, [0, 2, 3]), (5, [0, 2, 4, 5]), (6, [0, 2, 4, 6])]
)
def test_flags(letters: int, boundaries: list[int]) -> None:
    """Two regional indicators are a flag, however many flags follow one another; one that is left over is alone."""
    assert words("\N{REGIONAL INDICATOR SYMBOL LETTER D}" * letters).boundaries.tolist() == boundaries


@pytest.mark.parametrize("text", ["\u0301", "\u0301" * 3, "\u0301a", "a\n\u0301", "a.\u0301"])
def test_marks_without_a_character(text: str) -> None:
    """A text's last sentence ends where the text ends, also when it is of marks that have nothing to be attached to."""
    assert sentence_ends(text).tolist()[-1] == len(text)


def test_line_ends() -> None:
    """A carriage return and its line feed stay together."""
    text = "One two three.\r\n" * 30
    spans = chunk(text, {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 0})
    assert tiles(spans, text)
    assert all(text[end - 2 : end] == "\r\n" for _, end in spans)


@pytest.mark.parametrize("expression", [r"(?:a|aa)+$", r"^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_endless_separator(expression: str) -> None:
    """A separator that backtracks without end is an error, and soon."""
    text = ("a" * 40 + "b ") * 100
    with pytest.raises(InferenceError, match=re.escape(expression)) as caught:
        chunk(
            text,
            {"strategy": "recursive", "max_chunk_size": 10, "separators": [expression]},
            search_time=SearchTime(seconds=0.1),
        )
    assert caught.value.kind is Kind.INVALID


def test_a_separator_that_remembers_all_of_a_long_text() -> None:
    """A group that repeats takes memory for every character, so that it is not searched for in a long text."""
    settings = {"strategy": "recursive", "max_chunk_size": 10, "separators": ["(?:a|b)+x"]}
    text = "ab " * 100_000
    assert chunk(text, settings)[0] == (0, 29)
    with pytest.raises(InferenceError, match="repeats a group"):
        chunk(text * 4, settings)


@pytest.mark.parametrize(
    "strategy", [*STRATEGIES, {"strategy": "recursive", "max_chunk_size": 20, "separators": ["."]}]
)
@pytest.mark.parametrize("text", ["word ", "a\n", "!A", "\n", "a. B", "漢字", "é ", "ไทย", "One sentence of a text. "])
def test_memory_is_known_before(text: str, strategy: dict[str, Any]) -> None:
    """No text takes more memory than is reckoned for it before it is cut."""
    settings, text = accept(strategy), text * (60_000 // len(text))
    chunk(text, settings)
    tracemalloc.start()
    try:
        chunk(text, settings)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= memory(text, settings)


def test_slow_separators() -> None:
    """By a clock, all searches together have the time that one has: many slow ones are an error too."""
    text = "word " * 1000 + "\n"
    settings = {"strategy": "recursive", "max_chunk_size": 10, "separators": ["\n", "x", "y", "z"]}
    assert chunk(text, settings)[0] == (0, 49)
    with pytest.raises(InferenceError, match=r"The separator \[y\] takes too long"):
        chunk(text, settings, search_time=SearchTime((0.9 * tick for tick in count()).__next__))


MEASURED = """
import re, sys
from pathlib import Path
from inferpoint import chunk
sentence, strategy = sys.argv[1:]
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
text = sentence * (10_000_000 // len(sentence.encode()))
chunk(text[:25_000], {"strategy": strategy})
before = peak()
chunk(text, {"strategy": strategy})
print((peak() - before) / len(text.encode()))
"""


@pytest.mark.parametrize("strategy", ["word", "sentence", "recursive"])
@pytest.mark.parametrize(
    "sentence", ["The quick brown fox jumps over the lazy dog. Then it sleeps. ", "北京是中国的首都。"]
)
def test_ten_megabytes_take_little_memory(sentence: str, strategy: str) -> None:
    """Chunking a document takes less than twelve times its own memory, also when no separator is in it."""
    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, sentence, strategy], check=True, capture_output=True, text=True
    )
    assert float(measured.stdout) < 12
