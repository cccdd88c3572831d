"""The kinds of requests that are measured and counted, and the endpoints that they are made to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

NUMBER = "########"  # stands for a number of its own in each request: the same texts at once would be asked for once
_TEXT = "The quick brown fox jumps over the lazy dog."
_LONG = f"{_TEXT * 5} {NUMBER}"
_MANY = [f"{_TEXT} {place:02} {NUMBER}" for place in range(64)]


@dataclass(frozen=True)
class Work:
    """One kind of request, the endpoint that answers it, and the model that this asks the provider's double for."""

    name: str
    endpoint: str
    model: str
    path: str
    body: Mapping[str, Any]


def _elasticsearch(name: str, endpoint: str, model: str, input_: Any, more: str = "") -> Work:
    return Work(name, endpoint, model, f"/_inference/{endpoint}{more}", {"input": input_})


def _chat(name: str, model: str, **more: Any) -> Work:
    body = {"model": model, "messages": [{"role": "user", "content": _LONG}], **more}
    return Work(name, f"chat_completion/{model}", model, "/v1/chat/completions", body)


def _embeddings(name: str, model: str, texts: list[str]) -> Work:
    body = {"model": model, "input": texts, "encoding_format": "float"}
    return Work(name, f"text_embedding/{model}", model, "/v1/embeddings", body)


COMPLETION = _elasticsearch("completion of 1 kB", "completion/completion", "chat", _LONG)
CHAT = _chat("chat of 1 kB", "chat")
HELD = _chat("stream held open", "held", stream=True)
ELASTICSEARCH = (
    COMPLETION,
    _elasticsearch("1 embedding of 1536", "text_embedding/one", "one", [f"{_TEXT} {NUMBER}"]),
    _elasticsearch("64 embeddings of 1536", "text_embedding/many", "many", _MANY),
    _elasticsearch("stream of 100 chunks", "completion/streamed", "stream", _LONG, "/_stream"),
)
OPENAI = (
    CHAT,
    _embeddings("1 embedding of 1536", "one", [f"{_TEXT} {NUMBER}"]),
    _embeddings("64 embeddings of 1536", "many", _MANY),
    _chat("stream of 100 chunks in a burst", "stream", stream=True),
    _chat("stream of 100 chunks, one every 5 ms", "paced", stream=True),
)


def make(url: str, provider: str, work: Work) -> None:
    """The endpoint that a kind of request is made to."""
    settings = {"api_key": "sk-test", "model_id": work.model, "url": provider}
    config = {"service": "openai", "service_settings": {**settings, "rate_limit": {"requests_per_minute": 10**9}}}
    path = f"{url}/_inference/{work.endpoint}?skip_validation=true"
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(path, json.dumps(config).encode(), headers, method="PUT")) as answer:
        assert answer.status == 200
