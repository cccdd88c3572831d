"""uvicorn, for the HTTP client to meet: it answers by the path of what it is asked, as `counterpart.mjs` does."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

Message = dict[str, Any]


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    body = b""
    while (message := await receive()).get("more_body", False):
        body += message["body"]
    body += message["body"]
    headers: list[tuple[bytes, bytes]] = []
    pieces = [body]
    match scope["path"]:
        case "/chunked":
            pieces = [body[begin : begin + 1000] for begin in range(0, len(body), 1000)]
        case "/gzip":
            pieces = [gzip.compress(body)]
            headers = [(b"content-encoding", b"gzip")]
        case "/last":
            headers = [(b"connection", b"close")]
        case "/dies":
            headers = [(b"content-length", b"%d" % (len(body) + 1))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="critical", timeout_keep_alive=60))
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main())
