"""A provider in this process that answers any bytes it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from bytes_on_the_wire import Broken

HEAD_END = b"\r\n\r\n"


class BrokenProvider:
    """Takes one connection after the other, reads a request, and says what is set as its `reply`."""

    def __init__(self) -> None:
        self.reply = Broken((b"",), hangs_up=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def hang_up(self) -> None:
        """End every connection."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _start(self, act: object, *arguments: object) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=act, args=arguments, daemon=True))  # type: ignore[arg-type]
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                line, _ = self._listener.accept()
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.add(line)
                self._start(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):  # the server has left
            while _request(line):
                for piece in self.reply.pieces:
                    line.sendall(piece)
                if self.reply.hangs_up:
                    break
        self._open.discard(line)


def _request(line: socket.socket) -> bool:
    """Read a whole request; False when there is none."""
    data = b""
    while HEAD_END not in data:
        if not (piece := line.recv(65536)):
            return False
        data += piece
    head, _, body = data.partition(HEAD_END)
    length = next((int(field[15:]) for field in head.split(b"\r\n") if field.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        if not (piece := line.recv(65536)):
            return False
        body += piece
    return True
