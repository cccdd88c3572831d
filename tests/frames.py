"""Amazon event stream messages, written from the format's description and not from our reader."""

from __future__ import annotations

import json
import struct
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

# provider-wire-contracts 4.5: made with AWS's own encoder, `messageStart` with `{"role":"assistant"}`.
GOLDEN = bytes.fromhex(
    "000000760000005296d5fade0d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000c6d65737361676553"
    "746172740d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b22726f6c65223a22617373697374616e74227d"
    "1cc6be18"
)


def frame(headers: Mapping[str, bytes | str], payload: bytes) -> bytes:
    """One message. A header that is text gets the type of text; bytes are a type and a value as they go on the wire."""
    written = b"".join(
        bytes([len(name)]) + name.encode() + (value if isinstance(value, bytes) else text(value))
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(written) + len(payload), len(written))
    checked = prelude + struct.pack(">I", zlib.crc32(prelude)) + written + payload
    return checked + struct.pack(">I", zlib.crc32(checked))


def text(value: str) -> bytes:
    """A header's value that is text."""
    return b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()


# One value of each type that there is.
EVERY_TYPE: Mapping[str, bytes] = {
    "true": b"\x00",
    "false": b"\x01",
    "byte": b"\x02\xff",
    "short": b"\x03\xff\xfe",
    "integer": b"\x04" + struct.pack(">i", -7),
    "long": b"\x05" + struct.pack(">q", -(2**40)),
    "bytes": b"\x06\x00\x03\x00\xff\x07",
    "string": text("naïve"),
    "timestamp": b"\x08" + struct.pack(">q", 1_795_161_600_000),
    "uuid": b"\x09" + uuid.UUID(int=7).bytes,
}


def event(name: str, payload: Mapping[str, Any]) -> bytes:
    """An event, as ConverseStream sends them."""
    headers = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
    return frame(headers, json.dumps(payload).encode())


def exception(name: str, message: str) -> bytes:
    """An error that the operation declares."""
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return frame(headers, json.dumps({"message": message}).encode())


def error(code: str, message: str) -> bytes:
    """An error that it does not."""
    return frame({":message-type": "error", ":error-code": code, ":error-message": message}, b"")
