"""The two questions that the rest of Inferpoint asks of chunking; numpy and ICU come in with the first long text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inferpoint.chunking.search_time import SearchTime
from inferpoint.chunking.settings import ChunkingSettings, Recursive, Sentences, Whole, Words, accept

Span = tuple[int, int]

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


def count_words(text: str, spans: Sequence[Span]) -> list[int]:
    """How many words of *text* end in each of its *spans*."""
    from inferpoint.chunking.words import word_ends  # noqa: PLC0415 - see above

    ends = word_ends(text)
    return [int(ends.searchsorted(end, "right") - ends.searchsorted(start, "right")) for start, end in spans]
