"""Inputs cut up front to what a model takes, by Elasticsearch's estimate of three UTF-16 units a token."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, TypeVar

from inferpoint.model.requests import Contents, Media, Texts, Tokens
from inferpoint.model.settings import setting

I = TypeVar("I", str, tuple[int, ...])  # noqa: E741 - an input, as text or as tokens

UNITS_A_TOKEN = 3


def max_input_tokens() -> Any:
    """The declaration of the setting `max_input_tokens`, of every task whose inputs can be cut."""
    return setting(
        "The most tokens an input may have, by estimate; what is longer loses its end.",
        default=None,
        at_least=1,
        updatable=True,
    )


def cut(texts: Texts, tokens: int | None) -> tuple[Texts, frozenset[int]]:
    """*texts* of no more than about *tokens* tokens each, and the places of those that were cut; None cuts nothing."""
    return _cut(texts, tokens, lambda text, most: _beginning(text, most * UNITS_A_TOKEN))


def cut_tokens(inputs: Tokens, tokens: int | None) -> tuple[Tokens, frozenset[int]]:
    """*inputs* of no more than *tokens* tokens each, and the places of those that were cut; None cuts nothing."""
    kept, places = _cut(inputs.inputs, tokens, lambda whole, most: whole[:most])
    return Tokens(kept), places


def cut_texts(contents: Contents, tokens: int | None) -> tuple[Contents, frozenset[int]]:
    """*contents* with the texts among them cut as `cut` does, and their places."""
    pairs = [cut((content,), tokens) if isinstance(content, str) else ((content,), ()) for content in contents.inputs]
    kept = tuple(content for (content,), _ in pairs)
    return Contents(kept), frozenset(place for place, (_, places) in enumerate(pairs) if places)


def halved(whole: str | tuple[int, ...] | Media, tokens: int | None) -> str | tuple[int, ...]:
    """The first half of an input, of what *tokens* leave of it; empty when nothing can be taken away.

    Elasticsearch sends that after a 413, and half of it after another.
    """
    if isinstance(whole, Media):
        return ""
    if isinstance(whole, str):
        (text,), _ = cut((whole,), tokens)
        return text[: len(text) // 2]
    kept = whole[:tokens]
    return kept[: len(kept) // 2]


def _cut(
    inputs: tuple[I, ...], tokens: int | None, shorten: Callable[[I, int], I]
) -> tuple[tuple[I, ...], frozenset[int]]:
    if tokens is None:
        return inputs, frozenset()
    kept = tuple(shorten(whole, tokens) for whole in inputs)
    pairs = enumerate(zip(kept, inputs, strict=True))
    return kept, frozenset(place for place, (after, before) in pairs if len(after) < len(before))


def _beginning(text: str, units: int) -> str:
    """The longest beginning of *text* that has no more than *units*, no code point split."""
    head = text[:units]
    if _units(head) <= units:
        return head
    return head[: bisect_right(range(len(head) + 1), units, key=lambda length: _units(head[:length])) - 1]


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
