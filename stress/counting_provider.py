"""A provider of embeddings in a process of its own that counts how often it was asked for each text.

The vector of a text is made of its first word. `GET /counts` says how many `texts` were answered, how many `different`
ones, and of which `most` often; `POST /forget` begins anew. Run with the seconds that an answer takes, and the length
of a vector.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from base64 import b64encode
from collections import Counter
from typing import Any

import httptools
import uvloop


class Provider:
    """What was asked for, and how it is answered."""

    def __init__(self, delay: float, width: int) -> None:
        self.delay = delay
        self.width = width
        self.counts: Counter[str] = Counter()

    def answer(self, body: bytes) -> bytes:
        """The vectors of the texts in *body*, in OpenAI's form, as base64 where that is asked for."""
        asked = json.loads(body)
        texts: list[str] = asked["input"]
        self.counts.update(text.partition(" ")[0] for text in texts)
        packed = asked.get("encoding_format") == "base64"
        rows = [
            {"object": "embedding", "index": place, "embedding": self._vector(text, packed=packed)}
            for place, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return json.dumps({"object": "list", "data": rows, "model": "m", "usage": usage}).encode()

    def counted(self) -> dict[str, int]:
        """How often it was asked."""
        most = self.counts.most_common(1)
        return {
            "texts": self.counts.total(),
            "different": len(self.counts),
            "most": most[0][1] if most else 0,
        }

    def _vector(self, text: str, *, packed: bool) -> Any:
        number = sum(text.partition(" ")[0].encode())
        numbers = [((number + place) % 1000) / 1000 + 0.001 for place in range(self.width)]
        return b64encode(struct.pack(f"<{self.width}f", *numbers)).decode() if packed else numbers


class Connection(asyncio.Protocol):
    """One connection, which asks one thing after the other."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url == b"/counts":
            self._say(json.dumps(self._provider.counted()).encode())
        elif self._url == b"/forget":
            self._provider.counts.clear()
            self._say(b"{}")
        else:
            answer = self._provider.answer(self._body)
            asyncio.get_running_loop().call_later(self._provider.delay, self._say, answer)

    def _say(self, body: bytes) -> None:
        if not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)


async def main(delay: float, width: int) -> None:
    """Serve until it is killed."""
    provider = Provider(delay, width)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(provider), "127.0.0.1", 0)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]), int(sys.argv[2])))
