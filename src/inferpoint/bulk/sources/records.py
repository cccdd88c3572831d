"""From records of any kind to items: which fields are taken, and what is wrong where there is nothing to take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from inferpoint.bulk.sources.source import Fields, Item

RECORD_BYTES = 32 << 20  # of a line or a row at most: a longer one is no text for a model, and would fill the memory
SPAN_BYTES = 8 << 20  # of a span of several items, about
SHOWN = 80  # characters of what is not readable


class Unreadable(Exception):  # noqa: N818 - one record's fate, and no fault of the program
    """A record that makes no item, and why."""


def item(record: Mapping[str, Any], fields: Fields) -> Item:
    """The item that a record makes; one without text, and with the problem, where it makes none."""
    identity = None
    try:
        if fields.id is not None:
            identity = _id(_value(record, fields.id), fields.id)
        text = _text(_value(record, fields.text), fields.text)
        kept = {name: _value(record, name) for name in fields.keep} if fields.keep else {}
    except Unreadable as problem:
        return Item("", identity, problem=str(problem))
    return Item(text, identity, kept)


def shown(content: bytes) -> str:
    """The beginning of *content* on one line."""
    text = content[: SHOWN * 4].decode("utf-8", "backslashreplace").strip()
    printable = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text[:SHOWN])
    return printable + ("…" if len(text) > SHOWN or len(content) > SHOWN * 4 else "")


def _value(record: Mapping[str, Any], name: str) -> Any:
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if value is None:
            return None
        if not isinstance(value, dict) or part not in value:
            names = ", ".join(f"[{one}]" for one in list(record)[:10])
            raise Unreadable(f"The record has no field [{name}]; it has {names or 'none'}")
        value = cast("dict[str, Any]", value)[part]
    return value


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        if not value.isascii():
            _encodable(value, name)
        return value
    match value:
        case None:
            return ""
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise Unreadable(f"[{name}] is not UTF-8: {shown(value)}") from None
        case _:
            raise Unreadable(f"[{name}] must be a text, not {_kind(value)}")


def _id(value: Any, name: str) -> str:
    if isinstance(value, str) and value:
        return _text(value, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str | bytes):
        raise Unreadable(f"[{name}] must be a text or a whole number, not {_kind(value)}")
    if text := _text(value, name):
        return text
    raise Unreadable(f"[{name}] is empty")


def _encodable(text: str, name: str) -> None:
    """See that *text* is one that can be sent: what was not UTF-8 stands in it as halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable(f"[{name}] is not UTF-8: {shown(text.encode('utf-8', 'surrogateescape'))}") from None


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"  # pyright: ignore[reportUnknownArgumentType] - whatever a column holds


class Broken(msgspec.Struct, frozen=True):
    """Stands where a record should, and says what is wrong with it."""

    problem: str
