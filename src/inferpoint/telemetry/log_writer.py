"""The thread that writes the log: whoever has a line leaves it, and never waits for who reads it."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterable
from datetime import UTC, datetime
from queue import SimpleQueue
from threading import Event, Lock, Thread

from inferpoint.telemetry.events import Level, Noted
from inferpoint.telemetry.log_lines import LONGEST_LINE, Form, Record

CAPACITY = 5000  # lines that wait; what comes beyond is counted and lost
TOGETHER = 0.02  # seconds, for which lines are collected before they are written
PATIENCE = 2.0  # seconds, for which the last lines may take at the end


class LogWriter:
    """Writes records to the file descriptor *to*, each as the line that *form* makes of it.

    Lines are written in pieces that a pipe takes whole, so that those of several processes do not mix.
    """

    def __init__(self, form: Form, to: int, capacity: int = CAPACITY) -> None:
        self._form = form
        self._to = to
        self._capacity = capacity
        self._records: SimpleQueue[Record | None] = SimpleQueue()
        self._lost = 0
        self._counting = Lock()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="log", daemon=True)  # who does not read must not hold up the end
        self._thread.start()

    def put(self, record: Record) -> None:
        """Have *record* written when it is its turn; nothing waits."""
        if self._records.qsize() < self._capacity:
            self._records.put(record)
        else:
            with self._counting:
                self._lost += 1

    def close(self) -> None:
        """Write what waits, unless nobody reads it."""
        self._closing.set()
        self._records.put(None)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        batch: list[Record | None] = []
        while None not in batch:
            batch = [self._records.get()]
            self._closing.wait(TOGETHER)
            batch += [self._records.get_nowait() for _ in range(self._records.qsize())]
            self._write(record for record in batch if record is not None)
            self._tell_lost()

    def _write(self, records: Iterable[Record]) -> None:
        piece = bytearray()
        for record in records:
            lines = self._form(record)
            if piece and len(piece) + len(lines) > LONGEST_LINE:
                self._send(piece)
                piece = bytearray()
            piece += lines
        self._send(piece)

    def _tell_lost(self) -> None:
        with self._counting:
            lost, self._lost = self._lost, 0
        if lost:
            words = f"{lost} lines of the log are lost: they came faster than they were read"
            self._write([Noted(datetime.now(UTC), Level.WARNING, words)])

    def _send(self, piece: bytearray) -> None:
        """Write *piece*; what cannot be written is lost, for there is nowhere to say so."""
        rest = memoryview(piece)
        with contextlib.suppress(OSError):
            while rest:
                try:
                    rest = rest[os.write(self._to, rest) :]
                except BlockingIOError:  # whoever started us shares the pipe, and does not wait at it either
                    select.select((), (self._to,), ())
