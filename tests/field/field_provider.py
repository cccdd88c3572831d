"""The provider of a field case: a script of replies, and the calls that it was asked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from emulated_provider import Asked

from inferpoint.model.http import Call, Reply


class ScriptedProvider:
    """Answers call after call as *script* says, the last of its replies again and again, and remembers the calls.

    A reply has `json` or the `events` of a stream, may have `status`, `headers` and `gzip`, and is a good answer to
    what was asked where it has neither. One with `when` is for calls of which that holds; all others go well. Of a good
    answer, `nulls_for` spoils the vectors of texts, and `nothing_for` takes out their tokens.
    """

    def __init__(self) -> None:
        self.script: list[Mapping[str, Any]] = [{}]
        self.calls: list[dict[str, Any]] = []

    def begin(self, script: Any) -> None:
        """Forget the calls, and answer by *script* from now on: one reply or a list of them."""
        self.script = list(script) if isinstance(script, list) else [script or {}]
        self.calls.clear()

    def on_call(self, call: Call) -> Reply:
        """The reply to a call that does not leave the process."""
        where = urlsplit(call.url)
        return self._reply(where.path + (f"?{where.query}" if where.query else ""), call.headers, call.body)

    def on_http(self, request: Asked) -> None:
        """Answer a call that came over HTTP."""
        reply = self._reply(request.path, request.headers, request.body)
        request.answer(reply.body, reply.status, reply.headers)

    def _reply(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        asked = json.loads(body or b"{}")
        self.calls.append({"path": path, "headers": dict(headers), "body": asked})
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if "when" in reply and not _holds(reply["when"], asked):
            reply = {}
        return _written(reply, path, asked)


def _written(reply: Mapping[str, Any], path: str, asked: Mapping[str, Any]) -> Reply:
    kind = "application/json"
    if "events" in reply:
        kind, body = "text/event-stream", "".join(_event(event) for event in reply["events"]).encode()
    else:
        value = reply["json"] if "json" in reply else _good(reply, path, asked)
        body = json.dumps(value, ensure_ascii=False).replace("{n}", str(len(_texts(asked)))).encode()
    headers = {"content-type": kind, **reply.get("headers", {})}
    if reply.get("gzip"):
        headers["content-encoding"], body = "gzip", gzip.compress(body)
    return Reply(reply.get("status", 200), body, headers)


def _event(event: Any) -> str:
    """An event of a stream: its data, or its name too."""
    match event:
        case {"event": str(name), "data": data}:
            return f"event: {name}\n{_event(data)}"
        case str():
            return f"data: {event}\n\n"
        case _:
            return f"data: {json.dumps(event)}\n\n"


def _holds(when: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    match when:
        case {"text": text}:
            return any(text in one for one in _texts(asked))
        case {"blank": True}:
            return not all(text.strip() for text in _texts(asked))
        case {"member": name}:
            return name in asked
        case {"more_than": most}:
            return len(_texts(asked)) > most
        case _:
            raise ValueError(when)


def _texts(asked: Mapping[str, Any]) -> Sequence[str]:
    texts = next((asked[name] for name in ("input", "inputs", "texts") if name in asked), [])
    return [texts] if isinstance(texts, str) else texts


def _good(reply: Mapping[str, Any], path: str, asked: Mapping[str, Any]) -> Any:
    """Scores, weights or vectors, in OpenAI's form or that of a container of Hugging Face's."""
    texts = _texts(asked)
    if "texts" in asked:
        return [{"index": place, "score": sum(map(ord, text)) * 7919 % 1000 / 1000} for place, text in enumerate(texts)]
    if path.endswith("/embed_sparse"):
        return [[] if text == reply.get("nothing_for") else [{"index": 7, "value": 0.5}] for text in texts]
    spoiled = reply.get("nulls_for")
    vectors = [
        [None] * 4 if spoiled is not None and spoiled in text else [round(0.1 * (place + 1), 3)] * 4
        for place, text in enumerate(texts)
    ]
    if "inputs" in asked:
        return vectors
    rows = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    return {"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
