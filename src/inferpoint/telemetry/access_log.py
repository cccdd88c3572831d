"""The access log: one line for each request, as text or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

import msgspec

from inferpoint.telemetry.events import Answered

# A pipe takes 4096 bytes whole, whoever else writes to it. These are characters, of two bytes at most.
_LONGEST_LINE = 2000
_SHORTENED = 600


def access_log(form: str, to: TextIO = sys.stderr) -> Callable[[Answered], None]:
    """A writer of one line a request, as `text` or as `json`, each line whole among those of other processes."""
    line = _json_line if form == "json" else _text_line

    def write(answered: Answered) -> None:
        text = line(answered)
        if len(text) > _LONGEST_LINE:
            path, opaque_id = _shortened(answered.path), _shortened(answered.opaque_id)
            text = line(replace(answered, path=path, opaque_id=opaque_id))
        to.write(text)

    return write


def _shortened(text: str) -> str:
    return text if len(text) <= _SHORTENED else text[:_SHORTENED] + "..."


def _text_line(answered: Answered) -> str:
    time = answered.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f"{time} {answered.method} {answered.path} {answered.status} {answered.seconds * 1000:.1f}ms"
        f" {answered.size}B {answered.caller} {answered.request_id}\n"
    )


def _json_line(answered: Answered) -> str:
    return msgspec.json.encode(answered).decode() + "\n"
