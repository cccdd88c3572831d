"""Replies that no provider should send, and some do: bodies that are no answers, and JSON with strange values in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from inferpoint.model.http import Event

NOT_ANSWERS = (
    b"", b" ", b"\n", b"<html><body>Bad gateway</body></html>", b"null", b"true", b"0", b'""', b"[]", b"{}",
    b"[[]]", b"[null]", b"[{}]", b'{"data":null}', b'{"data":[]}', b'{"choices":[]}', b'{"choices":null}',
    b'{"embeddings":[]}', b'{"embeddings":{}}', b'{"error":{"message":"no"}}', b"\xff\xfe", b"\x00", b"OK",
    b"[" * 5000, b'{"a":' * 5000, b"[" * 500 + b"]" * 500, b"9" * 5000,
)  # fmt: skip
STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**63, 1e300, msgspec.Raw(b"1" + b"0" * 30),
    "", "x", "\u2028", "1", [], {}, [None], [[]], {"a": []}, "AAAA", "nan",
)  # fmt: skip
STRANGE_HEADERS = ("", "x", "²", "-1", "1e3", "9" * 5000, "\u2028")
COUNTS = (*STRANGE_HEADERS, "0", "5", "1.5", "nan")
RESETS = (
    *STRANGE_HEADERS, "nan", "1e400", "5", "1s", "-1s", "9999-12-31T23:59:59Z", "2026-11-20T25:00:00", "2026-11-20",
)  # fmt: skip


class EveryHeader(Mapping[str, str]):
    """Headers of whatever name: *reset* is in those whose name speaks of one, *count* in all others."""

    def __init__(self, count: str, reset: str) -> None:
        self._count = count
        self._reset = reset

    def __getitem__(self, name: str) -> str:
        return self._reset if "reset" in name else self._count

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"every header {self._count[:20]!r}, every reset {self._reset[:20]!r}"


def strange_versions(body: bytes) -> Iterator[bytes]:
    """*body* with each strange value in each place of its JSON; nothing when it is none."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    for path in places(value):
        for strange in STRANGE:
            yield msgspec.json.encode(put(value, path, strange))


def newer_versions(body: bytes, *, into_numbers: bool = True) -> Iterator[bytes]:
    """*body* with a member more in each object of its JSON, as providers add them; nothing when it is none.

    Objects of nothing but numbers get one only with *into_numbers*.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    for path in places(value):
        inner: Any = value
        for name in path:
            inner = inner[name]
        if isinstance(inner, dict) and (into_numbers or not _of_numbers(cast("dict[str, Any]", inner))):
            yield msgspec.json.encode(put(value, path, {**inner, "a_new_member": {"of": [1, None]}}))


def _of_numbers(members: Mapping[str, Any]) -> bool:
    return all(isinstance(value, int | float) for value in members.values())


def strange_events(event: Event) -> Iterator[Event]:
    """*event* with anything strange in its data, without data that can be read, and under other names."""
    for data in NOT_ANSWERS:
        yield replace(event, data=data)
    for data in strange_versions(event.data):
        yield replace(event, data=data)
    for name in ("", "error", "exception", "never heard of"):
        yield replace(event, name=name)


def shape(data: bytes) -> Any:
    """The places in the JSON of an event's data, by which events are alike; of other data the data itself."""
    try:
        return frozenset(places(msgspec.json.decode(data)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where in a JSON value something stands; of a list the first two and the last are as good as all."""
    yield path
    inside: dict[str | int, Any] = {}
    if isinstance(value, dict):
        inside.update(cast("dict[str, Any]", value))
    elif isinstance(value, list):
        entries = cast("list[Any]", value)
        inside.update({place: entries[place] for place in sorted({0, 1, len(entries) - 1} & set(range(len(entries))))})
    for name, inner in inside.items():
        yield from places(inner, (*path, name))


def put(value: Any, path: Sequence[str | int], new: Any) -> Any:
    """*value* with *new* at *path*."""
    if not path:
        return new
    copied: Any = value.copy()
    copied[path[0]] = put(value[path[0]], path[1:], new)
    return copied
