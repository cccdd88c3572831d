"""A provider in a process of its own that enforces its limits as OpenAI documents them, and tells what it decided.

`/v1/embeddings` and whole `/v1/chat/completions`; limits hold for each API key and model. `POST /configure` takes a
`Limits` as JSON and forgets what was, `POST /reset` only forgets, `GET /stats` tells a `Ledger` for each key and model.
A bucket is full at first and refilled all the time. Vectors follow from the text, so that whoever asked can check them.

`x-ratelimit-remaining-*` is the limit without what is missing in the bucket, so that limit, remaining and reset agree
whatever the bucket holds; whoever is refused is told 0.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
import struct
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import uvloop
from quota.limits import Account, Asked, Limits, RefusalError, counted, fit, vector, weather

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"\r\nauthorization: *Bearer +([^\r]*)", re.IGNORECASE)


class Provider:
    """All accounts, and the limits that each of them has."""

    def __init__(self) -> None:
        self.configure(Limits())

    def configure(self, limits: Limits) -> None:
        """Begin anew with these limits."""
        self.limits = limits
        self.accounts: dict[str, Account] = {}
        self._began = time.monotonic()
        self._chance = random.Random(limits.storm.seed if limits.storm else 0)

    def answer(self, path: bytes, key: str, body: bytes) -> tuple[float, bytes]:
        """The seconds that an answer takes, and the answer."""
        if path == b"/stats":
            return 0.0, _written(200, {name: account.ledger for name, account in self.accounts.items()}, {})
        if path == b"/configure":
            self.configure(msgspec.json.decode(body, type=Limits))
            return 0.0, _written(200, {}, {})
        if path == b"/reset":
            self.configure(self.limits)
            return 0.0, _written(200, {}, {})
        try:
            asked = msgspec.json.decode(body, type=Asked)
        except msgspec.DecodeError as error:
            refusal = RefusalError(400, "unreadable", str(error), "invalid_request_error")
            return 0.0, _written(refusal.status, refusal.body, {})
        account = self.accounts.get(name := f"{key} {asked.model}")
        if account is None:
            account = self.accounts[name] = Account(self.limits)
        at = time.monotonic() - self._began
        tokens = sum(counted(item, self.limits.bytes_a_token) for item in asked.items)
        try:
            fit(asked, len(body), tokens, self.limits)
            if self.limits.storm is not None:
                weather(self.limits.storm, at, self._chance.random())
            account.take(asked.model, tokens)
        except RefusalError as refusal:
            refused = account.ledger.refused
            refused[refusal.reason] = refused.get(refusal.reason, 0) + 1
            return 0.0, _written(refusal.status, refusal.body, {**account.told(), **refusal.headers})
        account.keep(asked, at, tokens)
        shape = _embeddings if asked.messages is None else _completion
        return self.limits.latency, _written(200, shape(asked, tokens), account.told())


def _embeddings(asked: Asked, tokens: int) -> Any:
    rows = [
        {"object": "embedding", "index": place, "embedding": _encoded(vector(item), asked.encoding_format)}
        for place, item in enumerate(asked.items)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": rows, "model": asked.model, "usage": usage}


def _encoded(numbers: tuple[float, ...], form: str) -> Any:
    return base64.b64encode(struct.pack("<8f", *numbers)).decode() if form == "base64" else numbers


def _completion(asked: Asked, tokens: int) -> Any:
    """What was said last is said again."""
    message = {"role": "assistant", "content": asked.items[0], "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def _written(status: int, body: Any, headers: Mapping[str, str]) -> bytes:
    data = msgspec.json.encode(body)
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


class _Connection(asyncio.Protocol):
    """One request at a time, its body by its length."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._rest = bytearray()
        self._missing = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        self._missing -= len(data)
        if self._missing > 0:
            return
        head, found, body = bytes(self._rest).partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        self._missing = (int(length[1]) if length else 0) - len(body)
        if self._missing > 0:
            return
        self._rest.clear()
        key = _KEY.search(head)
        path = head.split(b" ", 2)[1]
        seconds, answer = self._provider.answer(path, key[1].decode() if key else "", body)
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def main() -> None:
    provider = Provider()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(provider), "127.0.0.1", 0, backlog=2048)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
