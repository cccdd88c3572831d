"""Every client with every service that chats: the same answers, and errors as its own exceptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from raw_http import ask
from real_clients import CLIENTS, DOCUMENT, FOUND, Client, refused, written

STORY = "Once upon a time there was an index of — naïve — vectors. 👋 They lived happily."
SAID = {
    "whole": STORY,
    "whole_as_anthropic": STORY,
    "stream": STORY,
    "tools": "Warm in Paris, cold in Oslo.",
    "streamed_tools": "21 degrees 3 degrees",
    "structured": {"name": "Ada", "age": 36},
    "completions": STORY,
    "responses": STORY,
    "response_tools": "Warm in Paris, cold in Oslo.",
    "parsed_response": {"name": "Ada", "age": 36},
    "models": True,
}
WITHOUT_ERRORS = ("amazonbedrock",)  # ministack answers whatever goes wrong behind it as if it had gone well
Results = Callable[[Client], dict[str, dict[str, Any]]]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client(client: Client, asked: dict[str, dict[str, str]], results: Results) -> None:
    """All that its script asks, with every service."""
    found = results(client)
    assert found.keys() == asked.keys()
    for service, abilities in found.items():
        for ability, result in abilities.items():
            where = f"{ability} of {service}: {result}"
            if ability == "errors":
                told = client.errors[:2] if service in WITHOUT_ERRORS else client.errors
                assert tuple(result[: len(told)]) == told, where
            elif ability == "embeddings_of_tokens":
                taken = result == 2 or "send strings" in str(result)
                assert taken if asked[service]["embedding"] else result is None, where
            elif ability == "embeddings":
                _as_on_the_other_face(asked[service], result)
            elif not refused(result):
                read = json.loads(result) if isinstance(SAID[ability], dict) and isinstance(result, str) else result
                assert read == SAID[ability], where


def _as_on_the_other_face(asked: dict[str, str], result: Any) -> None:
    if not asked["embedding"]:
        assert result is None
        return
    answered = ask(asked["url"], "POST", f"/_inference/{asked['embedding']}", {"input": ["one", "two"]})
    wanted = [row["embedding"][:3] for row in answered.json["text_embedding"]]
    for vector, numbers in zip(result, wanted, strict=True):
        assert vector == pytest.approx(numbers, abs=1e-6)  # of 32 bits, where it came as base64


def test_both_faces_give_the_same_bytes(asked: dict[str, dict[str, str]]) -> None:
    """The text of every vector is the provider's own."""
    for given in asked.values():
        if not given["embedding"]:
            continue
        one = ask(given["url"], "POST", f"/_inference/{given['embedding']}", {"input": ["one", "two"]})
        two = ask(given["url"], "POST", "/v1/embeddings", {"model": given["embedding"], "input": ["one", "two"]})
        parts = one.body.split(b'"embedding":')[1:], two.body.split(b'"embedding":')[1:]
        assert [part.partition(b"]")[0] for part in parts[0]] == [part.partition(b"]")[0] for part in parts[1]]


def test_the_table_is_what_came_of_it(results: Results) -> None:
    """docs/compatibility.md says which client was seen to work with which service."""
    found = {client.name: results(client) for client in CLIENTS}
    FOUND.write_text(json.dumps(found), "utf-8")
    text = DOCUMENT.read_text("utf-8")
    assert written(text, found) == text, "docs/compatibility.md is behind: run `make docs`"
