"""A provider in a process of its own: it answers at once with what it was asked, unless the question says otherwise.

A question ends in a word: `hang` is hung up on, `cut` is answered by half, `wait` never. `GET /open` says how many
connections there are besides the one that asks, and how many of them wait for an answer.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httptools
import uvloop

_OPEN: set[Connection] = set()


class Connection(asyncio.Protocol):
    """One connection, which asks one thing after the other."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self.waits = False
        _OPEN.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        _OPEN.discard(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url == b"/open":
            self._answer({"open": len(_OPEN) - 1, "waiting": sum(each.waits for each in _OPEN)})
            return
        asked = json.loads(self._body)
        if "inputs" in asked:
            self._answer([_vector(text) for text in asked["inputs"]])
        elif "input" in asked:  # in another order, as it may
            rows = [{"index": place, "embedding": _vector(text)} for place, text in enumerate(asked["input"])]
            self._answer({"data": rows[::-1]})
        else:
            self._say(asked["messages"][0]["content"], stream=asked["stream"])

    def _say(self, text: str, *, stream: bool) -> None:
        end = text.rpartition(" ")[2]
        if end == "hang":
            self._transport.close()
        elif end == "wait":
            self.waits = True
        elif stream:
            self._stream(text.split(" "), whole=end != "cut")
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self._answer({"id": "c", "model": "m", "choices": [choice]}, whole=end != "cut")

    def _stream(self, words: list[str], *, whole: bool) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for word in words:
            choice = {"index": 0, "delta": {"content": word + " "}, "finish_reason": None}
            self._chunk(b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n")
        if whole:
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")
        else:
            self._transport.close()

    def _chunk(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _answer(self, body: Any, *, whole: bool = True) -> None:
        data = json.dumps(body).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data)
        self._transport.write(head + (data if whole else data[: len(data) // 2]))
        if not whole:
            self._transport.close()


def _vector(text: str) -> list[float]:
    """The number that the text is; what tries an endpoint is not a number."""
    return [float(text)] if text.isdigit() else [0.5]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=2048)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
