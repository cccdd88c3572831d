"""The two questions that the rest of Inferpoint asks of chunking; numpy and ICU come in with the first long text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inferpoint.chunking.search_time import SearchTime
from inferpoint.chunking.settings import ChunkingSettings, Recursive, Sentences, Whole, Words, accept

Span = tuple[int, int]

_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())
_SENTENCE_ENDS = b"\n\r\v\f!?."
_MOST_COUNTED = 3  # a character counts as one word at most, and its boundaries may make a neighbour's count again


def chunk(
    text: str,
    settings: Mapping[str, Any] | ChunkingSettings | None = None,
    *,
    search_time: SearchTime | None = None,
) -> list[Span]:
    """Where each chunk of *text* begins and ends, in code points.

    *settings* are those of the API, with any size and any overlap below it, or a record of them; None are the defaults.
    Searches for separators of the caller's own may take the *search_time* together, or each of them a few seconds.
    """
    wanted = settings if isinstance(settings, ChunkingSettings) else accept(settings)
    if isinstance(wanted, Whole) or len(text) * _MOST_COUNTED <= wanted.size:
        return [(0, len(text))]
    from inferpoint.chunking import strategies  # noqa: PLC0415 - see above

    match wanted:
        case Words():
            return strategies.by_words(text, wanted.size, wanted.overlap)
        case Sentences():
            return strategies.by_sentences(text, wanted.size, overlap=wanted.sentence_overlap > 0)
        case Recursive():
            return strategies.by_separators(text, wanted.size, wanted.separators or (), search_time or SearchTime())


def memory(text: str, settings: ChunkingSettings) -> int:
    """How many bytes `chunk` takes at most, beside *text*: for characters, ends of segments, and ends of sentences.

    Letters and digits of English end a segment only where something else is next to them. Characters of other scripts
    may end a sentence, and a separator of the caller's own may be anywhere.
    """
    if isinstance(settings, Recursive) and settings.own:
        return 100 * len(text)
    written = text.encode("ascii", "replace")  # others are question marks, which end sentences
    others = len(text) - len(written.translate(None, _NO_LETTERS))
    inside_sentences = len(written.translate(None, _SENTENCE_ENDS))
    return 100_000 + 7 * len(text) + 26 * min(len(text), 2 * others) + 30 * (len(text) - inside_sentences)


def count_words(text: str, spans: Sequence[Span]) -> list[int]:
    """How many words of *text* end in each of its *spans*."""
    from inferpoint.chunking.words import word_ends  # noqa: PLC0415 - see above

    ends = word_ends(text)
    return [int(ends.searchsorted(end, "right") - ends.searchsorted(start, "right")) for start, end in spans]
