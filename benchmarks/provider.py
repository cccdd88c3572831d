"""A provider in a process of its own that answers OpenAI's shapes from memory, so that it costs next to nothing.

The model that is asked for says what is answered: `chat` a completion, `stream` 100 events in one write, `paced` the
same one every 5 ms, `held` one event and then nothing, else for each text a vector of 1536 numbers. `provider.c`
answers the same, faster.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator
from functools import cache

import uvloop

DIMENSIONS = 1536
VECTORS = 64
CHUNKS = 100
PACE = 0.005  # seconds
TEXT = b"The quick brown fox"  # with which each text begins that is to be embedded
_TEXT = "The quick brown fox jumps over the lazy dog. " * 10
_MODEL = re.compile(rb'"model": ?"(\w+)"')
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def _whole(body: object) -> bytes:
    return _answer(json.dumps(body).encode())


def _answer(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


def _completion() -> bytes:
    message = {"role": "assistant", "content": _TEXT, "refusal": None, "annotations": []}
    usage = {"prompt_tokens": 19, "completion_tokens": 101, "total_tokens": 120}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _whole(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
    )


@cache
def _vectors() -> list[str]:
    chance = random.Random(1)
    return [json.dumps([round(chance.uniform(-0.06, 0.06), 8) for _ in range(DIMENSIONS)]) for _ in range(VECTORS)]


@cache
def _embeddings(count: int) -> bytes:
    rows = (
        f'{{"object": "embedding", "index": {place}, "embedding": {_vectors()[place % VECTORS]}}}'
        for place in range(count)
    )
    usage = f'"usage": {{"prompt_tokens": {8 * count}, "total_tokens": {8 * count}}}'
    return _answer(f'{{"object": "list", "data": [{", ".join(rows)}], "model": "m", {usage}}}'.encode())


def _events() -> list[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1741569952, "model": "m", "usage": None}
    parts: list[bytes] = []
    for place in range(CHUNKS):
        end = "stop" if place == CHUNKS - 1 else None
        choice = {"index": 0, "delta": {"content": f"word{place} "}, "logprobs": None, "finish_reason": end}
        parts.append(b"data: %b\n\n" % json.dumps({**head, "choices": [choice]}).encode())
    parts.append(b"data: [DONE]\n\n")
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
    return [*chunks[:-1], chunks[-1] + b"0\r\n\r\n"]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = _events()
CANNED = {b"chat": _completion(), b"stream": HEAD + b"".join(EVENTS), b"held": HEAD + EVENTS[0], b"paced": HEAD}


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if length is not None and len(body) >= int(length[1]):
            self._rest = b""
            model = _MODEL.search(body)
            assert model is not None
            self._transport.write(CANNED.get(model[1]) or _embeddings(body.count(TEXT)))
            if model[1] == b"paced":
                asyncio.get_running_loop().call_later(PACE, self._next, iter(EVENTS))

    def _next(self, events: Iterator[bytes]) -> None:
        event = next(events, None)
        if event is not None and not self._transport.is_closing():
            self._transport.write(event)
            asyncio.get_running_loop().call_later(PACE, self._next, events)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=2048)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
