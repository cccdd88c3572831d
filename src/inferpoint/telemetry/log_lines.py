"""The forms of the log: what happened as a line for people, or as one for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from inferpoint.telemetry.events import Answered, Noted

LONGEST_LINE = 4096  # bytes, which a pipe takes whole, whoever else writes to it
LONGEST_NAME = 600  # characters of what a caller may have made long
LONGEST_REASON = 300
LONGEST_MESSAGE = 3000
_CONTROLS = {**dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " "), ord("\n"): "\n"}

Record = Answered | Noted
Form = Callable[[Record], bytes]


def bounded(noted: Noted) -> Noted:
    """*noted* with a message for which a line has room; that of a traceback loses its beginning."""
    if len(noted.message) <= LONGEST_MESSAGE:
        return noted
    return msgspec.structs.replace(noted, message="..." + noted.message[-LONGEST_MESSAGE:])


def bounded_answer(answered: Answered) -> Answered:
    """*answered* with every text as long as a line has room for."""
    path, opaque_id, reason = answered.path, answered.opaque_id, answered.reason
    if not path[LONGEST_NAME:] and not opaque_id[LONGEST_NAME:] and not reason[LONGEST_REASON:]:
        return answered
    return msgspec.structs.replace(
        answered,
        path=_shortened(path, LONGEST_NAME),
        opaque_id=_shortened(opaque_id, LONGEST_NAME),
        reason=_shortened(reason, LONGEST_REASON),
    )


def text_line(record: Record) -> bytes:
    """The line for people: when, how much it matters, what; a message of several lines is as many, each with a head."""
    head = f"{_time(record.time)} {record.level} "
    if isinstance(record, Noted):
        lines = record.message.translate(_CONTROLS).splitlines() or [""]
        return b"".join(_cut(f"{head}{line}".encode()) for line in lines)
    line = (
        f"{head}{record.method} {record.path} {record.status} {record.seconds * 1000:.1f}ms"
        f" {record.size}B {record.caller} {record.request_id}"
    )
    return f"{line}{_why(record) if record.kind else ''}\n".encode()


def json_line(record: Record) -> bytes:
    """The line for programs: every member by its name."""
    if isinstance(record, Noted):
        noted = {"time": _time(record.time), "level": record.level, "message": record.message, **record.members}
        line = msgspec.json.encode(noted)
        if len(line) >= LONGEST_LINE:
            line = msgspec.json.encode({**noted, "message": _shortened(record.message, LONGEST_NAME)})
        return line + b"\n"
    return msgspec.json.encode(record) + b"\n"


FORMS: Mapping[str, Form] = {"text": text_line, "json": json_line}


def _why(answered: Answered) -> str:
    """The members that tell why a request failed, in quotes where spaces are in them."""
    members = {
        "client": answered.client,
        "certificate": _quoted(answered.certificate),
        "endpoint": answered.endpoint,
        "attempts": str(answered.attempts or ""),
        "kind": answered.kind,
        "reason": _quoted(answered.reason),
    }
    return "".join(f" {name}={value}" for name, value in members.items() if value)


def _quoted(text: str) -> str:
    return json.dumps(text.translate(_CONTROLS), ensure_ascii=False) if text else ""


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut(line: bytes) -> bytes:
    return line[: LONGEST_LINE - 1].decode("utf-8", "ignore").encode() + b"\n"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "..."
