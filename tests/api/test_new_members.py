"""Members that a client's maker invented after this version, in each face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application
from world import body

SAID = [{"role": "user", "content": "Hi"}]
BODIES = [
    ("/_inference/vectors", {"input": "a"}),
    ("/_inference/chat_completion/chat", {"messages": SAID}),
    ("/v1/embeddings", {"model": "vectors", "input": "a"}),
    ("/v1/chat/completions", {"model": "chat", "messages": SAID}),
    ("/v1/completions", {"model": "chat", "prompt": "Hi"}),
    ("/v1/responses", {"model": "chat", "input": "Hi"}),
    ("/v1/messages", {"model": "chat", "messages": SAID, "max_tokens": 9}),
    ("/v2/embed", {"model": "vectors", "texts": ["a"], "input_type": "search_query"}),
    ("/v2/rerank", {"model": "ranks", "query": "a", "documents": ["b"]}),
]


def objects(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all objects in *value*."""
    if isinstance(value, dict):
        return [path, *(found for name, inner in value.items() for found in objects(inner, (*path, name)))]
    if isinstance(value, list):
        return [found for place, inner in enumerate(value) for found in objects(inner, (*path, place))]
    return []


def with_new(value: Any, path: tuple[str | int, ...]) -> Any:
    """*value* with a new member in the object at *path*."""
    if not path:
        return {**value, "brand_new": {"a": [1]}}
    first, *rest = path
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[first] = with_new(value[first], tuple(rest))
    return copied


@pytest.mark.parametrize(
    ("path", "asked"), [(path, with_new(sent, place)) for path, sent in BODIES for place in objects(sent)]
)
def test_a_new_member_is_carried_or_named(faces: Callable[..., Application], path: str, asked: dict[str, Any]) -> None:
    """The provider has it, or the caller is told its name; it is no failure of the server."""
    ask = faces()
    told = ask("POST", path, asked)
    carried = any("brand_new" in str(body(call)) for call in ask.world.provider.calls)
    named = b"brand_new" in told.body or "brand_new" in told.headers.get("x-inferpoint-dropped", "")
    assert told.status < 500
    assert carried or named, (told.status, told.body)
