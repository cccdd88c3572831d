"""How much one request may take, and all of them together; each limit is a setting of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most of each.

    `body_bytes` of a body, also unpacked, and `body_values` such as texts and numbers in it; `gzip_ratio` is how many
    times its packed size it may have. `inputs` of a request, or chunks of them. `separator_seconds` for all searches of
    a request's separators. `chunking_bytes` of memory for texts while they are cut into chunks, and `held_bytes` for
    requests that are being answered and replies that are being read.
    """

    body_bytes: int = 100 * 1024 * 1024
    body_values: int = 500_000
    gzip_ratio: int = 128
    inputs: int = 10_000
    separator_seconds: int = 2
    chunking_bytes: int = 160 * 1024 * 1024
    held_bytes: int = 256 * 1024 * 1024


DEFAULTS = Limits()
