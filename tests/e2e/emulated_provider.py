"""A provider in this process: a real HTTP server that answers as a test wants it, and sees its callers leave."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from real_processes import PATIENCE


class Asked:
    """One request, and the connection that waits for its answer."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self.method = handler.command
        self.path = handler.path
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in handler.headers.items()}
        self.body = handler.rfile.read(int(self.headers.get("content-length", "0")))
        self.left = threading.Event()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def answer(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with *body* as JSON, or as it is when it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.begin(status, {"content-type": "application/json", **(headers or {}), "content-length": str(len(data))})
        self.send(data)

    def stream(self) -> None:
        """Begin an event stream; it ends when the connection does."""
        self.begin(200, {"Content-Type": "text/event-stream", "Connection": "close"})

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send what stands before a body."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def send(self, data: bytes) -> None:
        """Send some of the body."""
        self._handler.wfile.write(data)

    def hang_up(self) -> None:
        """End the connection without an answer."""
        self._handler.connection.shutdown(socket.SHUT_RDWR)

    def until_left(self) -> None:
        """Wait for the caller to close its connection; a caller that sends more instead has not left."""
        try:
            left = self._handler.connection.recv(1) == b""
        except ConnectionResetError:  # it left with some of the answer unread
            left = True
        if left:
            self.left.set()


class Provider:
    """Answers each request by what it was made with, one thread a connection."""

    def __init__(self, act: Callable[[Asked], None]) -> None:
        self.asked: queue.Queue[Asked] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.act = act
        self._server.asked = self.asked
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.hang_up()
        self._server.server_close()

    def hang_up(self) -> None:
        """End every connection."""
        self._server.hang_up()

    def next(self) -> Asked:
        """Wait for the next request."""
        return self.asked.get(timeout=PATIENCE)


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # so many may connect at once without one having to come again
    daemon_threads = True  # one that a failed test left waiting must not keep the tests from ending
    act: Callable[[Asked], None]
    asked: queue.Queue[Asked]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """End every connection, so that no thread waits on one."""
        for each in list(self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is closed already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that left is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        asked = Asked(self)
        self.server.asked.put(asked)
        self.server.act(asked)

    do_GET = do_HEAD = do_CONNECT = do_POST  # noqa: N815 - what http.server calls

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def vectors(asked: Asked) -> None:
    """Answer as Text Embeddings Inference does: by its path, or else a vector for each input, of three numbers.

    The text `refused` is refused, whatever comes with it.
    """
    if asked.path == "/rerank":
        texts = asked.json["texts"]
        asked.answer([{"index": index, "score": 1 / (len(texts) - index)} for index in reversed(range(len(texts)))])
        return
    if asked.path == "/embed_sparse":
        asked.answer([[{"index": len(text), "value": 0.5}] for text in asked.json["inputs"]])
        return
    inputs = asked.json["inputs"]
    if "refused" in inputs:
        asked.answer({"error": "refused", "error_type": "Validation"}, 422)
        return
    asked.answer([[0.6, 0.0, 0.8] for _ in ([inputs] if isinstance(inputs, str) else inputs)])


def bedrock(asked: Asked) -> None:
    """Answer as Amazon Bedrock documents Titan's vectors and Converse's messages."""
    if asked.path.endswith("/invoke"):
        asked.answer({"embedding": [0.6, 0.0, 0.8], "inputTextTokenCount": 2})
        return
    message = {"role": "assistant", "content": [{"text": "Very big."}]}
    usage = {"inputTokens": 2, "outputTokens": 3, "totalTokens": 5}
    asked.answer({"output": {"message": message}, "stopReason": "end_turn", "usage": usage})


def silence(asked: Asked) -> None:
    """Never answer."""
    asked.until_left()


def chunk(text: str, reason: str | None = None) -> bytes:
    """A piece of a chat completion, as OpenAI streams it."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


END = chunk("", "stop") + b"data: [DONE]\n\n"


def said(text: str) -> dict[str, Any]:
    """A whole chat completion, as OpenAI answers it."""
    message = {"role": "assistant", "content": text}
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def begun(asked: Asked) -> None:
    """Begin to answer, and then wait for the caller to leave."""
    asked.stream()
    asked.send(chunk("first"))
    asked.until_left()
