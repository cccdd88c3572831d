"""The server's log: one line for each request and for what is worth one, all in one form, written by one thread."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Generator
from datetime import UTC, datetime

from typing_extensions import override

from inferpoint.telemetry.events import Answered, Level, Noted
from inferpoint.telemetry.log_lines import FORMS, bounded, bounded_answer
from inferpoint.telemetry.log_writer import LogWriter

_OURS = logging.getLogger("inferpoint")
_MEMBERS = "members"
_NUMBERS = {Level.DEBUG: 10, Level.INFO: 20, Level.WARNING: 30, Level.ERROR: 40}


def inform(message: str, **members: str) -> None:
    """Log *message*, to which a program's line adds *members*."""
    _OURS.info(message, extra={_MEMBERS: members})


def warn(message: str, **members: str) -> None:
    """Log that the server's owner should look at something: once when it begins, not at every request it concerns."""
    _OURS.warning(message, extra={_MEMBERS: members})


def fail(message: str) -> None:
    """Log why the server ends."""
    _OURS.error(message)


class Log:
    """The lines of this process that are of *level* at least, in one *form*, `text` or `json`, to a descriptor."""

    def __init__(self, form: str, level: str, to: int) -> None:
        self.least = _NUMBERS[Level(level)]
        self._writer = LogWriter(FORMS[form], to)

    def answered(self, answered: Answered) -> None:
        """Log a request."""
        if _NUMBERS[answered.level] >= self.least:
            self._writer.put(bounded_answer(answered))

    def note(self, noted: Noted) -> None:
        """Log what is no request."""
        self._writer.put(bounded(noted))

    def close(self) -> None:
        """Write the last lines."""
        self._writer.close()


@contextlib.contextmanager
def opened(form: str, level: str) -> Generator[Log]:
    """The log on standard error, to which everything goes that this process has to say."""
    log = Log(form, level, sys.stderr.fileno())
    try:
        with handling(log):
            yield log
    finally:
        log.close()


@contextlib.contextmanager
def handling(log: Log) -> Generator[None]:
    """Have *log* take what Python's own loggers are told, by us and by the libraries below."""
    root, handler = logging.getLogger(), _Handler(log)
    level = root.level
    root.addHandler(handler)
    root.setLevel(log.least)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        logging.captureWarnings(capture=False)


class _Handler(logging.Handler):
    """The way of Python's own records into the log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    @override
    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message = f"{message}\n{''.join(traceback.format_exception(record.exc_info[1])).rstrip()}"
        time = datetime.fromtimestamp(record.created, UTC)
        level = next((name for name, number in _NUMBERS.items() if record.levelno <= number), Level.ERROR)
        self._log.note(Noted(time, level, message, getattr(record, _MEMBERS, {})))
