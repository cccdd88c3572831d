"""The conditions of entry of a body: its size, and its encoding."""

from __future__ import annotations

import zlib

from inferpoint.errors import InferenceError, Kind, Subject, invalid


def too_large(most: int) -> InferenceError:
    """A body larger than *most* bytes."""
    return InferenceError(Kind.TOO_LARGE, f"The request body is larger than [{most}] bytes")


def decoded(body: bytes, encoding: str, most: int) -> bytes:
    """*body* without its content encoding, of which gzip is taken; `TOO_LARGE` when it unpacks to more than *most*."""
    if not body or encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise invalid(f"Content-Encoding header [{encoding}] is not supported", subject=Subject.MEDIA_TYPE)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise invalid("[1:1] the body is not gzip", subject=Subject.BODY) from None
    if len(unpacked) > most:
        raise too_large(most)
    if not unpacker.eof or unpacker.unused_data:
        raise invalid("[1:1] the body is not one whole gzip member", subject=Subject.BODY)
    return unpacked
